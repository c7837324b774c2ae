"""A user's own layer works like the package's: in any place, in training, and in a file without its class."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from own_layers import OWN, Gate, Largest, Noise, OnlyWhileTraining, Scale

import chainrule as cr

X = np.random.default_rng(3).normal(size=(20, 4))
Y = np.cos(X[:, :1])


def model_with(layer, place):
    inside = layer if place == "sequential" else cr.Residual([layer])
    net = cr.Sequential([cr.Dense(4, activation="tanh"), inside, cr.Dense(1)])
    return cr.Model(net, loss="mean_squared_error", seed=7)


@pytest.mark.parametrize("layer", OWN, ids=str)
def test_it_takes_fewer_than_ten_lines(layer):
    code = [
        line for line in inspect.getsource(type(layer)).splitlines() if line.strip() and '"""' not in line
    ]
    assert len(code) < 10


@pytest.mark.parametrize("place", ["sequential", "residual"])
@pytest.mark.parametrize("layer", OWN, ids=str)
def test_it_trains(layer, place):
    model = model_with(layer, place)
    losses = model.fit(X, Y, epochs=30, batch_size=5)["loss"]
    assert losses[-1] < losses[0]


def test_what_each_does():
    own = cr.Model(cr.Sequential([Scale(2.0)]), loss="mean_squared_error")
    np.testing.assert_allclose(own.predict(X), 2 * X, rtol=1e-6)
    largest = cr.Model(cr.Sequential([Largest(), cr.Dense(1)]), loss="mean_squared_error")
    largest.step(10 * X, Y)
    assert largest.state["layers.0.largest"] == pytest.approx(10 * np.abs(X).max(), rel=1e-6)
    noise = cr.Model(cr.Sequential([Noise(), cr.Dense(1)]), loss="mean_squared_error")
    assert noise.gradients(X, Y)[0] != noise.evaluate(X, Y)["loss"]
    counting = cr.Model(cr.Sequential([OnlyWhileTraining(), cr.Dense(1)]), loss="mean_squared_error")
    counting.fit(X, Y, batch_size=5, epochs=2)
    assert counting.state["layers.0.steps"] == 8
    assert counting.state["layers.0.flag"] == 2
    assert counting.predict(X).shape == (20, 1)


@pytest.mark.parametrize("place", ["sequential", "residual"])
@pytest.mark.parametrize("layer", OWN, ids=str)
def test_it_is_saved_and_goes_on_training(layer, place, tmp_path):
    model = model_with(layer, place)
    model.fit(X, Y, epochs=2, batch_size=5)
    model.save(tmp_path / "own")
    loaded = cr.load(tmp_path / "own")
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.fit(X, Y, epochs=2, batch_size=5)["loss"] == model.fit(X, Y, epochs=2, batch_size=5)["loss"]
    assert loaded.weights.keys() == model.weights.keys()
    loaded.save(tmp_path / "again")
    assert np.array_equal(cr.load(tmp_path / "again").predict(X), model.predict(X))


def test_a_process_without_the_class_predicts_and_trains(tmp_path):
    """Two draws beside each other must stay apart, so the file holds noise, a gate and a dropout."""
    net = cr.Sequential([Noise(), Gate(), cr.Dropout(0.2), cr.Residual(Largest()), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error")
    model.fit(X, Y, epochs=2, batch_size=5)
    model.save(tmp_path / "own.safetensors")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    program = (
        "import sys, numpy as np, chainrule as cr\n"
        "data = np.load('data.npz'); model = cr.load('own.safetensors')\n"
        "before = model.predict(data['x'])\n"
        "losses = model.fit(data['x'], data['y'], epochs=3, batch_size=5)['loss']\n"
        "assert 'own_layers' not in sys.modules\n"
        "np.savez('result.npz', before=before, losses=losses)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = np.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(result["before"], model.predict(X))
    np.testing.assert_array_equal(result["losses"], model.fit(X, Y, epochs=3, batch_size=5)["loss"])


def test_a_forward_that_takes_no_context_is_told_where_it_is_written():
    with pytest.raises(
        TypeError, match=r"Alone: forward takes x and a context, as in def forward\(self, x, con"
    ):

        class Alone(cr.Layer):
            def forward(self, x):
                return x
