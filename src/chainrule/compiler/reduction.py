"""Kernels that combine the elements along some axes, such as sums.

The elements along the innermost axis are combined in several parts side by side, so that the CPU need not
wait for one addition before it begins the next. Which element is in which part depends on its place alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES
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
    vector_kept = last in kept or _is_narrow(x, last, kept)
    lower: Any = root.primitive.lower
    alone = len(lower.start(writer.b, x.dtype.name)) == 1
    vector_reduced = not vector_kept and last >= 0 and alone

    def at_place(outer: Index) -> None:
        tail = writer.tail
        combined = _Combined(writer, x, dict(zip(kept, outer, strict=True)), vector_reduced)
        results = combined.write()
        writer.tail = tail
        writer.forget()
        writer.finish(outer, lower.finish(writer.b, results))

    writer.nest([x.shape[axis] for axis in kept], at_place, vector=vector_kept)


def _is_narrow(x: Value, last: int, kept: Sequence[int]) -> bool:
    """Whether a vector of neighbours along the last kept axis is better filled than one along the last."""
    if last < 0 or not kept or x.shape[last] is ROWS:
        return False
    beside = x.shape[kept[-1]]
    return int(x.shape[last]) <= LANES and (beside is ROWS or int(beside) > int(x.shape[last]))


class _Combined:
    """Writes the loops over the axes that vanish, for one place of the others.

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
        self._loops = [axis for axis in self._axes if x.shape[axis] == ROWS or x.shape[axis] != 1]
        self._places: dict[int, Affine] = {axis: Affine({}) for axis in self._axes}

    def write(self) -> list[Element]:
        """Return the accumulators."""
        result = self._level(0, self._start())
        return [across_lanes(self._writer, self._both, result[0])] if self._vector else result

    def _start(self) -> list[Element]:
        start = self._lower.start(self._b, self._x.dtype.name)
        return [self._b.spread(each) for each in start] if self._wide else list(start)

    def _both(self, one: Element, other: Element) -> Element:
        """Combine the accumulators of two parts."""
        both: Element = self._lower.combine(self._b, [one], other, self._b.constant(0, "int32"))[0]
        return both

    def _level(self, depth: int, held: list[Element]) -> list[Element]:
        """Write the loops from a depth on; return the accumulators after them."""
        if depth == len(self._loops):
            return self._element(held)
        axis = self._loops[depth]
        dim = self._x.shape[axis]
        innermost = depth == len(self._loops) - 1
        lanes = self._vector and innermost
        if lanes and dim is not ROWS and int(dim) <= LANES:
            self._b.extents[ONLY] = int(dim)
            self._writer.tail = first_lanes(int(dim))
            self._places[axis] = Affine({ONLY: 1}, 0, 1)
            return self._level(depth + 1, held)
        step = LANES if lanes else 1
        done = "0"
        if innermost and len(held) == 1 and (dim is ROWS or int(dim) >= 2 * SIDE_BY_SIDE * step):
            done, held = self._side_by_side(dim, step, held)
        return self._loop(depth, (done, extent_of(dim)), step, held)

    def _side_by_side(self, dim: Dim, step: int, held: list[Element]) -> tuple[str, list[Element]]:
        """Write the loop over whole groups of elements; return where it ends, and the accumulator."""
        axis, depth = self._loops[-1], len(self._loops)
        group = SIDE_BY_SIDE * step
        end = (
            str(int(dim) // group * group) if dim is not ROWS else self._code.integer("and", "%rows", -group)
        )

        def turn(counter: str, carried: list[str]) -> list[str]:
            results = []
            for part, text in enumerate(carried):
                self._at(axis, counter, part * step, step)
                results += self._level(depth, [self._like(text, held[0])])
            return [each.text for each in results]

        starts = [held[0], *(self._start() * (SIDE_BY_SIDE - 1))]
        texts = self._code.loop(0, end, group, turn, [(each.type, each.text) for each in starts])
        parts = [self._like(text, held[0]) for text in texts]
        while len(parts) > 1:
            parts = [self._both(one, other) for one, other in zip(parts[::2], parts[1::2], strict=True)]
        return end, parts

    def _loop(self, depth: int, bounds: tuple[str, str], step: int, held: list[Element]) -> list[Element]:
        """Write the loop over an axis, and those inside of it."""
        axis = self._loops[depth]
        exact = bounds[1].isdigit() and int(bounds[1]) % step == 0

        def turn(counter: str, carried: list[str]) -> list[str]:
            self._at(axis, counter, 0, step)
            if step > 1 and not exact:
                self._writer.tail = self._writer.below(counter, bounds[1])
            inner = [self._like(text, each) for text, each in zip(carried, held, strict=True)]
            return [each.text for each in self._level(depth + 1, inner)]

        if bounds[0] == bounds[1]:
            return held
        texts = self._code.loop(*bounds, step, turn, [(each.type, each.text) for each in held])
        return [self._like(text, each) for text, each in zip(texts, held, strict=True)]

    def _at(self, axis: int, counter: str, further: int, step: int) -> None:
        """Have elements taken at a counter's place, or further on; a vector of them if a step is long."""
        dim = self._x.shape[axis]
        if dim is not ROWS:
            self._b.extents[counter] = int(dim) - further
        self._places[axis] = Affine({counter: 1}, further, int(step > 1))
        self._writer.tail = None if step > 1 else self._writer.tail

    def _like(self, text: str, element: Element) -> Element:
        return Element(text, element.dtype, element.vector)

    def _element(self, held: list[Element]) -> list[Element]:
        """Combine the element at the place where the loops are."""
        writer, b = self._writer, self._b
        writer.forget()
        index = tuple(
            self._outer[axis] if axis in self._outer else b.at(self._places[axis])
            for axis in range(self._x.ndim)
        )
        new = self._lower.combine(b, held, writer.element(self._x, index), self._position())
        if self._vector and writer.tail is not None:
            new = [b.select(writer.tail, one, before) for one, before in zip(new, held, strict=True)]
        return [b.spread(each) if self._wide else each for each in new]

    def _position(self) -> Element:
        b = self._b
        position: Element = b.constant(0, "int32")
        for axis in self._axes:
            position = b.add(b.multiply(position, b.size(self._x.shape[axis])), b.at(self._places[axis]))
        return position


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
