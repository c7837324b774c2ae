"""Kernels that combine the elements along some axes, such as sums.

The elements along the innermost axis are combined in several parts side by side, so that the CPU need not
wait for one addition before it begins the next. Which element is in which part depends on its place alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES, Code
from chainrule.compiler.index import ONLY, Affine
from chainrule.compiler.loops import Index, KernelWriter, extent_of, first_lanes
from chainrule.graph.types import ROWS, Dim
from chainrule.graph.value import Value

#: How many parts there are side by side, if the axis is so long that each has several elements.
SIDE_BY_SIDE: Final = 4


def write_reduction(writer: KernelWriter) -> None:
    """Write a kernel whose root is a reduction."""
    root = writer.kernel.root
    assert root is not None
    assert root.primitive is not None
    (x,) = root.operands
    axes = root.attributes["axes"]
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    last = max((axis for axis in range(x.ndim) if x.shape[axis] != 1), default=-1)
    lower: Any = root.primitive.lower
    mergeable = len(lower.start(writer.b, x.dtype.name)) == 1
    vector_kept = last in kept or _is_narrow(x, last, kept)
    vector_reduced = not vector_kept and last >= 0 and mergeable

    def at_place(outer: Index) -> None:
        tail = writer.tail
        loops = _ReductionLoops(writer, x, dict(zip(kept, outer, strict=True)), vector_reduced)
        accumulators = loops.write()
        writer.tail = tail
        writer.forget()
        writer.finish(outer, lower.finish(writer.b, accumulators))

    writer.nest([x.shape[axis] for axis in kept], at_place, vector=vector_kept)


def _is_narrow(x: Value, last: int, kept: Sequence[int]) -> bool:
    """Whether a vector of neighbours along the last kept axis is better filled than one along the last."""
    if last < 0 or not kept or x.shape[last] is ROWS:
        return False
    width, beside = int(x.shape[last]), x.shape[kept[-1]]
    return width <= LANES and (beside is ROWS or int(beside) > width)


class _ReductionLoops:
    """Writes the loops over the axes that are reduced, for one place of the others.

    Parameters
    ----------
    writer : KernelWriter
        Of the kernel.
    x : Value
        Whose elements are combined.
    outer : dict of int to Element
        The place along each axis that is kept.
    vector : bool
        Whether a vector of neighbours is combined at a time.
    """

    def __init__(self, writer: KernelWriter, x: Value, outer: dict[int, Element], vector: bool) -> None:
        root = writer.kernel.root
        assert root is not None
        assert root.primitive is not None
        self._writer, self._code, self._b = writer, writer.code, writer.b
        self._lower: Any = root.primitive.lower
        self._x, self._outer, self._vector = x, outer, vector
        self._wide = vector or any(place.vector for place in outer.values())
        self._axes = [axis for axis in range(x.ndim) if axis not in outer]
        self._loops = [axis for axis in self._axes if x.shape[axis] != 1]
        self._places: dict[int, Affine] = {axis: Affine({}) for axis in self._axes}

    def write(self) -> list[Element]:
        """Return the accumulators."""
        accumulators = self._level(0, self._start())
        if not self._vector:
            return accumulators
        return [across_lanes(self._writer, self._merged, accumulators[0])]

    def _start(self) -> list[Element]:
        start = self._lower.start(self._b, self._x.dtype.name)
        return [self._b.spread(each) for each in start] if self._wide else list(start)

    def _merged(self, one: Element, other: Element) -> Element:
        """Combine the accumulators of two parts."""
        no_position = self._b.constant(0, "int32")
        merged: Element = self._lower.combine(self._b, [one], other, no_position)[0]
        return merged

    def _level(self, depth: int, accumulators: list[Element]) -> list[Element]:
        """Write the loops from a depth on; return the accumulators after them."""
        if depth == len(self._loops):
            return self._element(accumulators)
        axis = self._loops[depth]
        dim = self._x.shape[axis]
        innermost = depth == len(self._loops) - 1
        lanes = self._vector and innermost
        if lanes and dim is not ROWS and int(dim) <= LANES:  # one vector holds the whole axis
            self._b.extents[ONLY] = int(dim)
            self._writer.tail = first_lanes(int(dim))
            self._places[axis] = Affine({ONLY: 1}, 0, 1)
            return self._level(depth + 1, accumulators)
        step = LANES if lanes else 1
        is_long = dim is ROWS or int(dim) >= 2 * SIDE_BY_SIDE * step
        done = "0"
        if innermost and is_long and len(accumulators) == 1:
            done, accumulators = self._side_by_side(dim, step, accumulators)
        return self._loop(depth, (done, extent_of(dim)), step, accumulators)

    def _side_by_side(self, dim: Dim, step: int, accumulators: list[Element]) -> tuple[str, list[Element]]:
        """Write the loop over whole groups of elements; return where it ends, and the accumulator."""
        (accumulator,) = accumulators
        axis, depth = self._loops[-1], len(self._loops)
        group = SIDE_BY_SIDE * step
        end = whole_groups(self._code, extent_of(dim), group)

        def turn(counter: str, carried: list[str]) -> list[str]:
            results = []
            for part, text in enumerate(carried):
                self._at(axis, counter, part * step, step)
                results += self._level(depth, [self._like(text, accumulator)])
            return [each.text for each in results]

        starts = [accumulator, *(self._start() * (SIDE_BY_SIDE - 1))]
        texts = self._code.loop(0, end, group, turn, [(each.type, each.text) for each in starts])
        parts = [self._like(text, accumulator) for text in texts]
        while len(parts) > 1:
            parts = [self._merged(one, other) for one, other in zip(parts[::2], parts[1::2], strict=True)]
        return end, parts

    def _loop(
        self, depth: int, bounds: tuple[str, str], step: int, accumulators: list[Element]
    ) -> list[Element]:
        """Write the loop over an axis, and those inside of it."""
        begin, end = bounds
        if begin == end:
            return accumulators
        axis = self._loops[depth]
        only_whole_steps = end.isdigit() and int(end) % step == 0

        def turn(counter: str, carried: list[str]) -> list[str]:
            self._at(axis, counter, 0, step)
            if step > 1 and not only_whole_steps:
                self._writer.tail = self._writer.below(counter, end)
            return [each.text for each in self._level(depth + 1, self._all_like(carried, accumulators))]

        starts = [(each.type, each.text) for each in accumulators]
        texts = self._code.loop(begin, end, step, turn, starts)
        return self._all_like(texts, accumulators)

    def _at(self, axis: int, counter: str, further: int, step: int) -> None:
        """Have elements taken at a counter's place, or further on; a vector of them if a step is long."""
        dim = self._x.shape[axis]
        if dim is not ROWS:
            self._b.extents[counter] = int(dim) - further
        self._places[axis] = Affine({counter: 1}, further, int(step > 1))
        self._writer.tail = None if step > 1 else self._writer.tail

    def _like(self, text: str, element: Element) -> Element:
        return Element(text, element.dtype, element.vector)

    def _all_like(self, texts: Sequence[str], elements: Sequence[Element]) -> list[Element]:
        return list(map(self._like, texts, elements))

    def _element(self, accumulators: list[Element]) -> list[Element]:
        """Combine the element at the place where the loops are."""
        writer, b = self._writer, self._b
        writer.forget()
        index = tuple(
            self._outer[axis] if axis in self._outer else b.at(self._places[axis])
            for axis in range(self._x.ndim)
        )
        element = writer.element(self._x, index)
        new = self._lower.combine(b, accumulators, element, self._position())
        if self._vector and writer.tail is not None:
            pairs = zip(new, accumulators, strict=True)
            new = [b.select(writer.tail, after, before) for after, before in pairs]
        return [b.spread(each) if self._wide else each for each in new]

    def _position(self) -> Element:
        """Return the row-major position of the element along the axes that are reduced."""
        b = self._b
        position: Element = b.constant(0, "int32")
        for axis in self._axes:
            size, place = b.size(self._x.shape[axis]), b.at(self._places[axis])
            position = b.add(b.multiply(position, size), place)
        return position


def whole_groups(code: Code, count: str, group: int) -> str:
    """Return how many of so many make whole groups, whose size is a power of two."""
    return str(int(count) // group * group) if count.isdigit() else code.integer("and", count, -group)


def across_lanes(writer: KernelWriter, combine: Callable[[Element, Element], Element], x: Element) -> Element:
    """Combine the lanes of a vector pairwise."""
    code = writer.code
    half = LANES // 2
    while half:
        order = ", ".join(f"i32 {(lane + half) % LANES}" for lane in range(LANES))
        moved = code.value(f"shufflevector {x.typed}, {x.type} poison, <{LANES} x i32> <{order}>")
        x = combine(x, Element(moved, x.dtype, True))
        half //= 2
    return Element(code.value(f"extractelement {x.typed}, i64 0"), x.dtype)
