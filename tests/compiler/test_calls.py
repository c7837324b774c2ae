"""Calls of a graph's native code: what stays from call to call is not looked at again, what changes is."""

import copy
import gc
import warnings
import weakref
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest

import chainrule as cr
from at_once import at_once
from chainrule.compiler import function
from chainrule.compiler.executable import Executable, executable_of
from chainrule.graph.graph import Graph
from chainrule.graph.types import FLOAT32, FLOAT64, ROWS
from chainrule.graph.value import input_value

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="module")
def product():
    """The product of rows and a weight, as native code."""
    x, w = input_value("x", (ROWS, 3), FLOAT32), input_value("w", (3, 2), FLOAT32)
    return Executable(Graph([x, w], [x @ w]))


def weight(seed):
    return np.random.default_rng(seed).integers(-9, 9, (3, 2)).astype(np.float32)


def test_a_weight_that_was_replaced_is_seen(product):
    for seed in range(20):  # the memory of an array that is gone may be the next one's
        w = weight(seed)
        np.testing.assert_array_equal(product(X, w)[0], X @ w)


def test_what_is_done_to_a_weight_is_seen(product):
    w = weight(0)
    product(X, w)
    w[1] = 7
    np.testing.assert_array_equal(product(X, w)[0], X @ w)


def test_what_is_done_to_a_weight_that_is_not_contiguous_is_seen(product):
    w = np.asfortranarray(weight(0))
    product(X, w)
    w[1] = 7
    np.testing.assert_array_equal(product(X, w)[0], X @ w)


def test_another_form_of_the_same_weight_is_seen(product):
    memory = np.arange(12, dtype=np.float32)
    w = np.ndarray((3, 2), np.float32, memory)
    for strides in ((8, 4), (4, 12), (16, 4)):
        product(X, w)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # NumPy would rather have a new array made
            w.strides = strides
        np.testing.assert_array_equal(product(X, w)[0], X @ w)


@pytest.mark.parametrize("name", ["shape", "dtype"])
def test_a_weight_that_does_not_fit_any_more_is_refused(product, name):
    w = weight(0)
    product(X, w)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        setattr(w, name, {"shape": (2, 3), "dtype": np.int32}[name])
    with pytest.raises(ValueError, match=r"w is float32\[3, 2\].*, and was given"):
        product(X, w)


def test_a_weight_whose_memory_is_known_is_not_moved(product):
    w = weight(0)
    product(X, w)
    with pytest.raises(ValueError, match="cannot resize"):
        w.resize((30, 20), refcheck=False)
    np.testing.assert_array_equal(product(X, w)[0], X @ w)


def test_another_number_of_rows_is_seen(product):
    w = weight(0)
    for rows in (4, 1, 3, 0, 4):
        np.testing.assert_array_equal(product(X[:rows], w)[0], X[:rows] @ w)


def test_a_weight_is_not_kept_alive(product):
    w = weight(0)
    product(X, w)
    gone = weakref.ref(w)
    del w
    assert gone() is None


@pytest.mark.parametrize("wrong", [np.zeros((3, 3), np.float32), np.zeros((3, 2)), np.zeros(6, np.float32)])
def test_a_weight_of_another_type_is_refused_each_time(product, wrong):
    product(X, weight(0))
    for _ in range(2):
        with pytest.raises(ValueError, match="w is float32"):
            product(X, wrong)


def test_a_missing_or_further_array_is_refused(product):
    w = weight(0)
    product(X, w)
    for given in ((X,), (X, w, w)):
        with pytest.raises(ValueError, match="takes 2 arrays"):
            product(*given)


def test_threads_with_weights_of_their_own_do_not_meet(product):
    def call(seed):
        w = weight(seed)
        for _ in range(300):
            np.testing.assert_array_equal(product(X, w)[0], X @ w)

    at_once(*(partial(call, seed) for seed in range(4)))


def test_native_code_goes_with_its_graph():
    x = input_value("x", (ROWS, 3), FLOAT32)
    graph = Graph([x], [cr.tanh(x)])
    executable = weakref.ref(executable_of(graph))
    assert executable_of(graph) is executable()
    del graph, x
    gc.collect()
    assert executable() is None


def test_a_compiled_function_keeps_the_code_of_the_latest_types(monkeypatch):
    monkeypatch.setattr(function, "MOST_KEPT", 2)
    monkeypatch.setattr(function, "Executable", made := Mock(wraps=Executable))
    total = cr.compile(cr.sum)
    for size in (1, 2, 1, 3):
        assert total(np.ones(size)) == size
    first = weakref.ref(total._last)
    assert made.call_count == 3
    assert total(np.ones(2)) == 2
    assert made.call_count == 3
    assert total(np.ones(1)) == 1  # was the oldest
    assert made.call_count == 4
    assert total(np.ones(4)) == 4
    gc.collect()
    assert first() is None
    assert len(total._plain) <= len(total._made) == 2


def test_a_compiled_function_takes_arguments_by_name():
    @cr.compile
    def line(x, slope=2.0, *, offset=0.0):
        """A line."""
        return slope * x + offset

    assert (line.__name__, line.__doc__) == ("line", "A line.")
    with pytest.raises(TypeError, match="by position, and offset has none"):
        line(x=1.0)
    power = cr.compile(lambda x, y=3.0: x**y)
    assert power(2.0) == 8.0
    assert (power(y=2.0, x=3.0), power(3.0, y=1.0)) == (9.0, 3.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        power(1.0, z=2.0)


def test_a_compiled_function_can_be_copied():
    double = cr.compile(lambda x: 2 * x)
    np.testing.assert_array_equal(double(np.ones(3)), copy.deepcopy(double)(np.ones(3)))


@pytest.mark.parametrize("wrap", [lambda f: f, cr.compile], ids=["evaluated", "compiled"])
def test_what_a_compiled_function_finds_outside_may_be_symbolic(wrap):
    x = np.arange(3.0)

    def total(weight):
        return cr.sum(cr.compile(lambda a: {"scaled": a * weight, "given": a})(x)["scaled"])

    assert wrap(total)(2.0) == 6
    assert wrap(cr.grad(total))(2.0) == cr.grad(wrap(total))(2.0) == 3
    assert wrap(cr.grad(lambda w: cr.grad(total)(w) * w))(2.0) == 3


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_an_objective_may_compile_what_it_calls(executor):
    def objective(wrap):
        at = np.array([[1.0], [2.0]])
        return lambda network, x, y: cr.mean(wrap(lambda a: network(a))(at) ** 2) + cr.mean(network(x) ** 2)

    def trained(wrap):
        model = cr.Model(cr.Dense(1), objective=objective(wrap), executor=executor)
        return model.fit(X[:, :1], epochs=3)["loss"]

    assert trained(cr.compile) == trained(lambda function: function)


def test_an_input_that_is_returned_is_a_copy():
    x, w = input_value("x", (ROWS, 3), FLOAT32), input_value("w", (3, 2), FLOAT32)
    graph = Executable(Graph([x, w], [w, cr.sum(x)]))
    w = weight(0)
    for _ in range(2):
        same, _ = graph(X, w)
        np.testing.assert_array_equal(same, w)
        assert not np.shares_memory(same, w)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64])
@pytest.mark.parametrize("columns", [1, 3, 16, 17, 64, 130])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kept", [1, 2])
def test_a_row_alone_has_the_bits_that_it_has_among_others(dtype, columns, turned, kept):
    """Also where the sums themselves are an output, and are then made to the last one row by row."""
    rng = np.random.default_rng(columns)
    shape = (columns, 37) if turned else (37, columns)
    x, w, b = (
        input_value(name, dims, dtype) for name, dims in (("x", (ROWS, 37)), ("w", shape), ("b", (columns,)))
    )
    z = x @ (w.T if turned else w) + b
    graph = Executable(Graph([x, w, b], [cr.maximum(z, 0.0), z][:kept]))
    data, weights, bias = (rng.standard_normal(dims).astype(dtype) for dims in ((13, 37), shape, columns))
    among = graph(data, weights, bias)
    expected = np.maximum(data @ (weights.T if turned else weights) + bias, 0)
    np.testing.assert_allclose(among[0], expected, rtol=1e-3 if dtype == FLOAT32 else 1e-9, atol=1e-5)
    for row in range(13):
        for alone, all_rows in zip(graph(data[row : row + 1], weights, bias), among, strict=True):
            np.testing.assert_array_equal(alone[0], all_rows[row])
