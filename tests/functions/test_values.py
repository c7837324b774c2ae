"""Every function against NumPy or SciPy, in both precisions, and what dtype and memory its result has."""

from __future__ import annotations

import numpy as np
import pytest
from function_cases import (
    ACTIVATIONS,
    CREATED,
    ELEMENTWISE,
    LISTS,
    RANDOM,
    REDUCTIONS,
    SHAPES,
    X,
    parameters,
)

import chainrule as cr
from chainrule import functions
from chainrule.graph.trace import trace
from chainrule.graph.types import FLOAT32, ArrayType

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def test_every_function_is_in_the_table():
    named = {case.name for case in ELEMENTWISE + ACTIVATIONS + REDUCTIONS + SHAPES + LISTS + CREATED}
    assert named | RANDOM == set(functions.__all__)


def agree(result, expected, dtype):
    expected = np.asarray(expected)
    wanted = {"f": dtype, "i": "int32", "b": "bool"}[expected.dtype.kind]
    if isinstance(result, np.ndarray):  # and not a Python number
        assert result.dtype == wanted
    assert np.shape(result) == expected.shape
    np.testing.assert_allclose(result, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", parameters(ELEMENTWISE, ACTIVATIONS, REDUCTIONS, SHAPES))
def test_value(case, dtype):
    arguments = case.cast(dtype)
    expected = case.expected(arguments)
    floats = any(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in arguments)
    agree(case.call(arguments), expected, dtype if floats else "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", parameters(LISTS))
def test_value_of_joined_arrays(case, dtype):
    arguments = case.cast(dtype)
    agree(case.call((list(arguments),)), case.expected(arguments), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("case", parameters(CREATED))
def test_value_of_created_arrays(case, dtype):
    expected = case.expected(case.arguments)
    if case.name in ("arange", "zeros_like", "ones_like"):
        arguments = tuple(
            np.asarray(x).astype(dtype) if isinstance(x, np.ndarray) else x for x in case.arguments
        )
        result = case.call(arguments)
        expected = expected.astype("int32" if case.name == "arange" else dtype)
    else:
        result = getattr(cr, case.name)(*case.arguments, dtype=dtype)
        expected = expected.astype(dtype)
    np.testing.assert_array_equal(result, expected, strict=True)


def test_created_arrays_are_float32_unless_told():
    for array in (cr.zeros(2), cr.ones(2), cr.full(2, 3), cr.one_hot([1], 2)):
        assert array.dtype == np.float32


@pytest.mark.parametrize("case", parameters(ELEMENTWISE, ACTIVATIONS, REDUCTIONS, SHAPES))
def test_result_shares_memory_with_nothing(case):
    copies = [np.copy(x) for x in case.arguments if isinstance(x, np.ndarray)]
    result = case.call(case.arguments)
    if isinstance(result, np.ndarray):
        assert result.flags.writeable
        assert result.flags.owndata
        result[...] = 1
    given = [x for x in case.arguments if isinstance(x, np.ndarray)]
    for before, after in zip(copies, given, strict=True):
        np.testing.assert_array_equal(before, after)


def test_python_numbers_give_python_numbers():
    assert cr.multiply(2, 3) == 6
    assert type(cr.multiply(2, 3)) is int
    assert cr.sqrt(4) == 2.0
    assert type(cr.sqrt(4)) is float
    assert type(cr.row_count(np.zeros((3, 2)))) is int


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * cr.sqrt(2),
        lambda x: x + np.arange(4),
        lambda x: cr.divide(np.arange(4), x),
        lambda x: cr.pow(x, np.arange(4)),
        lambda x: x * cr.mean(np.arange(4)),
        lambda x: x * cr.where(x > 1, 1.0, 0.0),
        lambda x: x @ np.ones((4, 2), np.int32),
        lambda x: x / cr.row_count(x),
        lambda x: cr.var(x, axis=0, correction=1),
        lambda x: cr.leaky_relu(x, 0.1),
        lambda x: x + cr.full(4, 0.5),
    ],
)
def test_float32_stays_float32(function):
    (output,) = trace(function, ArrayType((3, 4), FLOAT32)).outputs
    assert output.dtype == np.float32


def test_the_wider_dtype_wins():
    assert cr.add(X.astype("float32"), X).dtype == np.float64
    assert cr.where(X > 0, X.astype("float32"), X).dtype == np.float64
    assert cr.concat([X.astype("float32"), X]).dtype == np.float64


def test_a_dtype_that_was_asked_for_does_not_yield():
    (output,) = trace(lambda x: x * cr.astype(2, "float64"), ArrayType((3,), FLOAT32)).outputs
    assert output.dtype == np.float64


def test_integers_divide_to_floats_also_as_operators():
    graph = trace(lambda i: (i / 2, i**3, i**2), np.array([1, 2]))
    assert [value.dtype.name for value in graph.outputs] == ["float64", "float64", "int32"]


def test_a_position_outside_gives_nan():
    np.testing.assert_array_equal(cr.take(np.array([1.0, 2.0]), [-1, 1, 2]), [np.nan, 2, np.nan])
    np.testing.assert_array_equal(cr.take(np.array([1, 2]), [-1, 1, 2]), [0, 2, 0])
    np.testing.assert_array_equal(cr.scatter_add([-1, 1, 2], np.ones(3), size=2), [0, 1])


@pytest.mark.parametrize("x", [1e-10, 0.5, 30.0, 710.0])
def test_hyperbolic_functions_keep_their_digits_and_do_not_overflow_early(x):
    points = np.array([-x, x])
    np.testing.assert_allclose(cr.sinh(points), np.sinh(points), rtol=1e-14)
    np.testing.assert_allclose(cr.cosh(points), np.cosh(points), rtol=1e-14)


def test_an_axis_may_be_a_number_of_numpy():
    np.testing.assert_array_equal(cr.sum(np.ones((2, 3)), axis=np.int64(1)), [3, 3])
    assert cr.squeeze(np.ones((1, 2)), axis=np.int64(0)).shape == (2,)
