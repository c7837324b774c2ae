"""A Python function becomes a graph; on plain arrays a function of values evaluates at once."""

from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.structure import flatten, map_structure, unflatten
from chainrule.graph.trace import array_function, is_symbolic, trace, type_of
from chainrule.graph.types import FLOAT32, FLOAT64, INT32, ROWS, ArrayType
from chainrule.graph.value import Value, as_value, input_value
from chainrule.graph.verify import verify


class Layer(NamedTuple):
    weight: object
    bias: object


def test_inputs_and_outputs_are_the_leaves_in_order():
    def network(x, parameters, pair):
        (a, b), layer = pair, parameters["layer"]
        return {"y": x @ layer.weight + layer.bias, "both": (a, [b])}

    parameters = {"layer": Layer(np.ones((4, 3)), np.zeros(3))}
    graph = trace(network, ArrayType((ROWS, 4), FLOAT64), parameters, (np.zeros(2, np.int32), np.float32(1)))
    verify(graph)
    assert [x.name for x in graph.inputs] == ["x0", "x1", "x2", "x3", "x4"]
    assert [str(x.type) for x in graph.inputs] == [
        "float64[rows, 4]",
        "float64[4, 3]",
        "float64[3]",
        "int32[2]",
        "float32[]",
    ]
    assert [str(y.type) for y in graph.outputs] == ["float64[rows, 3]", "int32[2]", "float32[]"]


def test_captured_arrays_are_kept_beside_the_graph():
    w, b = np.ones((3, 2), np.float32), np.arange(2)
    graph = trace(lambda x: x @ w + b, ArrayType((ROWS, 3), FLOAT32))
    assert [value.data.shape for value in graph.captured] == [(3, 2), (2,)]
    assert graph.captured[0].data is w
    assert graph.captured[1].dtype == INT32
    np.testing.assert_array_equal(evaluate(graph, np.ones((1, 3), np.float32))[0], [[3, 4]])


def test_a_graph_holds_only_what_its_outputs_need():
    def function(x, y):
        _ = cr.exp(y) + np.ones(3)
        return x * 2.0

    graph = trace(function, np.ones(3), np.ones(3))
    assert len(graph.inputs) == 2
    assert [value.primitive.name for value in graph.equations] == ["constant", "broadcast", "multiply"]
    assert graph.captured == ()
    assert repr(graph) == "<Graph of 2 inputs, 3 equations, 1 output>"


def test_a_function_may_return_numbers_and_its_own_inputs():
    graph = trace(lambda x: (x, 1.5, np.arange(2)), np.ones(3))
    x, number, array = evaluate(graph, np.full(3, 7.0))
    assert (x.tolist(), number, array.tolist()) == ([7, 7, 7], 1.5, [0, 1])


@pytest.mark.parametrize(
    ("example", "type_"),
    [
        (1.5, "float64[]"),
        (np.float32(2), "float32[]"),
        ([[1, 2]], "int32[1, 2]"),
        (ArrayType((ROWS,), INT32), "int32[rows]"),
        (input_value("x", (2,), "float32"), "float32[2]"),
    ],
)
def test_examples_give_types(example, type_):
    assert str(type_of(example)) == type_


# Functions of values on plain arrays -----------------------------------------------------------------


@array_function
def affine(x, parameters, *, slope=2.0):
    x = as_value(x)
    return {"y": x * slope, "parts": [x + parameters["b"], as_value(3)]}


def test_plain_arrays_evaluate_at_once():
    result = affine(np.ones(2), {"b": np.arange(2)})
    assert all(isinstance(leaf, np.ndarray | int) for leaf in flatten(result))
    assert result["y"].tolist() == [2, 2]
    assert result["parts"][0].tolist() == [1, 2]
    assert result["parts"][1] == 3


@pytest.mark.parametrize("where", ["argument", "inside a structure", "keyword"])
def test_a_symbolic_argument_keeps_the_result_symbolic(where):
    x = input_value("x", (2,), "float64")
    arguments = {
        "argument": ((x, {"b": 1.0}), {}),
        "inside a structure": ((np.ones(2), {"b": x}), {}),
        "keyword": ((np.ones(2), {"b": 1.0}), {"slope": x}),
    }[where]
    result = affine(*arguments[0], **arguments[1])
    assert all(isinstance(leaf, Value) for leaf in flatten(result))


def test_what_depends_on_the_number_of_rows_stays_symbolic():
    assert isinstance(cr.zeros((ROWS, 2)), Value)
    assert isinstance(cr.zeros((2, 2)), np.ndarray)


def test_python_numbers_stay_python_numbers():
    """So that they stay weak: cr.exp(0.0) * x keeps the dtype of x."""
    y = cr.exp(0.0)
    assert type(y) is float
    assert (input_value("x", (2,), "float32") * y).dtype == FLOAT32
    assert type(cr.exp(np.zeros(()))) is not float


def test_results_are_the_callers_own():
    x = np.ones(3)
    for y in (cr.identity(x), cr.reshape(x, (3, 1)), cr.broadcast_to(x, (2, 3)), cr.stop_gradient(x)):
        y[...] = 5
        assert x.tolist() == [1, 1, 1]


def test_is_symbolic():
    x = input_value("x", (2,), "float64")
    assert is_symbolic({"a": [1, (x,)]})
    assert not is_symbolic({"a": [1, (np.ones(2),)]}, 2.0)


# Structures ------------------------------------------------------------------------------------------

STRUCTURES = [
    1,
    [],
    {},
    (1, 2),
    {"b": 1, "a": [2, (3, {"c": 4})]},
    Layer(1, [2, 3]),
    {"layers": [Layer(1, 2), Layer(3, {"x": 4})]},
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_are_taken_apart_and_put_together(structure):
    leaves = flatten(structure)
    again = unflatten(structure, leaves)
    assert again == structure
    assert type(again) is type(structure)
    assert flatten(map_structure(lambda leaf: leaf * 10, structure)) == [leaf * 10 for leaf in leaves]
    assert leaves == sorted(leaves)
