"""What the kinds of `chainrule.graph.lowering` mean, written with NumPy: a compiler in slow motion.

An element is an array that holds that element for every place of the output at once. `compute` knows a row by
its `lower` and the type of its result, and looks neither at its name nor at its value.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from chainrule.graph import lowering
from chainrule.graph.types import ROWS


def _wide(function):
    """A function computed in more digits than its operands have, and rounded."""

    def rounded(x, *rest):
        wide = np.float64 if x.dtype == np.float32 else np.longdouble
        return np.asarray(function(*(np.asarray(each, wide) for each in (x, *rest)))).astype(x.dtype)

    return rounded


def _toward_zero(x, y):
    quotient = np.abs(x.astype(np.int64)) // np.abs(y.astype(np.int64))
    return (quotient * np.sign(x).astype(np.int64) * np.sign(y).astype(np.int64)).astype(x.dtype)


def _divide(x, y):
    return np.divide(x, y) if x.dtype.kind == "f" else _toward_zero(x, y)


FUNCTIONS = {
    "exp": _wide(np.exp),
    "expm1": _wide(np.expm1),
    "log": _wide(np.log),
    "log2": _wide(np.log2),
    "log10": _wide(np.log10),
    "log1p": _wide(np.log1p),
    "power": _wide(np.power),
    "erf": _wide(np.vectorize(math.erf, otypes=[np.float64])),
    "logistic": _wide(lambda x: 1 / (1 + np.exp(-x))),
    "sin": _wide(np.sin),
    "cos": _wide(np.cos),
    "tan": _wide(np.tan),
    "sinh": _wide(np.sinh),
    "cosh": _wide(np.cosh),
    "tanh": _wide(np.tanh),
}
ARITHMETIC = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": _divide,
    "modulo": lambda x, y: np.fmod(x, y) if x.dtype.kind == "f" else x - _toward_zero(x, y) * y,
    "negative": np.negative,
    "abs": np.abs,
    "floor": np.floor,
    "sqrt": np.sqrt,
    "xor": np.bitwise_xor,
}
COMPARISONS = {"equal": np.equal, "less": np.less, "less_equal": np.less_equal}
LOGIC = {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_not": np.logical_not}
#: Every operation and the kinds of dtype that it takes.
OPERATIONS = {
    name: (function, kinds)
    for table, kinds in ((ARITHMETIC, "fiu"), (COMPARISONS, "fiub"), (LOGIC, "b"), (FUNCTIONS, "f"))
    for name, function in table.items()
}


class NumPyBuilder:
    """A `chainrule.graph.lowering.Builder` for an output of some shape, with `rows` bound."""

    def __init__(self, shape, rows=None):
        self.shape = shape
        self.rows = rows
        self.used = set()

    def constant(self, number, dtype):
        return np.asarray(number, dtype)

    def cast(self, x, dtype):
        return x != 0 if dtype == "bool" else np.asarray(x).astype(dtype)

    def dtype(self, x):
        return x.dtype.name

    def is_number(self, x):
        return x.ndim == 0 and not np.isnan(x)

    def index(self, axis):
        return np.indices(self.shape, np.int32)[axis]

    def linear_index(self):
        return np.arange(math.prod(self.shape), dtype=np.uint32).reshape(self.shape)

    def size(self, dim):
        return np.asarray(self.rows if dim is ROWS else dim, np.int32)

    def select(self, condition, x, y):
        assert condition.dtype == bool
        assert x.dtype == y.dtype
        return np.where(condition, x, y)

    def multiply_high(self, x, y):
        assert x.dtype == y.dtype == np.uint32
        return ((x.astype(np.uint64) * y.astype(np.uint64)) >> np.uint64(32)).astype(np.uint32)

    def __getattr__(self, operation):
        if operation not in OPERATIONS:
            raise AttributeError(f"a builder has no operation {operation!r}")
        function, kinds = OPERATIONS[operation]

        def apply(*elements):
            assert all(element.dtype == elements[0].dtype for element in elements), operation
            assert elements[0].dtype.kind in kinds, operation
            self.used.add(operation)
            return np.asarray(function(*elements))

        return apply


def compute(lower, type_, operands, types, attributes, rows=None, builder=None):
    """The result of a row, from its `lower` alone. `type_` and `types` may have `rows`."""
    shape = tuple(rows if dim is ROWS else dim for dim in type_.shape)
    builder = builder or NumPyBuilder(shape, rows)
    with np.errstate(all="ignore"):
        result = _KINDS[type(lower)](lower, builder, type_.dtype, operands, types, attributes)
    assert result.dtype == type_.dtype
    return np.broadcast_to(result, shape)


def _expression(lower, b, dtype, operands, types, attributes):
    assert all(x.shape in ((), b.shape) for x in operands)
    return np.asarray(lower.emit(b, *operands, **attributes))


def _reduction(lower, b, dtype, operands, types, attributes):
    (x,) = operands
    axes = attributes["axes"]
    count = math.prod(x.shape[axis] for axis in axes)
    last = np.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim)).reshape(*b.shape, count)
    accumulators = lower.start(b, x.dtype.name)
    for position in range(count):
        accumulators = lower.combine(b, accumulators, last[..., position], np.asarray(position, np.int32))
    return np.asarray(lower.finish(b, accumulators))


def _reindex(lower, b, dtype, operands, types, attributes):
    index = tuple(np.indices(b.shape, np.int32))
    result = np.zeros(b.shape, dtype)
    missing = np.ones(b.shape, bool)
    sources = lower.sources(b, index, types, **attributes)
    for x, (places, condition) in zip(operands, sources, strict=True):
        assert len(places) == x.ndim
        here = missing & (True if condition is None else condition)
        at = tuple(np.broadcast_to(place, b.shape)[here] for place in places)
        for place, size in zip(at, x.shape, strict=True):
            assert np.all((place >= 0) & (place < size)), "it reads outside its operand"
        result[here] = x[at]
        missing &= ~here
    return result


def _gather(lower, b, dtype, operands, types, attributes):
    x, indices = operands
    result = np.empty((*indices.shape, *x.shape[1:]), dtype)
    for at in np.ndindex(indices.shape):
        inside = 0 <= indices[at] < len(x)
        result[at] = x[indices[at]] if inside else (np.nan if dtype.kind == "f" else 0)
    return result


def _scatter(lower, b, dtype, operands, types, attributes):
    indices, updates = operands
    result = np.zeros(b.shape, dtype)
    for at in np.ndindex(indices.shape):
        if 0 <= indices[at] < len(result):
            result[indices[at]] += updates[at]
    return result


def _contraction(lower, b, dtype, operands, types, attributes):
    x, y = operands
    result = np.zeros(b.shape, dtype)
    for *batch, i, j, k in itertools.product(*map(range, (*b.shape, x.shape[-1]))):
        result[(*batch, i, j)] += x[(*batch, i, k)] * y[(*batch, k, j)]
    return result


_KINDS = {
    lowering.Expression: _expression,
    lowering.Reduction: _reduction,
    lowering.Reindex: _reindex,
    lowering.Gather: _gather,
    lowering.Scatter: _scatter,
    lowering.Contraction: _contraction,
}
