"""Trained networks with kinks: a right gradient is never called wrong, and a wrong one is found."""

import dataclasses

import numpy as np
import pytest

import chainrule as cr
from chainrule.gradient.check import check_graph
from chainrule.graph.value import PRIMITIVES


def largest_of_pairs(z):
    pairs = cr.max(cr.reshape(z, (z.shape[0], -1, 2)), axis=2)
    return cr.concat([pairs, pairs], axis=1)


ACTIVATIONS = {
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "abs": cr.abs,
    "max": largest_of_pairs,
    "hard tanh": lambda z: cr.minimum(cr.maximum(z, -1.0), 1.0),
    "both sides": lambda z: cr.relu(z) - cr.relu(-z) / 2,
    "squared relu": lambda z: cr.relu(z) ** 2,
}
FEATURES, UNITS, CLASSES = 3, 8, 3
#: How large the loss of the least sure row is, about.
LOSSES = [0.3, 1e-3, 1e-6, 1e-8]
#: How far a unit lies from its kink.
DISTANCES = [0.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-15]


def trained(activation, seed):
    """A network that is more or less sure of its classes, with a unit close to its kink; and some rows."""
    generator = np.random.default_rng(seed)
    rows = int(generator.choice([1, 2, 6]))
    x, y = generator.normal(size=(20, FEATURES)), generator.integers(0, CLASSES, 20)
    layers = [cr.Dense(UNITS, activation=ACTIVATIONS[activation]) for _ in range(generator.integers(1, 3))]
    model = cr.Model(
        cr.Sequential([*layers, cr.Dense(CLASSES)]),
        loss="cross_entropy",
        optimizer=cr.Adam(0.02),
        executor="numpy",
        seed=seed,
        dtype="float64",
    )
    model.fit(x, y, epochs=25)
    weights = model.weights
    z = x[0] @ weights["layers.0.weight"] + weights["layers.0.bias"]
    bias = weights["layers.0.bias"]
    bias[2] -= z[2] - generator.choice(DISTANCES) * generator.choice([-1, 1])
    model.set_weights({"layers.0.bias": bias})
    runner_up, best = np.sort(model.predict(x[:rows]))[:, -2:].T
    sureness = -np.log(generator.choice(LOSSES)) / np.min(best - runner_up)
    last = f"layers.{len(layers)}"
    model.set_weights({f"{last}.{name}": sureness * weights[f"{last}.{name}"] for name in ("weight", "bias")})
    return model, x[:rows], model.predict(x[:rows]).argmax(axis=1)


def checked(model, x, y):
    stage, arrays, _ = model._trainer.prepared("gradients", x, y, None)
    return check_graph(stage.graph, arrays, inputs=list(model.weights), samples=4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_right_gradient_is_never_called_wrong(activation):
    judged = others = 0
    for seed in range(6):
        model, x, y = trained(activation, seed)
        report = checked(model, x, y)
        assert report, f"seed {seed}: {report}"
        judged += sum(entry.verdict == "right" for entry in report.entries)
        others += len(report.entries) - sum(entry.verdict == "right" for entry in report.entries)
    assert judged > 5 * others


@pytest.mark.parametrize("primitive", ["maximum", "minimum", "abs"])
def test_a_wrong_one_is_found_all_the_same(primitive, monkeypatch):
    row = PRIMITIVES[primitive]
    wrong = lambda *given, **attributes: tuple(1.01 * dx for dx in row.derivative(*given, **attributes))
    spoilt = dataclasses.replace(row, derivative=wrong)
    monkeypatch.setitem(ACTIVATIONS, "spoilt", lambda z: spoilt(z) if primitive == "abs" else spoilt(z, 0.1))
    monkeypatch.setitem(PRIMITIVES, primitive, spoilt)
    for seed in range(4):
        report = checked(*trained("spoilt", seed))
        assert not report, seed
        assert {found.primitive for found in report.wrong_primitives} == {primitive}
