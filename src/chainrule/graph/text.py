"""A graph as text that a person can read, and back.

The grammar, a line a statement::

    graph
      input x: float32[rows, 4]
      captured $0: float32[4, 3]
      %0: float32[rows, 3] = matmul(x, $0)                    # forward layers.0
      %1: float32[3] = sum(%0; axes=(0,))
      return %1

Captured arrays are counted with $ and equations with %. An input's name starts otherwise and has no spaces,
commas, colons or parentheses. Attributes are Python literals, and the words rows, inf and nan. A weak value's
type says so. After `#` comes the origin: the stage of the training step, or -, and the part of the network.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.origin import Origin
from chainrule.graph.types import ROWS, Array, ArrayType, as_dtype, str_dim
from chainrule.graph.value import PRIMITIVES, Value, equation

_NAME = r"[^\s,:;()]+"
_TYPE = r"(weak )?(\w+)\[(.*?)\]"
_INPUT = re.compile(rf"  (input|captured) ({_NAME}): {_TYPE}")
_EQUATION = re.compile(rf"  ({_NAME}): {_TYPE} = (\w+)\((.*?)\)(?:\s+# (\S+)(?: (.*))?)?")
_COMMENT_COLUMN = 60
_WORDS = {"rows": ROWS, "inf": float("inf"), "nan": float("nan")}


def is_input_name(name: str) -> bool:
    """Whether an input of this name can be told from everything else in a graph's text."""
    return re.fullmatch(rf"(?![$%]){_NAME}", name) is not None


def format_graph(
    inputs: Sequence[Value], captured: Sequence[Value], equations: Sequence[Value], outputs: Sequence[Value]
) -> str:
    """Return the text of a graph."""
    names = {value.serial: value.name for value in inputs}
    names |= {value.serial: f"${i}" for i, value in enumerate(captured)}
    names |= {value.serial: f"%{i}" for i, value in enumerate(equations)}
    lines = ["graph"]
    for word, values in (("input", inputs), ("captured", captured)):
        for value in values:
            lines.append(f"  {word} {names[value.serial]}: {_format_type(value)}")
    lines += [_format_equation(value, names) for value in equations]
    lines.append("  return " + ", ".join(names[value.serial] for value in outputs))
    return "\n".join(lines)


def _format_type(value: Value) -> str:
    return f"{'weak ' if value.weak else ''}{value.type}"


def _format_equation(value: Value, names: dict[int, str]) -> str:
    assert value.primitive is not None
    operands = ", ".join(names[operand.serial] for operand in value.operands)
    attributes = ", ".join(f"{name}={_format(item)}" for name, item in value.attributes.items())
    inside = operands + (f"; {attributes}" if attributes else "")
    line = f"  {names[value.serial]}: {_format_type(value)} = {value.primitive.name}({inside})"
    stage, part = value.origin
    return f"{line:<{_COMMENT_COLUMN}}  # {stage or '-'} {part}".rstrip() if any(value.origin) else line


def _format(item: Any) -> str:
    if isinstance(item, tuple):
        return f"({', '.join(map(_format, item))}{',' if len(item) == 1 else ''})"
    return str_dim(item) if item is ROWS else repr(item.item() if isinstance(item, np.generic) else item)


def parse_graph(text: str, captured: Sequence[Array] = ()) -> tuple[list[Value], list[Value]]:
    """Return the inputs and outputs of a graph's text; a ValueError names the line that is not one."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].strip() != "graph" or not lines[-1].startswith("  return"):
        raise ValueError("a graph's text starts with the line `graph` and ends with `  return ...`")
    values: dict[str, Value] = {}
    inputs: list[Value] = []
    arrays = iter(captured)
    for line in lines[1:-1]:
        try:
            if match := _INPUT.fullmatch(line):
                name, value = _parse_input(match, arrays)
                if match[1] == "input":
                    inputs.append(value)
            elif match := _EQUATION.fullmatch(line):
                name, value = match[1], _parse_equation(match, values)
            else:
                raise ValueError("it is neither an input nor an equation")
            if name in values:
                raise ValueError(f"a line above is {name!r} already")
        except (ValueError, TypeError, SyntaxError) as error:
            raise ValueError(f"cannot read {line.strip()!r} as a line of a graph: {error}") from None
        values[name] = value
    if next(arrays, None) is not None:
        raise ValueError(f"the graph's text captures fewer arrays than the {len(captured)} that were given")
    return inputs, _named(lines[-1].removeprefix("  return"), values)


def _named(names: str, values: dict[str, Value]) -> list[Value]:
    """Return the values that are named in a list with commas."""
    stripped = [name.strip() for name in names.split(",") if name.strip()]
    for name in stripped:
        if name not in values:
            raise ValueError(f"no line computes {name!r}")
    return [values[name] for name in stripped]


def _parse_input(match: re.Match[str], arrays: Any) -> tuple[str, Value]:
    word, name, weak, dtype, shape = match.groups()
    type_ = ArrayType(_parse_shape(shape), as_dtype(dtype))
    if word == "input":
        return name, Value(type_, name=name, weak=bool(weak), origin=Origin())
    data = next(arrays, None)
    if data is None or data.shape != type_.shape or data.dtype != type_.dtype:
        raise ValueError(f"the captured array given for it is not {type_}")
    return name, Value(type_, data=data, origin=Origin())


def _parse_equation(match: re.Match[str], values: dict[str, Value]) -> Value:
    _, weak, dtype, shape, row, inside, stage, part = match.groups()
    if row not in PRIMITIVES:
        raise ValueError(f"there is no primitive {row!r}")
    operands, _, attributes = inside.partition(";") if ";" in inside else (inside, "", "")
    value = equation(
        PRIMITIVES[row],
        tuple(_named(operands, values)),
        _parse_attributes(attributes),
        origin=Origin((stage or "-").removeprefix("-"), part or ""),
        weak=bool(weak),
    )
    if value.type != ArrayType(_parse_shape(shape), as_dtype(dtype)):
        raise ValueError(f"its type follows to be {value.type}")
    return value


def _parse_shape(text: str) -> tuple[Any, ...]:
    return tuple(ROWS if dim.strip() == "rows" else int(dim) for dim in text.split(",") if dim.strip())


def _parse_attributes(text: str) -> dict[str, Any]:
    call = ast.parse(f"f({text.strip()})", mode="eval").body
    assert isinstance(call, ast.Call)
    if call.args or not all(keyword.arg for keyword in call.keywords):
        raise ValueError("an attribute is written name=value")
    return {str(keyword.arg): _parse_literal(keyword.value) for keyword in call.keywords}


def _parse_literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(map(_parse_literal, node.elts))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_parse_literal(node.operand)
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    return ast.literal_eval(node)
