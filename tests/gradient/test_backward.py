"""The chain rule over a graph."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.gradient.backward import backward, values_between
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.origin import origin
from chainrule.graph.types import ROWS
from chainrule.graph.value import as_value, input_value
from chainrule.graph.verify import verify


def derivatives(output, inputs, *arrays):
    graph = Graph(inputs, backward(output, inputs))
    verify(graph)
    return evaluate(graph, *arrays)


def test_product_and_sum():
    x, y = input_value("x", (), "float64"), input_value("y", (), "float64")
    dx, dy = derivatives(x * y + x, [x, y], 3.0, 5.0)
    assert (dx, dy) == (6.0, 3.0)


def test_a_value_used_often_gets_the_sum_of_what_arrives():
    x = input_value("x", (), "float64")
    y = x * x
    [dx] = derivatives(y * y + y * x + x, [x], 2.0)
    assert dx == 4 * 2.0**3 + 3 * 2.0**2 + 1


def test_the_output_by_itself_is_one():
    x = input_value("x", (), "float32")
    [dx] = derivatives(x, [x], np.float32(7))
    assert dx == 1
    assert dx.dtype == np.float32


def test_d_output_is_what_arrives_at_the_output():
    x = input_value("x", (3,), "float64")
    [dx] = backward(cr.exp(x), [x], as_value(np.array([1.0, 0.0, 2.0])))
    at = np.array([0.1, 0.2, 0.3])
    assert np.allclose(evaluate(Graph([x], [dx]), at)[0], [np.exp(0.1), 0, 2 * np.exp(0.3)])


def test_an_input_computed_from_another_counts_as_given():
    x = input_value("x", (), "float64")
    y = 3 * x
    dx, dy = backward(x * y, [x, y])
    assert [float(d) for d in evaluate(Graph([x], [dx, dy]), 2.0)] == [6.0, 2.0]


def test_no_derivative_flows_through_integers_bools_and_stop_gradient():
    x = input_value("x", (2,), "float64")
    counted = cr.sum(cr.astype(cr.astype(x, "int32"), "float64") + cr.astype(x > 0, "float64"))
    assert values_between([x], counted) == []
    [dx] = derivatives(counted + cr.sum(cr.stop_gradient(x) * x), [x], np.array([2.5, -3.0]))
    assert np.array_equal(dx, [2.5, -3.0])


def test_unused_inputs_get_zeros_of_their_type():
    x, unused = input_value("x", (), "float64"), input_value("unused", (2, 3), "float32")
    _, d = derivatives(x * x, [x, unused], 1.0, np.ones((2, 3), np.float32))
    assert d.dtype == np.float32
    assert np.array_equal(d, np.zeros((2, 3)))


def test_rows_are_known_only_when_the_graph_runs():
    x, w = input_value("x", (ROWS, 3), "float64"), input_value("w", (3, 2), "float64")
    dw, dx = backward(cr.mean((x @ w) ** 2), [w, x])
    graph = Graph([x, w], [dw, dx])
    verify(graph)
    generator = np.random.default_rng(0)
    for rows in (1, 4):
        x_, w_ = generator.normal(size=(rows, 3)), generator.normal(size=(3, 2))
        dy = 2 * (x_ @ w_) / (rows * 2)
        given = evaluate(graph, x_, w_)
        assert np.allclose(given[0], x_.T @ dy)
        assert np.allclose(given[1], dy @ w_.T)


def test_the_backward_pass_of_a_part_belongs_to_the_part():
    x = input_value("x", (), "float64")
    with origin("forward", "layers.0"):
        y = cr.tanh(x)
    with origin("loss"):
        loss = y * y
    graph = Graph([x], backward(loss, [x]))
    stages = {(y.origin.stage, y.origin.part) for y in graph.equations if y.primitive.name != "constant"}
    assert stages == {("forward", "layers.0"), ("backward", "layers.0"), ("backward", "")}


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_shapes_and_dtypes_of_derivatives_are_those_of_the_inputs(shape):
    for dtype in ("float32", "float64"):
        x = input_value("x", shape, dtype)
        [dx] = backward(cr.sum(cr.tanh(x) * 0.5 + cr.relu(x)), [x])
        assert (dx.shape, dx.dtype.name) == (shape, dtype)
