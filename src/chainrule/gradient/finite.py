"""Where a number that is not finite begins: in the value of a function, or in its derivative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.gradient.backward import derivatives_between, values_between
from chainrule.graph.evaluate import numbers_of
from chainrule.graph.graph import Graph
from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Value
from chainrule.graph.words import subscript

Known = Mapping[Value, Array]


def all_finite(value: Value, known: Known) -> bool:
    """Whether a value is no float, or holds no NaN and no infinity."""
    return not is_float(value.dtype) or bool(np.isfinite(known[value]).all())


def require_finite(graph: Graph, arrays: Sequence[Array], chosen: Sequence[int]) -> None:
    """Raise a ValueError if a chosen input or the result is not finite, which says where that begins."""
    for position in chosen:
        bad = np.argwhere(~np.isfinite(arrays[position]))
        if bad.size:
            name, number = graph.inputs[position].name, arrays[position][tuple(bad[0])]
            raise ValueError(
                f"{name}{subscript(bad[0])} is {number}; gradients are checked at finite numbers"
            )
    known = numbers_of(graph, arrays)
    number = known[graph.outputs[0]]
    if np.isfinite(number):
        return
    alike = np.isnan if np.isnan(number) else np.isinf
    first = next((y for y in graph.equations if np.any(alike(known[y]))), None)
    source = ""
    if first is not None:
        place = subscript(np.argwhere(alike(known[first]))[0])
        source = f"; the first {number} comes from {_named(first)}{place}"
    raise ValueError(f"the function returns {number}, which has no gradient to check{source}")


def beginning_of_not_finite(graph: Graph, arrays: Sequence[Array], variables: Sequence[Value]) -> str:
    """Return which primitive makes the first number that is not finite, and at which entry.

    In the forward pass it is the first one whose result is not finite although its operands are. If there is
    none, it is the first one on the way back that makes a derivative not finite although the derivative by
    its own result is.
    """
    loss = graph.outputs[0]
    d = derivatives_between(loss, variables)
    path = values_between(variables, loss)
    known = numbers_of(Graph(graph.inputs, [loss, *d.values()]), arrays)
    for y in path:
        if not all_finite(y, known) and all(all_finite(x, known) for x in y.operands):
            return f"{_named(y)} makes {_first(known[y])}{_given(y, known)}"
    for y in reversed(path):
        assert y.primitive is not None
        if y.primitive.derivative is None or y not in d or not all_finite(d[y], known):
            continue
        dxs = y.primitive.derivative(d[y], y, *y.operands, **y.attributes)
        for x, dx in zip(y.operands, dxs, strict=True):
            if dx is None or x not in d:
                continue
            numbers = numbers_of(Graph([*known], [dx]), [*known.values()])[dx]
            if not np.isfinite(numbers).all():
                where = np.argwhere(~np.isfinite(numbers))[0]
                at = f" where that is {known[x][tuple(where)]:g}" if x.shape == dx.shape else ""
                return (
                    f"the derivative of {_named(y)} by its operand{subscript(where)} is {_first(numbers)}{at}"
                )
    return "a sum of derivatives on the way back is too large for float64"


def _named(y: Value) -> str:
    return f"{primitive_name(y)} ({y.origin})" if any(y.origin) else primitive_name(y)


def _first(array: Array) -> float:
    return float(array[~np.isfinite(array)][0])


def _given(y: Value, known: Known) -> str:
    """Return the entry of a result that is not finite, and of what it was made where shapes tell that."""
    where = np.argwhere(~np.isfinite(known[y]))[0]
    of = [f"{known[x][tuple(where)]:g}" for x in y.operands if x.shape == y.shape]
    made = f" of {' and '.join(of)}" if len(of) == len(y.operands) else ""
    return f"{made} at {subscript(where)}" if len(where) else made
