"""Two inputs, two hidden units, two outputs: the network that many courses work out by hand."""

from __future__ import annotations

from chainrule.examples.example import Example
from chainrule.examples.losses import half_squared
from chainrule.layers import Dense, Sequential
from chainrule.model import Model
from chainrule.optimizers import SGD


def _model() -> Model:
    net = Sequential([Dense(2, activation="sigmoid"), Dense(2, activation="sigmoid")])
    model = Model(net, loss=half_squared, optimizer=SGD(0.5), dtype="float64")
    model.build(features=2)
    model.set_weights(
        {
            "layers.0.weight": [[0.15, 0.25], [0.20, 0.30]],
            "layers.0.bias": [0.35, 0.35],
            "layers.1.weight": [[0.40, 0.50], [0.45, 0.55]],
            "layers.1.bias": [0.60, 0.60],
        }
    )
    return model


SIGMOID = Example(
    "Two inputs, two hidden units, two outputs, all of them sigmoids",
    "Work out the outputs, the loss, every derivative, and every weight after one step with the rate 0.5.",
    _model,
    [[0.05, 0.10]],
    [[0.01, 0.99]],
)
