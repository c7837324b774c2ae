"""Parts of a user's own, which a saved model holds as graphs; what loads it never imports this."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from training_cases import CLASSES, classes, network, table

import chainrule as cr

SHIFT = np.linspace(-1, 1, 5)
TARGET_WEIGHTS = np.array([[0.5], [2.0]])
RATES = np.array([0.1, 0.05, 0.02, 0.01])


def swish(z):
    return z * cr.sigmoid(2 * z + SHIFT.astype(np.float32))


def weighted_squares(prediction, target):
    return cr.sum((prediction - target) ** 2 @ TARGET_WEIGHTS, axis=-1)


def own_schedule(step):
    """A table of rates, captured, and a formula of the step."""
    return cr.take(RATES, cr.astype(cr.minimum(step / 5, 3.0), "int32")) / (1 + 0.01 * step)


def objective(net, x, y):
    """A derivative of the network by its input in it, and a captured array."""
    slope = cr.grad(lambda x: cr.sum(net(x)))(x)
    return cr.sum((net(x) - y) ** 2, axis=-1) + 0.1 * cr.sum((slope - np.ones(3)) ** 2, axis=-1)


@dataclass(frozen=True)
class Gate(cr.Layer):
    """Parameters, state, draws, layers inside, and a number of its own."""

    units: int
    noise: float = 0.1

    def forward(self, x, context):
        gate = context.layer("gate", cr.Dense(self.units, activation="sigmoid"), x)
        y = context.layer("inner", cr.Sequential([cr.Dense(self.units), cr.BatchNorm(), cr.Dropout(0.2)]), x)
        seen = context.state("seen", (self.units,), "zeros")
        if context.training:
            context.update("seen", 0.5 * seen + cr.mean(y, axis=0))
            y = y + self.noise * context.uniform(y.shape)
        return gate * y * context.parameter("scale", (self.units,), cr.Constant(2.0)) + seen


@dataclass(frozen=True)
class Quartic(cr.Loss):
    """A loss with one number for each output, a score, and a link."""

    strength: float = 1.0

    def formula(self, prediction, target):
        return self.strength * (prediction - target) ** 4

    def link(self, prediction):
        return cr.exp(prediction)

    def scores(self, prediction, target):
        return {"near": cr.abs(prediction - target) < 0.5}


@dataclass(frozen=True)
class Wide(cr.Initializer):
    """An initializer; a loaded model has no need of it."""

    scale: float = 3.0

    def __call__(self, generator, shape):
        return generator.uniform(-self.scale, self.scale, shape)


@dataclass(frozen=True)
class SignDescent(cr.Optimizer):
    """An optimizer, which cannot be saved."""

    decoupled_weight_decay: ClassVar[bool] = True

    def rule(self, parameter, gradient, slots, t, learning_rate):
        return parameter - learning_rate * cr.sign(gradient), slots


def models():
    """Return by name: a model that is not trained yet, and its data."""
    two = table(outputs=2)
    adam = cr.Adam(0.02, average=0.5)
    own_network = cr.Sequential(
        [
            cr.Dense(5, activation=swish, weight_initializer=Wide()),
            cr.Residual([Gate(5), cr.Activation(lambda z: z / (1 + cr.abs(z)))]),
            cr.Concatenate([cr.Dense(2, activation=swish_of_two), Gate(3, noise=0.3)]),
            cr.Dropout(0.3),
            cr.Dense(CLASSES),
        ]
    )
    return {
        "activation": (cr.Model(network(activation=swish), loss="huber", optimizer=adam), table()),
        "network": (cr.Model(own_network, loss="cross_entropy", optimizer=adam), classes()),
        "function loss": (cr.Model(network(outputs=2), loss=weighted_squares, optimizer=adam), two),
        "function loss of one number": (
            cr.Model(network(outputs=2), loss=lambda p, t: cr.mean((p - t) ** 2), optimizer=adam),
            two,
        ),
        "function loss of class numbers": (
            cr.Model(network(outputs=CLASSES), loss=lambda p, t: -cr.sum(p * cr.one_hot(t, 4), axis=-1)),
            classes(),
        ),
        "loss class": (cr.Model(network(outputs=2), loss=Quartic(0.5), optimizer=adam), two),
        "loss class, whole numbers": (
            cr.Model(network(outputs=2), loss=Quartic(0.5)),
            (two[0], np.round(3 * two[1]).astype(int)),
        ),
        "schedule": (
            cr.Model(network(), loss="huber", optimizer=cr.SGD(own_schedule, momentum=0.9)),
            table(),
        ),
        "objective": (cr.Model(network(), objective=objective, optimizer=adam), table()),
        "objective with everything": (
            cr.Model(
                cr.Sequential([Gate(5), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)]),
                objective=objective,
                optimizer=cr.Adam(cr.CosineDecay(0.02, steps=50), clip_global_norm=0.5),
                penalties=[cr.L1(0.01), cr.L2(0.1)],
            ),
            table(),
        ),
        "objective without targets": (
            cr.Model(network(), objective=lambda net, x, y: cr.sum((net(x) - cr.sum(x)) ** 2, axis=-1)),
            (table()[0], None),
        ),
        "network of one layer": (cr.Model(Gate(2), loss="mean_squared_error", optimizer=adam), two),
    }


def swish_of_two(z):
    return z * cr.sigmoid(2 * z)
