"""Kernels as loops: element-wise work and scatters. Contractions and reductions have files of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from chainrule.compiler.access import Access
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES, Code, literal
from chainrule.compiler.fuse import Kernel, is_free
from chainrule.compiler.index import ONLY, Affine, IndexBuilder
from chainrule.compiler.memory import layout
from chainrule.compiler.reading import reads
from chainrule.compiler.views import source_of
from chainrule.graph.lowering import Expression, Gather, Reindex
from chainrule.graph.types import ROWS, Dim, is_float
from chainrule.graph.value import Value

Index = tuple[Element, ...]
Body = Callable[[Index], None]


class KernelWriter:
    """Writes one kernel as a function.

    Parameters
    ----------
    kernel : Kernel
        What it computes.
    buffers : mapping of int to Buffer
        Where arrays lie, by the serial of their value.
    """

    def __init__(self, kernel: Kernel, buffers: Mapping[int, Buffer]) -> None:
        self.code = Code("kernel")
        self.b = IndexBuilder(self.code)
        self.kernel = kernel
        self.buffers = buffers
        self.access = Access(self.b)
        self.tail: Element | None = None
        self.scratch = (0, 0)
        self.groups = 1
        self._here = {value.serial for value in kernel.members} | kernel.absorbed
        self._stored = {value.serial for value in kernel.stored}
        self._memo: dict[object, Element] = {}
        self._scalars: dict[int, Element] = {}
        self._enter()

    def _enter(self) -> None:
        """Find the arrays, and load what is the same at every place."""
        known = reads(self.kernel, self.buffers.keys())
        for serial in sorted(known | self._stored):
            for half in self.buffers[serial].halves:
                self.access.pointer(half)
        for serial in sorted(known):
            buffer = self.buffers[serial]
            if not buffer.strides:
                scalar = self.access.load(buffer, (), None, None)
                self._scalars[serial] = scalar
                if self.kernel.shape or self.kernel.root is not None:
                    self.b.spreads[scalar.text] = self.b.spread(scalar)

    # Elements ----------------------------------------------------------------------------------------

    def element(self, value: Value, index: Index, condition: Element | None = None) -> Element:
        """Return an element of a value at a place: from a register, from memory, or computed.

        Parameters
        ----------
        value : Value
            Of which array.
        index : tuple of Element
            A place for each axis.
        condition : Element or None
            In which lanes the place lies inside of the array.
        """
        if value.serial in self._scalars:
            return self._scalars[value.serial]
        key = (value.serial, tuple(map(_key, index)), None if condition is None else condition.text)
        if key not in self._memo:
            if value.serial in self.buffers and value.serial not in self._here:
                element = self.access.load(self.buffers[value.serial], index, condition, self.tail)
            else:
                element = self._computed(value, index, condition)
            self._memo[key] = element
        return self._memo[key]

    def _computed(self, value: Value, index: Index, condition: Element | None) -> Element:
        assert value.primitive is not None
        lower, b = value.primitive.lower, self.b
        if isinstance(lower, Expression):
            operands = [
                self.element(operand, index if operand.ndim else (), condition) for operand in value.operands
            ]
            b.position, b.shape = index, value.shape
            return lower.emit(b, *operands, **value.attributes)  # type: ignore[no-any-return]
        if isinstance(lower, Gather):
            return self._taken(value, index, condition)
        assert isinstance(lower, Reindex), f"{value!r} is read before it is computed"
        types = [operand.type for operand in value.operands]
        found: list[tuple[Element, Element | None]] = []
        left = condition  # where no operand before has been read
        for operand, (source, inside) in zip(
            value.operands, lower.sources(b, index, types, **value.attributes), strict=True
        ):
            found.append((self.element(operand, tuple(source), b.both(left, inside)), inside))
            left = left if inside is None else b.both(left, b.logical_not(inside))
        result: Element | None = None
        for x, inside in reversed(found):
            result = x if inside is None else b.select(inside, x, result or b.constant(0, value.dtype.name))
        assert result is not None
        return result

    def _taken(self, value: Value, index: Index, condition: Element | None) -> Element:
        x, indices = value.operands
        b = self.b
        at = self.element(indices, index[: indices.ndim], condition)
        inside = b.logical_and(b.less_equal(b.constant(0, "int32"), at), b.less(at, b.size(x.shape[0])))
        both = b.both(inside, condition)
        found = self.access.load(self.buffers[x.serial], (at, *index[indices.ndim :]), both, self.tail)
        missing = b.constant(float("nan") if is_float(x.dtype) else 0, x.dtype.name)
        return b.select(inside, found, missing)

    def finish(self, index: Index, root: Element | None = None) -> None:
        """Compute the members at a place, and write what is stored there."""
        if root is not None and self.kernel.root is not None:
            self._memo[(self.kernel.root.serial, tuple(map(_key, index)), None)] = root
        elements = [(value, self.element(value, index)) for value in self.kernel.stored]
        for value, element in elements:
            self.access.store(self.buffers[value.serial], index, element, self.tail)

    def fetch(self, index: Index) -> None:
        """Have the caches fetch what the members read at a place, which will be finished soon."""
        for serial in self._aligned:
            self.access.prefetch(self.buffers[serial], index)

    @cached_property
    def _aligned(self) -> list[int]:
        """The serials of the arrays that the members read at the place where they are computed."""
        operands = [operand for value in self.kernel.members for operand in value.operands]
        found = {operand.serial for operand in operands if operand.shape == self.kernel.shape}
        return sorted((found - self._here) & set(self.buffers))

    def forget(self) -> None:
        """Begin a block in which nothing is known yet."""
        self._memo.clear()

    def reserve(self, size: int, per_row: int) -> None:
        """Have ``%scratch`` point to so many bytes, and so many for each row of the capacity."""
        self.scratch = (max(self.scratch[0], size), max(self.scratch[1], per_row))

    # Loops -------------------------------------------------------------------------------------------

    def nest(self, dims: Sequence[Dim], body: Body, vector: bool = True, shared: bool = True) -> None:
        """Write loops over a shape, the last one over vectors.

        Parameters
        ----------
        dims : sequence
            The extents; each axis of size 1 is at its only place without a loop.
        body : callable
            Writes what happens at an index.
        vector : bool
            Whether the last axis is visited a vector at a time.
        shared : bool
            Whether the threads share the outermost loop; otherwise each does all of it.
        """
        if 0 in dims:  # a vector of an axis of size 0 would have a place in memory
            return
        loops = [axis for axis, dim in enumerate(dims) if dim == ROWS or dim != 1]
        places = [Affine({})] * len(dims)

        def level(depth: int) -> None:
            if depth == len(loops):
                self.forget()
                body(tuple(map(self.b.at, places)))
                return
            axis = loops[depth]
            wide = vector and depth == len(loops) - 1

            def inside(affine: Affine) -> None:
                places[axis] = affine
                level(depth + 1)

            self._count(dims[axis], wide, shared and depth == 0, inside)

        if loops or not shared:
            level(0)
        else:
            self.alone(lambda: level(0))
        self.tail = None

    def alone(self, body: Callable[[], None]) -> None:
        """Let only the first thread do it."""
        self.code.when(self.code.value("icmp eq i64 %thread, 0"), body)

    def _count(self, dim: Dim, wide: bool, shared: bool, body: Callable[[Affine], None]) -> None:
        """Write one loop."""
        step = LANES if wide else 1
        if wide and dim is not ROWS and int(dim) <= LANES:
            self.b.extents[ONLY] = int(dim)
            self.tail = first_lanes(int(dim))
            only = Affine({ONLY: 1}, 0, 1)
            if shared:
                self.alone(lambda: body(only))
            else:
                body(only)
            return
        extent = extent_of(dim)
        begin, end = self.share(dim, step) if shared else ("0", extent)

        def turn(counter: str, _: list[str]) -> list[str]:
            if dim is not ROWS:
                self.b.extents[counter] = int(dim)
            if wide:
                exact = dim is not ROWS and int(dim) % LANES == 0
                self.tail = None if exact else self.below(counter, extent)
            body(Affine({counter: 1}, 0, int(wide)))
            return []

        self.code.loop(begin, end, step, turn)

    def share(self, dim: Dim, unit: int) -> tuple[str, str]:
        """Return what part of an axis is done, in whole units; of rows it is the same in all kernels."""
        if dim is ROWS:
            return self.share_of("%rows", LANES, "%thread", "%threads")
        return self.share_of(str(dim), unit, "%thread", "%threads")

    def share_of(self, extent: str, unit: int, part: str, of: str) -> tuple[str, str]:
        """Return where a part of ``range(extent)`` begins and ends, in whole units."""
        arguments = f"i64 {extent}, i64 {unit}, i64"
        following = self.code.value(f"add i64 {part}, 1")
        begin, end = (
            self.code.value(f"call i64 @share({arguments} {number}, i64 {of})")
            for number in (part, following)
        )
        return begin, end

    def below(self, counter: str, extent: str) -> Element:
        """Return in which lanes `counter + lane` is below the extent."""
        left = self.code.value(f"sub i64 {extent}, {counter}")
        narrow = self.code.smaller(left, LANES)
        wide = self.b.spread(Element(self.code.value(f"trunc i64 {narrow} to i32"), "int32"))
        lanes = ", ".join(f"i32 {lane}" for lane in range(LANES))
        text = self.code.value(f"icmp slt <{LANES} x i32> <{lanes}>, {wide.text}")
        return Element(text, "bool", True)


def extent_of(dim: Dim) -> str:
    """Return the size of an axis as code has it."""
    return "%rows" if dim is ROWS else str(dim)


def first_lanes(count: int) -> Element | None:
    """Return the mask of the first lanes; None for all of them."""
    if count == LANES:
        return None
    lanes = ", ".join(f"i1 {literal(lane < count, 'bool')}" for lane in range(LANES))
    return Element(f"<{lanes}>", "bool", True)


def _key(place: Element) -> object:
    affine = getattr(place, "affine", None)
    return place.text if affine is None else (*affine.terms.items(), affine.constant, affine.lanes)


def write_map(writer: KernelWriter) -> None:
    """Write a kernel that has no root; over arrays without gaps it is one loop."""
    shape = writer.kernel.shape
    if _lies_without_gaps(writer):
        size = math.prod(int(dim) for dim in shape)
        writer.nest((*(1 for _ in shape[1:]), size), writer.finish)
    else:
        writer.nest(shape, writer.finish)


def _lies_without_gaps(writer: KernelWriter) -> bool:
    """Whether a kernel touches only numbers, and arrays of its shape whose elements follow each other."""
    kernel = writer.kernel
    if len(kernel.shape) < 2 or ROWS in kernel.shape:
        return False
    own = {value.serial for value in kernel.members}
    touched = [*kernel.stored, *(operand for value in kernel.members for operand in value.operands)]
    return (
        not any(is_free(value) or _gathers(value) for value in kernel.members)
        and all(
            value.serial in own
            or _shows_one_number(writer, value)
            or (value.shape == kernel.shape and _follows(writer, value))
            for value in touched
        )
        and all(_follows(writer, value) for value in kernel.stored)
    )


def _shows_one_number(writer: KernelWriter, value: Value) -> bool:
    """Whether every place of a value is read as the same number; an array of one element has one place."""
    source = source_of(value)
    while value is not source and value.serial not in writer.buffers:
        value = value.operands[0]
    return not value.ndim


def _gathers(value: Value) -> bool:
    return value.primitive is not None and isinstance(value.primitive.lower, Gather)


def _follows(writer: KernelWriter, value: Value) -> bool:
    buffer = writer.buffers.get(value.serial)
    return buffer is not None and buffer.strides == layout(value.shape, padded=False).strides


def write_scatter(writer: KernelWriter) -> None:
    """Write a kernel whose root is a scatter: zeros, to which each update is added in its turn.

    Threads share the elements of a slice, so that each adds in the order of the updates.
    """
    root = writer.kernel.root
    assert root is not None
    indices, updates = root.operands
    buffer, b = writer.buffers[root.serial], writer.b
    rest = root.shape[1:]
    zero = b.constant(0, root.dtype.name)

    def clear(inner: Index) -> None:
        writer.nest(
            root.shape[:1],
            lambda first: writer.access.store(buffer, (*first, *inner), zero, tail[0]),
            vector=False,
            shared=False,
        )

    tail: list[Element | None] = [None]

    def slice_(inner: Index) -> None:
        tail[0] = writer.tail
        clear(inner)
        writer.nest(indices.shape, lambda place: add(place, inner), vector=False, shared=False)

    def add(place: Index, inner: Index) -> None:
        writer.tail = tail[0]
        at = writer.element(indices, place)
        inside = b.logical_and(b.less_equal(b.constant(0, "int32"), at), b.less(at, b.size(root.shape[0])))

        def write() -> None:
            row = b.at(Affine({writer.code.value(f"sext i32 {at.text} to i64"): 1}))
            update = writer.element(updates, (*place, *inner))
            old = writer.access.load(buffer, (row, *inner), None, writer.tail)
            writer.access.store(buffer, (row, *inner), b.add(old, update), writer.tail)

        writer.code.when(inside.text, write)
        writer.forget()

    writer.nest(rest, slice_)
