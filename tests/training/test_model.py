"""What a model is besides fit: building, weights, predicting, evaluating; nothing returned is shared."""

import numpy as np
import pytest
from training_cases import (
    CLASSES,
    FEATURES,
    arrays_of,
    assert_differ,
    assert_same,
    classes,
    classification,
    network,
    regression,
    table,
)

import chainrule as cr
from chainrule.training import trainer

# Building and weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("features", [FEATURES, (FEATURES,), [FEATURES], np.int64(FEATURES)], ids=repr)
def test_build_draws_the_weights_that_fit_would(features):
    x, y = table()
    built, lazy = regression(seed=3), regression(seed=3)
    built.build(features=features)
    assert {name: w.shape for name, w in built.weights.items()} == {
        "layers.0.weight": (FEATURES, 5),
        "layers.0.bias": (5,),
        "layers.1.weight": (5, 1),
        "layers.1.bias": (1,),
    }
    lazy.predict(x)
    assert_same(built.weights, lazy.weights)
    assert built.fit(x, y) == lazy.fit(x, y)


def test_building_again_changes_nothing():
    x, y = table()
    model = regression()
    model.fit(x, y)
    before = model.weights
    model.build(features=FEATURES)
    assert_same(model.weights, before)
    with pytest.raises(
        ValueError, match=r"shape \(rows, 4\), and layers.0 \(Dense\) was built for \(rows, 3\)"
    ):
        model.build(features=4)


def test_rows_may_have_several_axes():
    model = cr.Model(cr.Sequential([cr.Flatten(), cr.Dense(2)]), loss="mean_squared_error")
    model.build(features=(4, 5))
    assert model.weights["layers.1.weight"].shape == (20, 2)


def test_set_weights_replaces_those_that_are_named():
    x, _ = table()
    model = regression()
    model.build(features=FEATURES)
    before = model.weights
    new = np.arange(5.0).reshape(5, 1)
    model.set_weights({"layers.1.weight": new, "layers.1.bias": [7]})
    hidden = np.tanh(x @ before["layers.0.weight"] + before["layers.0.bias"])
    np.testing.assert_allclose(model.predict(x), hidden @ new + 7, rtol=1e-12)
    assert_same(
        {name: w for name, w in model.weights.items() if "layers.0" in name},
        {name: w for name, w in before.items() if "layers.0" in name},
    )


def test_set_weights_takes_the_layers_state_too():
    model = classification(network(cr.BatchNorm(), outputs=CLASSES))
    model.build(features=FEATURES)
    model.set_weights({"layers.1.running_mean": np.full(5, 0.25)})
    np.testing.assert_array_equal(model.state["layers.1.running_mean"], np.full(5, 0.25))


def test_weights_given_are_in_the_model_s_dtype():
    model = regression(dtype="float32")
    model.build(features=FEATURES)
    model.set_weights({"layers.1.bias": np.array([0.1])})
    assert model.weights["layers.1.bias"] == np.float32(0.1)


def test_two_models_with_one_network_are_independent():
    x, y = table()
    net = network(cr.BatchNorm())
    first, second = regression(net), regression(net)
    second.build(features=FEATURES)
    before = arrays_of(second)
    first.fit(x, y, epochs=3)
    assert_same(arrays_of(second), before)
    wider = regression(net)
    wider.fit(np.c_[x, x], y)
    assert first.predict(x).shape == wider.predict(np.c_[x, x]).shape


# Nothing is shared -------------------------------------------------------------------------------


def test_what_is_returned_is_the_user_s():
    x, y = classes()
    model = classification(network(cr.BatchNorm(), outputs=CLASSES))
    model.fit(x, y, epochs=2)
    before, prediction = arrays_of(model), model.predict(x)
    for array in [
        *model.weights.values(),
        *model.state.values(),
        *model.gradients(x, y)[1].values(),
        model.predict(x),
        model.predict(x, link=True),
    ]:
        array[...] = 1e9
    assert_same(arrays_of(model), before)
    np.testing.assert_array_equal(model.predict(x), prediction)


@pytest.mark.parametrize("net", [cr.Activation("identity"), cr.Flatten()], ids=repr)
def test_a_network_that_does_nothing_returns_a_copy(net):
    x = np.ones((3, 2))
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    model.predict(x)[...] = 5
    assert (x == 1).all()


def test_a_gradient_of_nothing_is_the_user_s_too():
    """Zeros, which nothing computes."""
    model = cr.Model(network(), objective=lambda net, x, y: cr.sum(x, axis=-1))
    for gradient in model.gradients(table()[0])[1].values():
        assert not gradient.any()
        gradient[...] = 1


def test_weights_that_were_set_are_a_copy():
    model, bias = regression(), np.zeros(1)
    model.build(features=FEATURES)
    model.set_weights({"layers.1.bias": bias})
    bias[...] = 1e9
    assert model.weights["layers.1.bias"] == 0


def test_the_user_s_arrays_stay_as_they_are_and_the_model_keeps_none():
    x, y = table()
    weights, bias = np.linspace(0, 1, len(x)), np.full(5, 0.5)
    model, other = regression(), regression()
    for one in (model, other):
        one.build(features=FEATURES)
        one.set_weights({"layers.0.bias": bias})
    kept = [np.array(array) for array in (x, y, weights, bias)]
    model.fit(x, y, epochs=2, sample_weight=weights, validation_data=(x, y, weights))
    other.fit(x, y, epochs=2, sample_weight=weights)
    for array, copy in zip((x, y, weights, bias), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
        array[...] = 1e9
    assert_same(model.weights, other.weights)
    model.fit(*kept[:2])
    other.fit(*kept[:2])
    assert_same(model.weights, other.weights)


def test_arrays_that_cannot_be_written_are_enough():
    arrays = [*table(), np.ones(22)]
    for array in arrays:
        array.setflags(write=False)
    model = regression()
    model.fit(*arrays[:2], sample_weight=arrays[2], epochs=2)
    model.set_weights({"layers.1.bias": arrays[2][:1]})
    model.fit(*arrays[:2])
    assert model.epochs == 3


# One step, and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("net", [network(), network(cr.BatchNorm(), cr.Dropout(0.3))], ids=["plain", "rich"])
def test_a_step_is_a_fit_of_one_batch(net):
    x, y = table()
    stepping, fitting = (regression(net, optimizer=cr.Adam(0.05)) for _ in range(2))
    losses = [stepping.step(x, y) for _ in range(4)]
    assert fitting.fit(x, y, epochs=4, batch_size=None, shuffle=False)["loss"] == losses
    assert_same(arrays_of(stepping), arrays_of(fitting))
    assert (stepping.steps, stepping.epochs) == (4, 0)


def test_gradients_are_those_of_the_next_step_and_change_nothing():
    x, y = table()
    model = regression(network(cr.BatchNorm(), cr.Dropout(0.4)), optimizer=cr.SGD(0.5))
    model.fit(x, y, epochs=2)
    before = arrays_of(model)
    loss, gradients = model.gradients(x, y)
    assert model.gradients(x, y)[0] == loss
    assert_same(arrays_of(model), before)
    assert model.steps == 2
    assert model.step(x, y) == loss
    for name, gradient in gradients.items():
        np.testing.assert_allclose(model.weights[name], before[name] - 0.5 * gradient, rtol=1e-12)
    assert model.gradients(x, y)[0] != loss


def test_steps_of_any_number_of_rows():
    x, y = table()
    model = regression()
    for rows in (1, 22, 5):
        assert np.isfinite(model.step(x[:rows], y[:rows]))
    assert model.steps == 3


# Predicting and evaluating -----------------------------------------------------------------------


@pytest.mark.shares_code
@pytest.mark.parametrize("rows", [1, 4096, 4097, 10_000])
def test_predict_any_number_of_rows(rows, monkeypatch):
    monkeypatch.setattr(trainer, "NUMBERS", 0)  # 4096 together
    x, _ = table(rows)
    model = regression(network(cr.BatchNorm(), cr.Dropout(0.5)))
    weights = (model.build(features=FEATURES), model.weights)[1]
    prediction = model.predict(x)
    hidden = np.tanh(x @ weights["layers.0.weight"]) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(prediction, hidden @ weights["layers.3.weight"], rtol=1e-10, atol=1e-12)
    assert prediction.shape == (rows, 1)


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
def test_a_prediction_shares_no_memory_with_x(executor):
    x = np.ones((4, 3))
    model = cr.Model(cr.Flatten(), loss="mean_squared_error", dtype="float64", executor=executor)
    assert not np.shares_memory(model.predict(x), x)


def test_prediction_is_in_the_model_s_dtype():
    x, _ = table()
    assert regression(dtype="float32").predict(x).dtype == np.float32
    assert regression(dtype="float64").predict(x).dtype == np.float64
    assert regression(dtype="float64").predict([[1, 2, 3]]).shape == (1, 1)


def test_link_gives_probabilities():
    x, y = classes()
    model = classification()
    model.fit(x, y, epochs=2)
    logits, probabilities = model.predict(x), model.predict(x, link=True)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)
    binary = cr.Model(network(), loss="binary_cross_entropy", dtype="float64")
    logit = binary.predict(x)
    np.testing.assert_allclose(binary.predict(x, link=True), 1 / (1 + np.exp(-logit)), rtol=1e-12)
    plain = regression()
    np.testing.assert_array_equal(plain.predict(x, link=True), plain.predict(x))


def test_link_without_a_loss_is_the_output():
    x, _ = table()
    model = cr.Model(network(), objective=lambda net, x, y: cr.sum(net(x), axis=-1))
    np.testing.assert_array_equal(model.predict(x, link=True), model.predict(x))


def test_evaluate_in_chunks_is_evaluate_of_all():
    x, y = classes(9001)
    weights = np.random.default_rng(1).uniform(0, 2, len(x))
    weights[:4096] = 0  # a whole chunk that does not count
    model = classification()
    measured, weighted = model.evaluate(x, y), model.evaluate(x, y, sample_weight=weights)
    p = model.predict(x, link=True)
    losses, right = -np.log(p[np.arange(len(x)), y]), p.argmax(axis=1) == y
    assert measured == {
        "loss": pytest.approx(losses.mean(), rel=1e-10),
        "accuracy": pytest.approx(right.mean(), rel=1e-12),
    }
    assert weighted == {
        "loss": pytest.approx(np.average(losses, weights=weights), rel=1e-10),
        "accuracy": pytest.approx(np.average(right, weights=weights), rel=1e-10),
    }


def test_dropout_drops_in_training_alone():
    x, y = table()
    model = regression(network(cr.Dropout(0.5)))
    np.testing.assert_array_equal(model.predict(x), model.predict(x))
    mean_squared = ((model.predict(x) - y) ** 2).mean()
    assert model.evaluate(x, y)["loss"] == pytest.approx(mean_squared, rel=1e-12)
    assert model.gradients(x, y)[0] != pytest.approx(mean_squared, rel=1e-6)


def test_running_statistics_are_used_in_prediction():
    x, y = table()
    model = regression(network(cr.BatchNorm()))
    model.build(features=FEATURES)
    before = arrays_of(model)
    model.fit(x, y, batch_size=None)
    assert_differ(model.state, {name: before[name] for name in model.state})
    single = np.concatenate([model.predict(row[None]) for row in x])
    np.testing.assert_allclose(single, model.predict(x), rtol=1e-12)


def test_repr_says_what_it_is():
    text = repr(classification(optimizer=cr.SGD(0.25), dtype="float32"))
    for part in ("Sequential", "Dense(units=4", "CrossEntropy", "SGD(learning_rate=0.25", "float32"):
        assert part in text
    assert "objective" in repr(cr.Model(network(), objective=lambda net, x, y: cr.sum(net(x) ** 2)))
