"""What changes from step to step: dropout's draws, and the running averages of batch normalization."""

from dataclasses import dataclass

import numpy as np
import pytest
from layer_running import run

import chainrule as cr

ONES = np.ones((200, 50))


def noisy(layer, seed=0):
    """A model whose loss in training is the mean of the layer's output, and whose optimizer does nothing."""
    return cr.Model(
        cr.Sequential([cr.Dense(1, weight_initializer="ones"), layer]),
        objective=lambda network, x, y: cr.mean(network(x), axis=-1),
        optimizer=cr.SGD(0.0),
        seed=seed,
    )


def drawn(model, steps=3):
    """Return which rows were kept in each of the next steps, seen in the derivative by their weights."""
    rows = np.eye(64)
    kept = []
    for _ in range(steps):
        kept.append(model.gradients(rows)[1]["layers.0.weight"][:, 0] != 0)
        model.step(rows)
    return np.array(kept)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_kept_and_its_size(rate):
    y, _ = run(cr.Dropout(rate), ONES, {}, {}, training=True)
    kept = y != 0
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / ONES.size)
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=1e-15)


def test_each_step_draws_anew():
    first, second, third = drawn(noisy(cr.Dropout(0.5)))
    assert 0 < (first != second).mean() < 1
    assert 0 < (second != third).mean() < 1


def test_gradients_show_the_draw_of_the_next_step():
    model = noisy(cr.Dropout(0.5))
    again = [model.gradients(np.eye(64))[1]["layers.0.weight"] for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_two_dropouts_draw_independently():
    once = drawn(noisy(cr.Dropout(0.5)), 20)
    twice = drawn(noisy(cr.Sequential([cr.Dropout(0.5), cr.Dropout(0.5)])), 20)
    assert abs(once.mean() - 0.5) < 0.1
    assert abs(twice.mean() - 0.25) < 0.1
    assert not (twice & ~once).any()


def test_equal_seeds_draw_equally_and_others_do_not():
    assert np.array_equal(drawn(noisy(cr.Dropout(0.5), 3)), drawn(noisy(cr.Dropout(0.5), 3)))
    assert not np.array_equal(drawn(noisy(cr.Dropout(0.5), 3)), drawn(noisy(cr.Dropout(0.5), 4)))


@dataclass(frozen=True)
class Drawing(cr.Layer):
    """Returns what its context draws."""

    draw: object

    def forward(self, x, context):
        return cr.astype(self.draw(context, x.shape), x.dtype)


DRAWS = [  # with mean and standard deviation
    (lambda context, shape: context.uniform(shape), 0.5, np.sqrt(1 / 12)),
    (lambda context, shape: context.normal(shape), 0.0, 1.0),
    (lambda context, shape: context.bernoulli(0.2, shape), 0.2, 0.4),
]


@pytest.mark.parametrize(("draw", "center", "spread"), DRAWS, ids=["uniform", "normal", "bernoulli"])
def test_what_a_context_draws(draw, center, spread):
    layer = Drawing(draw)
    first, _ = run(layer, ONES, {}, {}, training=True, step=0)
    assert abs(first.mean() - center) < 5 * spread / np.sqrt(ONES.size)
    assert abs(first.std() / spread - 1) < 0.05
    again, _ = run(layer, ONES, {}, {}, training=True, step=0)
    later, _ = run(layer, ONES, {}, {}, training=True, step=1)
    both, _ = run(cr.Concatenate([layer, layer]), ONES, {}, {}, training=True, step=0)
    assert np.array_equal(again, first)
    assert abs(np.corrcoef(first.ravel(), later.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(both[:, :50].ravel(), both[:, 50:].ravel())[0, 1]) < 0.05


def test_prediction_and_evaluation_drop_nothing():
    model = cr.Model(cr.Sequential([cr.Dropout(0.5), cr.Dense(1)]), loss="mean_squared_error")
    plain = cr.Model(cr.Sequential([cr.Dropout(0.0), cr.Dense(1)]), loss="mean_squared_error")
    x, y = ONES[:7], ONES[:7, :1]
    assert np.array_equal(model.predict(x), plain.predict(x))
    assert model.evaluate(x, y) == plain.evaluate(x, y)
    assert model.gradients(x, y)[0] != plain.gradients(x, y)[0]


@pytest.mark.parametrize(("momentum", "features"), [(0.9, (3,)), (0.0, (3,)), (0.7, (2, 3))])
def test_running_averages_over_several_steps(momentum, features):
    generator = np.random.default_rng(1)
    net = cr.Sequential([cr.BatchNorm(momentum), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    center, variance = np.zeros(3), np.ones(3)
    for rows in (8, 5, 8, 1):
        x = generator.normal(2, 3, size=(rows, *features))
        model.step(x, np.zeros(rows))
        flat = x.reshape(-1, 3)
        center = momentum * center + (1 - momentum) * flat.mean(axis=0)
        variance = momentum * variance + (1 - momentum) * flat.var(axis=0)
        np.testing.assert_allclose(model.state["layers.0.running_mean"], center, rtol=1e-12)
        np.testing.assert_allclose(model.state["layers.0.running_variance"], variance, rtol=1e-12, atol=1e-15)


def test_prediction_uses_the_running_averages_and_keeps_them():
    generator = np.random.default_rng(1)
    model = cr.Model(cr.BatchNorm(), loss="mean_squared_error", dtype="float64")
    x = generator.normal(5, 2, size=(20, 3))
    model.fit(x, x, epochs=2, batch_size=6)
    state, weights = model.state, model.weights
    z = (x - state["running_mean"]) / np.sqrt(state["running_variance"] + 1e-5)
    np.testing.assert_allclose(model.predict(x), z * weights["scale"] + weights["shift"], rtol=1e-12)
    model.evaluate(x, x)
    model.gradients(x, x)
    for name, array in model.state.items():
        np.testing.assert_array_equal(array, state[name])


def test_a_layer_at_two_places_has_two_states():
    norm = cr.BatchNorm()
    model = cr.Model(cr.Sequential([norm, cr.Dense(3), norm]), loss="mean_squared_error")
    model.fit(ONES[:, :3] * [1, 2, 3], ONES[:, :3])
    assert not np.array_equal(model.state["layers.0.running_mean"], model.state["layers.2.running_mean"])
