"""Two inputs, two hidden units, two outputs: the network that many courses work out by hand.

Most of them leave the biases as they are: so does `SIGMOID`, whose numbers are then theirs. `SIGMOID_BIASES`
is the same step with the biases trained as well.

References
----------
.. [1] M. Mazur, "A Step by Step Backpropagation Example" (2015).
"""

from __future__ import annotations

from chainrule.examples.example import Example
from chainrule.examples.losses import half_squared
from chainrule.layers import Dense, Sequential
from chainrule.model import Model
from chainrule.optimizers import SGD

#: The learning rate of the biases, in parts of the other's.
FIXED = {"layers.0.bias": 0.0, "layers.1.bias": 0.0}


def _model(optimizer: SGD) -> Model:
    net = Sequential([Dense(2, activation="sigmoid"), Dense(2, activation="sigmoid")])
    model = Model(net, loss=half_squared, optimizer=optimizer, dtype="float64")
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


_TITLE = "Two inputs, two hidden units, two outputs, all of them sigmoids"
_X, _Y = [[0.05, 0.10]], [[0.01, 0.99]]

SIGMOID = Example(
    _TITLE,
    "Work out the outputs, the loss, every derivative, and every weight after one step with the rate 0.5. "
    "The biases stay as they are, as in most courses: their derivatives are told, and not used.",
    lambda: _model(SGD(0.5, learning_rate_factors=FIXED)),
    _X,
    _Y,
)
SIGMOID_BIASES = Example(
    f"{_TITLE}; the biases are trained, too",
    "Work out the outputs, the loss, every derivative, and every weight and bias after one step with the "
    "rate 0.5. Before the update all is as where the biases stay as they are; the loss after it is another.",
    lambda: _model(SGD(0.5)),
    _X,
    _Y,
)
