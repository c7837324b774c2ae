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
        ("cross_entropy", CLASSES, 3, "∂L/∂z⁽¹⁾ = ∂L/∂v = 1/3 · (p − t)"),
        ("cross_entropy", CLASSES, 1, "∂L/∂z⁽¹⁾ = ∂L/∂v = p − t"),
        (stable, ONE_HOT, 1, "∂L/∂z⁽¹⁾ = ∂L/∂v = p − t"),
        (plain, ONE_HOT, 3, "∂L/∂z⁽¹⁾ = 1/3 · (p − t)"),
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
    assert told["d q"] == "∂L/∂q = ω/N · (p − t)"


def test_without_a_logarithm_nothing_is_named_so():
    explanation = built(dense("softmax")).explain(ROWS, np.zeros((3, 2)))
    assert "p" not in {step.quantity.symbol.key for step in explanation.steps}


def test_a_one_hot_target_is_told_by_the_place_of_its_elements(opened):
    """As textbooks do: 1 where k is the class; in every form, and its y lights on the page."""
    for rows, text, latex in (
        (1, "t_k = {1 if y = k, 0 otherwise}", r"t_{k} = \begin{cases} 1 & \text{if } y = k \\"),
        (
            2,
            "t_(n,k) = {1 if y_n = k, 0 otherwise}",
            r"t_{n , k} = \begin{cases} 1 & \text{if } y_{n} = k \\",
        ),
    ):
        explanation = built(cr.Dense(3), "cross_entropy").explain(ROWS[:rows], [2, 0][:rows])
        assert f"   {text}\n" in str(explanation)
        assert latex in explanation.to_latex()
        assert latex in explanation.to_markdown()
        (step,) = [one for one in explanation.steps if one.quantity.symbol.key == "target"]
        assert step.quantity.array.tolist() == [[0, 0, 1], [1, 0, 0]][:rows]
        assert {"formula": text}.items() <= explanation.to_dict()["steps"][step.number - 1].items()
    page = opened(explanation)
    page.locator("#step").fill(str(step.number))
    equation = page.locator("#told .whole")
    assert "(0" not in equation.text_content()
    assert equation.locator('[data-all="y"]').text_content() == "yn"
    equation.locator('[data-all="y"]').hover()
    assert page.locator('.pointed[data-shows^="y["]').count() == 1
