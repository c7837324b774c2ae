"""A fit that ends with NaN: the doctor says why, if it is the learning rate, and what it says helps."""

import re

import numpy as np
import pytest
from patients import DATA, model_for

import chainrule as cr


def told_of_failure(model, data, **options):
    """The verdicts on a fit that fails, which are told before its error comes."""
    doctor = cr.Doctor(tell=None)
    with pytest.raises(ValueError, match="became"):
        model.fit(*data, callbacks=[doctor], **options)
    return doctor.verdicts


@pytest.mark.parametrize(
    ("name", "rate", "executor"), [("iris", 1e3, "compiled"), ("diabetes", 10.0, "numpy")]
)
def test_a_rate_with_which_the_first_epoch_diverges(name, rate, executor):
    net = model_for(name, depth=2).network
    loss = DATA[name][2]

    def model(rate):
        return cr.Model(net, loss=loss, optimizer=cr.SGD(rate), executor=executor)

    data = DATA[name][0]
    (found,) = told_of_failure(model(rate), data)
    assert found.name == "learning rate too high"
    assert re.match(rf"about 200 steps take the loss from \S+ to inf at {rate:g}, and to ", found.evidence)
    history = model(float(found.remedy.removeprefix("try "))).fit(*data, epochs=20)
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def test_a_rate_that_rises_until_the_loss_diverges():
    """The trial goes as far as the fit; it begins with the weights of the start."""
    rate = lambda t: cr.where(t < 250, 0.01, 1e4)
    model = model_for("diabetes", optimizer=cr.SGD(rate))
    (found,) = told_of_failure(model, DATA["diabetes"][0], epochs=30)
    assert model.epochs == 18
    assert found.name == "learning rate too high"
    assert re.match(r"about 5\d\d steps take the loss from \S+ to inf at the schedule's", found.evidence)


def test_the_cause_that_the_data_show_is_told_instead():
    (x, y), *_ = DATA["diabetes"]
    found = told_of_failure(model_for("diabetes", optimizer=cr.SGD(0.1)), (x * [1e4, *[1] * 9], y))
    assert [verdict.name for verdict in found] == ["features of wildly different scale"]


def test_an_operation_without_a_derivative_is_no_fault_of_the_rate():
    root = lambda z: cr.sqrt(cr.abs(z))
    net = cr.Sequential([cr.Dense(3, activation=root, use_bias=False), cr.Dense(2)])
    x = np.random.default_rng(0).normal(size=(100, 4))
    x[50] = 0
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.SGD(1e-3))
    assert told_of_failure(model, (x, np.arange(100) % 2)) == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*:sklearn.exceptions.ConvergenceWarning")
def test_an_estimator_whose_loss_becomes_nan():
    doctor = cr.Doctor(tell=None)
    options = {"hidden_layer_sizes": (16, 16), "solver": "sgd", "max_iter": 20, "random_state": 0}
    model = cr.MLPRegressor(**options, learning_rate_init=1e4, callbacks=[doctor])
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(*DATA["diabetes"][0])
    assert "learning rate too high" in [verdict.name for verdict in doctor.verdicts]


@pytest.mark.parametrize("rate", [1e3, 1e5])
def test_a_rate_that_takes_the_loss_up_is_named_with_one_that_helps(rate):
    """A tenth and a hundredth of it are too high as well."""

    def model(rate):
        return model_for("iris", activation="tanh", optimizer=cr.SGD(rate))

    data = DATA["iris"][0]
    (found,) = model(rate).diagnose(*data).verdicts
    assert found.name == "learning rate too high"
    advised = float(found.remedy.removeprefix("try "))
    assert advised < rate / 100
    assert model(advised).fit(*data, epochs=20)["loss"][-1] < 0.5
