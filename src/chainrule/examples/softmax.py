"""Softmax with cross-entropy: ∂L/∂z of the logits z is the probabilities minus the target."""

from __future__ import annotations

from chainrule.examples.example import Example
from chainrule.layers import Dense
from chainrule.model import Model
from chainrule.optimizers import SGD


def _model() -> Model:
    model = Model(Dense(3), loss="cross_entropy", optimizer=SGD(0.1), dtype="float64")
    model.build(features=2)
    model.set_weights({"weight": [[0.5, -0.5, 1.0], [0.25, 1.0, -0.75]], "bias": [0.0, 0.1, -0.1]})
    return model


SOFTMAX = Example(
    "Softmax with cross-entropy",
    "Three classes, one row of class 1. "
    "Show that the derivative with respect to z is softmax(z) minus the target.",
    _model,
    [[1.0, 2.0]],
    [1],
)
