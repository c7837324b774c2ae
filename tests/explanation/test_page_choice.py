"""Choosing on the page, with a mouse and with the keyboard alone: what is pinned stays."""

from __future__ import annotations

import pytest
from browser import places_at_stop, tab_to_element

FOCUSED = (
    "document.activeElement.id || document.activeElement.dataset.at || document.activeElement.dataset.shows"
)


def chosen(page):
    return page.text_content("#chosen-name")


def tab_to(page, shows):
    """Press Tab, and the arrow keys within a layer, until an element of the drawing has the focus."""
    for _ in range(40):
        for place in places_at_stop(page):
            if place == shows:
                return
        page.keyboard.press("Tab")
    raise AssertionError(f"{shows} cannot be reached")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_from_an_edge_to_its_first_factor_with_keys_alone(key, small, opened):
    page = opened(small[1])
    for _ in small[1].steps:
        page.keyboard.press("ArrowRight")
    tab_to(page, "layers.0.weight′[1, 2]")
    assert chosen(page) == "layers.0.weight[1, 2]"
    page.keyboard.press(key)
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.dataset.at")
    assert first == page.locator("#chosen button.leaf").first.get_attribute("data-at")
    assert chosen(page) == "layers.0.weight[1, 2]"
    page.keyboard.press("Tab")
    second = page.evaluate("document.activeElement.dataset.at")
    assert second not in (None, first)
    page.keyboard.press("Enter")
    assert second in page.locator("#chosen output").evaluate_all("all => all.map(one => one.dataset.value)")
    assert page.evaluate(FOCUSED) == "chosen"  # and on to the factors of the factor
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "layers.0.weight′[1, 2]"
    assert chosen(page) == "layers.0.weight[1, 2]"
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "layers.0.weight[2, 0]"  # nothing is pinned


def test_the_choice_survives_the_way_of_the_pointer_to_the_inspector(small, opened):
    page = opened(small[1])
    unit = page.locator(".unit").nth(4)
    unit.hover()
    assert chosen(page) == "layers.0.z[0, 0]"
    assert not page.locator("#unpin").is_visible()
    unit.click()
    name = chosen(page)
    for other in (
        page.locator(".unit").nth(7),
        page.locator(".numbers button").first,
        page.locator(".edge").nth(5),
    ):
        other.dispatch_event("pointerenter")
        other.focus()
        assert chosen(page) == name
    page.locator("#chosen button.leaf").first.hover(force=True)
    assert chosen(page) == name
    page.locator(".unit").nth(7).click()
    assert chosen(page) != name  # another is pinned
    page.locator("#unpin").click()
    page.locator(".edge").nth(5).dispatch_event("pointerenter")
    assert chosen(page).startswith("layers.0.weight")


def test_what_is_pinned_is_lit_while_nothing_else_is(small, opened):
    page = opened(small[1])
    page.locator(".unit").nth(4).click()
    assert page.locator(".unit.pointed").count() == 1
    page.locator("#row").fill("1")  # another row is drawn
    assert page.locator(".unit.pointed").count() == 0
    page.locator("#row").fill("0")
    page.keyboard.press("Escape")
    assert page.locator(".pointed").count() == 0


def test_the_factors_of_a_told_line_with_keys_alone(small, opened):
    explanation = small[1]
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["layers.0.z"]))
    page.locator("#told").focus()
    page.keyboard.press("Tab")  # z = x W + b as a whole
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert chosen(page) == "layers.0.z[0, 0]"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.at") == "x[0, 0]"
    page.locator("#step").fill("2")  # the line is no longer there
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "told"


def test_every_factor_of_a_told_formula_is_visited_with_keys_alone(small, opened):
    explanation = small[1]
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["d layers.1.z"]))
    formulas = page.locator("#told .visitable")
    stops = formulas.evaluate_all(
        "all => all.map(one => one.querySelectorAll('[data-at], [data-all]').length)"
    )
    assert len(stops) == 1 + 6  # the whole, and one for each line
    page.locator("#told").focus()
    reached, expected = [], []
    for formula, count in zip(formulas.all(), stops, strict=True):
        tab_to_element(page, formula)
        for _ in range(count):
            visited = page.locator("#told .visited")
            assert visited.count() == 1
            place = visited.evaluate("one => one.dataset.at ?? one.dataset.all")
            spoken = place.replace("d ", "derivative of the loss with respect to ")
            assert formula.get_attribute("aria-label").partition("pins one. ")[2].startswith(spoken)
            assert page.locator("#drawing .pointed").count() > 0, place
            reached.append(place)
            page.keyboard.press("ArrowRight")
        expected += formula.locator("[data-at], [data-all]").evaluate_all(
            "all => all.map(one => one.dataset.at ?? one.dataset.all)"
        )
    assert reached == expected
    assert page.text_content("#count").startswith(f"{steps['d layers.1.z']} of")  # no step was walked
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert chosen(page) == expected[-2]
    assert page.evaluate(FOCUSED) == "chosen"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "visitable"


def test_a_cell_of_a_heat_map_is_pinned(large, opened):
    page = opened(large[1])
    canvas = page.locator("canvas").nth(1)
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.evaluate(FOCUSED) == "chosen"
    page.locator("canvas").first.hover()
    assert chosen(page) == "layers.0.weight[1, 1]"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert chosen(page) == "layers.0.weight[1, 2]"
    canvas.click(position={"x": 1, "y": 1})
    assert chosen(page) == "layers.0.weight[0, 0]"
    page.locator("canvas").first.hover()
    assert chosen(page) == "layers.0.weight[0, 0]"


def test_arrow_keys_scroll_a_box_first_where_it_can_be_scrolled(small, opened):
    explanation = small[1]
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    number = steps["loss"]  # a fraction, which cannot be broken
    page.locator("#step").fill(str(number))
    told = page.locator("#told")
    told.focus()
    page.keyboard.press("ArrowRight")  # all of it is in view
    assert page.text_content("#count").startswith(f"{number + 1} of")
    page.keyboard.press("ArrowLeft")
    page.set_viewport_size({"width": 330, "height": 800})
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.getElementById('told').scrollLeft > 1")
    assert page.text_content("#count").startswith(f"{number} of")
    told.evaluate("box => { box.scrollLeft = 1e6; }")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#count").startswith(f"{number + 1} of")
    assert told.evaluate("box => box.scrollLeft") == 0
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#count").startswith(f"{number} of")


def test_a_layer_is_one_stop_and_the_drawing_can_be_passed(small, opened):
    page = opened(small[1])
    stops = page.locator("#drawing svg [tabindex='0']")
    assert stops.count() == 4 + 2  # columns, and the weights between them
    unit = page.locator(".unit").nth(4)
    unit.focus()
    assert unit.get_attribute("aria-pressed") == "false"
    page.keyboard.press("Enter")
    assert page.locator("[aria-pressed=true]").evaluate_all("all => all.map(one => one.dataset.shows)") == [
        "layers.0.z[0, 0]"
    ]
    page.keyboard.press("Escape")
    assert page.locator("[aria-pressed=true]").count() == 0
    page.locator("#skip").focus()
    assert page.locator("#skip").bounding_box()["height"] > 20
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == "step"
