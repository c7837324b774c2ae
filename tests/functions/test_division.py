"""Division that rounds down, and its remainder, are NumPy's for all kinds of numbers, compiled too."""

import itertools

import numpy as np
import pytest

import chainrule as cr

FLOATS = (0.0, -0.0, 0.1, -0.1, 1.0, -1.0, 3.0, 7.5, -7.5, 1e30, -1e30, 1e-45, np.inf, -np.inf, np.nan)
INTEGERS = (0, 1, -1, 2, -2, 3, 7, -7, 2**31 - 1, -(2**31) + 1, -(2**31))
DIVISIONS = {"//": (lambda x, y: x // y, np.floor_divide), "%": (lambda x, y: x % y, np.remainder)}


def pairs(dtype):
    numbers = INTEGERS if dtype == "int32" else FLOATS
    return np.array(list(itertools.product(numbers, numbers))).T.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("name", DIVISIONS)
def test_all_pairs_of_special_numbers(name, dtype):
    divide, reference = DIVISIONS[name]
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = reference(x, y)
        found = cr.compile(divide)(x, y)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if dtype != "int32":
        np.testing.assert_array_equal(np.signbit(found)[expected == 0], np.signbit(expected)[expected == 0])


def test_derivatives():
    x, y = np.array([7.5, -7.5, 7.5, -7.5]), np.array([2.0, 2.0, -2.0, -2.0])
    for compiled in (False, True):
        slope = cr.grad(lambda z: cr.sum(z["x"] % z["y"] + z["x"] // z["y"]))
        found = (cr.compile(slope) if compiled else slope)({"x": x, "y": y})
        np.testing.assert_array_equal(found["x"], np.ones(4))
        np.testing.assert_array_equal(found["y"], -np.floor(x / y))


def test_a_number_on_the_left():
    y = np.array([2.0, -3.0])
    np.testing.assert_array_equal(cr.compile(lambda y: 7 // y)(y), 7 // y)
    np.testing.assert_array_equal(cr.compile(lambda y: 7 % y)(y), 7 % y)
