"""Functions in a traced graph whose number of rows is known only when it runs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.trace import trace
from chainrule.graph.types import FLOAT64, ROWS, ArrayType
from chainrule.graph.verify import verify

W, STACK, V = (np.random.default_rng(3).normal(size=shape) for shape in ((3, 2), (4, 3, 2), (3,)))
PLACES = np.array([2, 0, 2])

ON_TABLES = {  # x is (rows, 3); each is the same expression in both libraries
    "sum of rows": (lambda x: cr.sum(x, axis=0), lambda x: np.sum(x, axis=0)),
    "sum of all": (cr.sum, np.sum),
    "sum, kept": (lambda x: x - cr.sum(x, axis=-2, keepdims=True), lambda x: x - x.sum(0)),
    "mean of rows": (lambda x: cr.mean(x, axis=0), lambda x: np.mean(x, axis=0)),
    "mean of all": (cr.mean, np.mean),
    "mean of columns": (lambda x: cr.mean(x, axis=1), lambda x: np.mean(x, axis=1)),
    "variance": (lambda x: cr.var(x, axis=(0, 1)), np.var),
    "sample deviation": (
        lambda x: cr.std(x, axis=1, correction=1),
        lambda x: np.std(x, axis=1, ddof=1),
    ),
    "deviation of rows": (lambda x: cr.std(x, axis=0), lambda x: np.std(x, axis=0)),
    "extremes": (
        lambda x: cr.max(x, axis=0) - cr.min(x, axis=0, keepdims=True),
        lambda x: (x.max(0) - x.min(0))[None],
    ),
    "argmax": (lambda x: cr.argmax(x, axis=1), lambda x: np.argmax(x, axis=1)),
    "argmin, kept": (
        lambda x: cr.argmin(x, axis=1, keepdims=True),
        lambda x: np.argmin(x, axis=1, keepdims=True),
    ),
    "all": (lambda x: cr.all(x > 0, axis=0), lambda x: np.all(x > 0, axis=0)),
    "any": (lambda x: cr.any(x > 0), lambda x: np.any(x > 0)),
    "softmax of rows": (lambda x: cr.softmax(x, axis=0), lambda x: scipy.special.softmax(x, axis=0)),
    "log_softmax": (cr.log_softmax, lambda x: scipy.special.log_softmax(x, axis=1)),
    "logsumexp": (lambda x: cr.logsumexp(x, axis=0), lambda x: scipy.special.logsumexp(x, axis=0)),
    "row_count": (cr.row_count, len),
    "row numbers": (lambda x: cr.arange(x.shape[0]) + x[:, 0], lambda x: np.arange(len(x)) + x[:, 0]),
    "zeros": (lambda x: cr.zeros(x.shape) + x, lambda x: x),
    "ones_like": (cr.ones_like, np.ones_like),
    "column": (lambda x: x[:, 1], lambda x: x[:, 1]),
    "last columns": (lambda x: x[..., -2:], lambda x: x[..., -2:]),
    "every second, new axis": (lambda x: x[:, None, ::2], lambda x: x[:, None, ::2]),
    "backwards": (lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
    "backwards from within, new axis": (lambda x: x[:, None, -2:0:-2], lambda x: x[:, None, -2:0:-2]),
    "backwards, and nothing": (lambda x: x[:, 0:2:-1], lambda x: x[:, 0:2:-1]),
    "columns by number": (lambda x: x[:, PLACES], lambda x: x[:, PLACES]),
    "columns from the end by number": (lambda x: x[:, [-1, 0, -3]], lambda x: x[:, [-1, 0, -3]]),
    "columns from the end by computed number": (
        lambda x: x[:, cr.argmax(x, axis=1) - 3],
        lambda x: x[:, x.argmax(1) - 3],
    ),
    "rows by number": (lambda x: x[np.array([0, 0]), 1:], lambda x: x[np.array([0, 0]), 1:]),
    "take rows": (lambda x: cr.take(x, [0]), lambda x: x[:1]),
    "own place": (
        lambda x: cr.sum(cr.one_hot(cr.argmax(x, axis=1), 3, dtype="float64") * x, axis=1),
        lambda x: x.max(1),
    ),
    "scatter_add": (lambda x: cr.scatter_add(cr.argmax(x, axis=1), x, size=3), None),
    "flat": (lambda x: cr.reshape(x, (ROWS, 3, 1)), lambda x: x.reshape(-1, 3, 1)),
    "rows for -1": (lambda x: cr.reshape(x, (-1, 1, 3)), lambda x: x.reshape(-1, 1, 3)),
    "the rest for -1": (lambda x: cr.reshape(x, (ROWS, -1, 1)), lambda x: x.reshape(len(x), -1, 1)),
    "matrix": (lambda x: x @ W, lambda x: x @ W),
    "vector": (lambda x: x @ V, lambda x: x @ V),
    "vector on the left": (lambda x: V @ x.T, lambda x: V @ x.T),
    "gram": (lambda x: x.T @ x, lambda x: x.T @ x),
    "rows by rows": (lambda x: x @ x.T, lambda x: x @ x.T),
    "stack": (lambda x: x @ STACK, lambda x: x @ STACK),
    "batch of matrices": (
        lambda x: cr.expand_dims(x, axis=1) @ W,
        lambda x: x[:, None] @ W,
    ),
    "rows not in front": (
        lambda x: (x * STACK.sum(-1)[:, None]) @ W,
        lambda x: (x * STACK.sum(-1)[:, None]) @ W,
    ),
    "rows contracted in a stack": (
        lambda x: cr.stack([x.T, 2 * x.T]) @ x,
        lambda x: np.stack([x.T, 2 * x.T]) @ x,
    ),
    "vecdot": (lambda x: cr.vecdot(x, V), lambda x: x @ V),
    "concat": (lambda x: cr.concat([x, 2 * x], axis=1), lambda x: np.concatenate([x, 2 * x], axis=1)),
    "stacked": (lambda x: cr.stack([x, -x], axis=1), lambda x: np.stack([x, -x], axis=1)),
    "squeeze": (lambda x: cr.squeeze(x[:, 1:2], -1), lambda x: x[:, 1]),
    "broadcast_to": (
        lambda x: cr.broadcast_to(x, (2, ROWS, 3)),
        lambda x: np.broadcast_to(x, (2, *x.shape)),
    ),
}


def scattered(x):
    y = np.zeros((3, 3))
    for row in x:
        y[np.argmax(row)] += row
    return y


@pytest.mark.parametrize("name", ON_TABLES)
def test_on_any_number_of_rows(name):
    function, reference = ON_TABLES[name]
    graph = trace(function, ArrayType((ROWS, 3), FLOAT64))
    verify(graph)
    for rows in (1, 5):
        x = np.random.default_rng(rows).normal(size=(rows, 3))
        (y,) = evaluate(graph, x)
        expected = (reference or scattered)(x)
        np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-15)
        assert y.shape == np.shape(expected)


@pytest.mark.parametrize("name", ["mean of rows", "deviation of rows", "stack", "rows not in front", "gram"])
def test_gradient_on_any_number_of_rows(name):
    """The gradient in a graph with rows is the one on an array of that size."""
    function, _ = ON_TABLES[name]
    gradient = cr.grad(lambda x: cr.sum(cr.sin(function(x))))
    x = np.random.default_rng(0).normal(size=(4, 3))
    (dx,) = evaluate(trace(gradient, ArrayType((ROWS, 3), FLOAT64)), x)
    np.testing.assert_allclose(dx, gradient(x), rtol=1e-13)


def test_a_hyperparameter_may_be_symbolic():
    graph = trace(cr.leaky_relu, np.zeros(2), np.zeros(()))
    np.testing.assert_array_equal(evaluate(graph, np.array([-2.0, 3.0]), np.array(0.5))[0], [-1, 3])


def test_a_symbolic_position():
    graph = trace(lambda x, i: x[i], np.zeros((3, 2)), np.array(0))
    np.testing.assert_array_equal(evaluate(graph, np.eye(3, 2), np.array(1))[0], [0, 1])


# Any shape -----------------------------------------------------------------------------------------

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=4)


def numbered(shape):
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


def traced(function, x):
    return evaluate(trace(function, x), x)[0]


def without_backward_slices(index):
    items = index if isinstance(index, tuple) else (index,)
    return all(not isinstance(item, slice) or item.step is None or item.step > 0 for item in items)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), shape=SHAPES)
def test_indexing_is_that_of_numpy(data, shape):
    x = numbered(shape)
    basic = arrays.basic_indices(shape, allow_newaxis=True).filter(without_backward_slices)
    index = data.draw(basic)
    np.testing.assert_array_equal(traced(lambda v: v[index], x), x[index], strict=True)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), shape=SHAPES)
def test_reductions_are_those_of_numpy(data, shape):
    x = numbered(shape)
    axes = st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda i: i % len(shape))
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1) | axes.map(tuple))
    keepdims = data.draw(st.booleans())
    for ours, theirs in ((cr.sum, np.sum), (cr.max, np.max), (cr.mean, np.mean), (cr.var, np.var)):
        np.testing.assert_allclose(
            ours(x, axis=axis, keepdims=keepdims), theirs(x, axis=axis, keepdims=keepdims), rtol=1e-13
        )


@settings(deadline=None, max_examples=40)
@given(shapes=arrays.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3))
def test_matmul_is_that_of_numpy(shapes):
    a, b = map(numbered, shapes.input_shapes)
    np.testing.assert_array_equal(cr.matmul(a, b), np.matmul(a, b), strict=True)
