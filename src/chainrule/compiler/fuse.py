"""Which values are computed together: a graph becomes a list of kernels.

A kernel is one loop nest. It has a root, which needs loops of its own (a reduction, a contraction, a
scatter), or none, and members, which are computed element by element at the place where the loops are. A
value that others read from memory is stored; every other one lives in registers only.

    kernel ::= root? member*        (one shape: the root's result's)
    free   ::= a re-indexing, or an expression of nothing: computed wherever it is read, never stored

The rule is greedy, in the graph's order: a member joins the first kernel of its shape in which all that it
reads is there already; what is made of inputs alone waits for the first that reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from chainrule.compiler.code import LANES
from chainrule.compiler.views import is_contiguous, source_of
from chainrule.graph.graph import Graph
from chainrule.graph.lowering import Contraction, Expression, Gather, Reduction, Reindex, Scatter
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, Shape, static_size
from chainrule.graph.value import Value

#: The most elements of a matrix that is transposed in memory because several products need it so.
MOST_TRANSPOSED = 1 << 15


@dataclass(eq=False)
class Kernel:
    """One loop nest.

    Attributes
    ----------
    shape : tuple
        Of its results.
    root : Value or None
        What needs loops of its own.
    members : list of Value
        What is computed at each place of the shape, after the root.
    absorbed : set of int
        Serials of what only the root's operand is made of, computed inside of the root's loops.
    stored : list of Value
        What is written to memory.
    halved : bool
        Whether its root is summed over one half of the rows at a time: see `chainrule.compiler.halves`.
    by_rows : bool or None
        What `chainrule.compiler.schedule.goes_by_rows` has found out.
    """

    shape: Shape
    root: Value | None = None
    members: list[Value] = field(default_factory=list)
    absorbed: set[int] = field(default_factory=set)
    stored: list[Value] = field(default_factory=list)
    halved: bool = False
    by_rows: bool | None = None

    @property
    def computed(self) -> list[Value]:
        """The root and the members."""
        return [*([self.root] if self.root is not None else []), *self.members]


def is_free(value: Value) -> bool:
    """Whether a value costs nothing: it is found wherever it is read."""
    lower = lowering_of(value)
    return isinstance(lower, Reindex) or (isinstance(lower, Expression) and not value.operands)


def is_narrow(shape: Shape) -> bool:
    """Whether an array of fixed size has rows that would leave a vector half empty: it lies without gaps."""
    return ROWS not in shape and len(shape) > 1 and int(shape[-1]) < LANES


def is_elementwise(value: Value) -> bool:
    """Whether a value is computed at each place by itself."""
    return isinstance(lowering_of(value), Expression | Gather)


class Fusion:
    """The kernels of a graph, as they are found.

    Parameters
    ----------
    graph : Graph
        What is to be computed.
    halved : container of int
        Serials of sums over rows that lie in two halves.
    """

    def __init__(self, graph: Graph, halved: Container[int] = ()) -> None:
        self.kernels: list[Kernel] = []
        self._hosts: dict[Shape, list[int]] = {}  # the numbers of those that members may join
        self._halved = halved
        self._home: dict[int, int] = {}
        self._stored: set[int] = {value.serial for value in graph.outputs}
        self._absorbed = _absorbed(graph)
        self._absorbed_by: dict[int, set[int]] = {}
        for serial, root in self._absorbed.items():
            self._absorbed_by.setdefault(root, set()).add(serial)
        self._products = Counter(
            value.operands[1].serial
            for value in graph.equations
            if isinstance(lowering_of(value), Contraction)
        )
        self._deferred: set[int] = set()
        for value in graph.equations:
            if value.serial not in self._absorbed and not is_free(value):
                self._enter(value)
        for value in graph.outputs:
            self._materialize(value)
        for kernel in self.kernels:
            kernel.stored = [value for value in kernel.computed if value.serial in self._stored]

    def _enter(self, value: Value) -> None:
        lower = lowering_of(value)
        if is_elementwise(value):
            if self._waits(value):
                self._deferred.add(value.serial)
            else:
                self._join(value)
            return
        kernel = Kernel(value.shape, root=value, halved=value.serial in self._halved)
        if isinstance(lower, Reduction):
            kernel.absorbed = self._absorbed_by.get(value.serial, set())
            kernel.halved &= not kernel.absorbed and not is_free(value.operands[0])
            self._read(value.operands[0], kernel.absorbed)
        elif isinstance(lower, Contraction):
            left, right = value.operands
            self._materialize(source_of(left))
            turned = is_contiguous(right, -2) and not self._is_often_transposed(right)
            self._materialize(source_of(right) if is_contiguous(right, -1) or turned else right)
        else:
            assert isinstance(lower, Scatter)
            for operand in value.operands:
                self._materialize(operand)
        self._home[value.serial] = self._appended(kernel)

    def _appended(self, kernel: Kernel) -> int:
        """Enter a kernel as the last one; return its number."""
        number = len(self.kernels)
        self.kernels.append(kernel)
        if _may_host(kernel):
            self._hosts.setdefault(kernel.shape, []).append(number)
        return number

    def _is_often_transposed(self, matrix: Value) -> bool:
        """Whether several products would transpose a small matrix each time rows pass: it is done once."""
        small = ROWS not in matrix.shape and static_size(matrix.shape) <= MOST_TRANSPOSED
        return small and self._products[matrix.serial] > 1

    def _waits(self, value: Value) -> bool:
        """Whether an array is made of what is there from the start: it is computed where it is needed."""
        return bool(value.shape) and all(map(self._is_there, value.operands))

    def _is_there(self, value: Value) -> bool:
        if value.primitive is None or not value.ndim or value.serial in self._deferred:
            return True
        return is_free(value) and all(map(self._is_there, value.operands))

    def _earliest(self, value: Value) -> int:
        """Return the first kernel that may compute an element-wise value."""
        earliest = 0
        for operand in value.operands:
            gathered = isinstance(lowering_of(value), Gather) and operand is value.operands[0]
            if gathered:
                self._materialize(operand)
            aligned = operand.shape == value.shape and not gathered
            if aligned and operand.serial in self._deferred:
                earliest = max(earliest, self._earliest(operand))
            elif aligned and operand.serial in self._home:
                earliest = max(earliest, self._home[operand.serial])
            else:
                earliest = max(earliest, self._read(operand, set()) + 1)
        return earliest

    def _join(self, value: Value) -> None:
        """Put an element-wise value into the first kernel in which it can be computed."""
        earliest = self._earliest(value)
        hosts = self._hosts.get(value.shape, [])
        first = bisect_left(hosts, earliest)
        self._add(value, hosts[first] if first < len(hosts) else self._appended(Kernel(value.shape)))

    def _add(self, value: Value, number: int) -> None:
        """Let a kernel compute a value, and before it what has waited for it."""
        self._deferred.discard(value.serial)
        for operand in value.operands:
            if operand.serial in self._deferred and operand.shape == value.shape:
                self._add(operand, number)
        self.kernels[number].members.append(value)
        self._home[value.serial] = number
        for operand in value.operands:
            home = self._home.get(operand.serial)
            if home is not None and home != number:
                self._stored.add(operand.serial)

    def _read(self, value: Value, absorbed: set[int]) -> int:
        """Have all stored that a value at any place needs; return the last kernel that computes it."""
        if value.serial in self._deferred:
            self._join(value)
        if value.serial in self._home:
            self._stored.add(value.serial)
            return self._home[value.serial]
        if value.primitive is None:
            return -1
        assert is_free(value) or value.serial in absorbed
        if isinstance(lowering_of(value), Gather):
            self._materialize(value.operands[0])
        return max((self._read(operand, absorbed) for operand in value.operands), default=-1)

    def _materialize(self, value: Value) -> None:
        """Have a value stored in memory whole."""
        if value.primitive is None:
            return
        if value.serial in self._deferred:
            self._join(value)
        if value.serial not in self._home:
            self._read(value, set())
            self._home[value.serial] = self._appended(Kernel(value.shape, members=[value]))
        self._stored.add(value.serial)


def kernels_of(graph: Graph, halved: Container[int] = ()) -> list[Kernel]:
    """Return the kernels that compute a graph, in order; some sums over rows in two halves."""
    return Fusion(graph, halved).kernels


def _may_host(kernel: Kernel) -> bool:
    """Whether members may be computed in a kernel's loops."""
    lower = None if kernel.root is None else lowering_of(kernel.root)
    if kernel.halved:
        return False
    return not isinstance(lower, Scatter) and not (isinstance(lower, Contraction) and is_narrow(kernel.shape))


def _absorbed(graph: Graph) -> dict[int, int]:
    """Return what only one reduction's operand is made of: serial → the reduction's serial."""
    users: dict[int, list[Value]] = {}
    for value in graph.equations:
        for operand in value.operands:
            users.setdefault(operand.serial, []).append(value)
    outputs = {value.serial for value in graph.outputs}
    found: dict[int, int] = {}
    for value in reversed(graph.equations):
        if value.serial in outputs or not (is_elementwise(value) or is_free(value)):
            continue
        roots = {_reduction_that_absorbs(value, user, found) for user in users.get(value.serial, [])}
        root = roots.pop() if len(roots) == 1 else None
        if root is not None:
            found[value.serial] = root
    return found


def _reduction_that_absorbs(value: Value, user: Value, found: dict[int, int]) -> int | None:
    if isinstance(lowering_of(user), Reduction):
        return user.serial
    if isinstance(lowering_of(user), Gather) and user.operands[0] is value:
        return None  # it is read at other places than the one that is computed
    return found.get(user.serial) if user.shape == value.shape and is_elementwise(user) else None
