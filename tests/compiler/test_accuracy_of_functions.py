"""The functions that users call, compiled, are within 2 units in the last place, composed ones too."""

import numpy as np
import pytest
from test_vectormath import all_exponents, by_dtype, erf, logistic, near_multiples, ulps

import chainrule as cr
from chainrule.functions.activations import SELU_ALPHA, SELU_SCALE

needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="float64 is checked against a long double of 64 bits"
)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def selu(x):
    return elu(x) * np.where(x > 0, 1, x.dtype.type(SELU_ALPHA)) * SELU_SCALE


OF_NUMPY = (
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "reciprocal"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh"),
)
EXACT = {name: getattr(np, name) for name in OF_NUMPY}
EXACT |= {"erf": erf, "sigmoid": logistic, "softplus": softplus, "elu": elu, "selu": selu}


def numbers(dtype):
    """Floats of any bits, around 0 and 1, where exponentials are finite, and next to multiples of π/4."""
    rng = np.random.default_rng(7)
    size = 30_000 if dtype == "float32" else 10_000
    around = [rng.uniform(-width, width, size) for width in (2.0**-20, 0.4, 1, 3, 10, 25, 90, 750, 1e5)]
    around += [np.exp(rng.uniform(-30, 5, size)), 1 + rng.normal(size=size) / 1000]
    parts = [all_exponents(dtype, rng), np.concatenate(around), near_multiples(dtype)]
    return np.concatenate([part.astype(dtype) for part in parts])


@needs_long_double
@by_dtype
@pytest.mark.parametrize("name", EXACT)
def test_a_function_is_near_the_exact_one(name, dtype):
    x = numbers(dtype)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64 if dtype == "float32" else np.longdouble))
    distances = ulps(cr.compile(getattr(cr, name))(x), exact)
    worst = np.argmax(distances)
    assert distances[worst] <= 2, x[worst]


@by_dtype
@pytest.mark.parametrize(("name", "base"), [("log2", 2), ("log10", 10)])
def test_logarithms_of_powers_are_whole(name, base, dtype):
    most = {"float32": 38, "float64": 308} if base == 10 else {"float32": 127, "float64": 1023}
    exponents = np.arange(0 if base == 10 else -most[dtype], most[dtype] + 1)
    powers = np.array([float(base) ** int(n) for n in exponents], dtype)
    np.testing.assert_array_equal(cr.compile(getattr(cr, name))(powers), exponents.astype(dtype))
