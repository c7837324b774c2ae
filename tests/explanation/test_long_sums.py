"""Sums and largest elements of very many numbers are told by the ones that matter, and what is left."""

from __future__ import annotations

import re

import numpy as np
import pytest
from reading_mathml import value_of

import chainrule as cr
from chainrule.explanation.formula import Total, names, numeric
from chainrule.explanation.plain import to_text


@pytest.fixture(scope="module")
def explained():
    net = cr.Sequential([cr.Dense(60, activation="relu"), cr.Dense(2)])
    optimizer = cr.SGD(0.1, clip_global_norm=0.1)
    model = cr.Model(
        net, loss="mean_squared_error", optimizer=optimizer, penalties=[cr.L2(0.3)], dtype="float64"
    )
    x = np.random.default_rng(0).normal(size=(2, 40))
    return model, model.explain(x, np.ones((2, 2))), model.gradients(x, np.ones((2, 2)))[1]


def test_a_penalty_on_very_many_weights(explained):
    model, explanation, _ = explained
    (loss,) = [step.quantity for step in explanation.steps if step.quantity.symbol.key == "loss"]
    formula = loss.element(())
    assert float(numeric(formula)) == pytest.approx(explanation.loss, rel=1e-12)
    used = [name for name in names(formula) if name.symbol.key == "layers.0.weight"]
    weight = model.weights["layers.0.weight"]
    largest = np.sort(np.abs(weight), axis=None)[-64:]
    np.testing.assert_array_equal(np.sort([abs(name.number) for name in used]), largest)  # and not all 2,400
    line = to_text(loss.line(()).numbers)
    rest = np.sum(weight**2) - np.sum(largest[-4:] ** 2)
    assert f" + {explanation.names.printer.text(rest)}" in line
    assert " + ⋯" in to_text(loss.line(()).formula)


def test_a_norm_of_very_many_numbers(explained):
    _, explanation, gradients = explained
    (norm,) = [one.quantity for one in explanation.steps if one.quantity.symbol.key == "update.c0"]
    formula = norm.element(())
    expected = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values()))
    assert float(numeric(formula)) == pytest.approx(expected, rel=1e-12)
    (total,) = formula.operands
    assert isinstance(total, Total)
    assert len(total.terms) < 300
    assert total.rest > 0
    assert re.match(r"√\(.* \+ ⋯\)$", to_text(norm.line(()).formula))


def test_one_derivative_is_still_told_in_full(explained):
    _, explanation, gradients = explained
    why = explanation.why("layers.0.weight[3, 4]")
    assert why.total == pytest.approx(gradients["layers.0.weight"][3, 4], rel=1e-9, abs=1e-15)
    assert why.value == pytest.approx(why.total, rel=1e-9, abs=1e-15)


def opened_in_full(page, explanation, key):
    """Open all terms of a quantity's first element; return the line, and what its numbers come to."""
    (step,) = [step for step in explanation.steps if step.quantity.symbol.key == key]
    page.locator("#step").fill(str(step.number))
    line = page.locator("#told [data-line]").first
    for _ in range(20):
        if line.locator(".terms").count():
            line.locator(".terms").click()
    assert line.locator(".terms").count() == 0
    pieces = line.locator("> span:not(.label)").last.locator("math")
    inside = pieces.evaluate_all("all => all.map(one => one.innerHTML).join('')")
    return line, value_of(f"<math>{inside}</math>")


def test_the_page_shows_the_rest_too(explained, opened):
    """Of 2,400 terms 64 can be opened; what the others come to is still told."""
    line, value = opened_in_full(opened(explained[1]), explained[1], "loss")
    assert "⋯" in line.text_content()
    assert line.locator(".visitable [data-at^='layers.0.weight[']").count() == 64
    assert value == pytest.approx(explained[1].loss, rel=1e-4)


def test_a_loss_of_many_rows_is_opened_in_full(opened):
    x = np.random.default_rng(0).normal(size=(80, 2))
    model = cr.Model(cr.Dense(1), loss="mean_squared_error", dtype="float64")
    explanation = model.explain(x, x[:, :1] ** 2)
    line, value = opened_in_full(opened(explanation), explanation, "loss")
    assert "⋯" not in line.text_content()
    assert line.locator(".visitable [data-at^='y[']").count() == 80
    assert value == pytest.approx(explanation.loss, rel=1e-4)


def test_a_token_looked_up_very_often_is_opened_in_full(opened):
    tokens = np.random.default_rng(0).integers(0, 2, (70, 3))
    net = cr.Sequential([cr.Embedding(2, 1), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    explanation = model.explain(tokens, np.ones((70, 1)))
    line, value = opened_in_full(opened(explanation), explanation, "d layers.0.weight")
    assert line.locator(".visitable [data-at]").count() == np.sum(tokens == 0) > 64
    gradient = model.gradients(tokens, np.ones((70, 1)))[1]["layers.0.weight"]
    assert value == pytest.approx(gradient[0, 0], rel=1e-4)
