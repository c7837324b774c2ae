"""Deep networks: what a story costs grows as its length does, and every layer is told in full."""

from __future__ import annotations

import cProfile
import pstats
from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built

import chainrule as cr
from chainrule.explanation.plain import to_text
from chainrule.graph import evaluate


def deep(layers):
    return built(cr.Sequential([cr.Dense(3, activation="tanh") for _ in range(layers)] + [cr.Dense(2)]))


def calls(function):
    profile = cProfile.Profile()
    profile.runcall(function)
    return pstats.Stats(profile).total_calls


def test_twice_as_many_layers_take_twice_as_long():
    """Counted in calls of functions; what grew with the square would be near 4."""
    short, long = (deep(layers).explain(ROWS[:1], NUMBERS[:1]) for layers in (20, 40))
    assert len(long.steps) > 1.9 * len(short.steps)
    for explanation in (short, long):
        explanation.__dict__.pop("steps")
    told = [calls(lambda one=one: one.steps) for one in (short, long)]
    assert told[1] < 2.3 * told[0]
    why = [calls(lambda one=one: str(one.why("layers.0.weight[0, 0]"))) for one in (short, long)]
    assert why[1] < 2.3 * why[0]


def test_differences_run_only_what_depends_on_the_parameter(monkeypatch):
    runs = []
    rerun = evaluate.Rerun.__call__
    monkeypatch.setattr(
        evaluate.Rerun, "__call__", lambda self, array: runs.append(len(self._plan)) or rerun(self, array)
    )
    explanation = deep(12).explain(ROWS[:1], NUMBERS[:1])
    assert explanation.verdict.right
    assert min(runs) * 5 < max(runs)  # of the last layer, and of the first


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.2.bias"])
def test_a_rerun_gives_the_bits_of_a_run(name):
    model = built(cr.Sequential([cr.Dense(3, activation="softmax"), cr.LayerNorm(), cr.Dense(2)]))
    explanation = model.explain(ROWS, NUMBERS)
    graph, known = explanation.names.recording.step.stage.graph, explanation.names.numbers
    (changed,) = [value for value in graph.inputs if value.name == name]
    other = known[changed] * 1.5 + 1
    arguments = [other if value is changed else known[value] for value in graph.inputs]
    expected = evaluate.Evaluator(graph)(*arguments)
    found = evaluate.Rerun(graph, known, changed)(other)
    assert not all(np.array_equal(a, b) for a, b in zip(found, explanation_outputs(explanation), strict=True))
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def explanation_outputs(explanation):
    graph = explanation.names.recording.step.stage.graph
    return [explanation.names.numbers[value] for value in graph.outputs]


@dataclass(frozen=True)
class Unrolled(cr.Layer):
    """A recurrent layer: each state is computed from the one before."""

    steps: int

    def forward(self, x, context):
        weight, state = context.parameter("weight", (4, 4)), x
        for _ in range(self.steps):
            state = cr.tanh(state @ weight + x)
        return state


def test_what_a_layer_multiplies_again_has_a_name():
    """Written out, the sum of each state would hold the sums of those before: four times as long."""
    told = [built(cr.Sequential([Unrolled(steps), cr.Dense(2)])).explain(ROWS, NUMBERS) for steps in (2, 3)]
    assert len(str(told[1])) < 1.4 * len(str(told[0]))
    formulas = [to_text(step.quantity.equation) for step in told[1].steps if step.part == "layers.0"]
    assert "u⁽⁰⁾ = tanh(x W⁽⁰⁾ + x)" in formulas
    assert "z⁽⁰⁾ = v⁽⁰⁾ W⁽⁰⁾ + x" in formulas
    assert "∂L/∂u⁽⁰⁾ = (∂L/∂v⁽⁰⁾ · (1 − v⁽⁰⁾²)) W⁽⁰⁾ᵀ" in formulas
    for explanation in told:
        why = explanation.why("layers.0.weight[1, 0]")
        assert why.total == pytest.approx(why.value, rel=1e-9)
