"""A graph as text: what it looks like, that reading it back loses nothing, and what is not one."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.origin import Origin, origin
from chainrule.graph.text import is_input_name
from chainrule.graph.trace import trace
from chainrule.graph.types import FLOAT32, ROWS, ArrayType
from chainrule.graph.value import constant, input_value
from chainrule.graph.verify import verify

WEIGHT = np.ones((4, 3), np.float32)


def layer_graph():
    x = input_value("x", (ROWS, 4), "float32")
    rate = input_value("layers.0.rate", (), "float64", weak=True)
    with origin("forward", "layers.0"):
        y = x @ WEIGHT
    with origin("loss"):
        total = cr.sum(y * rate, axis=0)
    with origin(part="layers.1"):
        y = cr.tanh(y)
    return Graph([x, rate], [total, y, x])


def test_it_reads_like_a_calculation():
    assert str(layer_graph()).splitlines() == [
        "graph",
        "  input x: float32[rows, 4]",
        "  input layers.0.rate: weak float64[]",
        "  captured $0: float32[4, 3]",
        "  %0: float32[rows, 3] = matmul(x, $0)                        # forward layers.0",
        "  %1: float32[] = cast(layers.0.rate; dtype='float32')        # loss",
        "  %2: float32[rows, 3] = broadcast(%1; shape=(rows, 3), axes=())  # loss",
        "  %3: float32[rows, 3] = multiply(%0, %2)                     # loss",
        "  %4: float32[3] = sum(%3; axes=(0,))                         # loss",
        "  %5: float32[rows, 3] = tanh(%0)                             # - layers.1",
        "  return %4, %5, x",
    ]


def test_nothing_is_lost():
    graph = layer_graph()
    again = Graph.from_text(str(graph), [value.data for value in graph.captured])
    verify(again)
    assert str(again) == str(graph)
    for old, new in zip(
        (*graph.inputs, *graph.captured, *graph.equations),
        (*again.inputs, *again.captured, *again.equations),
        strict=True,
    ):
        assert (old.type, old.weak, old.attributes) == (new.type, new.weak, new.attributes)
        assert old.origin == new.origin or old.primitive is None
    x = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)
    for a, b in zip(evaluate(graph, x, 2.0), evaluate(again, x, 2.0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weak_constants_stay_weak():
    """Read back, a schedule still yields to the dtype of the weights that it meets."""
    step = input_value("step", (), "int32")
    graph = Graph([step], [0.1 * cr.exp(step * -0.5), constant(0.5, np.dtype("float64"), weak=True)])
    again = Graph.from_text(str(graph))
    assert [value.weak for value in again.outputs] == [True, True]
    assert "weak" in str(graph).splitlines()[-1 - len(again.equations)]


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (0.1, "float32"),
        (1e-320, "float64"),
        (np.nan, "float64"),
        (np.inf, "float32"),
        (-np.inf, "float64"),
        (-0.0, "float64"),
        (-7, "int32"),
        (2**32 - 1, "uint32"),
        (True, "bool"),
        (np.float32(0.1), "float32"),
        (np.int64(3), "int32"),
    ],
)
def test_constants(number, dtype):
    graph = Graph([], [constant(number, np.dtype(dtype))])
    (once,), (again,) = evaluate(graph), evaluate(Graph.from_text(str(graph)))
    assert once.tobytes() == again.tobytes() == np.asarray(number, dtype).tobytes()


def test_inputs_that_nothing_uses_stay():
    graph = trace(lambda x, y: y, ArrayType((ROWS, 0), FLOAT32), ArrayType((), FLOAT32))
    again = Graph.from_text(str(graph))
    assert [str(x.type) for x in again.inputs] == ["float32[rows, 0]", "float32[]"]
    assert Graph.from_text("graph\n  return").outputs == ()


@pytest.mark.parametrize("name", ["x", "layers.0.weight", "layers.0.weight/velocity", "größe", "c0", "0"])
def test_names_that_text_can_hold(name):
    assert is_input_name(name)
    x = input_value(name, (2,), "float32")
    graph = Graph([x], [x * WEIGHT[0, :2]])
    assert Graph.from_text(str(graph), [WEIGHT[0, :2]]).inputs[0].name == name


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a:b", "f(x)", "a;b", "%0", "$0", "a\nb"])
def test_names_that_it_cannot_hold(name):
    assert not is_input_name(name)
    with pytest.raises(ValueError, match="input's name cannot be"):
        verify(Graph([input_value(name, (), "float32")], []))


TEXT = """graph
  input x: float32[2]
  captured $0: float32[2]
  %0: float32[2] = add(x, $0)
  return %0"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("graph\n", "", "starts with the line `graph`"),
        ("  return %0", "", "ends with `  return ...`"),
        ("add(x, $0)", "adds(x, $0)", "there is no primitive 'adds'"),
        ("add(x, $0)", "add(x, y)", "no line computes 'y'"),
        ("add(x, $0)", "add(x)", "cannot read '%0: float32\\[2\\] = add\\(x\\)'"),
        ("add(x, $0)", "add x, $0", "it is neither an input nor an equation"),
        ("%0: float32[2] =", "%0: float32[3] =", r"its type follows to be float32\[2\]"),
        ("%0: float32[2] =", "%0: float16[2] =", "dtype 'float16' is not one of"),
        ("%0: float32[2] =", "%0: float32[n] =", "cannot read"),
        ("add(x, $0)", "add(x, $0; 3)", "an attribute is written name=value"),
        ("add(x, $0)", "sum(x; axes=(0,)", "cannot read"),
        ("add(x, $0)", "sum(x; axes=exit())", "cannot read"),
        ("add(x, $0)", "sum(x; axes=other)", "cannot read"),
        ("%0: ", "x: ", "a line above is 'x' already"),
        ("return %0", "return %1", "no line computes '%1'"),
        (
            "captured $0: float32[2]",
            "captured $0: float64[2]",
            r"the captured array given for it is not float64\[2\]",
        ),
        (
            "  captured $0: float32[2]\n  %0: float32[2] = add(x, $0)\n",
            "  %0: float32[2] = add(x, x)\n",
            "fewer arrays",
        ),
        ("  input x", "  captured $1: float32[2]\n  input x", "the captured array given for it is not"),
    ],
)
def test_what_is_no_graph(old, new, sentence):
    """The text with one thing wrong: the sentence names the line or what is missing."""
    captured = [np.ones(2, np.float32)]
    assert Graph.from_text(TEXT, captured).outputs[0].type == ArrayType((2,), FLOAT32)
    assert TEXT.count(old) == 1
    with pytest.raises(ValueError, match=sentence):
        Graph.from_text(TEXT.replace(old, new), captured)


def test_the_origin_of_what_is_read_is_the_text():
    with origin("backward", "elsewhere"):
        again = Graph.from_text(TEXT, [np.ones(2, np.float32)])
    assert again.equations[0].origin == Origin()
