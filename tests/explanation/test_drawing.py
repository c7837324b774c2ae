"""Every array of a step has a place in the page's drawing, which is lit where a factor came from it."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import CLASSES, EMBEDDED, NUMBERS, ROWS, built, dense

import chainrule as cr
from chainrule.explanation.page_data import page_data

#: Walks all steps; returns those that light nothing, and the factors in them that do.
WALK = """() => {
  const [dark, lost, seen, slider] = [[], [], new Set(), document.getElementById("step")];
  const pointed = () => [...document.querySelectorAll(".pointed")];
  const visible = (one) => one.getBoundingClientRect().width > 0;
  for (let number = 1; number <= Number(slider.max); number++) {
    slider.value = number;
    slider.dispatchEvent(new Event("input"));
    if (![...document.querySelectorAll(".lit")].some(visible)) dark.push(number);
    for (const leaf of document.querySelectorAll("#told [data-at], #told [data-all]")) {
      const place = leaf.dataset.at ?? leaf.dataset.all;
      if (seen.has(place)) continue;
      seen.add(place);
      leaf.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
      const index = /\\[([^\\]]*)\\]$/.exec(place)?.[1] ?? "";
      const found = pointed().filter(visible).map((one) => {
        const ring = one.tagName === "CANVAS" ? one.parentElement.querySelector(".ring:not([hidden])") : null;
        return ring ? ring.dataset.around : /\\[([^\\]]*)\\]$/.exec(one.dataset.shows)?.[1] ?? "";
      });
      const right = found.length && (leaf.dataset.all || found.every((one) => one === index));
      if (!right) lost.push(place);
      leaf.dispatchEvent(new PointerEvent("pointerout", { bubbles: true }));
      if (pointed().length) lost.push(`${place} stays lit`);
    }
  }
  return [dark, lost];
}"""


def embedding():
    model = cr.Model(
        cr.Sequential([cr.Concatenate([cr.Columns([0, 1]), EMBEDDED]), cr.Dense(2)]),
        loss="cross_entropy",
        optimizer=cr.Adam(0.01),
        dtype="float64",
    )
    model.build(features=4)
    return model.explain(np.column_stack([ROWS[:, :2], [0, 2, 0], [1, 1, 2]]), CLASSES)


def normalized():
    net = [
        cr.Dense(3, activation="relu"),
        cr.BatchNorm(),
        cr.Residual([cr.LayerNorm(), cr.Dense(3, activation="gelu")]),
        cr.Dropout(0.5),
        cr.Dense(2, activation="softmax"),
    ]
    optimizer = cr.SGD(cr.CosineDecay(0.1, steps=10), momentum=0.9, clip_global_norm=0.1)
    return built(cr.Sequential(net), optimizer=optimizer).explain(ROWS[:2], NUMBERS[:2], sample_weight=[1, 2])


def large():
    net = cr.Sequential([cr.Dense(40, activation="tanh"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Nadam(0.01))
    return model.explain(ROWS, np.array([2, 0, 1]))


def recurrent():
    """Each layer is used twice."""
    model = cr.Model(
        dense(),
        objective=lambda network, x, y: cr.sum(
            (network(cr.concat([network(x), x[:, :2]], axis=1)) - y) ** 2, axis=-1
        ),
        optimizer=cr.SGD(0.1),
        dtype="float64",
    )
    return model.explain(ROWS[:2], NUMBERS[:2])


EXPLAINED = {
    "recurrent": recurrent,
    "embedding": embedding,
    "normalized": normalized,
    "large": large,
    "one layer": lambda: built(cr.Dense(2), penalties=cr.L2(0.1)).explain(ROWS[:1], NUMBERS[:1]),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_step_lights_something_and_every_factor_where_it_came_from(name, opened):
    dark, lost = opened(EXPLAINED[name]()).evaluate(WALK)
    assert dark == []
    assert lost == []


def test_a_number_of_another_row_is_shown_while_it_is_pointed_at(small, opened):
    _, explanation = small
    page = opened(explanation)
    number = {step.quantity.symbol.key: step.number for step in explanation.steps}["layers.0.z"]
    page.locator("#step").fill(str(number))
    page.locator('#told [data-line="layers.0.z[1, 0]"] [data-at="x[1, 2]"]').first.hover()
    assert page.locator(".unit.pointed").get_attribute("data-shows") == "x[1, 2]"
    assert "row 1" in page.text_content("#peek")
    page.mouse.move(1, 1)
    assert page.text_content("#peek") == ""
    assert page.locator(".unit").first.get_attribute("data-shows") == "x[0, 0]"
    page.locator("#row").fill("1")
    page.locator('#told [data-line="layers.0.z[1, 0]"] [data-at="x[1, 2]"]').first.hover()
    assert page.text_content("#peek").endswith(" = x[1, 2]")


def test_tiles_are_beside_their_layers_and_visited_by_keys(opened):
    page = opened(embedding())
    below = page.locator(".below > .shelf").all()
    shown = [[one.get_attribute("data-shows") for one in shelf.locator("canvas").all()] for shelf in below]
    assert [names[0].partition("[")[0] for names in shown if names] == [
        "layers.0.layers.1.layers.1.weight",
        "layers.1.bias",
        "y",
    ]
    table = page.locator('canvas[data-shows="layers.0.layers.1.layers.1.weight[0, 0]"]')
    table.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.text_content("#chosen-name") == "layers.0.layers.1.layers.1.weight[2, 1]"
    assert page.locator('#chosen output[data-value$="weight/mean[2, 1]"]').count() == 1
    page.locator(".numbers button").first.focus()
    assert page.text_content("#chosen-name") == "step"


def test_weights_that_are_used_twice_are_drawn_twice():
    drawn = page_data(recurrent())
    assert [(edge["label"], edge["from"], edge["to"]) for edge in drawn["edges"]] == [
        ("layers.0.weight", 0, 1),
        ("layers.1.weight", 1, 2),
        ("layers.1.weight", 3, 4),
    ]


def test_a_head_names_what_its_column_shows(small, opened):
    _, explanation = small
    page = opened(explanation)
    steps = {step.quantity.symbol.key: step.number for step in explanation.steps}
    shown = page.locator(".heads .shown").nth(1)
    for key, symbol in {"layers.0.z": "z(0)", "layers.0.a": "a(0)", "d layers.0.z": "∂L∂z(0)"}.items():
        page.locator("#step").fill(str(steps[key]))
        assert shown.text_content() == symbol


def test_what_is_not_computed_yet_is_not_painted(small, opened):
    page = opened(small[1])
    assert page.locator(".unit text").all_text_contents()[4:] == [""] * 6
    page.locator("#step").fill(str(len(small[1].steps)))
    assert "" not in page.locator(".unit text").all_text_contents()


#: Walks all steps; returns the lines in which something is written twice, or in brackets twice.
TWICE = """() => {
  const [found, slider] = [[], document.getElementById("step")];
  for (slider.value = 1; ; slider.stepUp()) {
    slider.dispatchEvent(new Event("input"));
    for (const line of document.querySelectorAll("#told [data-line]")) {
      const parts = [...line.children].map((part) => part.textContent);
      const bracketed = /\\(\\(−[\\d.]+\\)\\)/.test(line.textContent);
      if (new Set(parts).size < parts.length || bracketed) found.push(line.textContent);
    }
    if (slider.value === slider.max) return found;
  }
}"""


def test_nothing_is_written_twice_in_a_line(opened):
    assert opened(built(dense("sigmoid"), "cross_entropy").explain(ROWS, CLASSES)).evaluate(TWICE) == []
