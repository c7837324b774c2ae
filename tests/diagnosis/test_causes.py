"""What is wrong from the start is told, before and during training, and not what comes of it."""

import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from patients import DATA, iris, model_for, names

import chainrule as cr
from chainrule.diagnosis.data import alike_in_batches


def told_in_a_fit(model, data, **options):
    doctor = cr.Doctor(tell=None)
    model.fit(*data, callbacks=[doctor], **options)
    return names(doctor)


class Normal(cr.Initializer):
    """Normal numbers of any size."""

    def __init__(self, size):
        self.size = size

    def __call__(self, generator, shape):
        return self.size * generator.normal(size=shape)


HIGH = "loss at the start too high"


@pytest.mark.parametrize(
    ("hidden", "last", "name", "words"),
    [
        ({"weight_initializer": Normal(2.0)}, {}, "exploding gradients", "times as large as usual"),
        ({"bias_initializer": cr.Constant(1000.0)}, {}, HIGH, "biases of layers.0"),
        ({}, {"weight_initializer": Normal(20.0)}, HIGH, "weights of layers.2"),
        ({}, {"bias_initializer": cr.Constant(-50.0)}, HIGH, "of layers.2 (Dense) reach 50"),
    ],
)
@pytest.mark.parametrize("optimizer", [cr.SGD(0.05, momentum=0.9), cr.Adam(1e-3)], ids=["sgd", "adam"])
def test_what_makes_the_first_loss_too_high_is_told_alone(hidden, last, name, words, optimizer):
    """Not what comes of it: a rate that is said to be too high, or units that die; also where a fit fails."""
    layers = [*[cr.Dense(32, activation="relu", **hidden)] * 2, cr.Dense(1, **last)]
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", optimizer=optimizer)
    (before,) = model.diagnose(*DATA["diabetes"][0]).verdicts
    doctor = cr.Doctor(tell=None)
    with suppress(ValueError):
        model.fit(*DATA["diabetes"][0], epochs=4, callbacks=[doctor])
    for found in (before, *doctor.verdicts):
        assert found.name == name
        assert words in found.evidence
    assert len(doctor.verdicts) == 1
    assert ("start with biases of 0" in found.remedy) == ("bias_initializer" in {**hidden, **last})


def test_what_a_rate_does_to_gradients_is_not_told_besides():
    """Nor are weights to be smaller at the start where they were not large then."""
    model = model_for("diabetes", activation="elu", depth=3, optimizer=cr.Adam(0.3))
    doctor = cr.Doctor(tell=None)
    model.fit(*DATA["diabetes"][0], epochs=12, callbacks=[doctor])
    first, *others = doctor.verdicts
    assert first.name == "learning rate too high"
    assert {found.name for found in others} <= {"saturated units", "dead units"}
    assert all(found.remedy.startswith("lower the learning rate") for found in others)


def test_units_that_start_saturated_are_no_fault_of_the_rate():
    saturated = {"activation": "tanh", "bias_initializer": cr.Constant(20.0)}
    model = model_for("diabetes", depth=3, optimizer=cr.SGD(0.05, momentum=0.9), **saturated)
    assert told_in_a_fit(model, DATA["diabetes"][0], epochs=8) == ["saturated units"]


def test_softmax_twice_is_told_without_what_comes_of_it():
    model = model_for("digits", last="softmax", optimizer=cr.SGD(0.5, momentum=0.9))
    assert told_in_a_fit(model, DATA["digits"][0], epochs=8) == ["softmax twice"]


@pytest.mark.parametrize("last", ["relu", "softplus", "sigmoid", lambda z: -cr.relu(z)])
def test_an_activation_after_the_last_layer_that_reaches_half_of_the_numbers(last):
    for seed in range(3):
        (found,) = model_for("diabetes", last=last, seed=seed).diagnose(*DATA["diabetes"][0]).verdicts
        assert found.name == "cannot overfit two rows"
        assert "look for an output that cannot reach the targets (its last activation)" in found.remedy
    (x, y), *_ = DATA["diabetes"]
    reached = model_for("diabetes", last="softplus").diagnose(x, 0.1 + y - y.min())
    assert reached, reached


def test_copies_are_told_and_not_what_they_do_to_the_loss():
    for constant in (0.1, 0.5):
        same = {"weight_initializer": cr.Constant(constant), "depth": 3, "hidden": 64}
        found = model_for("diabetes", **same).diagnose(*DATA["diabetes"][0])
        assert names(found) == ["units that are copies"]


@pytest.mark.parametrize("activation", ["relu", "softplus", lambda z: cr.square(z)])
@pytest.mark.parametrize("name", ["digits", "iris", "cancer"])
def test_logits_that_are_never_below_0(name, activation):
    data, *_ = DATA[name]
    model = model_for(name, last=activation)
    (found,) = model.diagnose(*data).verdicts
    assert found.name == "activation on logits"
    assert "never below 0, whatever its weights are" in found.evidence
    assert "let the last layer have no activation" in found.remedy
    assert told_in_a_fit(model_for(name, last=activation), data, epochs=4) == [found.name]


def test_logs_of_probabilities_are_logits():
    assert names(model_for("iris", last=cr.log_softmax).diagnose(*DATA["iris"][0])) == []


@pytest.mark.parametrize("name", ["digits", "iris", "diabetes"])
def test_rows_that_are_sorted_and_not_shuffled(name):
    x, y = DATA[name][0]
    for order, shuffle, size, is_found in (
        (np.argsort(y, kind="stable"), False, 32, True),
        (np.argsort(y, kind="stable"), True, 32, False),
        (np.argsort(y, kind="stable"), False, None, False),
        (np.random.default_rng(0).permutation(len(y)), False, 32, False),
    ):
        told = told_in_a_fit(
            model_for(name), (x[order], y[order]), epochs=2, shuffle=shuffle, batch_size=size
        )
        assert told == ["batches of rows alike"] * is_found


@pytest.mark.parametrize("size", [7, 16, 32])
def test_classes_are_as_alike_in_batches_as_their_columns(size):
    classes = np.sort(np.random.default_rng(0).integers(5, size=160))
    (found,), (same,) = (alike_in_batches(y, size) for y in (classes, np.eye(5)[classes]))
    assert found == same


def test_many_classes_that_are_not_shuffled_take_little_memory():
    y = np.arange(4000, dtype=np.int32) // 2
    tracemalloc.start()
    try:
        assert list(alike_in_batches(y, 32)) == []
        assert tracemalloc.get_traced_memory()[1] < 50 * y.nbytes
    finally:
        tracemalloc.stop()


def test_an_estimator_that_does_not_shuffle():
    x, y = DATA["iris"][0]
    for shuffle in (True, False):
        doctor = cr.Doctor(tell=None)
        options = {"max_iter": 2, "batch_size": 10, "shuffle": shuffle, "random_state": 0}
        with suppress(UserWarning):
            cr.MLPClassifier(callbacks=[doctor], **options).fit(x, y)
        assert names(doctor) == ["batches of rows alike"] * (not shuffle)


def test_a_series_that_is_not_shuffled():
    """Its neighbours are alike, and a batch holds high ones and low ones."""
    number = np.sin(np.arange(400) / 4)
    x = np.lib.stride_tricks.sliding_window_view(number, 4)[:-1]
    model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.Adam(0.01))
    assert told_in_a_fit(model, (x, number[4:]), epochs=4, shuffle=False) == []


def test_averaged_weights_that_happen_to_give_numbers_between_0_and_1():
    half = cr.Dense(1, weight_initializer="zeros", bias_initializer=cr.Constant(0.5))
    net = cr.Sequential([cr.Dense(8, activation="relu"), half])
    model = cr.Model(net, loss="binary_cross_entropy", optimizer=cr.Adam(0.01, average=0.9))
    assert names(model.diagnose(*DATA["cancer"][0])) == []


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (cr.CrossEntropy(0.1), "-ln(1/3) = 1.099"),
        (cr.Focal(), "the loss of probabilities of 1/3 = 0.4883"),  # (1 - 1/3)² ln 3
    ],
)
def test_a_guess_of_equal_probabilities_is_told_with_what_it_costs(loss, words):
    large = cr.Uniform(50.0)
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(3, weight_initializer=large)])
    (found,) = cr.Model(net, loss=loss).diagnose(*iris()).verdicts
    assert found.name == HIGH
    assert words in found.evidence


def test_a_focal_loss_may_start_as_high_as_its_cross_entropy():
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(3, weight_initializer=cr.Uniform(3.0))])
    for loss in ("cross_entropy", "focal"):
        assert HIGH not in names(cr.Model(net, loss=loss, seed=1).diagnose(*iris()))
