"""The verdict's words where rounding has taken the digits of a gradient."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr


def sure(dtype, weight):
    """A network that is nearly sure of the right class: ∂L/∂z₀ = p₀ − 1, where p₀ is nearly 1."""
    model = cr.Model(cr.Dense(3), loss="cross_entropy", optimizer=cr.SGD(0.1), dtype=dtype)
    model.build(features=1)
    model.set_weights({"weight": [[weight, 0.0, 0.0]], "bias": [0.0, 0.0, 0.0]})
    return model.explain([[1.0]], [0])


def test_numbers_that_rounding_has_taken_are_not_said_to_agree():
    explanation = sure("float32", 18.0)
    verdict = explanation.verdict
    gradient = {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}["d bias"]
    assert gradient[0] == 0  # 1 − 1, though it is −3.05e-08
    assert verdict.right
    assert verdict.compiled == pytest.approx(1.0)
    first, differences, rounding, compiled = verdict.sentences()
    assert first.startswith("The formulas of the gradient are right, but rounding leaves few digits")
    assert "or none: they are" in first
    assert not any("agree" in sentence for sentence in verdict.sentences())
    assert "at all 6 entries, in float64: relative error" in differences
    assert verdict.differences < 1e-5
    true = 2 * np.exp(-18.0)
    assert f"by up to {true:.1e}, " in rounding
    assert "by up to 1.0e+00 of the largest number" in compiled


@pytest.mark.parametrize(("dtype", "weight"), [("float32", 1.0), ("float32", 6.0), ("float64", 18.0)])
def test_numbers_with_digits_left_are_said_to_agree(dtype, weight):
    verdict = sure(dtype, weight).verdict
    assert verdict.right
    assert verdict.sentences()[0] == "The gradient is right: two other ways agree with it."
    assert verdict.compiled < 0.01


def test_only_the_parameters_that_have_lost_their_digits_are_named():
    net = cr.Sequential([cr.Dense(1, activation="tanh"), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.1), dtype="float32")
    model.build(features=1)
    model.set_weights({"layers.0.weight": [[8.3]], "layers.1.weight": [[1.0]], "layers.0.bias": [0.0]})
    verdict = model.explain([[1.0]], [3.0]).verdict
    assert verdict.right
    assert "or none, in layers.0.weight, layers.0.bias: " in verdict.sentences()[0]


@pytest.mark.parametrize(
    ("layers", "width", "each"),
    [(1, 30, "up to 20 of each"), (30, 3, "up to 4 of each"), (130, 2, "one of each")],
)
def test_finite_differences_stay_few_and_the_verdict_counts_them(layers, width, each):
    net = cr.Sequential([cr.Dense(width, use_bias=layers < 130) for _ in range(layers)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.1), dtype="float64")
    model.build(features=2)
    verdict = model.explain([[1.0, 2.0]], np.zeros((1, width))).verdict
    checked, entries = (
        sum(getattr(one, name) for one in verdict.comparisons) for name in ("checked", "entries")
    )
    assert len(verdict.comparisons) <= checked <= 250
    assert entries == sum(array.size for array in model.weights.values())
    told = f"Finite differences at {checked} of {entries:,} entries, {each} parameter, with its largest"
    assert verdict.sentences()[1].startswith(told)


def test_differences_that_judge_nothing_are_not_said_to_agree():
    model = cr.Model(cr.Dense(1, activation="relu"), loss="mean_squared_error", dtype="float64")
    model.build(features=1)
    model.set_weights({"weight": [[1.0]], "bias": [-1.0]})  # the kink
    verdict = model.explain([[1.0]], [[2.0]]).verdict
    assert verdict.right
    first, differences, compiled = verdict.sentences()
    assert first == "The gradient is right: one other way agrees with it."
    assert differences == (
        "Finite differences at all 2 entries judge nothing: each lies at a kink or is too small to measure."
    )
    assert compiled.startswith("The compiled code, all entries: ")


def test_one_entry_is_counted_as_one():
    model = cr.Model(cr.Dense(1, use_bias=False), loss="mean_squared_error", dtype="float64")
    model.build(features=1)
    sentences = model.explain([[1.0]], [[5.0]]).verdict.sentences()
    assert sentences[1].startswith("Finite differences at the one entry: ")
