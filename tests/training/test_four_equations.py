"""Gradients and trajectories against an independent implementation from the four equations."""

import numpy as np
import pytest
import reference
from training_cases import CLASSES, FEATURES, classes, table

import chainrule as cr

WIDTHS = (6, 5, 4)


def both(loss, activations, optimizer=None, outputs=2, last="identity"):
    """Return a model, and the reference network with the same weights."""
    hidden = [cr.Dense(n, activation=name) for n, name in zip(WIDTHS, activations, strict=False)]
    net = cr.Sequential([*hidden, cr.Dense(outputs, activation=last)])
    model = cr.Model(net, loss=loss, optimizer=optimizer or cr.SGD(0.1), dtype="float64", seed=5)
    model.build(features=FEATURES)
    generator = np.random.default_rng(6)
    model.set_weights({name: generator.normal(0, 0.7, w.shape) for name, w in model.weights.items()})
    weights = model.weights
    cost = {"mean_squared_error": reference.squared_error, "cross_entropy": reference.cross_entropy}[loss]
    count = len(net.layers)
    return model, reference.ReferenceNetwork(
        [weights[f"layers.{i}.weight"] for i in range(count)],
        [weights[f"layers.{i}.bias"] for i in range(count)],
        [*(layer.activation for layer in hidden), last],
        cost,
    )


def data_for(loss):
    return classes() if loss == "cross_entropy" else table(outputs=2)


def outputs_for(loss):
    return CLASSES if loss == "cross_entropy" else 2


LOSSES = ["mean_squared_error", "cross_entropy"]
HIDDEN = [
    (),
    ("sigmoid",),
    ("tanh",),
    ("relu",),
    ("sigmoid", "tanh"),
    ("relu", "relu", "relu"),
    ("tanh", "relu", "sigmoid"),
]
UPDATES = [
    pytest.param(cr.SGD(0.3), lambda: reference.sgd(0.3), id="sgd"),
    pytest.param(cr.SGD(0.1, momentum=0.8), lambda: reference.momentum(0.1, 0.8), id="momentum"),
    pytest.param(cr.Adam(0.05), lambda: reference.adam(0.05), id="adam"),
    pytest.param(
        cr.Adam(0.05, beta_1=0.6, beta_2=0.9, epsilon=0.01),
        lambda: reference.adam(0.05, 0.6, 0.9, 0.01),
        id="adam with other numbers",
    ),
]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activations", HIDDEN, ids=" ".join)
def test_gradients_are_those_of_the_four_equations(loss, activations):
    model, expected = both(loss, activations, outputs=outputs_for(loss))
    x, y = data_for(loss)
    value, gradients = model.gradients(x, y)
    cost, by_name = expected.gradients(x, y)
    assert value == pytest.approx(cost, rel=1e-12)
    assert list(gradients) == list(by_name)
    for name, gradient in by_name.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("last", ["sigmoid", "tanh", "relu"])
def test_activation_of_the_output_layer_counts(last):
    """BP1 with a slope that is not 1."""
    model, expected = both("mean_squared_error", ("tanh",), last=last)
    x, y = table(outputs=2)
    _, gradients = model.gradients(x, y)
    for name, gradient in expected.gradients(x, y)[1].items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("optimizer", "make"), UPDATES)
class TestTrajectories:
    def test_ten_steps(self, loss, optimizer, make):
        model, expected = both(loss, ("tanh", "sigmoid"), optimizer, outputs_for(loss))
        x, y = data_for(loss)
        update = make()
        for _ in range(10):
            cost, gradients = expected.gradients(x, y)
            assert model.step(x, y) == pytest.approx(cost, rel=1e-9)
            update(expected.parameters, gradients)
            for name, w in expected.parameters.items():
                np.testing.assert_allclose(model.weights[name], w, rtol=1e-7, atol=1e-9, err_msg=name)

    def test_fit_in_order_of_the_rows(self, loss, optimizer, make):
        model, expected = both(loss, ("tanh", "sigmoid"), optimizer, outputs_for(loss))
        x, y = data_for(loss)
        losses = expected.train(x, y, make(), batch_size=5, epochs=4)
        history = model.fit(x, y, epochs=4, batch_size=5, shuffle=False)
        np.testing.assert_allclose(history["loss"], losses, rtol=1e-8)
        for name, w in expected.parameters.items():
            np.testing.assert_allclose(model.weights[name], w, rtol=1e-6, atol=1e-8, err_msg=name)


def test_float32_follows_the_same_losses():
    x, y = classes()
    model, expected = both("cross_entropy", ("tanh",), cr.SGD(0.3), CLASSES)
    single = cr.Model(model.network, loss="cross_entropy", optimizer=cr.SGD(0.3), dtype="float32")
    single.build(features=FEATURES)
    single.set_weights(model.weights)
    losses = expected.train(x, y, reference.sgd(0.3), batch_size=5, epochs=4)
    history = single.fit(x, y, epochs=4, batch_size=5, shuffle=False)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    assert {w.dtype.name for w in single.weights.values()} == {"float32"}
