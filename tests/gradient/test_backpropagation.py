"""A multi-layer network against the four equations of backpropagation, written here in NumPy.

Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986; in the
notation of Nielsen's "Neural Networks and Deep Learning" (2015), chapter 2, with rows for examples.
"""

import itertools

import numpy as np
import pytest

import chainrule as cr

SIZES = [4, 7, 6, 5, 3]


def logistic(z):
    return 1 / (1 + np.exp(-z))


ACTIVATIONS = {  # the library's, ours, our derivative
    "sigmoid": (cr.sigmoid, logistic, lambda z: logistic(z) * (1 - logistic(z))),
    "tanh": (cr.tanh, np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (cr.relu, lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
}


def mean_squared(prediction, target):
    return cr.mean((prediction - target) ** 2)


def cross_entropy(logits, target):
    return -cr.mean(cr.sum(target * cr.log_softmax(logits), axis=-1))


def numpy_loss(name, a, target):
    """The loss and its derivative by the network's output."""
    if name == "mean squared":
        return np.mean((a - target) ** 2), 2 * (a - target) / a.size
    exponentials = np.exp(a - a.max(axis=1, keepdims=True))
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    return -np.mean(np.log((p * target).sum(axis=1))), (p - target) / len(a)


def four_equations(weights, biases, x, target, activation, loss):
    _, f, df = ACTIVATIONS[activation]
    last = len(weights) - 1
    a, z = [x], []
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z.append(a[-1] @ w + b)
        a.append(f(z[-1]) if layer < last else z[-1])
    cost, delta = numpy_loss(loss, a[-1], target)  # (1) the output's error; its activation is the identity
    dws, dbs = [], []
    for layer in range(last, -1, -1):
        dbs.insert(0, delta.sum(axis=0))  # (3) by a bias
        dws.insert(0, a[layer].T @ delta)  # (4) by a weight
        if layer:
            delta = (delta @ weights[layer].T) * df(z[layer - 1])  # (2) the error of the layer before
    return cost, dws, dbs


@pytest.mark.parametrize("loss", ["mean squared", "cross entropy"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 2e-4)])
def test_gradients_of_a_network(activation, loss, dtype, rtol):
    generator = np.random.default_rng([SIZES[0], len(activation), len(loss)])
    weights = [generator.normal(size=s) / np.sqrt(s[0]) for s in itertools.pairwise(SIZES)]
    biases = [generator.normal(size=size) * 0.1 for size in SIZES[1:]]
    x, labels = generator.normal(size=(9, SIZES[0])), generator.integers(0, SIZES[-1], 9)
    target = np.eye(SIZES[-1])[labels] if loss == "cross entropy" else generator.normal(size=(9, SIZES[-1]))

    def network_loss(parameters):
        a = x.astype(dtype)
        for layer, (w, b) in enumerate(parameters):
            z = a @ w + b
            a = ACTIVATIONS[activation][0](z) if layer < len(parameters) - 1 else z
        return (mean_squared if loss == "mean squared" else cross_entropy)(a, target.astype(dtype))

    given = [(w.astype(dtype), b.astype(dtype)) for w, b in zip(weights, biases, strict=True)]
    cost, gradients = cr.value_and_grad(network_loss)(given)
    expected, dws, dbs = four_equations(weights, biases, x, target, activation, loss)
    assert np.isclose(cost, expected, rtol=rtol)
    for (dw, db), dw_, db_ in zip(gradients, dws, dbs, strict=True):
        assert dw.dtype == db.dtype == dtype
        assert np.allclose(dw, dw_, rtol=rtol, atol=rtol * np.abs(dw_).max())
        assert np.allclose(db, db_, rtol=rtol, atol=rtol * np.abs(db_).max())
