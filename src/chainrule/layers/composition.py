"""Layers made of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.functions import concat
from chainrule.graph.types import str_shape
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer


def _as_layers(owner: Any, field: str) -> None:
    """Keep a field's layers as a tuple; refuse what is not a layer."""
    layers = getattr(owner, field)
    layers = (layers,) if isinstance(layers, Layer) else tuple(layers)
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"{type(owner).__name__}: {field}[{i}] is not a layer but {layer!r}")
    object.__setattr__(owner, field, layers)


@dataclass(frozen=True)
class Sequential(Layer):
    """Layers one after another: the output of each is the input of the next.

    Parameters
    ----------
    layers : sequence of Layer
        The first sees x; the last one's output is the network's.

    Notes
    -----
    The parameters are named by position: ``layers.0.weight``.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Sequential([cr.Dense(64, activation="relu"), cr.Dropout(0.1), cr.Dense(10)])
    >>> len(net.layers)
    3
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        _as_layers(self, "layers")

    def forward(self, x: Value, context: Context) -> Value:
        """Return the last layer's output."""
        for i, layer in enumerate(self.layers):
            x = context.layer(f"layers.{i}", layer, x)
        return x


@dataclass(frozen=True)
class Residual(Layer):
    """Layers one after another, with their input added to their output: y = x + f(x).

    Parameters
    ----------
    layers : Layer or sequence of Layer
        f; its output has the shape of its input.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> block = cr.Residual([cr.LayerNorm(), cr.Dense(32, activation="gelu"), cr.Dense(16)])
    >>> net = cr.Sequential([cr.Dense(16), block, cr.Dense(1)])
    """

    layers: Layer | Sequence[Layer]

    def __post_init__(self) -> None:
        _as_layers(self, "layers")

    def forward(self, x: Value, context: Context) -> Value:
        """Return x + f(x)."""
        y = Sequential(self.layers).forward(x, context)  # type: ignore[arg-type]
        if y.shape != x.shape:
            raise ValueError(f"its layers return {str_shape(y.shape)}, which cannot be added to their input")
        return x + y


@dataclass(frozen=True)
class Concatenate(Layer):
    """Several layers that see the same input; their outputs are joined along the last axis.

    Parameters
    ----------
    layers : sequence of Layer
        The branches.

    Examples
    --------
    >>> import chainrule as cr
    >>> wide_and_deep = cr.Concatenate([cr.Activation("identity"), cr.Dense(16, activation="relu")])
    >>> net = cr.Sequential([wide_and_deep, cr.Dense(1)])
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        _as_layers(self, "layers")
        if not self.layers:
            raise ValueError("Concatenate needs at least one layer")

    def forward(self, x: Value, context: Context) -> Value:
        """Return the branches' outputs side by side."""
        outputs = [context.layer(f"layers.{i}", layer, x) for i, layer in enumerate(self.layers)]
        y: Value = concat(outputs, axis=-1)
        return y
