"""Formulas as a person would write them: x · 1 is x, x + x is 2x, and a choice that is made is made.

Only the writing changes. Numbers that are shown beside a formula are those that the step computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.explanation.formula import Apply, Formula, Number, Total, numeric
from chainrule.graph.value import PRIMITIVES

Rule = Callable[..., Formula | None]


def simplified(formula: Formula) -> Formula:
    """Return a shorter formula of the same value."""
    match formula:
        case Apply(primitive, operands, attributes, gathered):
            operands = tuple(map(simplified, operands))
            whole = Apply(primitive, operands, attributes, gathered)
            known = bool(operands) and all(isinstance(operand, Number) for operand in operands)
            if known and not gathered and "axes" not in attributes:  # axes have names here
                return Number(numeric(whole))
            rule = RULES.get(primitive.name)
            shorter = rule(*operands) if rule else None
            return whole if shorter is None else shorter
        case Total(terms, variable, size):
            terms = tuple(map(simplified, terms))
            if variable is None:
                terms = tuple(term for term in terms if not _is(term, 0))
                if all(isinstance(term, Number) for term in terms):
                    return Number(sum(numeric(term) for term in terms) if terms else 0.0)
            return terms[0] if variable is None and len(terms) == 1 else Total(terms, variable, size)
    return formula


def apply(name: str, *operands: Formula) -> Formula:
    """Return a primitive applied to formulas, simplified."""
    return simplified(Apply(PRIMITIVES[name], operands, {}))


def _is(formula: Formula, number: float) -> bool:
    return isinstance(formula, Number) and bool(np.all(formula.value == number))


def _coefficient(formula: Formula) -> tuple[float, Formula] | None:
    """Return c and x where the formula is c · x."""
    if isinstance(formula, Apply) and formula.primitive.name == "multiply":
        a, b = formula.operands
        if isinstance(a, Number):
            return a.value, b
    return None


def _add(a: Formula, b: Formula) -> Formula | None:
    """Apply x + 0 = x;  x + x = 2x."""
    if _is(a, 0):
        return b
    if _is(b, 0):
        return a
    return apply("multiply", Number(2.0), a) if a == b else None


def _subtract(a: Formula, b: Formula) -> Formula | None:
    """Apply x - 0 = x;  0 - x = -x."""
    return a if _is(b, 0) else apply("negative", b) if _is(a, 0) else None


def _multiply(a: Formula, b: Formula) -> Formula | None:  # noqa: PLR0911  (one for each rule)
    """Apply x 0 = 0;  x 1 = x;  x c = c x;  -1 x = -x;  c (k x) = (c k) x;  (-x) y = -(x y);  x x = x²."""
    if _is(a, 0) or _is(b, 0):
        return Number(0.0)
    if _is(a, 1):
        return b
    if _is(b, 1):
        return a
    if isinstance(b, Number):
        return apply("multiply", b, a)
    if _is(a, -1):
        return apply("negative", b)
    inner = _coefficient(b)
    if isinstance(a, Number) and inner:
        return apply("multiply", Number(a.value * inner[0]), inner[1])
    if isinstance(a, Apply) and a.primitive.name == "negative":
        return apply("negative", apply("multiply", a.operands[0], b))
    if a == b and not isinstance(a, Number):
        return Apply(PRIMITIVES["power"], (a, Number(2)), {})
    return None


def _divide(a: Formula, b: Formula) -> Formula | None:
    """Apply x / 1 = x;  0 / x = 0;  (c x) / k = (c / k) x."""
    if _is(b, 1):
        return a
    if _is(a, 0):
        return Number(0.0)
    inner = _coefficient(a)
    if inner and isinstance(b, Number):
        return apply("multiply", Number(inner[0] / b.value), inner[1])
    return None


def _negative(x: Formula) -> Formula | None:
    """Apply -(-x) = x."""
    return x.operands[0] if isinstance(x, Apply) and x.primitive.name == "negative" else None


def _where(condition: Formula, a: Formula, b: Formula) -> Formula | None:
    """Take the branch that a known condition chooses, or that both are."""
    if isinstance(condition, Number) and np.ndim(condition.value) == 0:
        return a if condition.value else b
    return a if a == b else None


RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "where": _where,
}
