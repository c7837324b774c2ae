"""The derivative of the cross-entropy of a softmax reads as in the textbook: δ = p − t."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import CLASSES, ROWS, built, dense

import chainrule as cr
from chainrule.explanation.plain import to_text


def stable(prediction, target):
    """A cross-entropy of one's own, of targets that are parts of 1."""
    return -cr.sum(target * cr.log_softmax(prediction), axis=-1)


def plain(prediction, target):
    """The same as one would write it first."""
    return cr.log(cr.sum(cr.exp(prediction), axis=-1)) - cr.sum(target * prediction, axis=-1)


ONE_HOT = np.eye(2)[CLASSES]


@pytest.mark.parametrize(
    ("loss", "targets", "rows", "formula"),
    [
        ("cross_entropy", CLASSES, 3, "∂L/∂z⁽¹⁾ = ∂L/∂v = 0.333333 · (p − t)"),
        ("cross_entropy", CLASSES, 1, "∂L/∂z⁽¹⁾ = ∂L/∂v = p − t"),
        (stable, ONE_HOT, 1, "∂L/∂z⁽¹⁾ = ∂L/∂v = p − t"),
        (plain, ONE_HOT, 3, "∂L/∂z⁽¹⁾ = 0.333333 · (p − t)"),
    ],
    ids=["classes", "one row", "own, stable", "own, plain"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_delta_is_p_minus_t(loss, targets, rows, formula, dtype):
    model = cr.Model(dense(), loss=loss, optimizer=cr.SGD(0.5), dtype=dtype)
    told = {s.quantity.symbol.key: s for s in model.explain(ROWS[:rows], targets[:rows]).steps}
    assert to_text(told["d layers.1.z"].quantity.equation) == formula
    powers = np.exp(told["layers.1.z"].quantity.array)
    p = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(told["p"].quantity.array, p, rtol=1e-5)
    np.testing.assert_allclose(
        told["d layers.1.z"].quantity.array, (p - ONE_HOT[:rows]) / rows, rtol=1e-5, atol=1e-7
    )
    assert told["p"].title == "the loss: p, the softmax"


def test_rows_that_count_differently_keep_their_weights_in_the_formula():
    explanation = built(dense(), "cross_entropy").explain(ROWS, CLASSES, sample_weight=[1.0, 0.5, 2.0])
    told = {s.quantity.symbol.key: to_text(s.quantity.equation) for s in explanation.steps}
    assert told["d q"] == "∂L/∂q = (∑_j ω/N · t) · p − ω/N · t"  # what is summed is in brackets


def test_without_a_logarithm_nothing_is_named_so():
    explanation = built(dense("softmax")).explain(ROWS, np.zeros((3, 2)))
    assert "p" not in {step.quantity.symbol.key for step in explanation.steps}
