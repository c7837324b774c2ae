"""A second equal task needs no tracing; one that differs in more than its numbers does."""

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from training_cases import network, regression, table

import chainrule as cr
from chainrule.graph.value import PRIMITIVES
from chainrule.training import memo, trainer

X, Y = table()


@pytest.fixture
def traced(monkeypatch):
    """Return a list that gets the kind of each graph that is traced."""
    kinds, make = [], trainer.Trainer._traced

    def counted(self, kind, data):
        kinds.append(kind)
        return make(self, kind, data)

    monkeypatch.setattr(trainer.Trainer, "_traced", counted)
    return kinds


def fit(rate=0.1, strength=0.5, optimizer=cr.SGD, activation="tanh", x=X, **options):
    net = network(cr.Dropout(rate), activation=activation)
    model = regression(net, optimizer=optimizer(0.05), penalties=cr.L2(strength), **options)
    return model.fit(x, Y, epochs=2, batch_size=5)["loss"]


def test_a_derivative_that_is_replaced_is_not_one_that_was_traced(traced, monkeypatch):
    fit()
    wrong = dataclasses.replace(PRIMITIVES["tanh"], derivative=lambda dy, y, x: (dy,))
    monkeypatch.setitem(PRIMITIVES, "tanh", wrong)
    fit()
    assert traced == ["step", "step"]


def test_other_numbers_need_no_other_graph(traced):
    first = fit()
    assert traced == ["step"]
    assert fit() == first
    assert fit(rate=0.3) != first
    assert fit(strength=0.1) != first
    assert fit(seed=9) != first
    assert traced == ["step"]


@pytest.mark.parametrize(
    ("schedule", "numbers", "others"),
    [
        (cr.StepDecay, {"every": 1}, {"every": 2}),
        (cr.ExponentialDecay, {"every": 3}, {"every": 4}),
        (cr.PolynomialDecay, {"steps": 3}, {"steps": 5}),
        (cr.CosineDecay, {"steps": 3, "warmup_steps": 1}, {"steps": 5, "warmup_steps": 2}),
        (cr.OneCycle, {"steps": 5}, {"steps": 6}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_other_numbers_of_steps_need_no_other_graph(schedule, numbers, others, traced):
    def losses(executor, options):
        sgd = cr.SGD(schedule(0.1, **options))
        model = regression(network(), optimizer=sgd, executor=executor)
        return model.fit(X, Y, epochs=3, batch_size=5)["loss"]

    first, second = losses("compiled", numbers), losses("compiled", others)
    assert traced == ["step"]
    assert first != second
    np.testing.assert_allclose(first, losses("numpy", numbers), rtol=1e-12)
    np.testing.assert_allclose(second, losses("numpy", others), rtol=1e-12)


def test_other_factors_of_the_learning_rate_need_no_other_graph(traced):
    def losses(executor, *factors):
        names = ("layers.0", "layers.1.bias")
        sgd = cr.SGD(0.1, learning_rate_factors=dict(zip(names, factors, strict=True)))
        model = regression(network(), optimizer=sgd, executor=executor)
        return model.fit(X, Y, epochs=3, batch_size=5)["loss"]

    pairs = [(0.5, 2.0), (0.25, 2.0), (0.5, 1.0)]
    found = [losses("compiled", *pair) for pair in pairs]
    assert traced == ["step"]
    for one, other in itertools.combinations(found, 2):
        assert one != other
    for pair, compiled in zip(pairs, found, strict=True):
        np.testing.assert_allclose(compiled, losses("numpy", *pair), rtol=1e-12)
    assert losses("compiled", 0.5, 0.0) not in found  # a part that is frozen is another graph
    assert traced == ["step", "step"]


def test_other_quantiles_need_no_other_graph(traced):
    def losses(executor, *quantiles):
        net = cr.Sequential([cr.Dense(len(quantiles))])
        model = cr.Model(net, loss=cr.Quantile(quantiles), optimizer=cr.SGD(0.1), executor=executor)
        return model.fit(X, Y[:, :1], epochs=3, batch_size=5)["loss"]

    pairs = [(0.1, 0.9), (0.25, 0.75)]
    first, second = (losses("compiled", *pair) for pair in pairs)
    assert traced == ["step"]
    assert first != second
    for pair, compiled in zip(pairs, (first, second), strict=True):
        np.testing.assert_allclose(compiled, losses("numpy", *pair), rtol=1e-5)
    assert len(losses("compiled", 0.1, 0.5, 0.9)) == 3  # as many outputs need another graph
    assert traced == ["step", "step"]


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0.0},
        {"optimizer": cr.Adam},
        {"activation": "relu"},
        {"activation": cr.sigmoid},
        {"x": np.column_stack([X, X])},
        {"dtype": "float32"},
    ],
    ids=lambda options: "-".join(options),
)
def test_another_structure_needs_another_graph(options, traced):
    assert fit() != fit(**options)
    assert traced == ["step", "step"]
    fit(**options)
    assert traced == ["step", "step"]


def test_a_part_of_ones_own_may_have_changed(traced):
    slope = 1.0
    own = lambda z: cr.tanh(slope * z)
    first = fit(activation=own)
    slope = 2.0
    assert fit(activation=own) != first

    @dataclass(frozen=True)
    class Own(cr.Layer):
        def forward(self, x, context):
            return slope * x

    first = regression(network(Own())).fit(X, Y)["loss"]
    slope = 3.0
    assert regression(network(Own())).fit(X, Y)["loss"] != first
    assert len(traced) == 4


def test_the_oldest_graphs_go(traced, monkeypatch):
    monkeypatch.setattr(memo, "MOST_KEPT", 4)  # a declaration and a step of each
    for activation in ("tanh", "relu", "elu", "relu", "tanh"):
        fit(activation=activation)
    assert len(memo._kept) == 4
    assert len(traced) == 4


def test_initial_weights_are_those_of_each_initializer():
    drawn = [
        cr.Model(cr.Dense(2, weight_initializer=cr.Uniform(limit)), loss="mean_squared_error")
        for limit in (0.1, 0.3, 0.1)
    ]
    for model in drawn:
        model.build(features=3)
    first, second, third = (model.weights["weight"] for model in drawn)
    np.testing.assert_array_equal(first, third)
    np.testing.assert_allclose(second, 3 * first, rtol=1e-6)
