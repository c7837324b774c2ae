"""What a well-formed graph is."""

from __future__ import annotations

from chainrule.graph.graph import Graph
from chainrule.graph.text import is_input_name
from chainrule.graph.types import DTYPES, ArrayType
from chainrule.graph.value import PRIMITIVES, Value


def verify(graph: Graph) -> None:
    """Raise a ValueError that names the first thing that is wrong with a graph.

    A graph is well formed if its inputs have different names, every value is an input, a captured array or
    an equation whose operands come before it, and every equation's type is the one its row infers.
    """
    names: set[str] = set()
    for value in graph.inputs:
        if value.primitive is not None or value.data is not None:
            raise ValueError(f"{value!r} is an input of the graph, but has a value of its own")
        if value.name in names:
            raise ValueError(f"two inputs of the graph have the name {value.name!r}")
        if not is_input_name(value.name):
            raise ValueError(f"an input's name cannot be {value.name!r}: see chainrule.graph.text")
        names.add(value.name)
    known = {value.serial for value in (*graph.inputs, *graph.captured)}
    for value in (*graph.inputs, *graph.captured):
        _verify_type(value)
    for value in graph.equations:
        _verify_equation(value, known)
        known.add(value.serial)
    for value in graph.outputs:
        if value.serial not in known:
            raise ValueError(f"the output {value!r} is neither computed nor an input")


def _verify_type(value: Value) -> None:
    if value.dtype.name not in DTYPES:
        raise ValueError(f"{value!r} has a dtype that the language has not")
    if value.data is not None and (value.data.shape, value.data.dtype) != (value.shape, value.dtype):
        raise ValueError(f"{value!r} has captured {ArrayType(value.data.shape, value.data.dtype)}")


def _verify_equation(value: Value, known: set[int]) -> None:
    row = value.primitive
    assert row is not None
    if PRIMITIVES.get(row.name) is not row:
        raise ValueError(f"{value!r} is computed by a primitive that is not in the table")
    for operand in value.operands:
        if operand.serial not in known:
            raise ValueError(f"{value!r} uses {operand!r}, which is not an input and not computed before it")
    try:
        inferred = row.shape(*(operand.type for operand in value.operands), **value.attributes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is ill-formed: {error}") from None
    if inferred != value.type:
        raise ValueError(f"{value!r} follows to be {inferred}")
    _verify_type(value)
