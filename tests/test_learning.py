"""Networks learn: XOR, two spirals, handwritten digits, the progress of diabetes."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, train_test_split

import chainrule as cr


def accuracy(model, x, y):
    """Return the share of rows whose most probable class is the right one."""
    return np.mean(model.predict(x).argmax(axis=1) == y)


def r_squared(prediction, y):
    """Return 1 - the squared error in units of the targets' variance: 0 for always saying their mean."""
    return 1 - np.mean((prediction.ravel() - y) ** 2) / np.var(y)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu"])
def test_xor(activation, seed):
    """The problem that a network without a hidden layer cannot solve."""
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    net = cr.Sequential([cr.Dense(8, activation=activation), cr.Dense(1)])
    model = cr.Model(net, loss="binary_cross_entropy", optimizer=cr.Adam(0.1), seed=seed)
    model.fit(x, y, epochs=300, batch_size=4)
    np.testing.assert_allclose(model.predict(x, link=True).ravel(), y, atol=0.05)


def test_xor_needs_the_hidden_layer():
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    model = cr.Model(cr.Dense(1), loss="binary_cross_entropy", optimizer=cr.Adam(0.1))
    model.fit(x, y, epochs=300, batch_size=4)
    np.testing.assert_allclose(model.predict(x, link=True), 0.5, atol=0.02)


def spirals(rows, generator):
    """Return points on two arms that wind around each other one and a half times."""
    turn = np.sqrt(generator.uniform(0.05, 1, rows)) * 3 * np.pi
    y = np.arange(rows) % 2
    angle = turn + np.pi * y
    x = turn[:, None] / np.pi * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + generator.normal(0, 0.1, x.shape), y


def test_two_spirals():
    generator = np.random.default_rng(0)
    x, y = spirals(600, generator)
    unseen, answers = spirals(1000, generator)
    net = cr.Sequential([cr.Dense(32, activation="tanh"), cr.Dense(32, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(cr.CosineDecay(0.02, steps=1500)))
    model.fit(x, y, epochs=150, batch_size=60)
    assert accuracy(model, unseen, answers) >= 0.97


def test_digits():
    x, y = load_digits(return_X_y=True)
    x, unseen, y, answers = train_test_split(x / 16, y, test_size=0.25, random_state=0, stratify=y)
    net = cr.Sequential([cr.Dense(64, activation="relu"), cr.Dropout(0.2), cr.Dense(10)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(cr.OneCycle(0.01, steps=900)))
    history = model.fit(x, y, epochs=20, batch_size=32, validation_data=(unseen, answers))
    assert accuracy(model, unseen, answers) >= 0.97
    assert history["validation_accuracy"][-1] == pytest.approx(accuracy(model, unseen, answers))
    assert history["loss"][-1] < 0.2 * history["loss"][0]


def test_diabetes():
    """442 patients and much noise: about as good as a line, which is nearly all there is to learn."""
    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(axis=0), (y - y.mean()) / y.std()
    scores, of_a_line = [], []
    for known, unseen in KFold(4, shuffle=True, random_state=0).split(x):
        net = cr.Sequential([cr.Dense(16, activation="gelu"), cr.Dense(1)])
        optimizer = cr.AdamW(0.003, average=0.99)
        model = cr.Model(net, loss="mean_squared_error", optimizer=optimizer, penalties=cr.L2(0.03))
        model.fit(x[known], y[known], epochs=40)
        scores.append(r_squared(model.predict(x[unseen]), y[unseen]))
        line = LinearRegression().fit(x[known], y[known])
        of_a_line.append(r_squared(line.predict(x[unseen]), y[unseen]))
    assert np.mean(scores) > 0.4
    assert np.mean(scores) > np.mean(of_a_line) - 0.05


def test_a_network_without_a_hidden_layer_is_linear_regression():
    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(axis=0), y / y.std()
    model = cr.Model(
        cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.05, momentum=0.95), dtype="float64"
    )
    model.fit(x, y, epochs=1500, batch_size=None)
    line = LinearRegression().fit(x, y)
    np.testing.assert_allclose(model.predict(x).ravel(), line.predict(x), atol=0.01)
    assert model.weights["bias"] == pytest.approx(line.intercept_, abs=1e-6)


def test_every_optimizer_learns():
    """Each with the rate that suits it brings the loss of one problem far down."""
    generator = np.random.default_rng(4)
    x = generator.normal(size=(200, 5))
    y = np.tanh(x @ generator.normal(size=(5, 3))).argmax(axis=1)
    rates = {
        cr.SGD(0.05, momentum=0.9): 0.15,
        cr.RMSprop(0.01): 0.15,
        cr.Adagrad(0.1): 0.15,
        cr.Adadelta(1.0): 0.3,
        cr.Adam(0.01): 0.15,
        cr.AMSGrad(0.01): 0.15,
        cr.AdamW(0.01): 0.15,
        cr.Nadam(0.01): 0.15,
        cr.RAdam(0.01): 0.15,
        cr.Lion(0.003): 0.15,
    }
    for optimizer, enough in rates.items():
        net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dense(3)])
        model = cr.Model(net, loss="cross_entropy", optimizer=optimizer)
        history = model.fit(x, y, epochs=30, batch_size=20)
        assert history["loss"][-1] < enough * history["loss"][0], optimizer
