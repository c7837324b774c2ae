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
