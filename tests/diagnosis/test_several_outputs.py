"""The loss of an estimator with several outputs is reported as a mean and minimised as a sum."""

import warnings

import numpy as np
import pytest
from patients import names

import chainrule as cr

X = np.random.default_rng(0).normal(size=(400, 5))
Y = np.c_[np.sin(X[:, 0]), X[:, 1] * X[:, 2], np.abs(X[:, 3]) - 0.8]
HIDDEN = {"hidden_layer_sizes": (24, 24), "random_state": 0, "max_iter": 12}


def both(y, **options):
    """The verdicts before training, and in a fit."""
    doctor = cr.Doctor(tell=None)
    estimator = cr.MLPRegressor(**HIDDEN, **options, callbacks=[doctor])
    with warnings.catch_warnings(action="ignore"):
        estimator.fit(X, y)
    return names(estimator.__class__(**HIDDEN, **options).diagnose(X, y)), names(doctor)


@pytest.mark.parametrize(
    "options", [{"solver": "sgd", "learning_rate_init": 1e-6}, {"learning_rate_init": 1e-7}]
)
def test_a_rate_that_is_too_low(options):
    assert both(Y, **options) == (["learning rate too low"], ["learning rate too low"])


def test_an_input_that_does_not_help():
    mixed = np.random.default_rng(1).permutation(Y)
    found = both(mixed, learning_rate_init=3e-3)
    assert found == (["input that does not help"], ["input that does not help"])


def test_a_sound_one():
    assert both(Y, learning_rate_init=3e-3) == ([], [])
