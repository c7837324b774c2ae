"""Rules that make a graph smaller and leave every bit of its results as it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from chainrule.graph.graph import Graph
from chainrule.graph.rewrite import map_equations, rebuild
from chainrule.graph.value import Value

Rule = Callable[[Value], Value | None]


def same_operand(value: Value) -> Value | None:
    """identity(x) = x,  stop(x) = x,  cast(x, dtype of x) = x."""
    x = value.operands[0] if len(value.operands) == 1 else None
    if x is None or x.type != value.type or _name(value) not in ("identity", "stop_gradient", "cast"):
        return None
    return x


def twice_negative(value: Value) -> Value | None:
    """-(-x) = x."""
    if _name(value) != "negative" or _name(value.operands[0]) != "negative":
        return None
    return value.operands[0].operands[0]


def same_shape(value: Value) -> Value | None:
    """reshape(x, shape of x) = x,  permute(x, axes in order) = x,  broadcast(x, shape of x) = x."""
    if _name(value) == "permute_dims":
        in_order = value.attributes["axes"] == tuple(range(value.ndim))
        return value.operands[0] if in_order else None
    if _name(value) in ("reshape", "broadcast") and value.operands[0].type == value.type:
        return value.operands[0]
    return None


def times_one(value: Value) -> Value | None:
    """1 · x = x,  x · 1 = x,  x / 1 = x."""
    if _name(value) not in ("multiply", "divide"):
        return None
    x, y = value.operands
    if _is_one(y):
        return x
    return y if _name(value) == "multiply" and _is_one(x) else None


def _is_one(value: Value) -> bool:
    while _name(value) == "broadcast":
        value = value.operands[0]
    return _name(value) == "constant" and value.attributes["value"] == 1


RULES: Final[tuple[Rule, ...]] = (same_operand, twice_negative, same_shape, times_one)


def simplify(graph: Graph) -> Graph:
    """Return the graph with the rules applied, and with every equation written only once."""
    seen: dict[Hashable, Value] = {}

    def simpler(value: Value, operands: tuple[Value, ...]) -> Value:
        changed = any(a is not b for a, b in zip(operands, value.operands, strict=True))
        new = rebuild(value, operands) if changed else value
        for rule in RULES:
            found = rule(new)
            if found is not None:
                return found
        key = (_name(new), tuple(operand.serial for operand in operands), _hashable(new.attributes))
        return seen.setdefault(key, new)

    return Graph(graph.inputs, map_equations(graph.outputs, {}, simpler))


def _name(value: Value) -> str:
    return "" if value.primitive is None else value.primitive.name


def _hashable(item: Any) -> Hashable:
    """Return a key of attributes, in which 1 and 1.0, and 0.0 and -0.0, stay apart."""
    if isinstance(item, dict):
        return tuple((name, _hashable(each)) for name, each in sorted(item.items()))
    if isinstance(item, tuple):
        return tuple(map(_hashable, item))
    return (type(item).__name__, repr(item))
