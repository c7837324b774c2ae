"""Every activation has its a = f(z), its f′(z), and one δ: those of the package, and one's own."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built, dense

import chainrule as cr
from chainrule.explanation.formula import names, numeric
from chainrule.explanation.plain import to_text
from chainrule.layers.activation import ACTIVATIONS

OWN = {
    "piecewise": lambda z: cr.where(z > 0, z, cr.tanh(z)),
    "hard tanh": lambda z: cr.clip(z, -0.5, 0.5),
    "product": lambda z: z * cr.relu(z) + cr.abs(z),
    "shifted": lambda z: cr.softplus(z + 1) - 0.5,
    "hyperbolic": lambda z: cr.sinh(z) / cr.cosh(z) + cr.tan(z),
    "other logarithms": lambda z: cr.log10(1 + z * z) - cr.log2(2 + cr.abs(z)),
    "logistic by hand": lambda z: 1 / (1 + cr.exp(-z)),
    "constants": lambda z: z * cr.sigmoid(z * np.array([1.0, 2.0, 3.0])),
}
FUNCTIONS = {name: f for name, f in ACTIVATIONS.items() if name not in ("identity", "softmax")} | OWN


def told(model):
    explanation = model.explain(ROWS, NUMBERS)
    assert explanation.verdict.right
    return {step.quantity.symbol.key: step for step in explanation.steps}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_is_told_in_full(name):
    steps = told(built(dense(FUNCTIONS[name])))
    mine = [key for key, step in steps.items() if step.part == "layers.0" and step.stage != "given"]
    assert mine[:2] == ["layers.0.z", "layers.0.a"]
    backward = [key for key in mine if steps[key].stage == "backward"]
    assert backward[:3] == ["d layers.0.a", "slope layers.0.a", "d layers.0.z"]
    assert backward[3:] == ["d layers.0.weight", "d layers.0.bias"]
    assert sum("δ" in steps[key].title for key in backward) == 1

    def leaves(key):
        return {leaf.symbol.key for leaf in names(steps[key].quantity.formula)} - {"constants"}

    assert leaves("layers.0.a") == {"layers.0.z"}
    assert leaves("slope layers.0.a") <= {"layers.0.z", "layers.0.a"}
    text = to_text(steps["d layers.0.z"].quantity.equation)
    assert text.count("∂L/∂a⁽⁰⁾") == 1 or name == "constants", text  # its constants differ from unit to unit


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_slope_is_that_of_differences(name):
    steps = told(built(dense(FUNCTIONS[name])))
    z, h = steps["layers.0.z"].quantity.array, 1e-6
    f = FUNCTIONS[name]
    np.testing.assert_allclose(steps["layers.0.a"].quantity.array, f(z))
    np.testing.assert_allclose(
        steps["slope layers.0.a"].quantity.array, (f(z + h) - f(z - h)) / (2 * h), rtol=1e-6, atol=1e-9
    )


def test_an_activation_by_itself_has_a_slope():
    """Its z is the output of the layer before, and the δ that belongs to it is told there."""
    steps = told(built(cr.Sequential([cr.Dense(3), cr.Activation("elu"), cr.Dense(2)])))
    assert (
        to_text(steps["slope layers.1.a"].quantity.equation)
        == "∂a⁽¹⁾/∂z⁽⁰⁾ = {1 if z⁽⁰⁾ > 0, e^(z⁽⁰⁾) otherwise}"
    )
    assert steps["d layers.0.z"].title == "δ, handed on to layers.0, by what uses its output z⁽⁰⁾"


@pytest.mark.parametrize("own", [False, True])
def test_a_softmax_has_a_slope_for_each_pair_of_units(own):
    f = (lambda z: z / cr.sqrt(cr.sum(z * z, axis=-1, keepdims=True))) if own else cr.softmax
    steps = told(built(dense(f)))
    assert [key for key in steps if key.startswith("layers.0.") and key[-1] in "za"] == [
        "layers.0.z",
        "layers.0.a",
    ]
    quantity = steps["slopes layers.0.a"].quantity
    z, h = steps["layers.0.z"].quantity.array, 1e-6
    np.testing.assert_allclose(steps["layers.0.a"].quantity.array, f(z))
    for unit in range(3):
        change = h * np.eye(3)[unit]
        np.testing.assert_allclose(
            quantity.array[:, :, unit], (f(z + change) - f(z - change)) / (2 * h), rtol=1e-6, atol=1e-9
        )
    line = quantity.line((1, 0, 2))
    assert to_text(line.left) == "∂a₁,₀⁽⁰⁾/∂z₁,₂⁽⁰⁾"
    assert "softmax" not in to_text(line.formula)
    assert [step.title for step in steps.values() if "δ" in step.title and step.part == "layers.0"] == [
        "layers.0: δ, how the loss changes with z⁽⁰⁾"
    ]


def test_a_wide_softmax_is_told_without_its_pairs():
    net = cr.Sequential([cr.Dense(30, activation="softmax"), cr.Dense(2)])
    assert not [key for key in told(built(net)) if key.startswith("slope")]


def test_an_activation_too_long_for_one_line_is_told_in_parts():
    """Each of its values that is used twice has a name; its f′ in one formula would have 2¹² terms."""

    def folded(z):
        for _ in range(12):
            z = cr.tanh(z * z + z)
        return z

    steps = told(built(dense(folded)))
    assert max(len(to_text(step.quantity.equation)) for step in steps.values()) < 2000
    slope = steps["slope layers.0.a"].quantity
    assert to_text(slope.equation) == "∂a⁽⁰⁾/∂z⁽⁰⁾"
    assert np.all(slope.array != 0)


BESIDE_NAN = {
    "x ln x": lambda z: cr.where(z > 0, z * cr.log(z), 0.0),
    "logarithm": lambda z: cr.where(z > 0, cr.log(z), 0.5 * z),
    "power": lambda z: cr.where(z > 0, z**1.5, z),
    "two roots": lambda z: cr.where(z > 0, cr.sqrt(z), -cr.sqrt(-z)),
    "reciprocal": lambda z: cr.where(z > 0, 1 / z, z * z),
}


@pytest.mark.parametrize("name", BESIDE_NAN)
@pytest.mark.parametrize("first", [0.0, 0.3])
def test_a_formula_comes_to_the_nan_that_a_case_not_taken_makes(name, first):
    """0 · ln(z) is NaN for z < 0: told case by case, the formula would come to 0 there."""
    model = built(cr.Sequential([cr.Dense(3, activation=BESIDE_NAN[name]), cr.Dense(1)]))
    explanation = model.explain(np.vstack([first * ROWS[:1], ROWS[1:]]), NUMBERS[:, :1])
    for step in explanation.steps:
        quantity = step.quantity
        for place in quantity.places() if quantity.formula else ():
            told = float(numeric(quantity.element(place)))
            assert told == pytest.approx(quantity.array[place], nan_ok=True), step.title


def test_a_parameter_that_is_wrong_is_called_by_its_name():
    verdict = built(dense(BESIDE_NAN["x ln x"])).explain(ROWS, NUMBERS).verdict
    assert not verdict.right
    assert verdict.sentences()[3].startswith("layers.0.weight[")
