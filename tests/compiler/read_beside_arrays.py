"""A process whose arrays lie beside memory that nobody may read: whoever reads there ends it."""

import ctypes
import mmap

import numpy as np

import chainrule as cr

NOTHING_ALLOWED = 0  # PROT_NONE of <sys/mman.h>
CLOSED = 16  # pages before and behind each array
FORMS = (lambda a, b: a @ b, lambda a, b: a.T @ b, lambda a, b: a @ b.T)


def ones(shape, kept, *, at_end=True):
    """Return an array of ones that ends where pages begin that nobody may read, or begins where they end."""
    size = 4 * shape[0] * shape[1]
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 2 * CLOSED) * mmap.PAGESIZE)
    kept.append(memory)
    first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for before in (0, CLOSED + pages):
        place = ctypes.c_void_p(first + before * mmap.PAGESIZE)
        assert not ctypes.CDLL(None).mprotect(place, CLOSED * mmap.PAGESIZE, NOTHING_ALLOWED)
    begin = (CLOSED + pages) * mmap.PAGESIZE - size if at_end else CLOSED * mmap.PAGESIZE
    array = np.frombuffer(memory, np.float32, size // 4, begin).reshape(shape)
    array[...] = 1
    return array


def multiply(kept):
    """Try rows, inner sizes and columns that leave something over beside vectors and tiles."""
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
                a, b = ones(left, kept), ones(right, kept)
                np.testing.assert_array_equal(cr.compile(form)(a, b), form(a, b))


def join(kept):
    """Try a second array that is shorter than what lies before it in the result."""
    for axis, long, short in ((0, (500, 20), (3, 20)), (1, (3, 9000), (3, 20)), (1, (3, 9000), (3, 1))):
        a, b = ones(long, kept), ones(short, kept, at_end=False)

        def joined(a, b, axis=axis):
            return cr.concat([a, b], axis=axis)

        np.testing.assert_array_equal(cr.compile(joined)(a, b), np.concatenate([a, b], axis))


def main():
    """Do both, with arrays that all stay where they are."""
    kept = []
    multiply(kept)
    join(kept)


if __name__ == "__main__":
    main()
