"""Formulas of a recorded step: of whole arrays, and of their elements."""

from __future__ import annotations

import numpy as np

from chainrule.explanation.arrays import Arrays
from chainrule.explanation.collect import collected
from chainrule.explanation.elements import Detail, Elements
from chainrule.explanation.formula import Formula, Index, Stop
from chainrule.explanation.known import Known
from chainrule.explanation.simplify import shortened, simplified
from chainrule.explanation.softmax import Softmaxes
from chainrule.graph.value import Value


class Expander:
    """Writes formulas of a recorded step; a `stop` tells the names of values below what is written.

    Parameters
    ----------
    known : Known
        The values of the step.
    softmaxes : Softmaxes
        The softmaxes, which have a name in derivatives.
    """

    def __init__(self, known: Known, softmaxes: Softmaxes) -> None:
        self.known = known
        self.softmaxes = softmaxes

    def array(self, value: Value, stop: Stop) -> Formula:
        """Return the formula of a whole array."""
        return self._by_cases(value, self._collected(value, None, stop))

    def element(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the formula of one element; with a `Variable` in the index, of any."""
        return self._by_cases(value, self._collected(value, index, stop))

    def terms(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the same with all terms of each sum apart, also where one condition chooses in several."""
        return self._collected(value, index, stop, Detail.EVERY_TERM)

    def by_place(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the formula of any element, in which places count: t_k = {1 if y = k, 0 otherwise}."""
        return self._by_cases(value, self._collected(value, index, stop, Detail.PLACES))

    def _by_cases(self, value: Value, formula: Formula) -> Formula:
        """Return a formula with its choices as one; not of a NaN, which a case that is not taken may make."""
        return formula if np.isnan(self.known.numbers[value]).any() else simplified(formula)

    def _collected(
        self, value: Value, index: Index | None, stop: Stop, detail: Detail = Detail.SHORT
    ) -> Formula:
        def written(value: Value, index: Index | None, stop: Stop) -> Formula:
            if index is None:
                return Arrays(self.known, stop).formula(value, top=True)
            return Elements(self.known, stop, index, detail).formula(value, index, top=True)

        return collected(shortened(self.softmaxes.told(value, stop, written, index)))
