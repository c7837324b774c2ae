"""Models and rows that bad input is tried on, and what is expected of a refusal."""

import contextlib
import re

import numpy as np
import pytest

import chainrule as cr

ROWS, FEATURES, CLASSES = 12, 3, 4
GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(ROWS, FEATURES))
Y = GENERATOR.normal(size=ROWS)
NUMBERS = np.arange(ROWS) % CLASSES


def regression(**options):
    net = cr.Sequential([cr.Dense(5, activation="tanh"), cr.Dense(1)])
    return cr.Model(net, loss="mean_squared_error", **options)


def classification():
    return cr.Model(cr.Sequential([cr.Dense(5), cr.Dense(CLASSES)]), loss="cross_entropy")


def changed(array, place, value):
    """Return a copy with one element replaced."""
    new = np.array(array)
    new[place] = value
    return new


@contextlib.contextmanager
def refused(sentence, model=None, kind=ValueError):
    """The sentence is raised, in one line, and the model is as before."""
    before = None if model is None or model._trainer.x is None else (model.weights, model.state)
    counts = None if model is None else (model.steps, model.epochs)
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert re.search(sentence, message), message
    assert "\n" not in message
    assert len(message) < 400
    if model is None:
        return
    assert (model.steps, model.epochs) == counts
    if before is None:
        assert model._trainer.x is None, "the model was built by a call that failed"
        return
    for old, new in zip(before, (model.weights, model.state), strict=True):
        for name, array in old.items():
            np.testing.assert_array_equal(array, new[name])
