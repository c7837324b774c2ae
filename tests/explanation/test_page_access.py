"""The page for everybody: axe-core finds nothing, and what is empty, zero or true is said to be so."""

from __future__ import annotations

import re

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built
from reading_mathml import in_python

import chainrule as cr


@pytest.fixture(scope="module")
def named():
    """A classifier that knows what its columns and classes are called."""
    classifier = cr.MLPClassifier(hidden_layer_sizes=(3,), random_state=0)
    explanation = classifier.explain(ROWS, ["ash", "elm", "oak"])
    explanation.call(["length", "width", "depth", "mass"], ["ash", "elm", "oak"])
    return classifier, explanation


@pytest.mark.parametrize("which", ["small", "large", "named"])
def test_axe_finds_no_violation(which, opened, request):
    """In the backward pass with an element pinned, light and dark; at the end, a factor visited, narrow."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    explanation = request.getfixturevalue(which)[1]
    page = opened(explanation, color_scheme="light")

    def check(ground):
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        results = axe.Axe().run(page)
        assert not results.response["violations"], results.generate_report()

    middle = next(step.number for step in explanation.steps if step.stage == "backward")
    page.locator("#step").fill(str(middle + 1))
    page.locator(".unit, canvas").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.locator("#unpin").is_visible()
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    check("rgb(255, 255, 255)")
    page.emulate_media(color_scheme="dark")
    if which == "named":
        page.set_viewport_size({"width": 800, "height": 700})
        page.locator("#step").fill(str(len(explanation.steps)))
    page.locator("#told .visitable").first.focus()
    check("rgb(23, 23, 27)")


def test_everything_has_its_role_and_name(small, opened):
    page = opened(small[1])
    assert page.get_by_role("slider", name=re.compile("^Step")).count() == 1
    assert page.get_by_role("button", name="Next step").count() == 1
    for name in ("Steps", "Network", "Chosen element", "Verdict"):
        assert page.get_by_role("region", name=name, exact=True).count() == 1


def test_what_is_lit_is_framed_where_colours_are_forced(large, opened):
    page = opened(large[1], forced_colors="active")
    steps = {step.quantity.symbol.key: step.number for step in large[1].steps}
    page.locator("#step").fill(str(steps["d layers.1.weight"]))
    outline = "one => ['outlineStyle', 'outlineWidth'].map((name) => getComputedStyle(one)[name])"
    lit, other = page.locator(".frame:has(.lit)"), page.locator(".frame:not(:has(.lit, .pointed))")
    assert lit.first.evaluate(outline) == ["solid", "4px"]
    assert other.first.evaluate(outline) == ["solid", "1px"]
    factor = page.locator("#told [data-at]").first
    factor.hover()
    assert factor.evaluate(outline) == ["solid", "3px"]
    assert page.locator(".frame:has(.pointed)").first.evaluate(outline) == ["solid", "4px"]
    page.locator("#step").fill("1")
    later = page.locator('.frame:has([data-shows^="layers.1.z["])')
    assert later.evaluate("one => getComputedStyle(one).backgroundImage") != "none"


def test_zeros_are_told_from_what_is_not_computed_yet(large, opened):
    page = opened(large[1])
    canvas = {key: page.locator(f'canvas[data-shows^="{key}["]') for key in ("layers.1.bias", "layers.1.z")}
    hatched = "one => getComputedStyle(one.parentElement).backgroundImage !== 'none'"
    assert [canvas[key].evaluate(hatched) for key in canvas] == [False, True]  # the bias is all zeros
    labels = [canvas[key].get_attribute("aria-label") for key in canvas]
    assert labels[0].endswith("layers.1.bias[0] is 0")
    assert labels[1].endswith("layers.1.z[0, 0], not computed yet")
    steps = {step.quantity.symbol.key: step.number for step in large[1].steps}
    page.locator("#step").fill(str(steps["layers.1.z"]))
    assert canvas["layers.1.z"].evaluate(hatched) is False
    number = float(large[1].names.numbers[large[1].names.landmarks.role("layers.1", "output").value][0, 0])
    told = canvas["layers.1.z"].get_attribute("aria-label").rpartition(" is ")[2]
    assert float(in_python(told)) == pytest.approx(number, rel=1e-5)


def test_true_and_false_are_words_as_in_the_text(opened):
    net = cr.Sequential([cr.Dense(5), cr.Dropout(0.4), cr.Dense(2)])
    explanation = built(net).explain(ROWS, NUMBERS)
    (mask,) = [step for step in explanation.steps if step.quantity.symbol.key == "layers.1.data"]
    page = opened(explanation)
    page.locator("#step").fill(str(mask.number))
    words = ["true" if one else "false" for one in mask.quantity.array.ravel()[:6]]
    assert page.locator("#told output").all_text_contents() == words
    assert f"r₀,₀⁽¹⁾ = {words[0]}\n" in str(explanation)
    page.keyboard.press("ArrowRight")
    shown = page.locator("#told .formula:not(.whole)").all_text_contents()
    assert all(f"if\xa0{word}" in line for word, line in zip(words, shown, strict=False)), shown
    assert not np.issubdtype(mask.quantity.array.dtype, np.number)


def test_a_page_ends_with_the_sentences_of_the_text(opened):
    explanation = built(cr.Sequential([cr.Dropout(0.4), cr.Dense(2)])).explain(ROWS, NUMBERS)
    told = opened(explanation).locator("#verdict p").all_inner_texts()
    assert told[0].endswith(" after it, with the same random numbers.")
    assert str(explanation).endswith("\n\n".join([told[0], "\n".join(told[1:])]))
