"""Momentum and Adam on one weight: what the optimizer keeps from step to step."""

from __future__ import annotations

from chainrule.examples.example import Example
from chainrule.examples.losses import half_squared
from chainrule.layers import Dense
from chainrule.model import Model
from chainrule.optimizers import SGD, Adam, Optimizer

_TASK = "The prediction is w x, with x = 1 and the target 0; w starts at 2. Work out three updates."


def _model(optimizer: Optimizer) -> Model:
    model = Model(Dense(1, use_bias=False), loss=half_squared, optimizer=optimizer, dtype="float64")
    model.build(features=1)
    model.set_weights({"weight": [[2.0]]})
    return model


MOMENTUM = Example(
    "Momentum on one weight", _TASK, lambda: _model(SGD(0.2, momentum=0.9)), [[1.0]], [[0.0]], updates=3
)
ADAM = Example("Adam on one weight", _TASK, lambda: _model(Adam(0.1)), [[1.0]], [[0.0]], updates=3)
