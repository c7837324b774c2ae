"""Activations by name, and as a layer of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule import functions
from chainrule.graph.names import unknown_name
from chainrule.graph.types import str_shape
from chainrule.graph.value import Value, as_value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer

ActivationFunction = Callable[[Any], Any]

#: The activations that have a name. Any function of a Value is an activation too.
ACTIVATIONS: dict[str, ActivationFunction] = {
    "identity": functions.identity,
    "relu": functions.relu,
    "leaky_relu": functions.leaky_relu,
    "elu": functions.elu,
    "selu": functions.selu,
    "gelu": functions.gelu,
    "silu": functions.silu,
    "mish": functions.mish,
    "softplus": functions.softplus,
    "sigmoid": functions.sigmoid,
    "tanh": functions.tanh,
    "softmax": functions.softmax,
}

#: What an activation is called elsewhere.
_ALSO_CALLED = {"None": "identity", "linear": "identity", "logistic": "sigmoid", "swish": "silu"}


def as_activation(activation: str | ActivationFunction) -> ActivationFunction:
    """Return the function for a name or a function; a ValueError gives the nearest names."""
    if callable(activation):
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        here = _ALSO_CALLED.get(str(activation))
        told = unknown_name("activation", activation, ACTIVATIONS)
        raise ValueError(
            f"there is no activation {activation!r}; here it is called {here!r}" if here else told
        )
    return ACTIVATIONS[activation]


def activated(x: Value, activation: str | ActivationFunction, context: Context) -> Value:
    """Return f(x), which has the shape of x; the context remembers both."""
    y = as_value(as_activation(activation)(x))
    if y.shape != x.shape:
        raise ValueError(
            f"its activation returned the shape {str_shape(y.shape)} for {str_shape(x.shape)}, "
            "and it should keep the shape"
        )
    context.variables.activations.append((context.path, x, y))
    return y


@dataclass(frozen=True)
class Activation(Layer):
    r"""An activation by itself: :math:`y = f(x)`.

    Parameters
    ----------
    activation : str or callable
        A name (``"relu"``, ``"tanh"``, ...) or a function of one Value.

    Raises
    ------
    ValueError
        If there is no activation of this name (with the nearest ones).

    Notes
    -----
    The names are elu, gelu, identity, leaky_relu, mish, relu, selu, sigmoid, silu, softmax, softplus, tanh.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Sequential([cr.Dense(8), cr.BatchNorm(), cr.Activation("relu")]).layers[2]
    Activation(activation='relu')
    """

    activation: str | ActivationFunction

    def __post_init__(self) -> None:
        as_activation(self.activation)

    def forward(self, x: Value, context: Context) -> Value:
        """Return f(x)."""
        return activated(x, self.activation, context)
