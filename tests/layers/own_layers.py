"""Layers as a user writes them: with a parameter, with state, with randomness, and made of others."""

from dataclasses import dataclass

import chainrule as cr


@dataclass(frozen=True)
class Scale(cr.Layer):
    start: float = 1.0

    def forward(self, x, context):
        return x * context.parameter("scale", x.shape[-1:], cr.Constant(self.start))


@dataclass(frozen=True)
class Largest(cr.Layer):
    """Divides by the largest size seen in training; its state is asked for in training and prediction."""

    def forward(self, x, context):
        largest = context.state("largest", (), "ones")
        if context.training:
            largest = cr.maximum(largest, cr.max(cr.abs(x)))
            context.update("largest", largest)
        return x / largest


@dataclass(frozen=True)
class Noise(cr.Layer):
    amount: float = 0.1

    def forward(self, x, context):
        return x + self.amount * context.normal(x.shape) if context.training else x


@dataclass(frozen=True)
class OnlyWhileTraining(cr.Layer):
    """Counts steps, and asks for its state in training alone."""

    def forward(self, x, context):
        if context.training:
            context.update("steps", context.state("steps", ()) + 1)
            context.state("flag", ())
            context.update("flag", 2)
        return x


@dataclass(frozen=True)
class Gate(cr.Layer):
    """Its parameters have the names of a training step's own inputs; it makes layers of the package."""

    rate: float = 0.25

    def forward(self, x, context):
        key = context.parameter("key", x.shape[-1:])
        gate = cr.sigmoid(x * key + context.parameter("x", x.shape[-1:], "zeros"))
        y = context.layer("inner", cr.Dense(int(x.shape[-1]), activation=lambda z: cr.tanh(z) * 2), x)
        return context.layer("dropout", cr.Dropout(self.rate), x + gate * y)


OWN = [Scale(1.5), Largest(), Noise(0.5), OnlyWhileTraining(), Gate()]
