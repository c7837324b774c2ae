"""grad, value_and_grad, vjp, jacobian and hessian."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.graph.trace import trace
from chainrule.graph.types import ArrayType
from chainrule.graph.verify import verify


def slopes(function, x, step=1e-5):
    """Central differences of a function that returns an array, by an array."""
    result = np.empty((*np.shape(function(x)), *x.shape))
    for index in np.ndindex(x.shape):
        h = np.zeros_like(x)
        h[index] = step
        result[(..., *index)] = (function(x + h) - function(x - h)) / (2 * step)
    return result


def test_gradient_by_hand():
    x, t = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]]), np.array([1.0, 0.0, -1.0])
    w = np.array([0.3, -0.2])
    loss, gradient = cr.value_and_grad(lambda w: cr.mean((x @ w - t) ** 2))(w)
    assert np.isclose(loss, np.mean((x @ w - t) ** 2))
    assert np.allclose(gradient, 2 / 3 * x.T @ (x @ w - t), rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: cr.sum(cr.sin(x) * cr.exp(-x)),
        lambda x: cr.logsumexp(x @ x.T),
        lambda x: cr.sum(cr.softmax(x, axis=0) ** 2),
        lambda x: cr.sum(cr.var(x, axis=1) / cr.mean(x**2)),
        lambda x: cr.sum(cr.concat([x[:, 1:] * 2, x[:, :1] ** 3], axis=1) ** 2),
        lambda x: cr.sum(cr.take(x, np.array([1, 1, 0]), axis=1)[::2] ** 3),
        lambda x: cr.max(x) * cr.min(x) + cr.sum(cr.abs(x)),
    ],
)
def test_gradient_against_differences(function):
    x = np.random.default_rng(1).normal(size=(3, 3))
    assert np.allclose(cr.grad(function)(x), slopes(function, x), rtol=1e-7, atol=1e-8)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.just(0.0) | st.floats(0.01, 2))
@settings(max_examples=40, deadline=None)
def test_derivatives_of_derivatives_of_polynomials(coefficients, x):
    """The first three derivatives, each the gradient of the one before."""
    function = lambda x: sum((c * x**k for k, c in enumerate(coefficients)), start=0.0 * x)
    expected = np.polynomial.Polynomial(coefficients)
    for _ in range(3):
        function, expected = cr.grad(function), expected.deriv()
        assert np.isclose(function(x), expected(x), rtol=1e-10, atol=1e-10)


def test_third_derivative_of_transcendental_functions():
    third = lambda f: cr.grad(cr.grad(cr.grad(f)))
    assert np.isclose(third(cr.sin)(0.7), -np.cos(0.7), rtol=1e-14)
    assert np.isclose(third(cr.exp)(0.7), np.exp(0.7), rtol=1e-14)
    assert np.isclose(third(cr.log)(0.7), 2 / 0.7**3, rtol=1e-13)
    t = np.tanh(0.7)
    assert np.isclose(third(cr.tanh)(0.7), -2 * (1 - t**2) * (1 - 3 * t**2), rtol=1e-13)


# What counts as constant ------------------------------------------------------------------------------


def test_an_array_held_by_a_closure_is_constant():
    w = np.array([1.0, 2.0])
    assert np.array_equal(cr.grad(lambda v: cr.sum(v * w))(w), w)
    outer = cr.grad(lambda x: cr.grad(lambda y: x * y)(x))  # the inner x is constant: d/dx x = 1
    assert outer(5.0) == 1.0


def test_inner_and_outer_variables_are_not_confused():
    d = cr.grad
    assert d(lambda x: x * d(lambda y: x + y)(1.0))(3.0) == 1.0
    assert d(lambda x: x * d(lambda y: x + y)(x))(3.0) == 1.0
    assert d(lambda x: d(lambda y: x * y * y)(2.0))(3.0) == 4.0
    assert d(lambda x: d(lambda y: d(lambda z: x * y * z * z)(5.0) * y)(2.0))(3.0) == 2 * 5 * 2 * 2


def test_the_variable_of_a_differentiation_is_seen_in_a_model_that_is_called_on_numbers():
    x = np.arange(6.0).reshape(2, 3)

    def total(slope):
        return cr.sum(cr.Model(cr.Activation(lambda z: slope * z), loss="hinge", dtype="float64")(x))

    assert cr.grad(total)(2.0) == 15


def test_the_variable_of_an_outer_differentiation_is_seen_by_every_inner_one():
    scale = np.array([1.0, 2.0])
    by_vjp = cr.grad(lambda x: cr.sum(cr.vjp(lambda y: x * y**2, scale)[1](np.ones(2))[0]))
    assert by_vjp(3.0) == 2 * scale.sum()
    value_of_vjp = cr.grad(lambda x: cr.sum(cr.vjp(lambda y: x * y, scale)[0]))
    assert value_of_vjp(3.0) == scale.sum()
    by_jacobian = cr.grad(lambda x: cr.sum(cr.jacobian(lambda y: x * y**2)(scale)))
    assert by_jacobian(3.0) == 2 * scale.sum()
    by_hessian = cr.grad(lambda x: cr.sum(cr.hessian(lambda y: cr.sum(x * y**2))(scale)))
    assert by_hessian(3.0) == 4.0


def test_mixed_plain_and_symbolic_arguments():
    """The inner function differentiates by a plain number, beside a variable of the outer one."""
    inner = lambda x: cr.grad(lambda y, z: cr.grad(lambda t: y * t * z)(2.0) * y)(4.0, x)
    assert inner(3.0) == 2 * 4.0 * 3.0
    assert cr.grad(inner)(3.0) == 8.0


def test_after_an_error_nothing_is_left_under_way():
    with pytest.raises(ZeroDivisionError):
        cr.grad(lambda x: x / 0 if isinstance(x, float) else 1 // 0)(1.0)
    assert isinstance(cr.grad(lambda x: x * x)(1.0), np.ndarray)


# Arguments ----------------------------------------------------------------------------------------------


def test_argnums():
    f = lambda a, b, c: a * b**2 + c
    assert cr.grad(f, argnums=1)(2.0, 3.0, 4.0) == 12.0
    assert cr.grad(f, argnums=-2)(2.0, 3.0, 4.0) == 12.0
    assert cr.grad(f, argnums=np.int64(1))(2.0, 3.0, 4.0) == 12.0
    assert cr.grad(f, argnums=(2, 0))(2.0, 3.0, 4.0) == (1.0, 9.0)
    with pytest.raises(ValueError, match="argnums = 3: the function was called with 3 arguments"):
        cr.grad(f, argnums=3)(2.0, 3.0, 4.0)
    with pytest.raises(ValueError, match="names one argument twice"):
        cr.grad(f, argnums=(0, -3))(2.0, 3.0, 4.0)


def test_keyword_arguments_are_passed_on():
    assert cr.grad(lambda x, *, k: x**2 * k)(3.0, k=5.0) == 30.0
    assert cr.grad(lambda k: cr.grad(lambda x, *, k: x**2 * k)(3.0, k=k))(5.0) == 6.0


def test_structures():
    parameters = {"w": np.array([1.0, 2.0]), "rest": [np.float32(3), (4.0,)]}
    gradient = cr.grad(lambda p: cr.sum(p["w"] ** 2) * p["rest"][0] + p["rest"][1][0])(parameters)
    assert np.array_equal(gradient["w"], [6.0, 12.0])
    assert gradient["rest"][0] == 5.0
    assert gradient["rest"][0].dtype == np.float32
    assert gradient["rest"][1] == (1.0,)


def test_dtypes_are_kept():
    w = np.ones(3, np.float32)
    y, gradient = cr.value_and_grad(lambda w: cr.sum(0.1 * w**2))(w)
    assert y.dtype == gradient.dtype == np.float32


def test_unused_arguments_get_zeros():
    a, b = cr.grad(lambda a, b: cr.sum(a), argnums=(0, 1))(np.ones(2), np.ones((2, 3), np.float32))
    assert np.array_equal(b, np.zeros((2, 3), np.float32))
    assert np.array_equal(a, [1.0, 1.0])


@pytest.mark.parametrize("transform", [cr.grad, cr.value_and_grad, cr.jacobian, cr.hessian])
def test_integers_are_refused(transform):
    with pytest.raises(TypeError, match=r"only floats have derivatives, and an argument is int32\[2\]"):
        transform(lambda x: cr.sum(x * 1.0))(np.array([1, 2]))
    with pytest.raises(TypeError, match=r"an argument is int32\[\]; cast it first"):
        transform(lambda x: x * 1.0)(3)


def test_results_that_are_not_one_float_are_refused():
    with pytest.raises(
        TypeError, match=r"returns one float, and it returned float64\[2\]; cr.sum or cr.mean"
    ):
        cr.grad(lambda x: x * 2)(np.ones(2))
    with pytest.raises(TypeError, match=r"the function returned bool\[\]"):
        cr.grad(lambda x: cr.sum(x) > 0)(np.ones(2))
    with pytest.raises(TypeError, match="returned a tuple"):
        cr.grad(lambda x: (cr.sum(x), x))(np.ones(2))
    with pytest.raises(TypeError, match=r"the function returned int32\[2\]"):
        cr.jacobian(lambda x: cr.astype(x, "int32"))(np.ones(2))
    with pytest.raises(TypeError, match="one array, and the first argument is a dict"):
        cr.jacobian(lambda p: p["x"])({"x": np.ones(2)})


def test_gradients_inside_a_traced_function_stay_in_the_graph():
    graph = trace(
        lambda x, c: cr.grad(lambda y: cr.sum(c * y**3))(x), *[ArrayType((3,), np.dtype("float32"))] * 2
    )
    verify(graph)
    assert not graph.captured
    assert "power" in str(graph) or "multiply" in str(graph)


# vjp, jacobian, hessian -----------------------------------------------------------------------------------


def test_vjp_is_the_transposed_jacobian():
    generator = np.random.default_rng(2)
    a, x, dy = generator.normal(size=(4, 3)), generator.normal(size=3), generator.normal(size=4)
    f = lambda x: cr.tanh(a @ x)
    y, pull = cr.vjp(f, x)
    assert np.allclose(y, np.tanh(a @ x))
    assert np.allclose(pull(dy)[0], dy @ cr.jacobian(f)(x))
    assert np.allclose(pull(np.ones(4, np.int32))[0], np.ones(4) @ cr.jacobian(f)(x))
    with pytest.raises(
        ValueError, match=r"dy has the shape \(3,\), and the function's result is float64\[4\]"
    ):
        pull(np.ones(3))


def test_vjp_of_several_arguments_keeps_dtypes():
    a, p = np.ones((2, 3), np.float32), {"x": np.arange(3, dtype=np.float32)}
    _, pull = cr.vjp(lambda a, p: a @ p["x"], a, p)
    da, dp = pull(np.array([1.0, 10.0]))
    assert np.array_equal(da, np.outer([1, 10], [0, 1, 2]))
    assert np.array_equal(dp["x"], [11, 11, 11])
    assert da.dtype == dp["x"].dtype == np.float32


def test_jacobian_shapes_and_numbers():
    generator = np.random.default_rng(3)
    x, b = generator.normal(size=(2, 3)), generator.normal(size=(3, 4))
    f = lambda x: cr.sin(x @ b)
    jacobian = cr.jacobian(f)(x)
    assert jacobian.shape == (2, 4, 2, 3)
    assert np.allclose(jacobian, slopes(f, x), atol=1e-9)
    assert cr.jacobian(cr.sum)(x).shape == (2, 3)
    assert cr.jacobian(lambda x: x[:0])(x).shape == (0, 3, 2, 3)
    assert np.array_equal(cr.jacobian(lambda x, c: c * x)(np.ones(2), 3.0), 3 * np.eye(2))


def test_hessian_is_symmetric_and_right():
    generator = np.random.default_rng(4)
    a, x = generator.normal(size=(5, 5)), generator.normal(size=5)
    assert np.allclose(cr.hessian(lambda x: x @ a @ x)(x), a + a.T, rtol=1e-13)
    f = lambda x: cr.logsumexp(cr.tanh(x @ a))
    hessian = cr.hessian(f)(x)
    assert np.allclose(hessian, hessian.T, rtol=1e-10)
    assert np.allclose(hessian, slopes(cr.grad(f), x), atol=1e-9)
    assert cr.hessian(lambda x: cr.sum(x**3))(np.ones((2, 3))).shape == (2, 3, 2, 3)


def test_hessian_of_a_relu_network_is_zero_where_it_is_linear():
    generator = np.random.default_rng(5)
    w, v, x = generator.normal(size=(3, 8)), generator.normal(size=8), generator.normal(size=3)
    assert np.array_equal(cr.hessian(lambda x: cr.relu(x @ w) @ v)(x), np.zeros((3, 3)))
    on = (x @ w > 0) * v
    squared = cr.hessian(lambda x: (cr.relu(x @ w) @ v) ** 2)(x)
    assert np.allclose(squared, 2 * np.outer(w @ on, w @ on))


def test_results_share_no_memory_with_arguments():
    w = np.ones(3)
    y, pull = cr.vjp(lambda x: x, w)
    [dx] = pull(w)
    gradient = cr.grad(lambda x: cr.sum(x * w))(w)
    for array in (y, dx, gradient):
        assert not np.shares_memory(array, w)


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "jacobian", "hessian", "vjp", "compile"])
@pytest.mark.parametrize(
    ("given", "told"), [(3, "3"), (None, "None"), ("sin", "'sin'"), (np.ones(2), r"array\(\[1\., 1\.\]\)")]
)
def test_what_is_no_function_is_refused_before_it_is_called(name, given, told):
    with pytest.raises(TypeError, match=rf"^{name} takes a function, such as .*, and was given {told}$"):
        getattr(cr, name)(given)


@pytest.mark.parametrize("function", [lambda x: x, lambda x: 3.0 * x + 1, lambda x: x * x])
@pytest.mark.parametrize("x", [2.0, np.float32(2), np.array(2.0)])
def test_derivatives_by_numbers_are_arrays(function, x):
    _, pull = cr.vjp(function, x)
    expected = cr.grad(function)(x)
    for derivative in (cr.jacobian(function)(x), pull(1.0)[0]):
        assert isinstance(derivative, np.ndarray)
        assert derivative.dtype == expected.dtype == np.asarray(x).dtype
        assert derivative == expected


@pytest.mark.parametrize("argnums", [np.ones(3), 1.5, "a", None, True, (0, 1.0)])
def test_arguments_in_the_place_of_positions_are_refused(argnums):
    with pytest.raises(TypeError, match=r"argnums are positions, such as 0 or .*: cr.grad\(f\)\(x\)$"):
        cr.grad(lambda x, y: cr.sum(x * y), argnums)(np.ones(3), np.ones(3))
