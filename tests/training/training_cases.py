"""Small tables and models that the tests of training share."""

import numpy as np

import chainrule as cr

ROWS, FEATURES, CLASSES = 22, 3, 4


def table(rows=ROWS, outputs=1, seed=11):
    """Return x and a y that depends on it, for each seed in the same way."""
    slopes = np.random.default_rng(7).normal(size=(FEATURES, outputs))
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, FEATURES))
    y = np.sin(x @ slopes) + 0.1 * generator.normal(size=(rows, outputs))
    return x, y


def classes(rows=ROWS, seed=12):
    """Return x and class numbers."""
    x, y = table(rows, CLASSES, seed)
    return x, y.argmax(axis=1)


def network(*between, units=5, outputs=1, activation="tanh"):
    """Return a hidden layer, what is to come after it, and an output layer."""
    return cr.Sequential([cr.Dense(units, activation=activation), *between, cr.Dense(outputs)])


def regression(net=None, **options):
    """Return a model in float64 that is not trained yet."""
    options = {"loss": "mean_squared_error", "dtype": "float64", "optimizer": cr.SGD(0.1), **options}
    return cr.Model(network() if net is None else net, **options)


def classification(net=None, **options):
    """Return a classifier in float64 that is not trained yet."""
    options = {"loss": "cross_entropy", "dtype": "float64", "optimizer": cr.SGD(0.1), **options}
    return cr.Model(network(outputs=CLASSES) if net is None else net, **options)


def arrays_of(model):
    """Return the weights and the layers' state by name."""
    return {**model.weights, **model.state}


def assert_same(first, second):
    """Two dicts of arrays hold the same bits."""
    assert list(first) == list(second)
    for name, array in first.items():
        assert array.dtype == second[name].dtype
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def assert_differ(first, second):
    """Two dicts of arrays of the same names differ somewhere."""
    assert list(first) == list(second)
    assert any((array != second[name]).any() for name, array in first.items())
