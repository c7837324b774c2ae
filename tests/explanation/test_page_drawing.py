"""What the drawing shows: never too many lines, and colours that hold for what is no finite number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built

import chainrule as cr


def dense(*sizes):
    return cr.Sequential([cr.Dense(size, activation="tanh") for size in sizes])


@pytest.mark.parametrize(("sizes", "lines"), [((8, 8, 2), 112), ((12, 12, 12, 2), 0)], ids=str)
def test_a_network_of_many_weights_has_heat_maps_whatever_its_layers(sizes, lines, opened):
    page = opened(built(dense(*sizes)).explain(ROWS, NUMBERS))
    assert page.locator(".edge .seen").count() == lines
    assert page.locator("#drawing line").count() <= 320


def rgb(page, name):
    value = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
    return [int(value[at : at + 2], 16) for at in (1, 3, 5)]


def weighed(net, numbers):
    """Return the explanation of a network with these numbers as its first weights."""
    explanation = built(net).explain(ROWS[:1], NUMBERS[:1])
    array = next(
        step.quantity.array for step in explanation.steps if step.quantity.symbol.key == "layers.0.weight"
    )
    array.setflags(write=True)
    array[:2].flat[: len(numbers)] = numbers
    return explanation


def test_infinite_numbers_have_the_ends_of_the_scale_and_nan_its_own(opened):
    page = opened(weighed(dense(40, 2), [-np.inf, 1.0, np.inf, np.nan, -2.0, 2.0, 0.0]))
    pixels = (
        page.locator("canvas")
        .nth(1)
        .evaluate("one => [...one.getContext('2d').getImageData(0, 0, 7, 1).data]")
    )
    pixels = np.reshape(pixels, (7, 4))[:, :3].tolist()
    low, high, ground, quiet = (rgb(page, f"--{name}") for name in ("low", "high", "ground", "quiet"))
    half = np.round((np.array(high) + ground) / 2)
    assert pixels == [low, pytest.approx(half, abs=1), high, quiet, low, high, ground]


def test_lines_of_infinite_weights_are_as_wide_as_the_largest(opened):
    page = opened(weighed(dense(3, 2), [np.inf, -np.inf, np.nan, 0.0]))
    style = "all => all.slice(0, 4).map(one => [one.style.strokeWidth, one.style.stroke])"
    found = page.locator(".edge .seen").evaluate_all(style)
    assert found == [["6", "var(--high)"], ["6", "var(--low)"], ["1", "var(--quiet)"], ["1", "var(--high)"]]


#: Of each line, in which part of its length another is chosen where a person points at its middle axis.
OTHERS = """() => {
  const wrong = [];
  for (const edge of [...document.querySelectorAll(".edge")].filter((_, n) => n % 3 === 0)) {
    const line = edge.firstElementChild;
    const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map((name) => Number(line.getAttribute(name)));
    line.scrollIntoView({ block: "center", inline: "center" });
    let others = 0;
    for (let part = 0.117; part < 0.9; part += 0.0931) { // seldom where lines cross
      const at = new DOMPoint(x1 + part * (x2 - x1), y1 + part * (y2 - y1));
      const { x: clientX, y: clientY } = at.matrixTransform(line.getScreenCTM());
      const under = document.elementFromPoint(clientX, clientY);
      for (const type of ["pointerout", "pointermove"]) {
        under.dispatchEvent(new PointerEvent(type, { clientX, clientY, bubbles: true }));
      }
      others += document.getElementById("chosen-name").textContent !== edge.dataset.shows;
    }
    if (others > 1) wrong.push([edge.dataset.shows, others]);
  }
  return wrong;
}"""


def test_the_nearest_line_is_pointed_at(opened):
    page = opened(built(dense(8, 8, 2)).explain(ROWS, NUMBERS))
    page.set_viewport_size({"width": 1500, "height": 1400})
    assert page.locator(".edge").count() == 112
    assert page.evaluate(OTHERS) == []
    edge = page.locator(".edge").nth(20)
    edge.scroll_into_view_if_needed()
    x, y = edge.evaluate("""(one) => {
      const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"]
        .map((name) => one.firstElementChild[name].baseVal.value);
      const at = new DOMPoint(0.88 * x1 + 0.12 * x2, 0.88 * y1 + 0.12 * y2);
      const { x, y } = at.matrixTransform(one.getScreenCTM());
      return [x, y];
    }""")
    page.mouse.click(x, y)
    assert page.text_content("#chosen-name") == edge.get_attribute("data-shows")
    assert edge.get_attribute("aria-pressed") == "true"
    page.mouse.move(1, 1)
    assert page.locator(".near").count() == 0


@dataclass(frozen=True)
class Paired(cr.Layer):
    """Each unit adds up two values of tanh, so that there are twice as many of what these are taken of."""

    def forward(self, x, context):
        z = x @ context.parameter("weight", (x.shape[-1], 6), cr.GlorotUniform())
        return cr.sum(cr.reshape(cr.tanh(z), (x.shape[0], 3, 2)), axis=-1)


def test_what_has_another_shape_than_the_units_is_drawn_beside_them(opened):
    page = opened(built(cr.Sequential([Paired(), cr.Dense(2)])).explain(ROWS[:1], NUMBERS[:1]))
    units = page.locator("[data-shows^='layers.0.a[']")
    assert units.evaluate_all("all => all.map((one) => one.dataset.shows)") == [
        f"layers.0.a[0, {i}]" for i in range(3)
    ]
    tile = page.locator("canvas[data-shows^='layers.0.z[']")
    assert "layers.0.z: 1 by 6 cells" in tile.get_attribute("aria-label")
