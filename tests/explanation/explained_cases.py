"""Networks of every kind, each with rows to explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import chainrule as cr

ROWS = np.random.default_rng(3).normal(size=(3, 4))
NUMBERS = np.random.default_rng(4).normal(size=(3, 2))
CLASSES = np.array([1, 0, 1])


def half_squared(prediction, target):
    return cr.sum((target - prediction) ** 2, axis=-1) / 2


def physics(network, x, y):
    """The network's own derivative by x is in the loss."""
    slope = cr.grad(lambda x: cr.sum(network(x)))(x)
    return cr.sum(slope**2, axis=-1) + cr.sum((network(x) - y) ** 2, axis=-1)


def curved(network, x, y):
    """So are its second derivatives by x, and what it gives at points that are no rows."""
    slope = cr.grad(lambda x: cr.sum(network(x)))
    curvature = cr.grad(lambda x: cr.sum(slope(x)))
    ends = network(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]))
    return cr.mean((curvature(x) + cr.sin(x)) ** 2) + 10 * cr.mean(ends**2)


@dataclass(frozen=True)
class Highway(cr.Layer):
    """A layer that computes before and after those that it holds."""

    def forward(self, x, context):
        gate = cr.sigmoid(context.layer("gate", cr.Dense(4), x))
        return gate * context.layer("body", cr.Dense(4, activation="tanh"), x) + (1 - gate) * x


def dense(activation="tanh"):
    return cr.Sequential([cr.Dense(3, activation=activation), cr.Dense(2)])


NETWORKS = {
    "one layer": cr.Dense(2),
    "sigmoid": cr.Sequential([cr.Dense(3, activation="sigmoid"), cr.Dense(2, activation="sigmoid")]),
    **{
        name: dense(name)
        for name in ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus")
    },
    "softmax": dense("softmax"),
    "own activation": dense(lambda x: x * cr.sigmoid(2 * x)),
    "dropout": cr.Sequential([cr.Dense(5, activation="relu"), cr.Dropout(0.4), cr.Dense(2)]),
    "batch norm": cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Activation("tanh"), cr.Dense(2)]),
    "layer norm": cr.Sequential([cr.LayerNorm(), cr.Dense(2)]),
    "residual": cr.Sequential([cr.Residual([cr.LayerNorm(), cr.Dense(4, activation="tanh")]), cr.Dense(2)]),
    "branches": cr.Sequential([cr.Concatenate([cr.Activation("identity"), cr.Dense(3)]), cr.Dense(2)]),
    "columns": cr.Sequential([cr.Concatenate([cr.Columns([0, 2]), cr.Columns([3])]), cr.Dense(2)]),
    "highway": cr.Sequential([Highway(), cr.Dense(2)]),
    "no bias": cr.Sequential([cr.Dense(3, use_bias=False, activation="relu"), cr.Dense(2, use_bias=False)]),
}
EMBEDDED = cr.Sequential([cr.Columns([2, 3]), cr.Embedding(3, 2), cr.Flatten()])
OPTIMIZERS = [
    cr.SGD(0.5),
    cr.SGD(0.1, momentum=0.9, nesterov=True),
    cr.SGD(cr.CosineDecay(0.1, steps=10), clip_global_norm=0.1),
    cr.Adam(0.01),
    cr.AdamW(0.01, average=0.9),
    cr.AMSGrad(0.01),
    cr.Nadam(0.01),
    cr.RAdam(0.01),
    cr.RMSprop(0.01),
    cr.Adagrad(0.01),
    cr.Adadelta(),
    cr.Lion(0.01),
]
LOSSES = {
    "mean_squared_error": NUMBERS,
    "mean_absolute_error": NUMBERS,
    "huber": NUMBERS,
    "log_cosh": NUMBERS,
    "poisson": np.abs(NUMBERS),
    "hinge": np.sign(NUMBERS),
    "binary_cross_entropy": (NUMBERS > 0) * 1.0,
    "cross_entropy": CLASSES,
}


def built(network, loss="mean_squared_error", optimizer=None, **options):
    model = cr.Model(network, loss=loss, optimizer=optimizer or cr.SGD(0.5), dtype="float64", **options)
    model.build(features=4)
    return model


def cases():
    """Name, model, x, y, sample_weight."""
    for name, network in NETWORKS.items():
        yield name, built(network), ROWS, NUMBERS, None
    for loss, y in LOSSES.items():
        yield loss, built(dense(), loss), ROWS, y, None
    for optimizer in OPTIMIZERS:
        model = built(dense(), optimizer=optimizer)
        model.step(ROWS, NUMBERS)
        yield repr(optimizer), model, ROWS, NUMBERS, None
    categories = cr.Concatenate([cr.Columns([0, 1]), EMBEDDED])
    table = cr.Model(cr.Sequential([categories, cr.Dense(2)]), loss="mean_squared_error", dtype="float64")
    table.build(features=4)
    yield "embedding", table, np.column_stack([ROWS[:, :2], [0, 2, 0], [1, 1, 2]]), NUMBERS, None
    images = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Flatten(), cr.Dense(2)])
    pictures = cr.Model(images, loss="mean_squared_error", dtype="float64")
    pictures.build(features=(2, 2))
    yield "pictures", pictures, ROWS.reshape(3, 2, 2), NUMBERS, None
    yield "own loss", built(dense(), half_squared), ROWS, NUMBERS, None
    yield "weights of rows", built(dense()), ROWS, NUMBERS, [1.0, 0.0, 2.0]
    yield "one row", built(dense(), "cross_entropy"), ROWS[:1], CLASSES[:1], None
    yield "penalties", built(dense(), penalties=[cr.L2(0.1), cr.L1(0.01)]), ROWS, NUMBERS, None
    hidden = [cr.Dense(2, activation="tanh"), cr.Dense(2, activation="tanh")]
    for name, net, objective in (
        ("objective", dense(), physics),
        ("second derivatives", cr.Sequential([*hidden, cr.Dense(1)]), curved),
    ):
        physical = cr.Model(net, objective=objective, optimizer=cr.SGD(0.1), dtype="float64")
        physical.build(features=4)
        yield name, physical, ROWS, NUMBERS, None
