"""Zeros with a sign, infinities, NaN, ties and places outside: the conventions that both executors keep."""

import itertools

import numpy as np
import pytest
from row_cases import inputs_of, samples, takes, types_of
from test_lowering import assert_same, lowered

import chainrule as cr
from chainrule.gradient.backward import backward
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.lowering import Expression
from chainrule.graph.samples import Case
from chainrule.graph.trace import trace
from chainrule.graph.types import is_float
from chainrule.graph.value import PRIMITIVES

REALS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 2.0, 3.0, 1e-320, 1e300, np.inf, -np.inf, np.nan]
INTEGERS = [0, 1, -1, 7, 2**31 - 1, -(2**31)]
ZERO_WITHOUT_SIGN = ("maximum", "minimum")  # of 0 and -0 NumPy itself returns one or the other


def _grids():
    """Every combination of special operands for every element-wise row and dtype."""
    for name, row in PRIMITIVES.items():
        case = samples(row)[0]
        if not isinstance(row.lower, Expression) or not all(x.dtype.kind in "fb" for x in case.operands):
            continue
        for dtype in ("float64", "float32", "int32") if case.operands else ():
            numbers = INTEGERS if dtype == "int32" else REALS
            grid = np.array(
                list(itertools.product(*([0, 1] if x.dtype == bool else numbers for x in case.operands)))
            )
            with np.errstate(over="ignore"):
                operands = [
                    column.astype(bool if x.dtype == bool else dtype)
                    for column, x in zip(grid.T, case.operands, strict=True)
                ]
            for attributes in _different(each.attributes for each in samples(row)):
                if takes(row, Case(tuple(operands), attributes)):
                    yield pytest.param(row, operands, attributes, id=f"{name}-{dtype}-{attributes}")


def _different(attributes):
    return {str(each): each for each in attributes}.values()


@pytest.mark.parametrize(("row", "operands", "attributes"), list(_grids()))
def test_lower_agrees_with_value(row, operands, attributes):
    type_ = row.shape(*types_of(operands), **attributes)
    if type_.dtype.kind in "iu":  # what no integer is near to becomes any integer
        fits = [np.isfinite(x) & (np.abs(x.astype(float)) < 2**31) for x in operands]
        operands = [x[np.logical_and.reduce(fits)] for x in operands]
    with np.errstate(all="ignore"):
        expected = np.asarray(row.value(*operands, **attributes))
    actual = lowered(row, operands, attributes)
    assert_same(row, actual, expected)
    if is_float(type_.dtype) and row.name not in ZERO_WITHOUT_SIGN:
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


def test_the_grids_are_not_empty():
    names = {param.values[0].name for param in _grids()}
    assert {"add", "power", "maximum", "where", "sign", "logistic", "is_finite", "logical_and"} <= names


# A NaN stays a NaN ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: cr.maximum(x, 0),
        lambda x: cr.maximum(0, x),
        lambda x: cr.minimum(x, 0),
        lambda x: cr.minimum(0, x),
        lambda x: cr.max(x),
        lambda x: cr.min(x),
        lambda x: cr.sum(x),
        lambda x: cr.where(np.array([True, True, False]), x, 0)[1],
        cr.relu,
        cr.sign,
        cr.abs,
        cr.floor,
        cr.sqrt,
        lambda x: x @ np.zeros((3, 1), x.dtype),
    ],
)
def test_nan_stays_nan(function, dtype):
    x = np.array([1.0, np.nan, 2.0], dtype)
    assert np.isnan(function(x)).any()


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("name", ["max", "min"])
def test_reductions_see_a_nan_anywhere(name, position):
    x = np.array([-1.0, 3.0, 2.0])
    x[position] = np.nan
    row = PRIMITIVES[name]
    assert np.isnan(lowered(row, [x], {"axes": (0,)}))
    assert np.isnan(row.value(x, axes=(0,)))
    assert lowered(PRIMITIVES["argmax"], [x], {"axes": (0,)}) == position
    assert PRIMITIVES["argmax"].value(x, axes=(0,)) == position


@pytest.mark.parametrize("numbers", [[-np.inf, -np.inf], [2.0, 5.0, 5.0], [np.nan, np.nan, 1.0], [0.0, -0.0]])
def test_argmax_is_the_first(numbers):
    x = np.array(numbers)
    for result in (lowered(PRIMITIVES["argmax"], [x], {"axes": (0,)}), cr.argmax(x, axis=0)):
        assert result == np.argmax(x)


# Ties ----------------------------------------------------------------------------------------------


def derivatives(name, *arrays, **attributes):
    """The derivative of the sum of a row's result by each operand."""
    inputs = inputs_of(types_of(arrays))
    dxs = backward(cr.sum(PRIMITIVES[name](*inputs, **attributes)), inputs)
    return evaluate(Graph(inputs, dxs), *arrays)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_a_tie_gives_the_derivative_to_the_second(name):
    tie = np.array([2.0, 0.0])
    first, second = derivatives(name, tie, np.array([2.0, -0.0]))
    assert first.tolist() == [0, 0]
    assert second.tolist() == [1, 1]


def test_relu_has_no_slope_at_zero():
    assert cr.grad(lambda x: cr.sum(cr.relu(x)))(np.array([0.0, -0.0, 1.0, -1.0])).tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("name", "sign"), [("max", 1), ("min", -1)])
def test_equal_extremes_share_the_derivative(name, sign):
    x = sign * np.array([[1.0, 4.0, 4.0, 0.0], [7.0, 7.0, 7.0, 7.0]])
    (dx,) = derivatives(name, x, axes=(1,))
    assert dx.tolist() == [[0, 0.5, 0.5, 0], [0.25] * 4]


def test_abs_has_no_slope_at_zero():
    assert derivatives("abs", np.array([0.0, -2.0]))[0].tolist() == [0, -1]


# Powers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.0, -0.0, 2.0, -3.0])
@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0])
def test_derivatives_of_a_whole_power(x, p):
    """d^k/dx^k x^p to third order, at 0 and at negative x too."""
    power, expected, factor = (lambda z: z**p), [], 1.0
    for k in range(1, 4):
        factor *= p - k + 1
        power = cr.grad(power)
        expected.append(factor * x ** (p - k) if factor else 0.0)
        assert power(np.asarray(x)) == pytest.approx(expected[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("run", [lambda f: f, cr.compile], ids=["evaluated", "compiled"])
@pytest.mark.parametrize("shape", [(), (1,), (7,)])
def test_the_exponent_one_half_is_no_exception(shape, run, dtype):
    x, exponent = np.array([-np.inf, -0.0, 0.0, 4.0, -4.0, np.inf, np.nan], dtype), np.full(shape, 0.5, dtype)
    roots = run(cr.pow)(x, exponent)
    np.testing.assert_array_equal(roots, np.array([np.inf, 0, 0, 2, np.nan, np.inf, np.nan], dtype))
    assert not np.signbit(roots[:-1][~np.isnan(roots[:-1])]).any()
    assert run(cr.pow)(x[0], exponent).item(0) == np.inf
    np.testing.assert_array_equal(run(lambda x: cr.pow(x, 0.5))(x), roots)


def test_derivative_by_the_exponent():
    by_p = cr.grad(lambda x, p: x**p, argnums=1)
    assert by_p(np.asarray(0.0), np.asarray(2.0)) == 0
    assert by_p(np.asarray(0.0), np.asarray(0.0)) == 0
    assert by_p(np.asarray(2.0), np.asarray(3.0)) == pytest.approx(8 * np.log(2))


def test_mixed_derivative_at_exponent_zero():
    """d/dp d/dx x^p = 1/x at p = 0."""
    mixed = cr.grad(lambda p, x: cr.grad(lambda z: z**p)(x))
    assert mixed(np.asarray(0.0), np.asarray(4.0)) == pytest.approx(0.25)


# Places outside ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "missing"), [("float32", np.nan), ("float64", np.nan), ("int32", 0), ("bool", False)]
)
@pytest.mark.parametrize("size", [0, 3])
def test_take_outside(dtype, missing, size):
    x = np.ones((size, 2), dtype)
    indices = np.array([0, -1, 3, 2, 2**31 - 1, -(2**31)], np.int32)
    row = PRIMITIVES["take"]
    expected = [[1 if 0 <= i < size else missing] * 2 for i in indices]
    for result in (row.value(x, indices), lowered(row, [x, indices], {})):
        np.testing.assert_array_equal(result, np.array(expected, dtype))


def test_take_outside_passes_no_derivative():
    x, indices = np.array([1.0, 2.0, 3.0]), np.array([2, 5, -1, 2], np.int32)
    graph = trace(lambda x: backward(cr.sum(cr.take(x, indices)), [x]), x)
    assert evaluate(graph, x)[0].tolist() == [0, 0, 2]


def test_scatter_add_drops_what_is_outside():
    indices, updates = np.array([1, 3, -1, 1], np.int32), np.array([1.0, 2.0, 4.0, 8.0])
    row = PRIMITIVES["scatter_add"]
    for result in (row.value(indices, updates, size=3), lowered(row, [indices, updates], {"size": 3})):
        assert result.tolist() == [0, 9, 0]
    graph = trace(lambda u: backward(cr.sum(cr.scatter_add(indices, u, size=3)), [u]), updates)
    assert evaluate(graph, updates)[0].tolist() == [1, 0, 0, 1]


def test_indices_of_no_dimension():
    """The place of the largest element as an index: derivatives pass through it to that element."""
    x = np.array([3.0, 9.0, 4.0])
    assert cr.grad(lambda x: cr.take(x, cr.argmax(x, axis=0)) ** 2)(x).tolist() == [0, 18, 0]


def test_extremes_of_no_rows():
    none = np.zeros((0, 2))
    assert PRIMITIVES["max"].value(none, axes=(0,)).tolist() == [-np.inf, -np.inf]
    assert PRIMITIVES["min"].value(none, axes=(0,)).tolist() == [np.inf, np.inf]
    assert PRIMITIVES["max"].value(none.astype(np.int32), axes=(0,)).tolist() == [-(2**31)] * 2
