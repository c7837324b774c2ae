"""The drawing stands beside the formulas or, in a narrow window, above them: what is lit is in view."""

from __future__ import annotations

import io

import numpy as np
import pytest
from explained_cases import ROWS, built, dense
from matplotlib.image import imread

import chainrule as cr

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


def test_the_drawing_is_not_seen_between_what_is_below_it(small, opened):
    _, explanation = small
    page = opened(explanation)
    page.set_viewport_size({"width": 1366, "height": 700})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    above, below = (page.locator(name).bounding_box() for name in (".history", ".verdict"))
    drawn = page.locator(".network").bounding_box()
    top, bottom = above["y"] + above["height"], below["y"]
    assert drawn["y"] < top < bottom < drawn["y"] + drawn["height"]  # it stays, below them
    clip = {"x": 0, "y": top + 1, "width": 1300, "height": bottom - top - 2}
    pixels = imread(io.BytesIO(page.screenshot(clip=clip)))
    assert np.ptp(pixels, axis=(0, 1)).max() == 0


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


@pytest.mark.parametrize("size", [(640, 500), (800, 600), (480, 800), (683, 384)], ids=str)
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


def test_in_a_wide_and_low_window_all_that_is_drawn_can_be_seen(small, opened):
    page = opened(small[1])
    page.set_viewport_size({"width": 1366, "height": 300})
    for name in (".numbers button", "details.key summary"):
        page.locator(name).first.focus()
        middle = "one => { const { top, bottom } = one.getBoundingClientRect(); return (top + bottom) / 2; }"
        assert 0 < page.locator(name).first.evaluate(middle) < 300


@pytest.mark.parametrize("width", [1366, 800])
def test_the_tab_key_goes_from_the_top_to_the_bottom(width, small, opened):
    """Through the sections in the order in which they are seen; those side by side from left to right."""
    page = opened(small[1])
    page.set_viewport_size({"width": width, "height": 768})
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate("document.activeElement.closest('main > *')?.className ?? ''")
        order += [found] if found and found not in order else []
    places = page.evaluate("""() => Object.fromEntries(
      [...document.querySelectorAll("main > *")].map((one) => [one.className, one.getBoundingClientRect()])
        .map(([name, { left, top }]) => [name, [Math.round(top + scrollY), left]]))""")
    assert order == ["network", "walk", "inspector", "history", "all"]
    tops = [places[name] for name in order]
    assert tops[0][0] <= tops[1][0]
    assert tops[1:] == sorted(tops[1:])


#: What is wider than the box it stands in.
CUT = """(box) => [...box.querySelectorAll(".formula math")].filter((one) => {
  const edge = one.closest("[role=region]").getBoundingClientRect();
  return one.getBoundingClientRect().right > edge.right + 1;
}).map((one) => one.textContent)"""


@pytest.mark.parametrize("width", [1366, 500])
def test_wide_formulas_go_on_in_the_next_line(width, large, opened):
    explanation = large[1]
    page = opened(explanation)
    page.set_viewport_size({"width": width, "height": 768})
    lines = 0
    for step in explanation.steps:
        if step.quantity.symbol.key in ("layers.0.z", "layers.1.z", "d layers.0.a"):
            page.locator("#step").fill(str(step.number))
            assert page.locator("#told").evaluate(CUT) == []
            one = page.locator("#told [data-line]").first
            lines += one.evaluate("one => one.offsetHeight") > 60
    assert lines >= 3
    signs = page.locator("#told math > mo:first-child").evaluate_all("all => all.map(one => one.textContent)")
    assert set(signs) <= {"+", "−", "=", "·", "("}


#: Of each sign before a formula, whether the formula begins on its line.
BESIDE = """() => [...document.querySelectorAll("#told .term")]
  .filter((one) => one.firstChild.data?.startsWith("="))
  .map((one) => {
    const sign = document.createRange();
    sign.selectNode(one.firstChild);
    return one.children[0].getBoundingClientRect().top < sign.getBoundingClientRect().bottom;
  })"""


@pytest.mark.parametrize("width", [1366, 700])
def test_a_line_does_not_end_with_a_sign(width, large, opened):
    explanation = large[1]
    page = opened(explanation)
    page.set_viewport_size({"width": width, "height": 768})
    for step in explanation.steps:
        if step.quantity.symbol.key in ("layers.0.z", "layers.1.z", "d layers.0.a"):
            page.locator("#step").fill(str(step.number))
            beside = page.evaluate(BESIDE)
            assert len(beside) > 6
            assert all(beside)


@pytest.mark.parametrize("width", [1366, 500])
def test_a_wide_fraction_is_written_on_lines(width, opened):
    rows = np.tile(ROWS, (2, 1))
    explanation = built(dense("gelu"), "cross_entropy").explain(rows, [0, 1, 0, 1, 0, 1])
    page = opened(explanation)
    page.set_viewport_size({"width": width, "height": 768})
    (step,) = [step for step in explanation.steps if step.quantity.symbol.key == "loss"]
    page.locator("#step").fill(str(step.number))
    line = page.locator("#told [data-line]")
    assert page.locator("#told").evaluate(CUT) == []
    assert line.locator("mfrac").count() == 0
    assert line.locator("> span:not(.label)").last.text_content().endswith(")/6")
    assert page.locator("#told .whole mfrac").count() == 1  # that is not wide


def quantile(prediction, target):
    return cr.sum(cr.maximum(0.9 * (target - prediction), 0.1 * (prediction - target)), axis=-1)


def test_wide_cases_go_on_in_the_next_line(opened):
    explanation = built(cr.Dense(2), quantile).explain(ROWS, ROWS[:, :2], sample_weight=[1, 2, 0.5])
    page = opened(explanation)
    page.set_viewport_size({"width": 700, "height": 768})
    (step,) = [step for step in explanation.steps if step.quantity.symbol.key == "d z"]
    page.locator("#step").fill(str(step.number))
    numbers = page.locator("#told [data-line]").first.locator("> span:not(.label)").last
    assert page.locator("#told").evaluate(CUT) == []
    assert numbers.locator("mtable").count() == 0
    assert "if" in numbers.text_content()
    assert numbers.text_content().endswith("otherwise}")


def test_what_stands_in_a_fraction_is_as_large_as_all_else(small, opened):
    page = opened(small[1])
    (step,) = [step for step in small[1].steps if step.quantity.symbol.key == "d layers.0.weight"]
    page.locator("#step").fill(str(step.number))
    size = "one => getComputedStyle(one).fontSize"
    assert page.locator("#told mfrac > *").first.evaluate(size) == page.locator("#told math").first.evaluate(
        size
    )


def test_a_weight_that_is_pinned_stands_out_and_keeps_its_colour(small, opened):
    page = opened(small[1])
    line = page.locator(".edge .seen").first
    shown = "one => [getComputedStyle(one).filter, getComputedStyle(one).stroke]"
    plain, colour = line.evaluate(shown)
    page.locator(".edge").first.dispatch_event("click")
    pinned, same = line.evaluate(shown)
    assert plain == "none" != pinned
    assert colour == same


def test_a_factor_that_is_visited_is_scrolled_to(small, opened):
    explanation = small[1]
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    page.locator("#step").fill(str(steps["loss"]))
    page.set_viewport_size({"width": 330, "height": 800})
    page.locator("#told .visitable").nth(1).focus()
    for _ in range(11):
        page.keyboard.press("ArrowRight")
    seen = page.locator("#told .visited").evaluate("""(one) => {
      const box = document.getElementById("told").getBoundingClientRect();
      const { left, right } = one.getBoundingClientRect();
      return left >= box.left - 1 && right <= box.right + 1;
    }""")
    assert seen


def test_printed_nothing_is_cut_or_left_over(small, opened):
    page = opened(small[1], color_scheme="dark")
    page.locator("#step").fill("24")
    page.locator(".unit").nth(4).click()
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 990})
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("#previous", "#next", "#play", "#step", "#unpin", "details.all"):
        assert not page.locator(name).is_visible(), name
    for name in ("#drawing", "#told", "#chosen"):
        cut = "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight]"
        assert page.locator(name).evaluate(cut) == [0, 0], name
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    last = page.locator(".unit").last.bounding_box()
    assert last["x"] + last["width"] <= 680
    assert page.locator(".network").evaluate("one => getComputedStyle(one).position") == "static"


@pytest.mark.parametrize("which", ["deep", "large"])
def test_printed_a_drawing_fits_the_page(which, opened, request):
    deep = cr.Sequential([cr.Dense(2, activation="tanh")] * 11)
    explanation = (
        built(deep).explain(ROWS, ROWS[:, :2]) if which == "deep" else request.getfixturevalue(which)[1]
    )
    page = opened(explanation)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 990})
    cut = "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight]"
    assert page.locator("#drawing").evaluate(cut) == [0, 0]
    for part in page.locator("#drawing figure, #drawing .unit").all():
        box = part.bounding_box()
        assert box["x"] > 0
        assert box["x"] + box["width"] <= 680
    assert page.locator(".joins:visible").count() == 0  # over several pages they would lead nowhere


def test_below_the_formulas_nothing_is_behind_the_drawing(small, opened):
    page = opened(small[1])
    page.set_viewport_size({"width": 1366, "height": 768})
    page.locator("#step").fill("9")
    page.locator(".unit").nth(4).click()
    page.locator("#recorded").focus()
    hit = """(one) => {
      const { left, top, height } = one.getBoundingClientRect();
      return document.elementFromPoint(left + 20, top + height / 2) === one;
    }"""
    assert page.locator("#recorded").evaluate(hit)
