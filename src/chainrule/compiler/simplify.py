"""Rules that make a graph smaller and leave every bit of its results as it is."""

from __future__ import annotations

from typing import Final

from chainrule.graph.graph import Graph
from chainrule.graph.primitive import primitive_name
from chainrule.graph.rewrite import Rule, merged
from chainrule.graph.value import Value


def same_operand(value: Value) -> Value | None:
    """identity(x) = x,  stop(x) = x,  cast(x, dtype of x) = x."""
    if primitive_name(value) not in ("identity", "stop_gradient", "cast"):
        return None
    (x,) = value.operands
    return x if x.type == value.type else None


def twice_negative(value: Value) -> Value | None:
    """-(-x) = x."""
    if primitive_name(value) != "negative" or primitive_name(value.operands[0]) != "negative":
        return None
    return value.operands[0].operands[0]


def same_shape(value: Value) -> Value | None:
    """reshape(x, shape of x) = x,  permute(x, axes in order) = x,  broadcast(x, shape of x) = x."""
    if primitive_name(value) == "permute_dims":
        in_order = value.attributes["axes"] == tuple(range(value.ndim))
        return value.operands[0] if in_order else None
    if primitive_name(value) in ("reshape", "broadcast") and value.operands[0].type == value.type:
        return value.operands[0]
    return None


def times_one(value: Value) -> Value | None:
    """1 · x = x,  x · 1 = x,  x / 1 = x."""
    if primitive_name(value) not in ("multiply", "divide"):
        return None
    x, y = value.operands
    if _is_one(y):
        return x
    return y if primitive_name(value) == "multiply" and _is_one(x) else None


def _is_one(value: Value) -> bool:
    while primitive_name(value) == "broadcast":
        value = value.operands[0]
    return primitive_name(value) == "constant" and value.attributes["value"] == 1


RULES: Final[tuple[Rule, ...]] = (same_operand, twice_negative, same_shape, times_one)


def simplify(graph: Graph) -> Graph:
    """Return the graph with the rules applied, and with every equation written only once."""
    return Graph(graph.inputs, merged(graph.outputs, RULES))
