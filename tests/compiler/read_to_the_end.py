"""A process that multiplies arrays behind which no memory may be read: whoever reads there ends it."""

import ctypes
import mmap

import numpy as np

import chainrule as cr

NOTHING_ALLOWED = 0  # PROT_NONE of <sys/mman.h>
FORMS = (lambda a, b: a @ b, lambda a, b: a.T @ b, lambda a, b: a @ b.T)


def ones_at_the_end(shape, kept):
    """Return an array of ones that ends where a page begins that nobody may read."""
    size = 4 * shape[0] * shape[1]
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    kept.append(memory)
    last = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + pages * mmap.PAGESIZE
    failed = ctypes.CDLL(None).mprotect(ctypes.c_void_p(last), mmap.PAGESIZE, NOTHING_ALLOWED)
    assert not failed
    array = np.frombuffer(memory, np.float32, size // 4, pages * mmap.PAGESIZE - size).reshape(shape)
    array[...] = 1
    return array


def main():
    """Try rows, inner sizes and columns that leave something over beside vectors and tiles."""
    kept = []
    for rows, inner in ((9, 19), (21, 16)):
        for columns in (1, 3, 33):
            for form, (left, right) in zip(
                FORMS,
                (
                    ((rows, inner), (inner, columns)),
                    ((inner, rows), (inner, columns)),
                    ((rows, inner), (columns, inner)),
                ),
                strict=True,
            ):
                a, b = ones_at_the_end(left, kept), ones_at_the_end(right, kept)
                np.testing.assert_array_equal(cr.compile(form)(a, b), form(a, b))


if __name__ == "__main__":
    main()
