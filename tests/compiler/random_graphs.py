"""Random graphs of all kinds of primitives, and arrays to run them on."""

import itertools
import math
import random
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import chainrule.primitives  # noqa: F401  (fills the table)
from chainrule.gradient.backward import backward
from chainrule.graph.graph import Graph, needed
from chainrule.graph.primitive import stretch
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import PRIMITIVES, Value, constant, input_value

SIZES = (0, 1, 2, 15, 16, 17, 33, 37)
MOST_ROWS = 40
MOST_ELEMENTS = 20_000
MOST_MULTIPLICATIONS = 500_000
P = PRIMITIVES


@dataclass(frozen=True)
class Case:
    """A graph, and a seed from which arrays for it are drawn."""

    graph: Graph
    rows: tuple[int, ...]
    seed: int

    def arguments(self, rows):
        """Return an array for each input."""
        generator = np.random.default_rng([self.seed, rows])
        return [draw_array(generator, value.type, rows) for value in self.graph.inputs]


def draw_array(generator, type_, rows=0):
    """Return an array of a type: floats around 0, small integers of which some lie outside of any axis."""
    shape = tuple(rows if dim is ROWS else dim for dim in type_.shape)
    if type_.dtype.kind == "f":
        return np.asarray(generator.normal(size=shape)).astype(type_.dtype)
    if type_.dtype.kind == "b":
        return np.asarray(generator.random(shape) < 0.5)
    if type_.dtype.kind == "u":
        return np.asarray(generator.integers(0, 2**32, shape)).astype(type_.dtype)
    return np.asarray(generator.integers(-2, 20, shape)).astype(type_.dtype)


def elements(shape):
    """The most elements that an array of a shape has."""
    return math.prod(MOST_ROWS if dim is ROWS else int(dim) for dim in shape)


class Growth:
    """A graph that grows by random equations.

    Parameters
    ----------
    seed : int
        Of what is grown: with fewer equations it is the beginning of the same graph.
    dtype : str
        Of most floats.
    """

    def __init__(self, seed, dtype):
        self.random = random.Random(seed)
        self.dtype = np.dtype(dtype)
        self.generator = np.random.default_rng(seed)
        self.dims = self.random.sample((ROWS, *SIZES), 3)
        self.inputs, self.values = [], []
        for _ in range(self.random.randint(1, 3)):
            self.leaf(self.shape(), self.dtype, captured=False)
        self.leaf(self.shape(), self.dtype)
        if self.chance():
            self.leaf(self.shape(), np.dtype("int32"))

    # What there is -----------------------------------------------------------------------------------

    def choose(self, items):
        return self.random.choice(list(items))

    def chance(self):
        return self.random.random() < 0.5

    def shape(self, most=3):
        dims = [self.choose(self.dims) for _ in range(self.random.randint(0, most))]
        while elements(dims) > MOST_ELEMENTS or dims.count(ROWS) > 1:
            dims.pop()
        return tuple(dims)

    def leaf(self, shape, dtype, captured=None):
        """Return a new input, or a captured array."""
        if captured is None:
            captured = ROWS not in shape and self.chance()
        if captured and ROWS not in shape:
            data = draw_array(self.generator, ArrayType(shape, dtype))
            value = Value(ArrayType(shape, dtype), data=data)
        else:
            value = input_value(f"x{len(self.inputs)}", shape, dtype)
            self.inputs.append(value)
        self.values.append(value)
        return value

    def any(self, kinds="f", fits=lambda value: True):
        """Return one of the values of a kind, the newest most often; a new one if there is none."""
        found = [v for v in self.values if v.dtype.kind in kinds and fits(v)]
        if not found:
            return None
        recent = found[-4:]
        return self.choose(recent if self.chance() else found)

    def float(self, fits=lambda value: True):
        value = self.any("f", fits)
        return (
            value if value is None or value.dtype == self.dtype else P["cast"](value, dtype=self.dtype.name)
        )

    def like(self, x, kinds):
        """Return a value that stretches to the shape of x."""

        def fits(value):
            tail = x.shape[x.ndim - value.ndim :] if value.ndim <= x.ndim else None
            ours = tail is not None and all(a in (1, b) for a, b in zip(value.shape, tail, strict=True))
            return ours and value.dtype == x.dtype

        other = self.any(kinds, fits)
        if other is None or self.random.randint(0, 5) == 0:
            other = constant(self.choose((0, 1, 2) if x.dtype.kind == "u" else (0, 1, 2, -3)), x.dtype)
        return stretch(other, x.shape)

    # One more equation -------------------------------------------------------------------------------

    def grow(self):
        """Add an equation, or a few that belong together."""
        kind = self.choose(KINDS)
        new = getattr(self, kind)()
        if new is not None and elements(new.shape) <= MOST_ELEMENTS and new.shape.count(ROWS) <= 2:
            self.values.append(new)

    def unary(self):
        x = self.float()
        name = self.choose(UNARY)
        if name in ("log", "log2", "log10", "log1p", "sqrt"):
            x = P["abs"](x)
        if name in ("log", "log2", "log10"):
            x = x + 0.25
        if name in ("exp", "expm1"):
            x = P["minimum"](x, 3.0)
        if name in ("sinh", "cosh"):
            x = 3.0 * P["sin"](x)
        if name == "tan":
            x = P["sin"](x)
        return P[name](x)

    def binary(self):
        x = self.float()
        y = self.like(x, "f")
        name = self.choose((*ARITHMETIC, "divide", "remainder", "floor_divide", "power"))
        if name in ("divide", "remainder", "floor_divide"):
            y = P["abs"](y) + 0.5
        if name == "power":
            x, y = P["abs"](x) + 0.3, 2.0 * P["tanh"](y)
        return P[name](*((y, x) if self.chance() and name in ARITHMETIC else (x, y)))

    def integer(self):
        x = self.any("i")
        if x is None:
            return None
        name = self.choose((*ARITHMETIC, "remainder", "floor_divide", "negative", "abs", "sign"))
        return P[name](x) if name in ("negative", "abs", "sign") else P[name](x, self.like(x, "i"))

    def compare(self):
        x = self.any("fiu")
        name = self.choose(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"))
        return P[name](x, self.like(x, x.dtype.kind))

    def logic(self):
        x = self.any("b")
        if x is None:
            return P["is_finite"](self.float())
        name = self.choose(("logical_and", "logical_or", "logical_not"))
        return P[name](x) if name == "logical_not" else P[name](x, self.like(x, "b"))

    def where(self):
        x = self.any("fi")
        condition = self.any("b", lambda value: value.shape == x.shape)
        if condition is None:
            condition = x < self.like(x, x.dtype.kind)
        return P["where"](condition, x, self.like(x, x.dtype.kind))

    def cast(self):
        x = self.any("fib")
        dtype = self.choose(("float32", "float64", "int32", "bool"))
        if x.dtype.kind == "f" and dtype == "int32":
            small = P["logical_and"](x < 1000.0, x > -1000.0)
            x = P["where"](small, x, 0.0)
        return P["cast"](x, dtype=dtype)

    def reduction(self):
        x = self.any("fi")
        if not x.ndim:
            return None
        name = self.choose(("sum", "sum", "max", "min", "argmax"))
        axes = sorted(self.random.sample(range(x.ndim), self.random.randint(1, x.ndim)))
        axes = tuple(axes[:1] if name == "argmax" else axes)
        empty = any(x.shape[axis] == 0 for axis in axes)
        if name != "sum" and (empty or (name == "argmax" and x.shape[axes[0]] is ROWS)):
            name = "sum"
        return P[name](x, axes=axes)

    def broadcast(self):
        x = self.any("fib")
        shape, axes = list(x.shape), list(range(x.ndim))
        for _ in range(self.random.randint(1, 2)):
            at = self.random.randint(0, len(shape))
            shape.insert(at, self.choose((*self.dims, 1)))
            axes = [axis + (axis >= at) for axis in axes]
        if elements(shape) > MOST_ELEMENTS or shape.count(ROWS) > 2 or len(shape) > 4:
            return None
        return P["broadcast"](x, shape=tuple(shape), axes=tuple(axes))

    def reshape(self):
        x = self.any("fibu")
        parts, group = [], 1
        for dim in (*x.shape, None):
            if dim is None or dim is ROWS:
                parts += self.factors(group)
                parts += [] if dim is None else [ROWS]
                group = 1
            else:
                group *= int(dim)
        return P["reshape"](x, shape=tuple(parts)) if len(parts) <= 4 else None

    def factors(self, size):
        """Return dimensions whose product is a size."""
        fitting = [n for n in range(1, size + 1) if size and size % n == 0][:20]
        first = self.choose(fitting or [1])
        return self.choose(([size], [first, size // first], [size // first, first], [size, 1]))

    def permute(self):
        x = self.any("fibu", lambda value: value.ndim >= 2)
        if x is None:
            return None
        return P["permute_dims"](x, axes=tuple(self.random.sample(range(x.ndim), x.ndim)))

    def slice(self):
        x = self.any("fib")
        start, stop, step = [], [], []
        for dim in x.shape:
            begin, end = sorted(self.random.randint(0, 0 if dim is ROWS else int(dim)) for _ in range(2))
            whole = dim is ROWS or begin == end
            start.append(0 if whole else begin)
            stop.append(dim if whole else end)
            step.append(1 if whole else self.choose((1, 1, 2, 3)))
        return P["slice"](x, start=tuple(start), stop=tuple(stop), step=tuple(step))

    def pad(self):
        x = self.any("fib")
        many = [tuple(0 if dim is ROWS else self.choose((0, 1, 0, 3)) for dim in x.shape) for _ in range(3)]
        return P["pad"](x, low=many[0], high=many[1], between=tuple(min(n, 1) for n in many[2]))

    def concat(self):
        x = self.any("fib", lambda value: any(dim is not ROWS for dim in value.shape))
        if x is None:
            return None
        axis = self.choose(axis for axis, dim in enumerate(x.shape) if dim is not ROWS)

        def fits(value):
            pairs = [pair for i, pair in enumerate(zip(x.shape, value.shape, strict=False)) if i != axis]
            return value.dtype == x.dtype and value.ndim == x.ndim and all(a == b for a, b in pairs)

        others = [self.any("fib", lambda v: fits(v) and v.shape[axis] is not ROWS) for _ in range(2)]
        parts = [x, *others[: self.choose((1, 2))]]
        self.random.shuffle(parts)
        return P["concat"](*parts, axis=axis)

    def indices(self, fits=lambda value: True):
        found = self.any("i", fits)
        return self.leaf(self.shape(2), np.dtype("int32")) if found is None else found

    def take(self):
        x = self.any("fib", lambda value: value.ndim > 0)
        return None if x is None else self.within(x, self.indices(lambda value: value.ndim <= 2))

    def within(self, x, indices):
        shape = (*indices.shape, *x.shape[1:])
        if elements(shape) > MOST_ELEMENTS or shape.count(ROWS) > 2 or len(shape) > 4:
            return None
        return P["take"](x, indices)

    def scatter(self):
        updates = self.any("fi")
        cut = self.random.randint(0, updates.ndim)
        shape = updates.shape[:cut]
        indices = self.any("i", lambda value: value.shape == shape)
        if indices is None:
            indices = self.leaf(shape, np.dtype("int32"))
        size = self.choose(self.dims)
        if elements((size, *updates.shape[cut:])) > MOST_ELEMENTS:
            return None
        return P["scatter_add"](indices, updates, size=size)

    def matmul(self):
        x = self.float(lambda value: 2 <= value.ndim <= 4)
        if x is None:
            return None
        *batch, height, inner = x.shape
        swapped = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)

        def fits(value):
            return value.dtype == x.dtype and value.ndim == x.ndim and value.shape[:-2] == x.shape[:-2]

        straight = self.any("f", lambda value: fits(value) and value.shape[-2] == inner)
        turned = self.any("f", lambda value: fits(value) and value.shape[-1] == inner)
        right = None if turned is None else P["permute_dims"](turned, axes=swapped)
        if straight is not None and (right is None or self.chance()):
            right = straight
        if right is None:
            width = self.choose((*self.dims, 1))
            right = self.leaf((*batch, inner, width), self.dtype)
        if elements((*batch, height, inner, right.shape[-1])) > MOST_MULTIPLICATIONS:
            return None
        if self.chance():
            return P["matmul"](x, right)
        left, right = P["permute_dims"](right, axes=swapped), P["permute_dims"](x, axes=swapped)
        return P["matmul"](left, right)

    def iota(self):
        return P["iota"](size=self.choose(self.dims))

    def bits(self):
        key = [constant(self.random.randint(0, 2**32 - 1), np.dtype("uint32")) for _ in range(2)]
        step = self.any("i", lambda value: not value.ndim)
        step = constant(3, np.dtype("int32")) if step is None else step
        site, word = self.choose((0, 1, 2**32 - 1)), self.choose(range(4))
        shape = self.choose([self.shape(), self.values[-1].shape])
        bits = P["random_bits"](*key, step, shape=shape, site=site, word=word)
        self.values.append(bits)
        return P["cast"](P["cast"](bits, dtype="float64") * 2.0**-32, dtype=self.dtype.name)


ARITHMETIC = ("add", "subtract", "multiply", "maximum", "minimum")
UNARY = (
    *("negative", "abs", "sign", "floor", "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt"),
    *("erf", "logistic", "sin", "cos", "tan", "sinh", "cosh", "tanh", "identity", "stop_gradient"),
)
#: How to grow, the commoner ways more than once.
KINDS = (
    *("unary", "binary", "reduction", "matmul") * 3,
    *("broadcast", "reshape", "permute", "slice", "where", "take", "scatter") * 2,
    *("integer", "compare", "logic", "cast", "pad", "concat", "iota", "bits"),
)


def grown(seed, equations, results, dtype, derivatives):
    """Return a random graph with what it is run on; fewer equations and results make it smaller."""
    growth = Growth(seed, dtype)
    for _ in range(equations):
        growth.grow()
    outputs = _derivatives(growth) if derivatives else _outputs(growth)
    if not any(ROWS in value.shape for value in growth.inputs):
        growth.leaf((ROWS,), growth.dtype, captured=False)
    generator = random.Random(seed)
    rows = (generator.choice((1, 15, 16, 17, 33, MOST_ROWS)), generator.randint(1, MOST_ROWS))
    return Case(Graph(growth.inputs, outputs[:results]), rows, seed)


def cases(dtype, derivatives=False):
    """Return the strategy of random graphs: mostly large ones, which shrink to small ones."""
    equations = (*range(1, 11), *([12, 15, 18] if derivatives else [15, 20, 25, 30]) * 8)
    return st.builds(
        grown,
        st.integers(0, 2**64 - 1),
        st.sampled_from(equations),
        st.sampled_from((1, 2, 3, *[9] * 9)),
        st.just(dtype),
        st.just(derivatives),
    )


def _outputs(growth):
    """Return some of the values that nothing uses, the newest first, and perhaps another one."""
    used = {operand.serial for value in needed(growth.values) for operand in value.operands}
    unused = [value for value in reversed(growth.values) if value.serial not in used]
    return [*unused[:4], growth.choose(growth.values)]


def _derivatives(growth):
    """Return a number made of the newest floats, its derivatives, and sometimes derivatives of them."""
    floats = [value for value in growth.inputs if value.dtype == growth.dtype]
    floats += [value for value in growth.values if value.data is not None and value.dtype == growth.dtype]
    newest = [value for value in growth.values if value.dtype == growth.dtype][-3:]
    total = _total(newest)
    first = backward(total, floats)
    if growth.chance():
        return [total, *first]
    return [*first, *backward(_total(first), floats)]


def _total(values):
    sines = [P["sin"](value) for value in values]
    sums = [P["sum"](x, axes=tuple(range(x.ndim))) if x.ndim else x for x in sines]
    return list(itertools.accumulate(sums))[-1]
