"""Layers that arrange features and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.functions import reshape, take
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer


@dataclass(frozen=True)
class Flatten(Layer):
    """Makes one axis of all axes but the rows: (rows, 8, 8) becomes (rows, 64).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Sequential([cr.Flatten(), cr.Dense(10)]).layers[0]
    Flatten()
    """

    def forward(self, x: Value, context: Context) -> Value:
        """Return x with one axis of features."""
        y: Value = reshape(x, (x.shape[0], -1))
        return y


@dataclass(frozen=True)
class Columns(Layer):
    """Passes on the features at these positions of the last axis.

    With `Concatenate` it sends some columns of a table one way (numbers) and others another (categories).

    Parameters
    ----------
    positions : sequence of int
        Which features, counted from 0.

    Examples
    --------
    >>> import chainrule as cr
    >>> categories = cr.Sequential([cr.Columns([2]), cr.Embedding(5, units=3), cr.Flatten()])
    >>> net = cr.Sequential([cr.Concatenate([cr.Columns([0, 1]), categories]), cr.Dense(1)])
    """

    positions: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", tuple(int(position) for position in self.positions))

    def forward(self, x: Value, context: Context) -> Value:
        """Return the chosen features of x."""
        for position in self.positions:
            if not 0 <= position < int(x.shape[-1]):
                raise ValueError(f"there is no feature {position}")
        y: Value = take(x, np.array(self.positions, np.int32), axis=-1)
        return y
