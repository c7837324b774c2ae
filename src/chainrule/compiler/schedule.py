"""In which order kernels run, and which run one after the other on some rows before the next rows' turn.

A kernel *goes by rows* if what it computes for a row depends on no other row: a layer forward, a row's loss,
a layer backward. Such kernels in succession are a *chain*: some rows go through all of it while what belongs
to them is still in the caches, and threads need not meet between its kernels. What sums over rows, such as
the gradient of a weight, comes after it: a *bundle* of small kernels that need nothing of each other. A
thread does its share of one after the other, and need not meet the others between them, either.

    program ::= (kernel | chain | bundle)*
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from chainrule.compiler.code import Code
from chainrule.compiler.fuse import Kernel, kernels_of
from chainrule.compiler.halves import sums_in_halves
from chainrule.compiler.index import IndexBuilder, Place, axis_counters
from chainrule.compiler.memory import layout, padded_bytes
from chainrule.compiler.reading import operands_in_memory, reads
from chainrule.graph.graph import Graph
from chainrule.graph.lowering import Contraction, Expression, Gather, Reduction, Reindex
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS
from chainrule.graph.value import Value

#: The most bytes of the matrices that a chain multiplies its rows by: they have to stay in the caches, too.
MOST_MATRICES = 1 << 17
#: The most elements that a kernel of a bundle computes.
MOST_OF_BUNDLED = 1 << 13


def scheduled(graph: Graph, in_halves: bool = False) -> list[Kernel]:
    """Return the kernels that compute a graph, in the order in which they run.

    Parameters
    ----------
    graph : Graph
        What is computed.
    in_halves : bool, default False
        Whether small sums over rows are made of two halves: see `chainrule.compiler.halves`.
    """
    kernels = kernels_of(graph, sums_in_halves(graph) if in_halves else ())
    matrices = _Matrices()
    stored = {value.serial for kernel in kernels for value in kernel.stored}
    for kernel in filter(goes_by_rows, kernels):
        matrices.add(kernel, stored)
    if not matrices.fit_caches:
        return kernels
    needs = _needs(kernels)
    return [kernels[number] for number in _in_order(needs, _ranks(kernels, needs))]


def _needs(kernels: Sequence[Kernel]) -> list[set[int]]:
    """Return for each kernel which ones have to be done before it."""
    maker: dict[int, int] = {}
    found: list[set[int]] = []
    for number, kernel in enumerate(kernels):
        maker.update((value.serial, number) for value in kernel.stored)
        found.append({maker[serial] for serial in reads(kernel, maker) if serial in maker})
    return found


def _ranks(kernels: Sequence[Kernel], needs: Sequence[set[int]]) -> list[int]:
    """Return how early each kernel should run: what chains wait for first, what waits for them last.

    These have the ranks 0 and 3. Kernels that go by rows have 1, and what stands between two of them 2.
    """
    by_rows = {number for number, kernel in enumerate(kernels) if goes_by_rows(kernel)}
    after_rows, before_rows = set[int](), set[int]()
    for number, needed in enumerate(needs):
        if needed & (by_rows | after_rows):
            after_rows.add(number)
    for number in reversed(range(len(kernels))):
        if number in by_rows | before_rows:
            before_rows |= needs[number]

    def rank(number: int) -> int:
        if number in by_rows:
            return 1
        if number not in before_rows:
            return 3
        return 2 if number in after_rows else 0

    return list(map(rank, range(len(kernels))))


def _in_order(needs: Sequence[set[int]], ranks: Sequence[int]) -> list[int]:
    """Return an order in which all is done before what needs it, by rank where that leaves a choice."""
    sorter = TopologicalSorter(dict(enumerate(needs)))
    sorter.prepare()
    ready, order = list[tuple[int, int]](), list[int]()
    while sorter.is_active():
        for number in sorter.get_ready():
            heappush(ready, (ranks[number], number))
        order.append(heappop(ready)[1])
        sorter.done(order[-1])
    return order


def grouped(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """Return the kernels in their order, those of a chain or a bundle together and every other one alone."""
    groups: list[list[Kernel]] = []
    stored: set[int] = set()
    beside: set[int] = set()
    matrices = _Matrices()
    for kernel in kernels:
        last = groups[-1][-1] if groups else None
        chained = last is not None and goes_by_rows(last) and goes_by_rows(kernel)
        bundled = last is not None and _is_small([last, kernel]) and not beside & reads(kernel, stored)
        matrices.add(kernel, stored)
        if bundled or (chained and matrices.fit_caches):
            groups[-1].append(kernel)
        else:
            groups.append([kernel])
            beside, matrices = set(), _Matrices()
            matrices.add(kernel, stored)
        own = {value.serial for value in kernel.stored}
        beside |= own
        stored |= own
    return groups


def is_chain(group: Sequence[Kernel]) -> bool:
    """Whether kernels go by rows, so that they may follow each other on some rows."""
    return all(map(goes_by_rows, group))


def _is_small(group: Sequence[Kernel]) -> bool:
    """Whether the results of kernels are so small that meeting between them would take long beside them."""
    return all(
        ROWS not in kernel.shape and layout(kernel.shape, padded=True).elements <= MOST_OF_BUNDLED
        for kernel in group
    )


def row_bytes(chain: Sequence[Kernel]) -> int:
    """Return how much memory a row takes in what a chain stores."""
    stored = [value for kernel in chain for value in kernel.stored]
    return sum(map(padded_bytes, stored))


class _Matrices:
    """The matrices that kernels multiply rows by."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._bytes = 0

    def add(self, kernel: Kernel, stored: Container[int]) -> None:
        """Count the matrix of a kernel as it lies in memory, if it has one that is not among them."""
        if kernel.root is None or not isinstance(lowering_of(kernel.root), Contraction):
            return
        _, matrix = operands_in_memory(kernel.root, stored)
        if matrix.serial not in self._known:
            self._known.add(matrix.serial)
            self._bytes += padded_bytes(matrix)

    @property
    def fit_caches(self) -> bool:
        """Whether they are small enough to be read again for other rows."""
        return self._bytes <= MOST_MATRICES


# Row by row ------------------------------------------------------------------------------------------


def goes_by_rows(kernel: Kernel) -> bool:
    """Whether what a kernel computes for a row depends, of all arrays that have rows, on that row only."""
    if kernel.by_rows is None:
        kernel.by_rows = _goes_by_rows(kernel)
    return kernel.by_rows


def _goes_by_rows(kernel: Kernel) -> bool:
    own = {value.serial for value in kernel.computed}
    return (
        _has_rows_first(kernel.shape)
        and (kernel.root is None or _root_goes_by_rows(kernel.root))
        and all(
            at_row and _is_made_by_rows(operand)
            for value in kernel.members
            for operand, at_row in _with_rows(value)
            if operand.serial not in own
        )
    )


def _root_goes_by_rows(root: Value) -> bool:
    lower, x = lowering_of(root), root.operands[0]
    if isinstance(lower, Contraction):
        plain = root.ndim == 2 and x.shape[-1] is not ROWS and ROWS not in root.operands[1].shape
        return plain and _is_made_by_rows(x)
    return isinstance(lower, Reduction) and 0 not in root.attributes["axes"] and _is_made_by_rows(x)


def _is_made_by_rows(value: Value) -> bool:
    """Whether a row of a value, should it be computed where it is read, is made of that row of others."""
    waiting, seen = [value], set[int]()
    while waiting:
        value = waiting.pop()
        if not _has_rows_first(value.shape):
            return False
        if value.serial in seen or not isinstance(lowering_of(value), Expression | Gather | Reindex):
            continue
        seen.add(value.serial)
        for operand, at_row in _with_rows(value):
            if not at_row:
                return False
            waiting.append(operand)
    return True


def _with_rows(value: Value) -> list[tuple[Value, bool]]:
    """Return the operands that have rows, and whether a row of the value reads that row of them."""
    pairs = zip(value.operands, _at_row(value), strict=True)
    return [(operand, at_row) for operand, at_row in pairs if ROWS in operand.shape]


def _at_row(value: Value) -> list[bool]:
    """Return for each operand whether a row of the value reads that row of the operand."""
    lower = lowering_of(value)
    if isinstance(lower, Expression):
        return [True] * len(value.operands)
    if isinstance(lower, Gather):
        return [False, True]
    assert isinstance(lower, Reindex)
    builder = IndexBuilder(Code("row"))
    builder.extents = {f"%{axis}": int(dim) for axis, dim in enumerate(value.shape) if dim is not ROWS}
    counters = axis_counters(value.ndim)
    at = tuple(map(builder.at, counters))
    types = [operand.type for operand in value.operands]
    sources = lower.sources(builder, at, types, **value.attributes)
    return [
        bool(source) and isinstance(source[0], Place) and source[0].affine == counters[0]
        for source, _ in sources
    ]


def _has_rows_first(shape: Sequence[object]) -> bool:
    return bool(shape) and shape[0] is ROWS and ROWS not in shape[1:]
