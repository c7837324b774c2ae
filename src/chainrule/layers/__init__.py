"""The forward pass: y = f(Wx + b), layer by layer.

A layer is a frozen dataclass of hyperparameters with one method, `forward`. Its parameters are apart from it:
`forward` asks the context for them by name, shape and initializer.
"""

from chainrule.layers.activation import ACTIVATIONS, Activation, as_activation
from chainrule.layers.composition import Concatenate, Residual, Sequential
from chainrule.layers.context import Context, Declaration, Variables, apply, declare, initial_values
from chainrule.layers.dense import Dense
from chainrule.layers.dropout import Dropout
from chainrule.layers.embedding import Embedding
from chainrule.layers.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LeCunNormal,
    LeCunUniform,
    Ones,
    Orthogonal,
    Uniform,
    Zeros,
    as_initializer,
)
from chainrule.layers.layer import Layer
from chainrule.layers.normalization import BatchNorm, LayerNorm
from chainrule.layers.selection import Columns, Flatten

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "BatchNorm",
    "Columns",
    "Concatenate",
    "Constant",
    "Context",
    "Declaration",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "Layer",
    "LayerNorm",
    "LeCunNormal",
    "LeCunUniform",
    "Ones",
    "Orthogonal",
    "Residual",
    "Sequential",
    "Uniform",
    "Variables",
    "Zeros",
    "apply",
    "as_activation",
    "as_initializer",
    "declare",
    "initial_values",
]
