"""The derivative of the binary cross-entropy reads as in the textbook: δ = σ(z) − t."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import ROWS, built, dense

import chainrule as cr
from chainrule.explanation.plain import to_text

LABELS = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])


def own(prediction, target):
    return cr.sum(cr.softplus(prediction) - target * prediction, axis=-1)


@pytest.mark.parametrize(
    ("loss", "rows", "weights", "formula"),
    [
        ("binary_cross_entropy", 1, None, "∂L/∂z⁽¹⁾ = 0.5 · (σ(z⁽¹⁾) − t)"),
        ("binary_cross_entropy", 3, None, "∂L/∂z⁽¹⁾ = 1/6 · (σ(z⁽¹⁾) − t)"),
        ("binary_cross_entropy", 3, [1.0, 0.5, 2.0], "∂L/∂z⁽¹⁾ = (ω/N)/2 · (σ(z⁽¹⁾) − t)"),
        (cr.BinaryCrossEntropy(label_smoothing=0.2), 1, None, "∂L/∂z⁽¹⁾ = 0.5 · (σ(z⁽¹⁾) − t)"),
        (own, 1, None, "∂L/∂z⁽¹⁾ = σ(z⁽¹⁾) − t"),
    ],
    ids=["one row", "rows", "weights", "smoothed", "own"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_delta_is_the_sigmoid_minus_t(loss, rows, weights, formula, dtype):
    model = cr.Model(dense(), loss=loss, optimizer=cr.SGD(0.5), dtype=dtype)
    explanation = model.explain(ROWS[:rows], LABELS[:rows], sample_weight=weights)
    told = {step.quantity.symbol.key: step.quantity for step in explanation.steps}
    assert to_text(told["d layers.1.z"].equation) == formula
    t = LABELS[:rows] * 0.8 + 0.1 if "smoothing=0.2" in repr(loss) else LABELS[:rows]
    counts = np.ones(rows) if weights is None else np.array(weights)
    outputs = 1 if loss is own else 2
    delta = (1 / (1 + np.exp(-told["layers.1.z"].array)) - t) * counts[:, None] / counts.sum() / outputs
    np.testing.assert_allclose(told["d layers.1.z"].array, delta, rtol=1e-5, atol=1e-7)
    assert [key for key in told if key in ("u", "v", "q")] == []  # no helpers on the way
    assert explanation.verdict.right


def test_a_classifier_of_two_classes_tells_the_same():
    pytest.importorskip("sklearn")
    classifier = cr.MLPClassifier(hidden_layer_sizes=(3,), alpha=0, random_state=0)
    classifier.partial_fit(ROWS, ["a", "b", "a"], classes=["a", "b"])
    steps = classifier.explain(ROWS[:1], ["b"]).steps
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in steps}
    assert told["d layers.1.z"] == "∂L/∂z⁽¹⁾ = σ(z⁽¹⁾) − t"


def test_one_factor_of_a_weight_is_the_same_delta():
    why = built(dense(), "binary_cross_entropy").explain(ROWS[:1], LABELS[:1]).why("layers.1.weight[0, 1]")
    assert "∂L/∂z₁⁽¹⁾ = 0.5 · (σ(z₁⁽¹⁾) − t₁) = 0.5 · (σ(" in str(why)


def test_what_gets_no_shorter_stays_as_it_is_computed():
    """A focal loss weighs σ(z) and σ(−z) each by itself."""
    steps = built(dense(), cr.BinaryFocal()).explain(ROWS, LABELS).steps
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in steps}
    assert told["d layers.1.z"] == "∂L/∂z⁽¹⁾ = ∂L/∂v · σ(z⁽¹⁾) − ∂L/∂u · σ(−z⁽¹⁾)"


def test_a_softplus_has_the_sigmoid_as_its_slope():
    steps = built(dense("softplus")).explain(ROWS, np.ones((3, 2))).steps
    told = {step.quantity.symbol.key: to_text(step.quantity.equation) for step in steps}
    assert told["layers.0.a"] == "a⁽⁰⁾ = ln(1 + e^(z⁽⁰⁾))"
    assert told["slope layers.0.a"] == "∂a⁽⁰⁾/∂z⁽⁰⁾ = σ(z⁽⁰⁾)"
