"""The softmax by its name: where a formula has e^v divided by the sum of all e^v, it has p.

Derivatives of ln Σ e^v hold such quotients, as x / Σ e^v · e^v. For a while the powers and their sum are
named, so that the quotient can be seen; where there is none, they are written out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from chainrule.explanation.formula import Apply, Formula, Index, Name, Parts, Stop, Symbol, Total
from chainrule.explanation.layout import word
from chainrule.explanation.step_graph import Share
from chainrule.graph.types import Array
from chainrule.graph.value import PRIMITIVES, Value

_POWER = Symbol(word("power"), False, "power")
_TOTAL = Symbol(word("total"), False, "total")


class Shares:
    """The softmaxes of a step.

    Parameters
    ----------
    symbols : mapping of Share to Symbol
        Each with its name.
    numbers : mapping of Value to array
        What every value of the step came to.
    """

    def __init__(self, symbols: Mapping[Share, Symbol], numbers: Mapping[Value, Array]) -> None:
        self._symbols = symbols
        self._numbers = numbers
        self._hidden = {share.power: _POWER for share in symbols} | {share.total: _TOTAL for share in symbols}
        self._own = {share.value for share in symbols}

    def told(
        self,
        value: Value,
        stop: Stop,
        expand: Callable[[Value, Index | None, Stop], Formula],
        index: Index | None,
    ) -> Formula:
        """Return a derivative's formula, in which a power divided by its sum has the name of the quotient."""
        if not self._hidden or value.origin.stage != "backward" or value in self._own:
            return expand(value, index, stop)
        formula = expand(value, index, lambda one: stop(one) or self._hidden.get(one))

        def open_again(part: Formula, parts: Parts) -> Formula:
            match part:
                case Name(symbol, hidden, at) if symbol in (_POWER, _TOTAL):
                    return expand(hidden, at, stop)
                case Apply(primitive, operands, attributes, gathered):
                    quotient = self._quotient(part)
                    if quotient is not None:
                        rest, share = quotient
                        return Apply(primitive, (parts(rest), share), {})
                    return Apply(primitive, tuple(map(parts, operands)), attributes, gathered)
                case Total(terms):
                    return replace(part, terms=tuple(map(parts, terms)))
            return part

        return Parts(open_again)(formula)  # type: ignore[no-any-return]

    def _quotient(self, formula: Apply) -> tuple[Formula, Name] | None:
        """Return x and p where the formula is x / Σ e^v · e^v."""
        if formula.primitive.name != "multiply":
            return None
        a, b = formula.operands
        for quotient, power in ((a, b), (b, a)):
            if isinstance(quotient, Apply) and quotient.primitive is PRIMITIVES["divide"]:
                rest, total = quotient.operands
                for share, symbol in self._symbols.items():
                    if _is(power, share.power) and _is(total, share.total):
                        return rest, self._name(share, symbol, power)
        return None

    def _name(self, share: Share, symbol: Symbol, power: Formula) -> Name:
        assert isinstance(power, Name)
        index = power.index
        places = [place for place in index or () if isinstance(place, int)]
        known = index is not None and len(places) == len(index)
        number = self._numbers[share.value][tuple(places)] if known else None
        return Name(symbol, share.value, index, number)


def _is(formula: Formula, value: Value) -> bool:
    return isinstance(formula, Name) and formula.value is value
