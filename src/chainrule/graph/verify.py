"""What a well-formed graph is."""

from __future__ import annotations

from chainrule.graph.graph import Graph
from chainrule.graph.types import DTYPES, ROWS, ArrayType
from chainrule.graph.value import PRIMITIVES, Value


def verify(graph: Graph) -> None:
    """Raise a ValueError that names the first thing that is wrong with a graph.

    A graph is well formed if its inputs have different names, every value is an input, a captured array or
    an equation whose operands come before it, and every equation's type is the one its row infers.
    """
    names = [value.name for value in graph.inputs]
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(f"{names.count(name)} inputs of the graph have the name {name!r}")
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
    if not all(dim is ROWS or (isinstance(dim, int) and dim >= 0) for dim in value.shape):
        raise ValueError(f"{value!r} has a dimension that is neither a number nor rows")
    if value.data is not None and ArrayType(value.data.shape, value.data.dtype) != value.type:
        raise ValueError(f"{value!r} has captured {value.data.dtype}{value.data.shape}")


def _verify_equation(value: Value, known: set[int]) -> None:
    row = value.primitive
    assert row is not None
    if PRIMITIVES.get(row.name) is not row:
        raise ValueError(f"{value!r} is computed by a primitive that is not in the table")
    for operand in value.operands:
        if operand.serial not in known:
            raise ValueError(f"{value!r} uses {operand!r}, which is not an input and not computed before it")
    inferred = row.shape(*(operand.type for operand in value.operands), **value.attributes)
    if inferred != value.type:
        raise ValueError(f"{value!r} follows to be {inferred}")
    _verify_type(value)
