"""The softmax by its name: where a formula has e^v divided by the sum of all e^v, it has p.

Derivatives of ln Σ e^v hold such quotients, as x / Σ e^v · e^v. For a while the powers and their sum are
named, so that the quotient can be seen; where there is none, they are written out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Name,
    Parts,
    Stop,
    Symbol,
    applies,
    concrete,
    with_parts,
)
from chainrule.explanation.layout import word
from chainrule.explanation.step_graph import Softmax
from chainrule.graph.types import Array
from chainrule.graph.value import Value

_POWER = Symbol(word("power"), "power")
_TOTAL = Symbol(word("total"), "total")


class Softmaxes:
    """The softmaxes of a step.

    Parameters
    ----------
    symbols : mapping of Softmax to Symbol
        Each with its name.
    numbers : mapping of Value to array
        What every value of the step came to.
    """

    def __init__(self, symbols: Mapping[Softmax, Symbol], numbers: Mapping[Value, Array]) -> None:
        self._symbols = symbols
        self._numbers = numbers
        self._hidden = {softmax.power: _POWER for softmax in symbols}
        self._hidden |= {softmax.total: _TOTAL for softmax in symbols}
        self._own = {softmax.value for softmax in symbols}

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

        def open_again(part: Formula, parts: Parts[Formula]) -> Formula:
            match part:
                case Name(symbol, hidden, at) if symbol in (_POWER, _TOTAL):
                    return expand(hidden, at, stop)
                case Apply(primitive):
                    quotient = self._quotient(part)
                    if quotient is not None:
                        rest, softmax = quotient
                        return Apply(primitive, (parts(rest), softmax), {})
            return with_parts(part, parts)

        return Parts(open_again)(formula)

    def _quotient(self, formula: Apply) -> tuple[Formula, Name] | None:
        """Return x and p where the formula is x / Σ e^v · e^v."""
        if formula.primitive.name != "multiply":
            return None
        a, b = formula.operands
        for quotient, power in ((a, b), (b, a)):
            if applies(quotient, "divide"):
                rest, total = quotient.operands
                for softmax, symbol in self._symbols.items():
                    if _is(power, softmax.power) and _is(total, softmax.total):
                        return rest, self._name(softmax, symbol, power)
        return None

    def _name(self, softmax: Softmax, symbol: Symbol, power: Formula) -> Name:
        assert isinstance(power, Name)
        at = None if power.index is None else concrete(power.index)
        number = None if at is None else self._numbers[softmax.value][at]
        return Name(symbol, softmax.value, power.index, number)


def _is(formula: Formula, value: Value) -> bool:
    return isinstance(formula, Name) and formula.value is value
