"""Each quantity of a story has a symbol and a name of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import CLASSES, NUMBERS, ROWS, built, cases

import chainrule as cr
from chainrule.explanation.plain import to_text


@dataclass(frozen=True)
class Waves(cr.Layer):
    """Its parameters are called as what a story names on the way, and as each other."""

    names: tuple[str, ...] = ("u", "v")

    def forward(self, x, context):
        first, *more = [context.parameter(name, (4, 4), cr.Constant(0.3)) for name in self.names]
        h = cr.matmul(x, first)
        found = h * cr.exp(-(h**2))
        for one in more:
            g = cr.matmul(x, one)
            found = found + g * cr.sin(g)
        return found


@dataclass(frozen=True)
class Twins(cr.Layer):
    """Parts that differ in a word alone."""

    def forward(self, x, context):
        return context.layer("left", cr.Dense(4, activation="tanh"), x) * context.layer(
            "right", cr.Dense(4, activation="sigmoid"), x
        )


def of(*layers, loss="huber", **options):
    return built(cr.Sequential([*layers, cr.Dense(2)]), loss, **options)


FACTORS = {"layers.0": 0.5, "layers.1.weight": 0.25, "layers.1.bias": 2.0}
OWN = {
    "parameters u and v": (of(Waves()), NUMBERS),
    "weight and W": (of(Waves(("weight", "W", "z", "a")), optimizer=cr.Adam(0.1)), NUMBERS),
    "a softmax beside a parameter p": (of(Waves(("p",)), loss="cross_entropy"), CLASSES),
    "at the root": (built(Waves(("u", "L", "N", "delta")), "huber"), np.tile(NUMBERS, 2)),
    "parts by words": (of(Twins(), optimizer=cr.SGD(0.1, momentum=0.9)), NUMBERS),
    "factors": (of(cr.Dense(3), optimizer=cr.SGD(0.1, learning_rate_factors=FACTORS)), NUMBERS),
    "penalties": (of(penalties=[cr.L2(0.1), cr.L1(0.01)]), NUMBERS),
}
EVERY = [
    *cases(),
    *((name, model, ROWS, y, None) for name, (model, y) in OWN.items()),
]


@pytest.mark.parametrize(("name", "model", "x", "y", "weight"), EVERY, ids=[case[0] for case in EVERY])
def test_no_two_values_share_a_symbol_or_a_name(name, model, x, y, weight):
    names = model.explain(x, y, sample_weight=weight).names
    softmaxes = {softmax.value: symbol for softmax, symbol in names.softmaxes.items()}
    by_text, by_key = defaultdict(set), defaultdict(set)
    for named in (names.names, softmaxes, names.new_names, names.shared_updates):
        for value, symbol in named.items():
            by_text[to_text(symbol.layout)].add(value.serial)
            by_key[symbol.key].add(value.serial)
    for found in (by_text, by_key):
        assert not {one: values for one, values in found.items() if len(values) > 1}


@pytest.mark.parametrize("name", ["parameters u and v", "weight and W"])
def test_a_parameter_keeps_its_name_and_why_answers_about_it(name):
    model, y = OWN[name]
    explanation = model.explain(ROWS, y)
    gradients = model.gradients(ROWS, y)[1]
    for key, gradient in gradients.items():
        assert explanation.why(f"{key}[1, 1]" if gradient.ndim == 2 else f"{key}[1]").value == pytest.approx(
            gradient[(1,) * gradient.ndim]
        )


def test_symbols_are_told_apart_by_words_where_letters_are_the_same():
    told = str(OWN["parts by words"][0].explain(ROWS, NUMBERS))
    assert "z^(0·left) = x W^(0·left) + b^(0·left)" in told
    told = str(OWN["weight and W"][0].explain(ROWS, NUMBERS))
    assert "weight⁽⁰⁾, which is layers.0.weight" in told
    assert "W⁽⁰⁾, which is layers.0.W" in told


def test_the_number_of_updates_has_a_letter_that_no_place_has_and_is_explained():
    model = built(cr.Dense(2), "cross_entropy", cr.Adam(0.1))
    told = str(model.explain(ROWS, CLASSES))
    assert "t_(n,k) = {1 if y_n = k, 0 otherwise}" in told
    assert "τ = 0, the number of updates before this one" in told
    assert "k = 0" not in told


def test_factors_of_the_learning_rate_are_told_apart():
    model, target = OWN["factors"]
    text = str(model.explain(ROWS, target))
    assert "η = 0.1, φ = 0.5\n" in text
    assert "W⁽¹⁾′ = W⁽¹⁾ − η · φ_(layers.1.weight) · ∂L/∂W⁽¹⁾\n" in text
    assert "b⁽¹⁾′ = b⁽¹⁾ − η · φ_(layers.1.bias) · ∂L/∂b⁽¹⁾\n" in text


def test_strengths_of_penalties_are_told_apart():
    told = str(OWN["penalties"][0].explain(ROWS, NUMBERS))
    assert "strength₀ = 0.1, strength₁ = 0.01" in told
