"""Each factor ∂A/∂B of a path: A's own formula holds B, and the factor is how fast it changes with B."""

from __future__ import annotations

import re

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built, cases

import chainrule as cr
from chainrule.explanation.formula import Name, names, numeric, substituted
from chainrule.explanation.plain import to_text
from chainrule.explanation.printer import element_name

STEP = 1e-6


def residual_cases():
    """Networks in which a value is handed on unchanged beside others that are computed from it."""
    tanh = cr.Dense(4, activation="tanh")
    dropping = cr.Sequential([cr.Dense(4, activation="relu"), cr.Dropout(0.3)])
    networks = {
        "around an activation": [cr.Residual(tanh), cr.Dense(2)],
        "around a linear layer": [cr.Residual(cr.Dense(4)), cr.Dense(2)],
        "around another": [cr.Residual(cr.Residual(tanh)), cr.Dense(2)],
        "behind a layer": [cr.Dense(3), cr.Residual(cr.Dense(3, activation="tanh")), cr.Dense(2)],
        "behind another": [cr.Residual(tanh), cr.Residual(cr.Dense(4)), cr.Dense(2)],
        "with dropout": [cr.Residual(dropping), cr.Dense(2)],
    }
    for name, layers in networks.items():
        yield f"residual {name}", built(cr.Sequential(layers)), ROWS, NUMBERS, None


CASES = [*cases(), *residual_cases()]


@pytest.mark.parametrize(
    ("model", "x", "y", "weight"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_each_factor_is_the_derivative_of_a_formula_by_what_stands_in_it(model, x, y, weight):
    explanation = model.explain(x[:2], y[:2], sample_weight=None if weight is None else weight[:2])
    computed = {}
    for step in explanation.steps:
        if step.stage in ("forward", "loss"):
            for index in step.quantity.places():
                computed[to_text(step.quantity.line(index).left)] = step.quantity, index
    told = {step.quantity.symbol.key for step in explanation.steps}
    first = {key: (0,) * array.ndim for key, array in {**model.weights, "x": x}.items() if f"d {key}" in told}
    waiting = [explanation.why(element_name(key, index)) for key, index in first.items()]
    seen = set()
    for why in waiting:
        for term in why.terms:
            for factor in term.factors:
                _check(factor, computed, seen)
            if term.onward is not None and term.onward.name not in seen:
                seen.add(term.onward.name)
                waiting.append(term.onward)
    assert len(seen) > len(first)


def _check(factor, computed, seen):
    above, below = re.fullmatch("∂(.*)/∂(.*)", to_text(factor.own)).groups() if factor.own else ("L", "")
    if above == "L" or (above, below) in seen:
        return
    seen.add((above, below))
    quantity, index = computed[above]
    formula = quantity.element(index)
    moved = {step: numeric(substituted(formula, _moving(factor.name, step))) for step in (-STEP, STEP)}
    stands = {element_name(name.symbol.key, name.index or ()) for name in names(formula)}
    assert factor.name in stands, f"{factor}, but {above} is computed from {stands}"
    difference = (moved[STEP] - moved[-STEP]) / (2 * STEP)
    assert factor.value == pytest.approx(float(difference), rel=1e-5, abs=1e-7), str(factor)


def _moving(element, step):
    """Return a function that moves one element, and leaves all other names as they are."""

    def replace(name):
        is_it = element_name(name.symbol.key, name.index or ()) == element
        return Name(name.symbol, name.value, name.index, name.number + step) if is_it else name

    return replace


def test_a_skip_path_leads_to_the_sum_and_not_through_the_branch():
    model = built(cr.Sequential([cr.Residual(cr.Dense(4, activation="tanh")), cr.Dense(1)]))
    explanation = model.explain(ROWS[:1], np.array([[0.5]]))
    (step,) = [step for step in explanation.steps if step.quantity.symbol.key == "d x"]
    assert to_text(step.quantity.equation) == "∂L/∂x = ∂L/∂a⁽⁰⁾ + ∂L/∂z⁽⁰·⁰⁾ W⁽⁰·⁰⁾ᵀ"
    skipped = [to_text(term.product) for term in explanation.why("x[0, 0]").terms if len(term.factors) == 3]
    assert skipped == ["∂L/∂z₀⁽¹⁾ · ∂z₀⁽¹⁾/∂a₀⁽⁰⁾ · ∂a₀⁽⁰⁾/∂x₀"]
