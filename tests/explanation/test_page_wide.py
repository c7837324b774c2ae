"""The drawing stands beside the formulas or, in a narrow window, above them: what is lit is in view."""

from __future__ import annotations

import pytest

#: Whether the drawing's box has room for all that is lit, and whether each lies in it and in the window.
SEEN = """() => {
  const box = document.getElementById("drawing").getBoundingClientRect();
  const lit = [...document.querySelectorAll("#drawing :is(g, canvas, button).lit")];
  const places = lit.map((element) => element.getBoundingClientRect());
  const tall = Math.max(...places.map((one) => one.bottom)) - Math.min(...places.map((one) => one.top));
  return [tall < box.height - 48, places.map((one) => {
    const [high, low] = [Math.max(one.top, box.top, 0), Math.min(one.bottom, box.bottom, innerHeight)];
    const [left, right] = [Math.max(one.left, box.left, 0), Math.min(one.right, box.right, innerWidth)];
    return low - high >= Math.min(one.height, 100) - 1 && right - left >= Math.min(one.width, 100) - 1;
  })];
}"""


@pytest.mark.parametrize("which", ["small", "large"])
def test_what_is_lit_is_in_view_beside_the_formulas(which, opened, request):
    _, explanation = request.getfixturevalue(which)
    page = opened(explanation)
    page.set_viewport_size({"width": 1366, "height": 768})
    for number, step in enumerate(explanation.steps, start=1):
        page.locator("#step").fill(str(number))
        fits, seen = page.evaluate(SEEN)
        assert any(seen), step.title
        assert all(seen) or not fits, step.title
        assert page.evaluate("scrollY") == 0
    told, drawing = (page.locator(name).bounding_box() for name in ("#told", "#drawing"))
    assert drawing["x"] + drawing["width"] <= told["x"]
    assert told["y"] < 300


@pytest.mark.parametrize(("which", "size"), [("small", (800, 1000)), ("large", (1024, 768))], ids=str)
def test_in_a_narrow_window_it_stays_above_them(which, size, opened, request):
    _, explanation = request.getfixturevalue(which)
    page = opened(explanation)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for step in explanation.steps[::3]:
        page.locator("#step").fill(str(step.number))
        fits, seen = page.evaluate(SEEN)
        assert any(seen), step.title
        assert all(seen) or not fits, step.title
        drawing, formula = (
            page.locator(name).first.bounding_box() for name in ("#drawing", "#told .formula")
        )
        assert drawing["y"] + drawing["height"] <= formula["y"]
        assert formula["y"] + formula["height"] <= size[1]
    last = page.locator("#told .formula").last
    last.evaluate("one => one.scrollIntoView({ block: 'end' })")
    page.mouse.wheel(0, 200)
    page.wait_for_function("scrollY > 0")
    drawing = page.locator("#drawing").bounding_box()
    assert drawing["y"] >= 0
    assert drawing["height"] <= 0.37 * size[1]


#: Points at each factor; returns those that light nothing in the drawing's box, and how far it stays moved.
POINT = """() => {
  const drawing = document.getElementById("drawing");
  const [hidden, moved] = [[], []];
  const box = drawing.getBoundingClientRect();
  const isSeen = (one) => {
    const ring = one.matches("canvas") && one.nextElementSibling;
    const { top, bottom, left, right } = (ring && !ring.hidden ? ring : one).getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
  };
  for (const leaf of document.querySelectorAll("#told [data-at]")) {
    const before = [drawing.scrollTop, drawing.scrollLeft];
    leaf.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    const lit = [...drawing.querySelectorAll(".pointed")];
    if (!lit.some(isSeen)) hidden.push(leaf.dataset.at);
    leaf.dispatchEvent(new PointerEvent("pointerout", { bubbles: true }));
    moved.push(Math.abs(drawing.scrollTop - before[0]) + Math.abs(drawing.scrollLeft - before[1]));
  }
  return [hidden, Math.max(0, ...moved)];
}"""


@pytest.mark.parametrize("which", ["small", "large"])
def test_what_a_factor_lights_is_scrolled_to_and_back(which, opened, request):
    _, explanation = request.getfixturevalue(which)
    page = opened(explanation)
    page.set_viewport_size({"width": 500, "height": 600})
    for step in explanation.steps[::2]:
        page.locator("#step").fill(str(step.number))
        assert page.evaluate(POINT) == [[], 0], step.title


@pytest.mark.parametrize("size", [(640, 500), (800, 600), (480, 800)], ids=str)
@pytest.mark.parametrize("is_told", [False, True], ids=["closed", "open"])
def test_what_has_the_focus_is_never_behind_the_drawing(is_told, size, small, opened):
    page = opened(small[1])
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.locator("#step").fill("9")
    page.locator("details.key").evaluate("(one, open) => { one.open = open; }", is_told)
    page.locator(".unit").nth(4).focus()
    page.keyboard.press("Enter")
    page.locator("details.all summary").focus()
    hidden = []
    for _ in range(25):
        page.keyboard.press("Shift+Tab")
        hidden += page.evaluate("""() => {
          const one = document.activeElement;
          if (one.closest(".network")) return [];
          const { top, bottom } = one.getBoundingClientRect();
          const network = document.querySelector(".network");
          const isStuck = getComputedStyle(network).position === "sticky";
          const edge = isStuck ? network.getBoundingClientRect().bottom : 0;
          return top < edge - 1 && bottom - edge < 40 ? [one.id || one.className] : [];
        }""")
    assert hidden == []
