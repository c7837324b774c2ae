"""Formulas as a person would write them: x · 1 is x, x + x is 2x, and a choice that is made is made.

What is chosen several times by one condition is told case by case: the slope of the leaky relu is
{1 if z > 0, 0.01 otherwise}.

Only the writing changes. Numbers that are shown beside a formula are those that the step computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Number,
    Parts,
    Total,
    applies,
    numeric,
    parts_of,
    with_parts,
)
from chainrule.graph.lowering import Expression, Scatter
from chainrule.graph.value import PRIMITIVES

Rule = Callable[..., Formula | None]


def simplified(formula: Formula) -> Formula:
    """Return a shorter formula of the same value."""
    return Parts(_by_cases)(shortened(formula))


def shortened(formula: Formula) -> Formula:
    """Return a shorter formula of the same value, in which every sum is still one."""
    return Parts(_shortened)(formula)


def _shortened(formula: Formula, part: Parts[Formula]) -> Formula:
    match formula:
        case Apply(primitive, operands, attributes, gathered):
            operands = tuple(map(part, operands))
            whole = Apply(primitive, operands, attributes, gathered)
            known = bool(operands) and all(isinstance(operand, Number) for operand in operands)
            has_letters = "axes" in attributes or isinstance(primitive.lower, Scatter)  # of places, here
            if known and not gathered and not has_letters:
                return Number(numeric(whole))
            rule = RULES.get(primitive.name)
            shorter = rule(*operands) if rule else None
            return whole if shorter is None else shorter
        case Total(terms):
            return _summed(replace(formula, terms=tuple(map(part, terms))))
    return formula


def _summed(total: Total) -> Formula:
    """Return a sum without zeros, and without sums in it."""
    if total.variable is not None:
        return total
    parts = [one if isinstance(one, Total) and one.variable is None else Total((one,)) for one in total.terms]
    terms = tuple(term for part in parts for term in part.terms if not _is(term, 0))
    rests = [one.rest for one in (total, *parts) if one.rest is not None]
    if rests:
        return Total(terms, rest=sum(rests))
    if all(isinstance(term, Number) for term in terms):
        return Number(sum(numeric(term) for term in terms) if terms else 0.0)
    return terms[0] if len(terms) == 1 else Total(terms)


def apply(name: str, *operands: Formula) -> Formula:
    """Return a primitive applied to formulas, simplified."""
    return shortened(Apply(PRIMITIVES[name], operands, {}))


# Case by case ------------------------------------------------------------------------------------------


def _by_cases(formula: Formula, part: Parts[Formula]) -> Formula:
    """Return the formula with what one condition chooses in several places told case by case."""
    if _is_elementwise(formula):
        conditions = list(_conditions(formula))
        condition = next((one for one in conditions if conditions.count(one) > 1), None)
        if condition is not None:
            cases = [simplified(_assumed(formula, condition, held)) for held in (True, False)]
            told = cases[0] if cases[0] == cases[1] else Apply(PRIMITIVES["where"], (condition, *cases), {})
            if size_of(told) <= size_of(formula):
                return told
    return with_parts(formula, part)


def _is_elementwise(formula: Formula) -> TypeGuard[Apply]:
    """Whether a condition inside may be taken out: it is not one of each term of a sum."""
    return (
        isinstance(formula, Apply)
        and not formula.gathered
        and isinstance(formula.primitive.lower, Expression)
    )


def _conditions(formula: Formula) -> Iterator[Formula]:
    if _is_elementwise(formula):
        if formula.primitive.name == "where":
            yield formula.operands[0]
        for operand in formula.operands:
            yield from _conditions(operand)


def _assumed(formula: Formula, condition: Formula, held: bool) -> Formula:
    """Return what the formula is where a condition holds, or does not."""
    if not _is_elementwise(formula):
        return formula
    if formula.primitive.name == "where" and formula.operands[0] == condition:
        return _assumed(formula.operands[1 if held else 2], condition, held)
    operands = tuple(_assumed(operand, condition, held) for operand in formula.operands)
    return Apply(formula.primitive, operands, formula.attributes)


def size_of(formula: Formula) -> int:
    """Return how many parts a formula has."""
    return 1 + sum(map(size_of, parts_of(formula)))


# The rules ---------------------------------------------------------------------------------------------


def _is(formula: Formula, number: float) -> bool:
    return isinstance(formula, Number) and bool(np.all(formula.value == number))


def _coefficient(formula: Formula) -> tuple[float, Formula] | None:
    """Return c and x where the formula is c · x."""
    if applies(formula, "multiply"):
        a, b = formula.operands
        if isinstance(a, Number):
            return a.value, b
    return None


def _first_factor(formula: Formula) -> Formula:
    """Return k of k x y z."""
    while applies(formula, "multiply"):
        formula = formula.operands[0]
    return formula


def _takes_number(factor: Formula) -> bool:
    """Whether a number before it becomes one with its own: k;  x / k;  k / y;  x / (k y)."""
    if applies(factor, "divide"):
        above, below = factor.operands
        return isinstance(above, Number) or isinstance(_first_factor(below), Number)
    return isinstance(factor, Number)


def _scaled(c: Number, formula: Formula) -> Formula:
    """Return (c k) x y z for k x y z;  (c / k) x y z for x / k y z;  (c / k) (x / y) for x / (k y)."""
    if isinstance(formula, Number):
        return Number(c.value * formula.value)
    assert isinstance(formula, Apply)
    first, last = formula.operands
    if formula.primitive.name == "multiply":
        return apply("multiply", _scaled(c, first), last)
    if isinstance(first, Number):
        return apply("divide", _scaled(c, first), last)
    if isinstance(last, Number):
        return apply("multiply", Number(c.value / last.value), first)
    inner = _coefficient(last)
    if inner is None:
        return Apply(PRIMITIVES["multiply"], (c, formula), {})
    return apply("multiply", Number(c.value / inner[0]), apply("divide", first, inner[1]))


def _add(a: Formula, b: Formula) -> Formula | None:
    """Apply x + 0 = x;  (e^x - 1) + 1 = e^x;  -x + y = y - x;  k x + (-k) y = k (x - y); like terms."""
    if _is(a, 0):
        return b
    if _is(b, 0):
        return a
    if applies(a, "expm1") and _is(b, 1):
        return Apply(PRIMITIVES["exp"], a.operands, {})
    return _alike(a, b) or _difference(a, b)


def _alike(a: Formula, b: Formula) -> Formula | None:
    """Return 2x for x + x;  (k + l) x for k x + l x;  y + 2x for (y + x) + x."""
    first, second = _coefficient(a) or (1.0, a), _coefficient(b) or (1.0, b)
    if first[1] == second[1]:
        return apply("multiply", Number(first[0] + second[0]), first[1])
    if applies(a, "add"):
        both = _alike(a.operands[1], b)
        return both and apply("add", a.operands[0], both)
    return None


def _difference(a: Formula, b: Formula) -> Formula | None:
    """Return y - x for -x + y;  k (x - y) for k x + (-k) y."""
    if applies(a, "negative"):
        return apply("subtract", b, a.operands[0])
    first, second = _coefficient(a), _coefficient(b)
    if not first or not second or first[0] != -second[0]:
        return None
    more, less = (first[1], second[1]) if first[0] > 0 else (second[1], first[1])
    return apply("multiply", Number(abs(first[0])), Apply(PRIMITIVES["subtract"], (more, less), {}))


def _subtract(a: Formula, b: Formula) -> Formula | None:
    """Apply x - 0 = x;  0 - x = -x;  k x - k y = k (x - y)."""
    if _is(b, 0):
        return a
    if _is(a, 0):
        return apply("negative", b)
    if applies(a, "multiply") and applies(b, "multiply"):
        (k, x), (other_k, y) = a.operands, b.operands
        if k == other_k:
            return apply("multiply", k, apply("subtract", x, y))
    return None


def _multiply(a: Formula, b: Formula) -> Formula | None:  # noqa: PLR0911  (one for each rule)
    """Apply x 0 = 0;  x 1 = x;  x c = c x;  -1 x = -x;  c (k x) = (c k) x;  c (k x y) = (c k) x y;  x x = x².

    (-x) y = x (-y) = -(x y);  (1 / x) y = y / x.
    """
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
    if isinstance(a, Number) and _takes_number(_first_factor(b)):
        return _scaled(a, b)
    if applies(a, "negative") or applies(b, "negative"):
        product = apply("multiply", _without_sign(a), _without_sign(b))
        return apply("negative", product) if applies(a, "negative") != applies(b, "negative") else product
    for factor, other in ((a, b), (b, a)):
        if applies(factor, "divide") and _is(factor.operands[0], 1):
            return apply("divide", other, factor.operands[1])
    if a == b and not isinstance(a, Number):
        return Apply(PRIMITIVES["power"], (a, Number(2)), {})
    return _norm(a, b)


def _norm(k: Formula, root: Formula) -> Formula | None:
    """Return √(Σ x²) for k √(Σ (x / k)²), where k = {m if m > 0, 1 otherwise} keeps squares from overflow."""
    if not (_is_above_zero(k) and applies(root, "sqrt")):
        return None
    (inside,) = root.operands
    is_sum = isinstance(inside, Total) or applies(inside, "sum")
    terms = parts_of(inside) if is_sum else (inside,)
    squares = tuple(square for term in terms if (square := _times_square(term, k)) is not None)
    if len(squares) < len(terms):
        return None
    if isinstance(inside, Total):
        rest = None if inside.rest is None else inside.rest * float(numeric(k)) ** 2
        return apply("sqrt", replace(inside, terms=squares, rest=rest))
    if isinstance(inside, Apply) and is_sum:
        return apply("sqrt", replace(inside, operands=squares))
    return apply("sqrt", squares[0])


def _is_above_zero(k: Formula) -> bool:
    """Whether a formula is {m if m > 0, 1 otherwise}."""
    if not applies(k, "where"):
        return False
    condition, chosen, other = k.operands
    if not (applies(condition, "greater") and _is(other, 1)):
        return False
    m, bound = condition.operands
    return m is chosen and _is(bound, 0)


def _times_square(term: Formula, k: Formula) -> Formula | None:
    """Return x² for (x / k)²."""
    if not applies(term, "power"):
        return None
    quotient, exponent = term.operands
    if applies(quotient, "divide") and quotient.operands[1] is k and _is(exponent, 2):
        return apply("power", quotient.operands[0], exponent)
    return None


def _power(x: Formula, exponent: Formula) -> Formula | None:
    """Apply (√x)² = x."""
    if applies(x, "sqrt") and _is(exponent, 2):
        return x.operands[0]
    return None


def _divide(a: Formula, b: Formula) -> Formula | None:
    """Apply x / 1 = x;  0 / x = 0;  (c x) / k = (c / k) x;  c / (k y) = (c / k) / y."""
    if _is(b, 1):
        return a
    if _is(a, 0):
        return Number(0.0)
    inner = _coefficient(a)
    if inner and isinstance(b, Number):
        return apply("multiply", Number(inner[0] / b.value), inner[1])
    below = _coefficient(b)
    if isinstance(a, Number) and below:
        return apply("divide", Number(a.value / below[0]), below[1])
    return None


def _negative(x: Formula) -> Formula | None:
    """Apply -(-x) = x;  -(e^x - 1) = 1 - e^x."""
    if applies(x, "expm1"):
        return apply("subtract", Number(1.0), Apply(PRIMITIVES["exp"], x.operands, {}))
    return x.operands[0] if applies(x, "negative") else None


def _without_sign(x: Formula) -> Formula:
    return x.operands[0] if applies(x, "negative") else x


def _and(a: Formula, b: Formula) -> Formula | None:
    """Apply x and true = x;  x and false = false."""
    return next((other if known.value else known for known, other in _known(a, b)), None)


def _or(a: Formula, b: Formula) -> Formula | None:
    """Apply x or false = x;  x or true = true."""
    return next((known if known.value else other for known, other in _known(a, b)), None)


def _known(a: Formula, b: Formula) -> Iterator[tuple[Number, Formula]]:
    """Yield each of two conditions that is known, with the other one."""
    for known, other in ((a, b), (b, a)):
        if isinstance(known, Number) and np.ndim(known.value) == 0:
            yield known, other


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
    "power": _power,
    "where": _where,
    "logical_and": _and,
    "logical_or": _or,
}
