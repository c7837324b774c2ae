"""XOR: the smallest task that needs a hidden layer, with all four rows in one step."""

from __future__ import annotations

from chainrule.examples.example import Example
from chainrule.examples.losses import half_squared
from chainrule.layers import Dense, Sequential
from chainrule.model import Model
from chainrule.optimizers import SGD


def _model() -> Model:
    net = Sequential([Dense(2, activation="tanh"), Dense(1, activation="sigmoid")])
    model = Model(net, loss=half_squared, optimizer=SGD(1.0), dtype="float64")
    model.build(features=2)
    model.set_weights(
        {
            "layers.0.weight": [[1.0, -1.0], [1.0, -1.0]],
            "layers.0.bias": [-0.5, 1.5],
            "layers.1.weight": [[1.0], [1.0]],
            "layers.1.bias": [-0.5],
        }
    )
    return model


XOR = Example(
    "XOR",
    "The loss is the mean over four rows. Work out one step with the rate 1; mind where rows are summed.",
    _model,
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
    [[0.0], [1.0], [1.0], [0.0]],
)
