"""The formula of a derivative, taken apart by the later derivatives in it, of which it is a sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Name,
    Number,
    Parts,
    Total,
    applies,
    names,
    parts_of,
    substituted,
    with_parts,
)
from chainrule.explanation.simplify import apply, simplified


def later_in(formula: Formula) -> list[Name]:
    """Return the derivatives by later values that a formula names, each once."""
    return list(dict.fromkeys(name for name in names(formula) if name.symbol.derivative))


def summands(formula: Formula) -> Iterator[Formula]:
    """Yield the terms of a sum, however it is nested, each with its sign."""
    match formula:
        case Total(terms, None):
            for term in terms:
                yield from summands(term)
        case Apply(operands=(first, second)) if applies(formula, "add", "subtract"):
            yield from summands(first)
            for term in summands(second):
                yield term if applies(formula, "add") else apply("negative", term)
        case _:
            yield formula


def slope(formula: Formula, later: Name) -> Formula:
    """Return what a later derivative is multiplied by, in a formula that is a sum of such products."""
    one = type(later.number)(1)

    def holds_later(formula: Formula, holds: Parts[bool]) -> bool:
        if isinstance(formula, Name):
            return formula.symbol.derivative
        return any(map(holds, parts_of(formula)))

    def part_of(formula: Formula, part: Parts[Formula]) -> Formula:
        def summand(formula: Formula) -> Formula:
            return part(formula) if holds(formula) else Number(one * 0)

        if not holds(formula):
            return formula
        if isinstance(formula, Name):
            return Number(one if formula == later else one * 0)
        if isinstance(formula, Total) or applies(formula, "add", "subtract"):
            return with_parts(formula, summand)
        if applies(formula, "where"):
            condition, *branches = formula.operands
            return replace(formula, operands=(condition, *map(summand, branches)))
        return with_parts(formula, part)

    holds = Parts(holds_later)
    return simplified(Parts(part_of)(formula))


def remainder(formula: Formula) -> Formula | None:
    """Return what a formula comes to without later derivatives, or None: the loss's own path."""
    later = later_in(formula)
    if not later:
        return formula
    zero = Number(type(later[0].number)(0))
    left = simplified(substituted(formula, lambda name: zero if name.symbol.derivative else name))
    return None if left == zero else left
