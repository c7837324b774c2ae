"""What `diagnose` names before training, a Doctor names in a fit, with a cause and a remedy that fit."""

import warnings

import numpy as np
import pandas as pd
import pytest
from patients import DATA, diabetes, iris, model_for, names

import chainrule as cr

X = np.random.default_rng(0).normal(size=(300, 5))


def told(model, data, **options):
    doctor = cr.Doctor(tell=None)
    model.fit(*data, callbacks=[doctor], **{"epochs": 8, **options})
    return doctor.verdicts


def net(outputs, *, last="identity", activation="tanh", depth=1):
    hidden = [cr.Dense(24, activation=activation) for _ in range(depth)]
    return cr.Sequential([*hidden, cr.Dense(outputs, activation=last)])


@pytest.mark.parametrize("seed", range(3))
def test_an_output_that_cannot_reach_the_targets(seed):
    small = lambda z: 0.05 * cr.tanh(z)
    for data, last, outputs, loss in (
        ((X, 2 + np.sin(X[:, 0])), "sigmoid", 1, "mean_squared_error"),
        (iris(), small, 3, "cross_entropy"),
    ):
        model = cr.Model(net(outputs, last=last), loss=loss, optimizer=cr.Adam(0.01), seed=seed)
        assert [verdict.name for verdict in told(model, data)] == ["cannot overfit two rows"]


def test_an_input_that_does_not_help_with_a_loss_of_ones_own():
    loss = lambda p, t: cr.sum(cr.sqrt(1 + (p - t) ** 2) - 1, axis=-1)
    x, y = diabetes()
    model = lambda: cr.Model(net(1), loss=loss, optimizer=cr.Adam(3e-3), seed=0)
    mixed = np.random.default_rng(0).permutation(y)
    (verdict,) = told(model(), (x, mixed[:, None]))
    assert verdict.name == "input that does not help"
    assert not told(model(), (x, y[:, None]))


@pytest.mark.parametrize(
    ("activation", "bias"),
    [("relu", -25.0), ("tanh", -25.0), ("tanh", 25.0), ("sigmoid", -25.0), ("sigmoid", 25.0)],
)
def test_biases_that_make_units_silent_are_named_and_the_remedy_mends_it(activation, bias):
    model = lambda bias: model_for(
        "iris", activation=activation, bias_initializer=cr.Constant(bias), optimizer=cr.Adam(0.01)
    )
    for found in (model(bias).diagnose(*iris()).verdicts, told(model(bias), iris())):
        assert found[0].name == ("dead units" if activation == "relu" else "saturated units")
        assert "the biases of layers.0 (Dense) reach 25" in found[0].evidence
        assert found[0].remedy == "start with biases of 0"
    assert model(0.0).diagnose(*iris())


def test_the_learning_rate_of_a_fresh_network_has_killed_no_unit():
    class Negative(cr.Initializer):
        def __call__(self, generator, shape):
            return -np.abs(generator.normal(size=shape))

    x, y = iris()
    model = model_for("iris", activation="relu", weight_initializer=Negative())
    (verdict,) = model.diagnose(np.abs(x), y).verdicts
    assert verdict.name == "dead units"
    assert verdict.remedy.startswith("start with weights around 0")


def test_the_remedy_of_a_layer_that_hardly_moves_is_of_that_layer():
    optimizer = cr.Adam(2e-3, learning_rate_factors={"layers.1": 1e-7})
    (verdict,) = model_for("digits", depth=2, optimizer=optimizer).diagnose(*DATA["digits"][0]).verdicts
    assert (verdict.name, verdict.where) == ("updates too small", "layers.1 (Dense)")
    assert "learning_rate_factors" in verdict.remedy


@pytest.mark.parametrize("seed", [0, 2])
def test_gradients_that_vanish_where_noise_leaves_most_of_the_loss(seed):
    generator = np.random.default_rng(100 + seed)
    x = generator.normal(size=(900, 6))
    p = 1 / (1 + np.exp(-3 * np.sin(1.5 * x[:, 0]) - 2 * x[:, 1] * x[:, 2]))
    data = x, generator.random(900) < p
    deep = net(1, activation="sigmoid", depth=10)
    model = cr.Model(deep, loss="binary_cross_entropy", optimizer=cr.Adam(2e-3), seed=seed)
    for found in (model.diagnose(*data).verdicts, told(model, data, epochs=12)):
        assert [verdict.name for verdict in found] == ["vanishing gradients"]
        assert "with relu for its activations" in found[0].evidence


def test_gradients_that_vanished_until_the_fit_was_nearly_over():
    """In 200 steps it learns nothing, after 348 its gradients flow."""
    data = DATA["digits"][0]
    deep = lambda activation: cr.Model(
        net(10, activation=activation, depth=9), loss="cross_entropy", optimizer=cr.Adam(2e-3), seed=0
    )
    assert [verdict.name for verdict in told(deep("sigmoid"), data, epochs=6)] == ["vanishing gradients"]
    assert told(deep("relu"), data, epochs=6) == []


def test_a_rate_that_rises_where_all_is_learnt():
    noise = np.random.default_rng(0).normal(size=(200, 5))
    x, y = noise[:, :4], noise[:, :4].sum(axis=1) + noise[:, 4] / 3
    for most, found in ((0.05, []), (0.3, ["learning rate too high"])):
        rising = cr.SGD(lambda t, most=most: most * cr.minimum(t / 200, 1.0))
        model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=rising)
        model.build(features=4)
        model.set_weights({"weight": np.ones((4, 1)), "bias": [0.0]})
        assert [verdict.name for verdict in told(model, (x, y), epochs=16, batch_size=4)] == found


def test_a_loss_that_is_infinite_at_the_start_is_no_fault_of_the_scale():
    """The fit's error traces it."""
    x = np.where(np.arange(X.size).reshape(X.shape) == 52, 0.0, X)
    logarithm = cr.Sequential([cr.Activation(lambda z: cr.log(cr.abs(z))), cr.Dense(1)])
    doctor = cr.Doctor(tell=None)
    with pytest.raises(ValueError, match=r"in row 10, made by log in layers\.0"):
        cr.Model(logarithm, loss="mean_squared_error").fit(x, X[:, 1] * X[:, 2], callbacks=[doctor])
    assert names(doctor) == []


def test_columns_of_a_frame_have_their_names():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 3))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    for spoilt, evidence in (
        (np.c_[x, 2 * x[:, 1]], "columns 'height' and 'other' say the same"),
        (
            np.c_[x, 3 * y - 1.0],
            "column 'other' alone tells the target: it says the class in 100 % of 200 rows",
        ),
        (np.c_[x, 1e6 * x[:, 2] ** 2], "column 'other' varies by"),
        (np.c_[x, 1e6 + x[:, 2] ** 2], "column 'other' lies around 1e+06"),
    ):
        frame = pd.DataFrame(spoilt, columns=["age", "height", "dose", "other"])
        doctor = cr.Doctor(tell=None)
        model = cr.Model(net(2), loss="cross_entropy")
        estimator = cr.MLPClassifier(max_iter=2, tol=0.0, n_iter_no_change=2, callbacks=[doctor])
        found = [*model.diagnose(frame, y).verdicts, *estimator.diagnose(frame, y).verdicts]
        found += told(model, (frame, y), epochs=2)
        with warnings.catch_warnings(action="ignore"):
            estimator.fit(frame, y)
        assert [evidence in verdict.evidence for verdict in [*found, *doctor.verdicts]] == [True] * 4


def test_units_that_wake_in_a_row_and_die_again_are_dead_units_only():
    x = np.random.default_rng(77).normal(size=(400, 1))
    network = cr.Sequential([cr.Dense(2, activation="relu"), cr.Dense(1)])
    model = cr.Model(network, loss="mean_squared_error", optimizer=cr.Adam(0.05), seed=0)
    found = told(model, (x, np.abs(x[:, 0])), epochs=15)
    assert [verdict.name for verdict in found] == ["dead units"]
