"""Every layer, with an input for it and what NumPy makes of the same numbers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from layer_running import KEY, STEP
from scipy import special

import chainrule as cr

ROWS = 6

SELU = 1.0507009873554805, 1.6732632423543772
ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.where(x > 0, x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, x / 100),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * (np.exp(x) - 1)),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softmax": lambda x: special.softmax(x, axis=-1),
}


@dataclass(frozen=True)
class Case:
    """A layer, the shape of one row of its input, and a formula.

    `formula(x, parameters, state, training)` returns the output and the new state.
    """

    layer: cr.Layer
    features: tuple[int, ...]
    formula: Callable
    categories: int = 0

    @property
    def x(self):
        generator = np.random.default_rng(2)
        shape = (ROWS, *self.features)
        if self.categories:
            return generator.integers(0, self.categories, shape).astype(float)
        return generator.normal(size=shape)

    def __str__(self):
        named = re.sub(r" at 0x\w+", "", f"{self.layer}")  # an address differs from worker to worker
        return f"{named}-{self.features}"[:90]


def stateless(formula):
    return lambda x, p, s, training: (formula(x, p), s)


def dense(x, p, activation="identity", at=""):
    return ACTIVATIONS[activation](np.einsum("...i,ij->...j", x, p[f"{at}weight"]) + p[f"{at}bias"])


def normalized(x, center, variance, epsilon):
    return (x - center) / np.sqrt(variance + epsilon)


def scaled(z, p, at=""):
    return z * p[f"{at}scale"] + p[f"{at}shift"]


def batch_norm(momentum, epsilon):
    def formula(x, p, s, training):
        if not training:
            return scaled(normalized(x, s["running_mean"], s["running_variance"], epsilon), p), s
        rows = x.reshape(-1, x.shape[-1])
        means = {"running_mean": rows.mean(axis=0), "running_variance": rows.var(axis=0)}
        new = {name: momentum * s[name] + (1 - momentum) * means[name] for name in s}
        return scaled(normalized(x, *means.values(), epsilon), p), new

    return formula


def layer_norm(x, p, epsilon=1e-5, at=""):
    return scaled(normalized(x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True), epsilon), p, at)


def dropout(rate, site=1):
    def formula(x, p, s, training):
        kept = cr.bernoulli(KEY, 1 - rate, x.shape, step=STEP, site=site)
        return (np.where(kept, x / (1 - rate), 0) if training else x), s

    return formula


def two_layers(x, p):
    return dense(dense(x, p, "tanh", "layers.0."), p, "identity", "layers.1.")


def normed_block(x, p):
    return x + dense(layer_norm(x, p, at="layers.0."), p, "gelu", "layers.1.")


def table(x, p):
    one = np.take(p["layers.1.layers.1.weight"], x[:, 2].astype(int), axis=0)
    return np.concatenate([x[:, [3, 0]], one], axis=1)


TABLE = cr.Concatenate(
    [cr.Columns([3, 0]), cr.Sequential([cr.Columns([2]), cr.Embedding(4, 2), cr.Flatten()])]
)

CASES = [
    *(
        Case(cr.Activation(name), shape, stateless(lambda x, p, f=f: f(x)))
        for name, f in ACTIVATIONS.items()
        for shape in ((4,), (2, 3))
    ),
    Case(cr.Activation(lambda x: cr.sin(x) * x), (4,), stateless(lambda x, p: np.sin(x) * x)),
    Case(cr.Dense(3), (4,), stateless(dense)),
    Case(cr.Dense(2, activation="softplus"), (3, 4), stateless(lambda x, p: dense(x, p, "softplus"))),
    Case(cr.Dense(2, activation=cr.tanh), (2, 3, 4), stateless(lambda x, p: dense(x, p, "tanh"))),
    Case(cr.Dense(3, use_bias=False), (4,), stateless(lambda x, p: x @ p["weight"])),
    Case(cr.Dropout(0.3), (5,), dropout(0.3)),
    Case(cr.Dropout(0.6), (2, 5), dropout(0.6)),
    Case(cr.Dropout(0.0), (5,), stateless(lambda x, p: x)),
    Case(cr.BatchNorm(), (4,), batch_norm(0.9, 1e-5)),
    Case(cr.BatchNorm(momentum=0.0, epsilon=0.1), (4,), batch_norm(0, 0.1)),
    Case(cr.BatchNorm(0.5), (3, 4), batch_norm(0.5, 1e-5)),
    Case(cr.LayerNorm(), (4,), stateless(layer_norm)),
    Case(cr.LayerNorm(0.5), (2, 4), stateless(lambda x, p: layer_norm(x, p, 0.5))),
    Case(cr.Embedding(5, units=2), (3,), stateless(lambda x, p: p["weight"][x.astype(int)]), categories=5),
    Case(cr.Embedding(3, units=1), (2, 2), stateless(lambda x, p: p["weight"][x.astype(int)]), categories=3),
    Case(cr.Flatten(), (2, 3), stateless(lambda x, p: x.reshape(ROWS, 6))),
    Case(cr.Flatten(), (4,), stateless(lambda x, p: x)),
    Case(cr.Columns([2, 0, 2]), (4,), stateless(lambda x, p: x[:, [2, 0, 2]])),
    Case(cr.Columns([1]), (2, 3), stateless(lambda x, p: x[..., [1]])),
    Case(cr.Sequential([cr.Dense(3, activation="tanh"), cr.Dense(2)]), (4,), stateless(two_layers)),
    Case(cr.Sequential([]), (4,), stateless(lambda x, p: x)),
    Case(cr.Residual(cr.Dense(4)), (4,), stateless(lambda x, p: x + dense(x, p, at="layers.0."))),
    Case(cr.Residual([cr.LayerNorm(), cr.Dense(4, activation="gelu")]), (2, 4), stateless(normed_block)),
    Case(
        cr.Concatenate([cr.Dense(2), cr.Activation("relu")]),
        (2, 3),
        stateless(lambda x, p: np.concatenate([dense(x, p, at="layers.0."), ACTIVATIONS["relu"](x)], -1)),
    ),
    Case(TABLE, (4,), stateless(table), categories=4),
]
