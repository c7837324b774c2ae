"""Nothing is withheld on the page: all digits of what is pointed at, all terms of a long sum."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import ROWS, built
from reading_mathml import in_python
from test_page import at, check_lines, close, told

import chainrule as cr


@pytest.mark.parametrize("which", ["small", "large"])
def test_what_is_pointed_at_is_told_in_full(which, opened, request):
    explanation = request.getfixturevalue(which)[1]
    page, arrays = opened(explanation), told(explanation)
    kind = arrays["layers.0.z"].dtype.type
    number = next(step.number for step in explanation.steps if step.quantity.symbol.key == "layers.0.z")
    page.locator("#step").fill(str(number))
    digits = 0
    for leaf in page.locator("#told .formula:not(.whole) [data-at]").all()[:12]:
        leaf.dispatch_event("pointerover")
        text, _, place = page.text_content("#peek").partition(" = ")
        assert place.partition("; ")[0] == leaf.get_attribute("data-at")
        assert kind(text) == at(arrays, leaf.get_attribute("data-at"))
        digits = max(digits, len(text))
        leaf.dispatch_event("pointerout")
    assert page.text_content("#peek") == ""
    assert (digits <= 13) == (kind is np.float32)  # no more than tell it from others
    for place, text in page.eval_on_selector_all(
        "#told output[data-value]", "all => all.map(one => [one.dataset.value, one.title])"
    ):
        assert kind(text) == at(arrays, place)
    page.locator(".unit, canvas").nth(2).focus()
    text, _, place = page.text_content("#peek").partition(" = ")
    assert kind(text) == at(arrays, place)


def added(text):
    return eval(in_python(text.removeprefix("=\u00a0")))


def test_all_terms_of_a_long_sum_can_be_shown(large, opened):
    """Each time the largest of those that are left, and what the others come to; the focus stays at it."""
    explanation = large[1]
    page, arrays = opened(explanation), told(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["layers.0.z"]))
    line = page.locator("#told [data-line]").nth(1)
    places = line.get_attribute("data-line")
    inputs, weights = arrays["x"][0], arrays["layers.0.weight"][:, 1]
    largest = np.argsort(-np.abs(inputs * weights))
    for count in (4, 16, 64):
        named = line.locator(".visitable [data-at^='x[']").evaluate_all(
            "all => all.map(one => one.dataset.at)"
        )
        assert named == [f"x[0, {k}]" for k in sorted(largest[:count])]
        numbers = line.locator("> span:not(.label)").last.text_content()
        assert added(numbers) == pytest.approx(at(arrays, places), rel=1e-4, abs=1e-5)
        assert numbers.count("·") == count
        if count < 64:
            assert line.locator(".terms").text_content() == f"{min(64 - count, 3 * count)} more terms"
            line.locator(".terms").focus()
            page.keyboard.press("Enter")
    assert line.locator(".terms").count() == 0
    assert page.evaluate("document.activeElement.closest('[data-line]').dataset.line") == places
    assert check_lines(page, arrays, "#told") > 100


def test_a_term_that_was_not_shown_is_a_factor_to_be_chosen(large, opened):
    explanation = large[1]
    page = opened(explanation)
    page.locator("#step").fill(str(len(explanation.steps)))
    page.locator('canvas[data-shows^="layers.0.weight"]').first.focus()
    page.keyboard.press("Enter")
    page.locator('#chosen [data-at="d layers.0.z[0, 0]"]').last.click()  # and on, to ∂L/∂a, a sum of 10
    before = page.locator("#chosen button.leaf").count()
    page.locator('#chosen [data-line="d layers.0.a[0, 0]"] .terms').click()
    after = page.locator("#chosen button.leaf").count()
    assert after == before + 2 * 6
    assert page.evaluate("document.activeElement.id") == "chosen"  # all are there
    page.locator("#chosen button.leaf").last.click()
    assert page.text_content("#chosen-name") == page.locator("#chosen [data-line]").first.get_attribute(
        "data-line"
    )


def test_the_terms_of_a_loss_of_many_rows_can_be_shown(opened):
    """It has no formula for any element, and each term is written: with its own sign."""
    x = np.tile(ROWS, (4, 1))
    explanation = built(cr.Dense(1), "mean_absolute_error").explain(x, np.arange(12.0)[:, None])
    page = opened(explanation)
    (step,) = [step for step in explanation.steps if step.quantity.symbol.key == "loss"]
    page.locator("#step").fill(str(step.number))
    line = page.locator("#told [data-line]")
    assert line.locator(".visitable [data-at^='y[']").count() == 4
    for _ in range(2):
        text = line.locator("> span:not(.label)").last.text_content().removesuffix("12").removesuffix("/")
        bars = in_python(text.removeprefix("=\u00a0")).split("|")  # |a − b| + |c − d| + …
        inside = sum(abs(eval(one)) for one in bars[1::2])
        outside = sum(eval(one.strip("+()")) for one in bars[2::2] if one.strip("+()"))
        assert inside + outside == pytest.approx(12 * explanation.loss, rel=1e-4)
        more = line.locator(".terms")
        if more.count():
            assert more.text_content() == "8 more terms"
            more.click()
    assert line.locator(".visitable [data-at^='y[']").count() == 12
    assert close(line.locator("output").text_content(), explanation.loss)
