"""Terms in σ(x) and σ(-x) collected, as on paper: (1 - t) σ(x) - t σ(-x) is σ(x) - t.

The formula is multiplied out, with 1 - σ(x) for σ(-x), as a sum of products; what all of these have in common
stands before a bracket. Where that is no shorter, the formula stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce

import numpy as np

from chainrule.explanation.formula import Apply, Formula, Number, Parts, applies, with_parts
from chainrule.explanation.simplify import apply, size_of

#: A sum of more products than this is not looked at.
_MOST_PRODUCTS = 16
#: What is less than this beside the largest number is a rest of rounding.
_ROUNDING = 1e-6

#: A product of atoms, by their places in a list, in order.
_Product = tuple[int, ...]


def collected(formula: Formula) -> Formula:
    """Return the formula with its terms in σ(x) and σ(-x) collected."""
    return Parts(_collected)(formula)


def _collected(formula: Formula, part: Parts[Formula]) -> Formula:
    if isinstance(formula, Apply) and _has_both(formula):
        try:
            shorter = _Polynomial(formula).written()
        except _TooLong:
            shorter = formula
        if size_of(shorter) < size_of(formula):
            return shorter
    return with_parts(formula, part)


def _has_both(formula: Formula) -> bool:
    """Whether there is a sigmoid of x and one of -x."""
    arguments = list(_arguments(formula))
    return any(_opposite(x) in arguments for x in arguments)


def _arguments(formula: Formula) -> Iterator[Formula]:
    """Yield what sigmoids are taken of, where sums and products alone stand around them."""
    if applies(formula, "logistic"):
        yield formula.operands[0]
    elif applies(formula, "add", "subtract", "multiply", "negative"):
        for operand in formula.operands:
            yield from _arguments(operand)


def _opposite(formula: Formula) -> Formula:
    return apply("negative", formula)


class _TooLong(ValueError):  # noqa: N818  (it only tells that the formula stays as it is)
    """Multiplied out, the formula has very many terms."""


class _Polynomial:
    """A formula as a sum of products of atoms, each with a number before it."""

    def __init__(self, formula: Formula) -> None:
        self._atoms: list[Formula] = []
        self._sum = self._multiplied_out(formula)

    def _multiplied_out(self, formula: Formula) -> dict[_Product, float]:
        match formula:
            case Number(value) if np.ndim(value) == 0:
                return {(): float(value)}
            case Apply(primitive, operands, _, 0):
                if primitive.name == "negative":
                    return _scaled(self._multiplied_out(operands[0]), -1)
                if primitive.name in ("add", "subtract"):
                    first, second = map(self._multiplied_out, operands)
                    return _added(first, _scaled(second, -1 if primitive.name == "subtract" else 1))
                if primitive.name == "multiply":
                    return _multiplied(*map(self._multiplied_out, operands))
                if primitive.name == "logistic" and applies(operands[0], "negative"):
                    positive = apply("logistic", _opposite(operands[0]))
                    return _added({(): 1.0}, _scaled(self._multiplied_out(positive), -1))
        return {(self._place(formula),): 1.0}

    def _place(self, atom: Formula) -> int:
        if atom not in self._atoms:
            self._atoms.append(atom)
        return self._atoms.index(atom)

    def written(self) -> Formula:
        """Return it with what all products have in common before a bracket."""
        largest = max(map(abs, self._sum.values()), default=0.0)
        products = {product: c for product, c in self._sum.items() if abs(c) > _ROUNDING * largest}
        if not products:
            return Number(0.0)
        common = reduce(Counter.__and__, map(Counter, products))
        alike = all(abs(abs(c) - largest) <= _ROUNDING * largest for c in products.values())
        scale = largest if alike else 1.0
        inside = [(Counter(product) - common, c / scale) for product, c in products.items()]
        inside.sort(key=lambda one: (one[1] < 0, not self._has_sigmoid(one[0])))
        bracket = reduce(_sum, (self._term(rest, c) for rest, c in inside))
        return _product(Number(scale), _product(self._term(common, 1.0), bracket))

    def _term(self, product: Counter[int], number: float) -> Formula:
        factors: list[Formula] = [self._atoms[place] for place in product.elements()]
        one: Formula = Number(1.0)
        return _product(Number(number), reduce(_product, factors, one))

    def _has_sigmoid(self, product: Counter[int]) -> bool:
        return any(next(_arguments(self._atoms[place]), None) is not None for place in product)


def _sum(a: Formula, b: Formula) -> Formula:
    return apply("add", a, b)


def _product(a: Formula, b: Formula) -> Formula:
    return apply("multiply", a, b)


def _scaled(terms: dict[_Product, float], number: float) -> dict[_Product, float]:
    return {product: number * c for product, c in terms.items()}


def _added(first: dict[_Product, float], second: dict[_Product, float]) -> dict[_Product, float]:
    return {product: first.get(product, 0.0) + second.get(product, 0.0) for product in {**first, **second}}


def _multiplied(first: dict[_Product, float], second: dict[_Product, float]) -> dict[_Product, float]:
    found: dict[_Product, float] = {}
    for p, c in first.items():
        for q, d in second.items():
            product = tuple(sorted((*p, *q)))
            found[product] = found.get(product, 0.0) + c * d
    if len(found) > _MOST_PRODUCTS:
        raise _TooLong
    return found
