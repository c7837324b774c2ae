"""An equation is true of the digits that it prints, or has ≈."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import NETWORKS, NUMBERS, ROWS, built

import chainrule as cr
from chainrule.explanation.plain import to_text


def half(prediction, target):
    return cr.sum((target - prediction) ** 2, axis=-1) / 2


@pytest.mark.parametrize(
    ("activation", "weight", "told"),
    [
        (
            "sigmoid",
            20.0,
            "a₀ · (1 − a₀) = 0.999999997938846 · (1 − 0.999999997938846) = 2.06115 · 10⁻⁹",
        ),
        ("sigmoid", 0.5, "a₀ · (1 − a₀) = 0.622459 · (1 − 0.622459) = 0.235004"),
        ("tanh", 5.0, "1 − a₀² = 1 − 0.999909204² = 0.000181583"),
    ],
)
def test_so_many_digits_are_printed_that_the_equation_is_true(activation, weight, told):
    model = cr.Model(cr.Dense(1, activation=activation), loss=half, dtype="float64")
    model.build(features=1)
    model.set_weights({"weight": [[weight]], "bias": [0.0]})
    explanation = model.explain([[1.0]], [[0.0]])
    assert f"∂a₀/∂z₀ = {told}\n" in str(explanation)
    assert f"∂a₀/∂z₀ = {told}\n" in str(explanation.why("weight[0, 0]"))
    *_, last = told.split(" = ")
    factor = told.split(" = ")[1].replace("−", "-").replace(" · ", " * ").replace("²", "**2")
    number = last.replace(" · 10⁻⁹", "e-9")
    assert eval(factor) == pytest.approx(float(number), rel=1e-4)


def test_what_is_only_left_of_rounding_is_said_to_be_near():
    explanation = built(NETWORKS["batch norm"]).explain(ROWS, NUMBERS)
    step = {step.quantity.symbol.key: step.quantity for step in explanation.steps}["d layers.0.bias"]
    assert np.abs(step.array).max() < 1e-15  # a shift before a normalization changes nothing
    signs = {to_text(step.line(place).sign) for place in step.places() if step.array[place]}
    assert signs == {"≈"}
