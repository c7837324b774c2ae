"""Graphs made from graphs: substitute, inline, map over equations, change the precision."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from chainrule.graph.graph import Graph, needed
from chainrule.graph.types import FLOAT32, FLOAT64, ArrayType
from chainrule.graph.value import Attributes, Value, equation

Rebuild = Callable[[Value, tuple[Value, ...]], Value]
#: Returns what a value may be replaced by, or None.
Rule = Callable[[Value], Value | None]


def rebuild(value: Value, operands: tuple[Value, ...], attributes: Attributes | None = None) -> Value:
    """Return the same equation on other operands; it stays weak unless a weak operand became strong."""
    assert value.primitive is not None
    hardened = any(old.weak and not new.weak for old, new in zip(value.operands, operands, strict=True))
    return equation(
        value.primitive,
        operands,
        value.attributes if attributes is None else attributes,
        origin=value.origin,
        weak=value.weak and not hardened,
    )


def map_equations(
    outputs: Sequence[Value], replacements: Mapping[Value, Value], equation_of: Rebuild = rebuild
) -> list[Value]:
    """Return the outputs computed anew: replaced values by their replacement, equations by `equation_of`.

    With the default, equations that depend on nothing replaced stay the very same values.
    """
    new = {old.serial: value for old, value in replacements.items()}
    for value in needed(outputs):
        if value.serial in new or value.primitive is None:
            continue
        operands = tuple(new.get(operand.serial, operand) for operand in value.operands)
        if equation_of is not rebuild or any(
            a is not b for a, b in zip(operands, value.operands, strict=True)
        ):
            new[value.serial] = equation_of(value, operands)
    return [new.get(value.serial, value) for value in outputs]


def inline(graph: Graph, arguments: Sequence[Value]) -> list[Value]:
    """Return the graph's outputs as values computed from `arguments`."""
    for formal, actual in zip(graph.inputs, arguments, strict=True):
        if formal.type != actual.type:
            raise ValueError(f"the graph's input {formal.name} is {formal.type}, and was given {actual.type}")
    return map_equations(graph.outputs, dict(zip(graph.inputs, arguments, strict=True)))


def merged(outputs: Sequence[Value], rules: Sequence[Rule] = ()) -> list[Value]:
    """Return the outputs with every equation written only once, and the first rule applied that fits it.

    An equation on `identity(x)` is the same as that on x; the identity itself stays.
    """
    seen: dict[Hashable, Value] = {}
    plain: dict[int, int] = {}

    def simpler(value: Value, operands: tuple[Value, ...]) -> Value:
        changed = any(a is not b for a, b in zip(operands, value.operands, strict=True))
        new = rebuild(value, operands) if changed else value
        for rule in rules:
            found = rule(new)
            if found is not None:
                return found
        assert new.primitive is not None
        serials = tuple(plain.get(operand.serial, operand.serial) for operand in operands)
        found = seen.setdefault((new.primitive.name, serials, _hashable(new.attributes)), new)
        if new.primitive.name == "identity":
            plain[found.serial] = serials[0]
        return found

    return map_equations(outputs, {}, simpler)


def _hashable(item: Any) -> Hashable:
    """Return a key of attributes, in which 1 and 1.0, and 0.0 and -0.0, stay apart."""
    if isinstance(item, dict):
        return tuple((name, _hashable(each)) for name, each in sorted(item.items()))
    if isinstance(item, tuple):
        return tuple(map(_hashable, item))
    return (type(item).__name__, repr(item))


def in_float64(graph: Graph) -> Graph:
    """Return the graph with every float32 made float64, as if it had been traced on float64 arrays."""

    def widen(value: Value, operands: tuple[Value, ...]) -> Value:
        attributes: dict[str, Any] = dict(value.attributes)
        if attributes.get("dtype") == FLOAT32.name:
            attributes["dtype"] = FLOAT64.name
        return rebuild(value, operands, attributes)

    wide = {value: _widened(value) for value in (*graph.inputs, *graph.captured)}
    outputs = map_equations(graph.outputs, wide, widen)
    return Graph([wide[value] for value in graph.inputs], outputs)


def _widened(value: Value) -> Value:
    if value.dtype != FLOAT32:
        return value
    data = None if value.data is None else value.data.astype(FLOAT64)
    return Value(ArrayType(value.shape, FLOAT64), name=value.name, data=data, origin=value.origin)
