"""What a formula on the page comes to, as a person would work it out from what is written."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

SIGNS = {
    "¬": "not",
    "·": "*",
    "−": "-",
    "=": "==",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "∧": " and ",
    "∨": " or ",
    "…": "0",
    "⋯": "0",
}
FUNCTIONS = {
    "σ": lambda x: 1 / (1 + math.exp(-x)),
    "ln": math.log,
    **{name: getattr(math, name) for name in ("log2", "log10", "tan", "sinh", "cosh", "tanh")},
    "max": max,
    "min": min,
    "sign": lambda x: (x > 0) - (x < 0),
    "stop": lambda x: x,
    "erf": math.erf,
    "sqrt": math.sqrt,
    "e": math.e,
    "π": math.pi,
    "true": True,
    "false": False,
}


_LEVEL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def in_python(text):
    """What is written of numbers on the page, as Python writes it: −1.5 · 10⁻⁶ is -1.5e-6."""
    text = re.sub(
        "(?:([0-9.]+) · )?10([⁻⁰¹²³⁴-⁹]+)", lambda one: f"{one[1] or 1}e{one[2].translate(_LEVEL)}", text
    )
    return text.replace("−", "-").replace("·", "*")


def value_of(math_element):
    """The number that the text of a math element comes to."""
    expression = _read(ElementTree.fromstring(math_element))
    return float(eval(expression, {"__builtins__": {"abs": abs}}, FUNCTIONS))


def _local(element):
    return element.tag.rpartition("}")[2]


def _read(element):
    tag, children = _local(element), list(element)
    match tag:
        case "mfrac":
            return f"(({_read(children[0])})/({_read(children[1])}))"
        case "msup":
            return f"(({_read(children[0])})**({_read(children[1])}))"
        case "msub":
            return "".join(map(_read, children))
        case "msqrt":
            return f"sqrt({' '.join(map(_read, children))})"
        case "mtable":
            branches = [tuple(_read(cell) for cell in row) for row in children]
            (value, condition), *others = branches
            return f"(({value}) if ({condition}) else ({others[-1][0]}))"
        case "mo" | "mn" | "mi" | "mtext":
            text = "".join(element.itertext()).strip()
            if text in ("{", "if", "otherwise"):
                return ""
            return SIGNS.get(text, in_python(text))
        case "mrow" if [_local(one) + (one.text or "") for one in (*children[:1], *children[-1:])] == [
            "mo|",
            "mo|",
        ]:
            return f"abs({' '.join(map(_read, children[1:-1]))})"
    return " ".join(map(_read, children))
