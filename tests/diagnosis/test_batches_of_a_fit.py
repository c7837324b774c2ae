"""Trials take batches of the size that a fit takes: a rate may be too high for some sizes only."""

from contextlib import suppress

import numpy as np
import pytest
from patients import DATA, model_for, names

import chainrule as cr

HIGH = ["learning rate too high"]


@pytest.mark.parametrize(("name", "rate", "batch_size"), [("wine", 0.5, 1), ("digits", 1.0, 4)])
def test_a_rate_that_is_too_high_for_small_batches(name, rate, batch_size):
    data = DATA[name][0]
    model = model_for(name, optimizer=cr.SGD(rate))
    assert model.diagnose(*data)
    assert names(model.diagnose(*data, batch_size=batch_size)) == HIGH
    options = {"hidden_layer_sizes": (32,), "solver": "sgd", "learning_rate_init": rate, "random_state": 0}
    options |= {"momentum": 0.0, "alpha": 0.0}
    assert cr.MLPClassifier(**options).diagnose(*data)
    assert names(cr.MLPClassifier(**options, batch_size=batch_size).diagnose(*data)) == HIGH


def test_a_rate_that_is_too_high_for_large_batches():
    """The objective is a sum, so that the gradient grows with the batch."""
    x, y = DATA["diabetes"][0]

    def model():
        net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
        total = lambda network, x, y: cr.sum((network(x)[:, 0] - y) ** 2)
        return cr.Model(net, objective=total, optimizer=cr.SGD(4e-3))

    def told(size):
        doctor = cr.Doctor(tell=None)
        with suppress(ValueError):  # the loss becomes infinite
            model().fit(x, y, epochs=60, batch_size=size, callbacks=[doctor])
        return names(model().diagnose(x, y, batch_size=size)), names(doctor)[:1]

    assert told(32) == ([], [])
    assert told(None) == (HIGH, HIGH)


def test_a_batch_size_that_is_none():
    x, y = DATA["iris"][0]
    with pytest.raises(ValueError, match="batch_size"):
        model_for("iris").diagnose(x, y, batch_size=0)
    assert model_for("iris").diagnose(x, y, batch_size=np.int64(1000))
