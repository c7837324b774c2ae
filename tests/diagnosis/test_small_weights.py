"""Initial weights that are far too small: gradients vanish in all layers alike, and what is said helps."""

from unittest.mock import patch

import numpy as np
import pytest
from patients import DATA

import chainrule as cr
from chainrule.diagnosis import diagnose
from chainrule.diagnosis.diagnose import CHECKS


@pytest.fixture(autouse=True)
def checks_of_weights():
    """Leave out what comes after them: it says nothing of weights, and sound networks are tried elsewhere.

    No graph is another for it, so that what one test has compiled the next one takes.
    """
    after = ("two rows by heart", "use of the input")
    with patch.object(diagnose, "CHECKS", [check for check in CHECKS if check.name not in after]):
        yield


def deep(name, *, factor, last=None, activation="tanh", depth=2, optimizer=None, between=()):
    """A network whose weights have the usual deviation, 1 / √inputs, times a factor; its last layer another.

    They are set: networks that are drawn in different ways would be traced anew.
    """
    (x, _), outputs, loss = DATA[name]
    hidden = [cr.Dense(16, activation=activation), *between] * depth
    net = cr.Sequential([*hidden, cr.Dense(outputs)])
    model = cr.Model(net, loss=loss, optimizer=optimizer or cr.SGD(0.1))
    model.build(features=x.shape[1])
    factors = {f"layers.{len(hidden)}.weight": factor if last is None else last}
    generator = np.random.default_rng(0)
    model.set_weights(
        {
            key: factors.get(key, factor) * generator.normal(size=array.shape) / np.sqrt(len(array))
            for key, array in model.weights.items()
            if array.ndim == 2
        }
    )
    return model


def told_in_a_fit(model, data, epochs=4):
    doctor = cr.Doctor(tell=None)
    model.fit(*data, epochs=epochs, callbacks=[doctor])
    return doctor.verdicts


@pytest.mark.parametrize(
    ("name", "activation", "factors", "depth", "optimizer"),
    [
        ("iris", "tanh", (0.003, 0.01), 2, cr.SGD(0.1)),
        ("diabetes", "relu", (0.003, 0.01), 4, cr.Adam(1e-3)),
    ],
)
def test_weights_that_let_nothing_through_are_the_cause(name, activation, factors, depth, optimizer):
    def model(factor):
        return deep(name, factor=factor, activation=activation, depth=depth, optimizer=optimizer)

    data = DATA[name][0]
    for factor in factors:
        for (found,) in (model(factor).diagnose(*data).verdicts, told_in_a_fit(model(factor), data)):
            assert (found.name, found.where) == ("vanishing gradients", "layers.0 (Dense)")
            assert f"times smaller than usual; so it is in {depth + 1} layers" in found.evidence
            assert "start with weights of a variance of 1 / inputs to 2 / inputs" in found.remedy
    usual = np.sqrt(2) if activation == "relu" else 1.0  # and that helps
    assert model(usual).diagnose(*data)
    assert told_in_a_fit(model(usual), data) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("iris", {"factor": 1.0, "last": 0.01}),
        ("diabetes", {"factor": 0.01, "between": (cr.LayerNorm(),)}),
        ("iris", {"factor": 0.5}),
        ("iris", {"factor": 0.03, "depth": 1}),
        ("diabetes", {"factor": 0.03, "depth": 1, "activation": "relu", "optimizer": cr.Adam(0.01)}),
    ],
    ids=["of the last layer", "normalized", "half", "of one layer", "of one layer, numbers"],
)
def test_small_weights_that_get_going_are_no_fault(name, options):
    data = DATA[name][0]
    found = deep(name, **options).diagnose(*data)
    assert found, found
    assert told_in_a_fit(deep(name, **options), data, epochs=20) == []


def test_nothing_is_said_of_weights_where_others_learn_no_more():
    (x, y), *_ = DATA["iris"]
    y = np.random.default_rng(0).permutation(y)
    assert deep("iris", factor=0.1).diagnose(x, y)


def test_layers_of_which_only_some_vanish_are_told_of_the_weights_too():
    """The remedy is the one that a trial has shown to help: here larger weights alone do not."""
    small = deep("iris", factor=0.05, activation="sigmoid", depth=4, optimizer=cr.Adam())
    (found,) = small.diagnose(*DATA["iris"][0]).verdicts
    assert found.name == "vanishing gradients"
    assert "times smaller than usual in 5 layers" in found.evidence
    assert "and 200 with relu for its activations to 0." in found.evidence
    assert found.remedy.startswith("use relu, gelu or selu")


@pytest.mark.parametrize("loss", ["mean_squared_error", "huber"])
def test_the_doctor_names_a_target_that_lies_far_away_until_it_is_reached(loss):
    x, y = DATA["diabetes"][0]
    net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dense(1)])

    def model():
        return cr.Model(net, loss=loss, optimizer=cr.Adam(0.01))

    (found,) = told_in_a_fit(model(), (x, 1000 + y))
    assert (found.name, found.where) == ("target far from unit scale", "y")
    assert "it lies around 1000 and varies by 1," in found.evidence
    assert "standardize the target: (y - y.mean(axis=0)) / y.std(axis=0)" in found.remedy
    assert told_in_a_fit(model(), (x, y)) == []
    learning = model()
    assert [verdict.name for verdict in told_in_a_fit(learning, (x, 10 + y), epochs=100)] == [found.name]
    assert told_in_a_fit(learning, (x, 10 + y)) == []
