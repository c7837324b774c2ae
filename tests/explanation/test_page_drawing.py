"""What the drawing shows: never too many lines, and colours that hold for what is no finite number."""

from __future__ import annotations

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
    assert page.locator("#drawing line:not(.hit)").count() <= 320


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
