"""Every way in which a graph can be ill-formed is found and said."""

import dataclasses

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import PRIMITIVES, Value, input_value
from chainrule.graph.verify import verify


def good():
    x = input_value("x", (ROWS, 3), "float32")
    y = cr.tanh(x @ np.ones((3, 2), np.float32))
    return x, y


def test_a_good_graph():
    x, y = good()
    verify(Graph([x], [y]))
    verify(Graph([x], [x, y, y]))
    verify(Graph([], []))


def retyped(value, type_):
    """An equation that claims another type."""
    return Value(type_, primitive=value.primitive, operands=value.operands, attributes=value.attributes)


def ill_formed():
    x, y = good()
    yield (
        "same name",
        Graph([x, input_value("x", (), "float32")], [y]),
        "two inputs of the graph have the name 'x'",
    )
    yield "same input", Graph([x, x], [y]), "two inputs of the graph have the name 'x'"
    yield "no name", Graph([input_value("", (), "float32")], []), "an input's name cannot be ''"
    yield "computed input", Graph([x, y], [y]), "is an input of the graph, but has a value of its own"
    yield "captured input", Graph([x, y.operands[0].operands[1]], [y]), "but has a value of its own"
    yield "unlisted operand", Graph([], [y]), "uses <Value x: .*>, which is not an input"
    yield "unlisted output", Graph([], [x]), "is neither computed nor an input"

    x, y = good()
    y.operands = (cr.tanh(y.operands[0]),)
    yield "later operand", Graph([x], [y]), "not computed before it"

    x, y = good()
    y.operands = (y,)
    yield "circle", Graph([x], [y]), "not computed before it"

    x, y = good()
    yield (
        "wrong shape",
        Graph([x], [retyped(y, ArrayType((2, 2), y.dtype))]),
        r"follows to be float32\[rows, 2\]",
    )
    wide = ArrayType(y.shape, np.dtype("float64"))
    yield "wrong dtype", Graph([x], [retyped(y, wide)]), r"follows to be float32\[rows, 2\]"

    x, y = good()
    y.primitive = dataclasses.replace(y.primitive)
    yield "foreign row", Graph([x], [y]), "a primitive that is not in the table"

    x, y = good()
    y.operands = (x, x)
    yield "too many operands", Graph([x], [y]), "is ill-formed: .*takes 1 positional argument"

    x, y = good()
    y.attributes = {"axes": (0,)}
    yield "wrong attributes", Graph([x], [y]), "is ill-formed: .*axes"

    x, y = good()
    total = cr.sum(x, axis=1)
    total.attributes = {"axes": (2,)}
    yield "unfit attributes", Graph([x], [total]), "is ill-formed: the axes"

    x, y = good()
    y.operands[0].operands[1].data = np.ones((4, 2), np.float32)
    yield "other numbers", Graph([x], [y]), r"has captured float32\[4, 2\]"

    z = input_value("z", (), "float32")
    z.type = ArrayType((), np.dtype("float16"))
    yield "foreign dtype", Graph([z], [z]), "has a dtype that the language has not"


@pytest.mark.parametrize(
    ("graph", "sentence"), [pytest.param(graph, said, id=name) for name, graph, said in ill_formed()]
)
def test_ill_formed(graph, sentence):
    with pytest.raises(ValueError, match=sentence):
        verify(graph)


def test_a_table_holds_each_name_once():
    with pytest.raises(ValueError, match="there is already a primitive 'tanh'"):
        cr.primitives.elementwise.primitive("tanh")
    assert repr(PRIMITIVES["tanh"]) == "<Primitive tanh>"


def test_a_row_without_derivative_says_why():
    columns = {
        field.name: None
        for field in dataclasses.fields(PRIMITIVES["tanh"])
        if field.name not in ("name", "why_not")
    }
    with pytest.raises(ValueError, match="the row 'new' has no derivative: its why_not must say the reason"):
        cr.primitives.elementwise.primitive("new", **columns)
    assert "new" not in PRIMITIVES
