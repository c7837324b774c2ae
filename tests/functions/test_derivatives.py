"""Derivatives of every function against central differences, and by formula where a kink or an extreme is."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from function_cases import ACTIVATIONS, ELEMENTWISE, LISTS, REDUCTIONS, SHAPES, drawn, parameters

import chainrule as cr


def central_difference(function, x, step=1e-5):
    """The derivative of a function of one float64 array that returns one number."""
    result = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            ends.append(float(function(moved)))
        result[place] = (ends[0] - ends[1]) / (2 * step)
    return result


def is_float(x):
    return isinstance(x, np.ndarray) and x.dtype == np.float64


def has_derivative(case):
    """Whether a case computes finite floats from finite floats."""
    floats = [x for x in case.arguments if is_float(x)]
    finite = all(np.all(np.isfinite(x)) for x in floats) and np.all(
        np.isfinite(case.expected(case.arguments))
    )
    return bool(floats) and finite and is_float(case.call(case.arguments)) and case.name != "stop_gradient"


def check_gradient(call, arguments):
    """Compare the gradient of a weighted sum of the result by each float argument."""
    weights = np.random.default_rng(5).normal(size=call(arguments).shape)
    for i in [i for i, x in enumerate(arguments) if is_float(x)]:

        def loss(x, i=i):
            return cr.sum(call((*arguments[:i], x, *arguments[i + 1 :])) * weights)

        np.testing.assert_allclose(
            cr.grad(loss)(arguments[i]), central_difference(loss, arguments[i]), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize(
    "case",
    parameters(list(filter(has_derivative, ELEMENTWISE + ACTIVATIONS + REDUCTIONS + SHAPES))),
)
def test_gradient(case):
    check_gradient(case.call, case.arguments)


@pytest.mark.parametrize("case", parameters(LISTS))
def test_gradient_of_joined_arrays(case):
    check_gradient(lambda arguments: case.call((list(arguments),)), case.arguments)


def test_nothing_flows_through_stop_gradient():
    x = drawn(3)
    np.testing.assert_array_equal(cr.grad(lambda x: cr.sum(cr.stop_gradient(x)))(x), np.zeros(3))


SMOOTH = [
    cr.elu,
    cr.gelu,
    cr.mish,
    cr.selu,
    cr.sigmoid,
    cr.silu,
    cr.softmax,
    cr.softplus,
    cr.log_softmax,
    cr.sinh,
    cr.cosh,
    cr.tan,
    cr.tanh,
    cr.logsumexp,
    lambda x: cr.logaddexp(x, x[::2][:1] * 0.5),
    lambda x: cr.std(x),
    lambda x: cr.pow(x, 3),
]


@pytest.mark.parametrize("function", SMOOTH)
def test_second_derivative(function):
    x = drawn(4, low=-1.4, high=1.4)
    weights = np.random.default_rng(6).normal(size=np.shape(function(cr.astype(x, "float64"))) or ())

    def slope(x):
        return cr.sum(cr.sin(cr.grad(lambda x: cr.sum(function(x) * weights))(x)))

    np.testing.assert_allclose(cr.grad(slope)(x), central_difference(slope, x), rtol=1e-6, atol=1e-8)


# At kinks and ties ---------------------------------------------------------------------------------


def first_and_second(function, x):
    first = cr.grad(function)
    return float(first(x)), float(cr.grad(first)(x))


@pytest.mark.parametrize("x", [-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])
def test_softplus_has_the_derivatives_of_ln_1_plus_exp(x):
    p = scipy.special.expit(x)
    first, second = first_and_second(cr.softplus, x)
    np.testing.assert_allclose(first, p, rtol=1e-14)
    np.testing.assert_allclose(second, p * scipy.special.expit(-x), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("x", [-1e4, 0.0, 2.0, 1e4])
@pytest.mark.parametrize("gap", [-3.0, 0.0, 3.0])
def test_logaddexp_has_the_derivatives_of_ln_of_the_sum(x, gap):
    p = scipy.special.expit(-gap)
    by_first, by_second = cr.grad(cr.logaddexp, argnums=(0, 1))(x, x + gap)
    np.testing.assert_allclose([by_first, by_second], [p, 1 - p], rtol=1e-14)
    at = np.array([x, x + gap])
    hessian = cr.hessian(lambda v: cr.logaddexp(v[0], v[1]))(at)
    np.testing.assert_allclose(hessian, p * (1 - p) * np.array([[1, -1], [-1, 1]]), rtol=1e-12)


@pytest.mark.parametrize("x", [[0.0, 0.0, 0.0], [1.0, 1.0, -2.0], [1e4, 1e4 - 1, 0.0]])
def test_logsumexp_has_the_softmax_as_its_derivative_also_at_ties(x):
    x = np.array(x)
    p = scipy.special.softmax(x)
    np.testing.assert_allclose(cr.grad(cr.logsumexp)(x), p, rtol=1e-14)
    np.testing.assert_allclose(
        cr.hessian(cr.logsumexp)(x), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-16
    )


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_elu_has_the_derivatives_from_below_at_zero(alpha):
    assert first_and_second(lambda x: cr.elu(x, alpha), 0.0) == (alpha, alpha)
    assert first_and_second(lambda x: cr.elu(x, alpha), 1e-9) == (1, 0)
    np.testing.assert_allclose(
        first_and_second(lambda x: cr.elu(x, alpha), -2.0), [alpha * np.exp(-2)] * 2, rtol=1e-14
    )
    assert first_and_second(lambda x: cr.elu(x, alpha), 1e4) == (1, 0)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (cr.relu, 0),
        (lambda x: cr.leaky_relu(x, 0.2), 0.2),
        (cr.abs, 0),
        (lambda x: cr.clip(x, 0, 1), 0),
        (lambda x: cr.clip(x, -1, 0), 0),
        (lambda x: cr.maximum(0, x), 1),
        (cr.gelu, 0.5),
        (cr.silu, 0.5),
        (cr.mish, 0.6),
        (lambda x: cr.pow(x, 1), 1),
        (lambda x: cr.pow(x, 0), 0),
        (lambda x: cr.max(cr.stack([x, 0.0])), 0.5),
    ],
)
def test_derivative_at_zero(function, derivative):
    np.testing.assert_allclose(cr.grad(function)(0.0), derivative, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("function", "below", "above"),
    [
        (cr.elu, 0, 1),
        (cr.gelu, 0, 1),
        (cr.leaky_relu, 0.01, 1),
        (cr.mish, 0, 1),
        (cr.relu, 0, 1),
        (cr.selu, 0, 1.0507009873554805),
        (cr.sigmoid, 0, 0),
        (cr.silu, 0, 1),
        (cr.softplus, 0, 1),
        (cr.tanh, 0, 0),
    ],
)
def test_first_and_second_derivative_far_out(function, below, above, dtype):
    x = np.array([-1e4, 1e4], dtype)
    gradient = cr.grad(lambda x: cr.sum(function(x)))
    np.testing.assert_allclose(gradient(x), np.array([below, above], dtype), rtol=1e-6)
    np.testing.assert_array_equal(cr.grad(lambda x: cr.sum(gradient(x)))(x), [0, 0])


def test_a_masked_logit_gets_no_derivative():
    x = np.array([0.5, -np.inf, 1.0])
    p = scipy.special.softmax(x)
    np.testing.assert_allclose(cr.grad(cr.logsumexp)(x), p, rtol=1e-14)
    np.testing.assert_allclose(cr.grad(lambda x: cr.log_softmax(x)[0])(x), [1, 0, 0] - p, rtol=1e-14)
