"""A model is a function: its output is differentiated, compiled, and taken with other weights."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr


def trained(dtype="float64", **options):
    """Return a model with a running mean, dropout and averaged weights, and rows that it has seen."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    net = cr.Sequential([cr.Dense(8, activation="tanh"), cr.BatchNorm(), cr.Dropout(0.3), cr.Dense(2)])
    model = cr.Model(
        net, loss="mean_squared_error", optimizer=cr.Adam(0.01, average=0.9), dtype=dtype, **options
    )
    model.fit(x, np.stack([x.sum(axis=1), x[:, 0] * x[:, 1]], axis=1), epochs=3)
    return model, x


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-5)])
def test_it_has_the_numbers_of_predict(dtype, tolerance):
    """Both round each sum of 8 terms; nothing else differs."""
    model, x = trained(dtype)
    assert isinstance(model(x), np.ndarray)
    assert model(x).dtype == model.predict(x).dtype
    np.testing.assert_allclose(model(x), model.predict(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(cr.compile(model)(x), model.predict(x), rtol=tolerance, atol=tolerance)


def test_its_jacobian_is_that_of_differences():
    model, x = trained()
    row, width = x[0], 1e-5
    found = cr.jacobian(lambda row: model(row[None])[0])(row)
    moved = [model.predict(row + sign * width * np.eye(3)) for sign in (1, -1)]
    np.testing.assert_allclose(found, (moved[0] - moved[1]).T / (2 * width), atol=1e-8)  # width squared
    assert cr.hessian(lambda row: model(row[None])[0, 0])(row).shape == (3, 3)


def test_its_derivative_by_its_weights_is_that_of_training():
    net = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    x, y = np.linspace(-1, 1, 12).reshape(6, 2), np.arange(6.0)
    loss, gradients = model.gradients(x, y)

    def by_hand(weights):
        return cr.mean((model(x, weights)[:, 0] - y) ** 2)

    found, slopes = cr.value_and_grad(by_hand)(model.weights)
    assert float(found) == pytest.approx(loss, rel=1e-12)
    for name, slope in slopes.items():
        np.testing.assert_allclose(slope, gradients[name], rtol=1e-11, atol=1e-13)


def test_other_weights_take_the_place_of_its_own_and_state_too():
    model, x = trained()
    before = model(x)
    other = {"layers.3.weight": np.zeros((8, 2)), "layers.3.bias": np.array([1.0, 2.0])}
    assert (model(x, other) == [1.0, 2.0]).all()
    assert not np.allclose(model(x, {"layers.1.running_mean": np.ones(8)}), before)
    assert (model(x) == before).all()


def test_a_compiled_function_keeps_the_weights_of_its_first_call_unless_they_are_an_argument():
    model, x = trained()
    kept, given = cr.compile(lambda x: model(x)), cr.compile(lambda weights, x: model(x, weights))
    before, weights = kept(x), model.weights
    model.set_weights({name: 2 * array for name, array in weights.items()})
    assert (kept(x) == before).all()
    assert not np.allclose(model(x), before)
    np.testing.assert_allclose(given(model.weights, x), model(x), rtol=1e-12)


def test_it_is_built_by_the_first_call():
    model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    assert cr.grad(lambda x: cr.sum(model(x)))(np.ones((2, 3))).shape == (2, 3)
    assert model.weights["weight"].shape == (3, 1)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda model, x: model(x[0]), ValueError, r"x has the shape .*was built for \(rows, 3\)"),
        (lambda model, x: model(x, {"weight": 1.0}), ValueError, "no weight 'weight'; did you mean"),
        (lambda model, x: model(x, [1.0]), TypeError, "given by name, as model.weights .* not as a list"),
        (
            lambda model, x: model.set_weights([1.0]),
            TypeError,
            "given by name, as model.weights .* as a list",
        ),
        (
            lambda model, x: cr.grad(lambda x: cr.sum(model.predict(x)))(x),
            TypeError,
            r"x is a symbolic float64\[40, 3\], .* model\(x\) is the network's output",
        ),
    ],
)
def test_mistakes_get_a_sentence(call, kind, sentence):
    model, x = trained()
    with pytest.raises(kind, match=sentence):
        call(model, x)
