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


def _keep_layers(owner: Any) -> None:
    """Keep the layers as a tuple; refuse what is not a layer."""
    name = type(owner).__name__
    try:
        layers = (owner.layers,) if isinstance(owner.layers, Layer) else tuple(owner.layers)
    except TypeError:
        raise TypeError(f"{name}: layers is a list of layers, not {owner.layers!r}") from None
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"{name}: layers[{i}] is not a layer but {layer!r}{_what_to_do(layer)}")
    object.__setattr__(owner, "layers", layers)


def _what_to_do(layer: object) -> str:
    """Return how a layer is made of what was given in the place of one."""
    if isinstance(layer, type):
        return f"; write {layer.__name__}(...)"
    return "; cr.Activation makes one of an activation" if isinstance(layer, str) or callable(layer) else ""


def _one_after_another(layers: Sequence[Layer], x: Value, context: Context) -> Value:
    """Return the last layer's output; x itself if there is no layer."""
    for i, layer in enumerate(layers):
        x = context.layer(f"layers.{i}", layer, x)
    return x


@dataclass(frozen=True)
class Sequential(Layer):
    """Layers one after another: the output of each is the input of the next.

    Parameters
    ----------
    layers : sequence of Layer
        The first sees x; the last one's output is the network's. No layer at all passes x on.

    Raises
    ------
    TypeError
        If one of them is not a layer.

    Notes
    -----
    The parameters are named by position: ``layers.0.weight``. A layer that stands at two places has its own
    parameters at each.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Sequential([cr.Dense(64, activation="relu"), cr.Dropout(0.1), cr.Dense(10)])
    >>> model = cr.Model(net, loss="cross_entropy")
    >>> model.build(features=8)
    >>> list(model.weights)
    ['layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias']
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        _keep_layers(self)

    def forward(self, x: Value, context: Context) -> Value:
        """Return the last layer's output."""
        return _one_after_another(self.layers, x, context)


@dataclass(frozen=True)
class Residual(Layer):
    """Layers one after another, with their input added to their output: y = x + f(x).

    Parameters
    ----------
    layers : Layer or sequence of Layer
        f; its output has the shape of its input.

    Raises
    ------
    TypeError
        If one of them is not a layer.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> block = cr.Residual([cr.LayerNorm(), cr.Dense(32, activation="gelu"), cr.Dense(16)])
    >>> model = cr.Model(cr.Sequential([cr.Dense(16), block, cr.Dense(1)]), loss="mean_squared_error")
    >>> model.build(features=3)
    >>> model.weights["layers.1.layers.1.weight"].shape
    (16, 32)
    """

    layers: Layer | Sequence[Layer]

    def __post_init__(self) -> None:
        _keep_layers(self)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x + f(x)."""
        assert not isinstance(self.layers, Layer)  # __post_init__ made a tuple of it
        y = _one_after_another(self.layers, x, context)
        if y.shape != x.shape:
            raise ValueError(f"its layers return {str_shape(y.shape)}, which cannot be added to their input")
        return x + y


@dataclass(frozen=True)
class Concatenate(Layer):
    """Several layers that see the same input; their outputs are joined along the last axis.

    Parameters
    ----------
    layers : sequence of Layer
        The branches, at least one. Their outputs have one shape, but for the last axis.

    Raises
    ------
    TypeError, ValueError
        If one of them is not a layer, or there is none.

    References
    ----------
    Cheng et al., "Wide & deep learning for recommender systems", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> wide_and_deep = cr.Concatenate([cr.Activation("identity"), cr.Dense(16, activation="relu")])
    >>> model = cr.Model(cr.Sequential([wide_and_deep, cr.Dense(1)]), loss="mean_squared_error")
    >>> model.build(features=4)
    >>> model.weights["layers.1.weight"].shape
    (20, 1)
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        _keep_layers(self)
        if not self.layers:
            raise ValueError("Concatenate: it needs at least one layer")

    def forward(self, x: Value, context: Context) -> Value:
        """Return the branches' outputs side by side."""
        outputs = [context.layer(f"layers.{i}", layer, x) for i, layer in enumerate(self.layers)]
        if len({output.shape[:-1] for output in outputs}) > 1:
            shapes = " and ".join(str_shape(output.shape) for output in outputs)
            raise ValueError(f"its layers return {shapes}, which must agree in all axes but the last")
        return concat(outputs, axis=-1)
