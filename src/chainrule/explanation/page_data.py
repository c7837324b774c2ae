"""What the page shows, as JSON: the arrays, the formulas of their elements, the steps, and the drawing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explanation.documents import STAGES, ending
from chainrule.explanation.formula import names
from chainrule.explanation.mathml import elements
from chainrule.explanation.page_arrays import compressed, packed
from chainrule.explanation.page_drawing import Drawing
from chainrule.explanation.patterns import pattern, written_out
from chainrule.explanation.quantity import Quantity
from chainrule.graph.types import UINT32

#: What an optimizer keeps for each of more weights than this is left out, unless it is one number for all.
MOST_KEPT = 50_000

if TYPE_CHECKING:
    from chainrule.explanation.explanation import Explanation


def page_data(explanation: Explanation) -> dict[str, Any]:
    """Return all that the page needs."""
    names_ = explanation.names
    quantities = {step.quantity.symbol.key: step.quantity for step in explanation.steps}
    for value, symbol in names_.names.items():
        if value.dtype != UINT32:
            quantities.setdefault(symbol.key, Quantity(names_, value, symbol))
    patterns, explicit = _formulas(quantities)
    shown = {key: one for key, one in quantities.items() if not _is_left_out(one)}
    arrays, numbers = packed(shown)
    return {
        "rows": names_.recording.rows,
        "stages": STAGES,
        "steps": [_step(step) for step in explanation.steps],
        "arrays": arrays,
        "numbers": numbers,
        "labels": {key: list(listed) for key, listed in explanation.labels.listed.items()},
        "formulas": compressed(
            json.dumps({"patterns": patterns, "explicit": explicit}, ensure_ascii=False).encode()
        ),
        **Drawing(explanation, quantities, shown).collect(),
        "ending": ending(explanation),
        "right": explanation.verdict.right,
        "history": explanation.history,
    }


def _formulas(quantities: dict[str, Quantity]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return one formula for all elements of an array, and where there is none, one for each."""
    patterns, explicit = {}, {}
    for key, quantity in quantities.items():
        if quantity.stop is None and quantity.handed is None:
            continue
        found = pattern(quantity)
        if found is not None:
            patterns[key] = found
        else:
            explicit[key] = written_out(quantity)
    return patterns, explicit


def _step(step: Any) -> dict[str, Any]:
    quantity = step.quantity
    formula = quantity.formula
    if formula is None and quantity.stop is not None and quantity.array.size:
        formula = quantity.element((0,) * quantity.array.ndim)
    return {
        "number": step.number,
        "stage": step.stage,
        "title": step.title,
        "rule": step.rule,
        "key": step.quantity.symbol.key,
        "equation": elements(step.quantity.equation),
        "sources": sorted({name.symbol.key for name in names(formula)}) if formula else [],
    }


def _is_left_out(quantity: Quantity) -> bool:
    """Whether its numbers are too many for a page: what an optimizer keeps of very many weights."""
    array = quantity.array
    return "/" in quantity.symbol.key and array.size > MOST_KEPT and bool(np.any(array != array.flat[0]))
