"""Large numbers, infinities and NaN: no overflow on the way, and a NaN stays one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import chainrule as cr

INF, NAN = np.inf, np.nan
SELU = 1.0507009873554805
AT = [-INF, -1e4, 1e4, INF]
ACTIVATIONS = {
    "elu": [-1, -1, 1e4, INF],
    "gelu": [NAN, 0, 1e4, INF],
    "identity": AT,
    "leaky_relu": [-INF, -100, 1e4, INF],
    "mish": [NAN, 0, 1e4, INF],
    "relu": [0, 0, 1e4, INF],
    "selu": [-SELU * 1.6732632423543772, -SELU * 1.6732632423543772, SELU * 1e4, INF],
    "sigmoid": [0, 0, 1, 1],
    "silu": [NAN, 0, 1e4, INF],
    "softplus": [0, 0, 1e4, INF],
    "tanh": [-1, -1, 1, 1],
    "erf": [-1, -1, 1, 1],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_far_out(name, dtype):
    y = getattr(cr, name)(np.array([*AT, NAN], dtype))
    np.testing.assert_allclose(y, np.array([*ACTIVATIONS[name], NAN], dtype), rtol=1e-6)
    assert y.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "x",
    [
        [1e4, 1e4, 0.0],
        [-1e4, -1e4 + 1, -2e4],
        [1e4, -1e4, 0.0],
        [-INF, 0.0, 1.0],
        [-INF, -INF, 1e4],
        [NAN, 0.0, 1.0],
        [NAN, INF, -INF],
    ],
)
def test_softmax_and_its_logarithm(x, dtype):
    x = np.array(x, dtype)
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        expected = scipy.special.softmax(wide), scipy.special.log_softmax(wide)
    tolerance = {"float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(cr.softmax(x), expected[0], rtol=tolerance)
    np.testing.assert_allclose(cr.log_softmax(x), expected[1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("x", [[-INF, -INF], [INF, 0.0]])
def test_a_softmax_without_a_value_is_nan(x):
    assert np.isnan(cr.softmax(np.array(x))).any()
    assert np.isnan(cr.log_softmax(np.array(x))).any()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1e4, 1e4], 1e4 + np.log(2)),
        ([-1e4, -1e4], -1e4 + np.log(2)),
        ([-INF, -INF], -INF),
        ([-INF, 3.0], 3.0),
        ([INF, 1e4], INF),
        ([INF, INF], INF),
        ([INF, -INF], INF),
        ([NAN, INF], NAN),
        ([NAN, 0.0], NAN),
    ],
)
def test_logsumexp_and_logaddexp(x, expected):
    x = np.array(x)
    np.testing.assert_allclose(cr.logsumexp(x), expected, rtol=1e-15)
    np.testing.assert_allclose(cr.logaddexp(x[0], x[1]), expected, rtol=1e-15)
    np.testing.assert_allclose(cr.logaddexp(x[1:], x[:1]), [expected], rtol=1e-15)


def test_softplus_keeps_its_tail():
    x = np.array([-50.0, -700.0])
    np.testing.assert_allclose(cr.softplus(x), np.exp(x), rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: cr.clip(x, -1, 1),
        lambda x: cr.clip(x, min=0),
        lambda x: cr.maximum(x, 0),
        lambda x: cr.minimum(0, x),
        lambda x: cr.max(x),
        lambda x: cr.min(x),
        lambda x: cr.mean(x),
        lambda x: cr.std(x),
        cr.sinh,
        cr.cosh,
        cr.tan,
        cr.sign,
        cr.floor,
        cr.ceil,
        cr.log2,
        lambda x: cr.pow(x, 2),
    ],
)
def test_nan_stays_nan(function):
    assert np.isnan(function(np.array([NAN]))).all()


def test_signed_zeros_and_infinities():
    assert np.signbit(cr.sinh(np.array(-0.0)))
    assert np.signbit(cr.ceil(np.array(-0.5)))
    np.testing.assert_array_equal(cr.reciprocal(np.array([0.0, -0.0])), [INF, -INF])
    np.testing.assert_array_equal(cr.sinh(np.array([-INF, INF])), [-INF, INF])
    np.testing.assert_array_equal(cr.cosh(np.array([-INF, INF])), [INF, INF])


def test_empty_arrays():
    nothing = np.zeros((0, 3))
    np.testing.assert_array_equal(cr.sum(nothing, axis=0), np.zeros(3))
    assert np.isnan(cr.mean(nothing, axis=0)).all()
    assert cr.softmax(nothing).shape == (0, 3)
    assert cr.tanh(nothing).shape == (0, 3)
    assert cr.matmul(nothing, np.ones((3, 2))).shape == (0, 2)
    np.testing.assert_array_equal(cr.matmul(nothing.T, np.ones((0, 2))), np.zeros((3, 2)))
    assert cr.concat([nothing, np.ones((1, 3))]).shape == (1, 3)
    assert bool(cr.all(nothing))
