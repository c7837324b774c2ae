"""Networks and data to examine: sound ones, and ones with a fault planted."""

import functools

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

import chainrule as cr


def standardized(x):
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


@functools.cache
def digits():
    x, y = load_digits(return_X_y=True)
    return x / 16, y


@functools.cache
def iris():
    x, y = load_iris(return_X_y=True)
    return standardized(x), y


@functools.cache
def wine():
    x, y = load_wine(return_X_y=True)
    return standardized(x), y


@functools.cache
def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return standardized(x), y


@functools.cache
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return standardized(x), standardized(y)


DATA = {  # a table, its outputs and its loss
    "digits": (digits(), 10, "cross_entropy"),
    "iris": (iris(), 3, "cross_entropy"),
    "wine": (wine(), 3, "cross_entropy"),
    "cancer": (cancer(), 1, "binary_cross_entropy"),
    "diabetes": (diabetes(), 1, "mean_squared_error"),
}


def model_for(
    name, *, hidden=32, depth=1, activation="relu", seed=0, last="identity", optimizer=None, **more
):
    """A model for one of the tables; `more` are options of its hidden layers."""
    _, outputs, loss = DATA[name]
    layers = [cr.Dense(hidden, activation=activation, **more) for _ in range(depth)]
    net = cr.Sequential([*layers, cr.Dense(outputs, activation=last)])
    return cr.Model(net, loss=loss, optimizer=optimizer or cr.Adam(1e-3), seed=seed)


ACTIVATIONS = ["relu", "tanh", "sigmoid"]


def combined(optimizers, name, activation, thorough):
    """Return the optimizers to try with these: each with any table and any activation, or all with both."""
    first = (list(DATA).index(name) + ACTIVATIONS.index(activation)) % len(optimizers)
    return optimizers if thorough else optimizers[first : first + 1]


def names(found):
    return [verdict.name for verdict in found.verdicts]
