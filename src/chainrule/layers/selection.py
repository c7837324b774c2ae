"""Layers that arrange features and compute nothing."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.functions import reshape, take
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer, feature_count


@dataclass(frozen=True)
class Flatten(Layer):
    """Makes one axis of all axes but the rows, in row-major order: (rows, 8, 8) becomes (rows, 64).

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Sequential([cr.Flatten(), cr.Dense(10)]), loss="cross_entropy")
    >>> model.build(features=(8, 8))
    >>> model.weights["layers.1.weight"].shape
    (64, 10)
    """

    def forward(self, x: Value, context: Context) -> Value:
        """Return x with one axis of features."""
        return reshape(x, (x.shape[0], -1))


@dataclass(frozen=True)
class Columns(Layer):
    """Passes on the features at these positions of the last axis.

    With `Concatenate` it sends some columns of a table one way (numbers) and others another (categories).

    Parameters
    ----------
    positions : sequence of int
        Which features, counted from 0; at least one, in any order.

    Raises
    ------
    TypeError, ValueError
        If the positions are no whole numbers from 0 on.

    Notes
    -----
    x of shape (rows, ..., features) gives y of shape (rows, ..., positions).

    Examples
    --------
    >>> import chainrule as cr
    >>> category = cr.Sequential([cr.Columns([2]), cr.Embedding(5, units=3), cr.Flatten()])
    >>> net = cr.Sequential([cr.Concatenate([cr.Columns([0, 1]), category]), cr.Dense(1)])
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> model.predict([[0.5, -1.0, 4], [1.5, 0.0, 2]]).shape
    (2, 1)
    """

    positions: Sequence[int]

    def __post_init__(self) -> None:
        try:
            positions = tuple(operator.index(position) for position in self.positions)
        except TypeError:
            raise TypeError(
                f"Columns: positions are whole numbers like [0, 2], not {self.positions!r}"
            ) from None
        if not positions or min(positions) < 0:
            raise ValueError(f"Columns: positions are one or more whole numbers from 0 on, not {positions}")
        object.__setattr__(self, "positions", positions)

    def forward(self, x: Value, context: Context) -> Value:
        """Return the chosen features of x."""
        last = max(self.positions)
        if last >= feature_count(x):
            raise ValueError(f"there is no feature {last} among {feature_count(x)}, which are counted from 0")
        return take(x, np.array(self.positions, np.int32), axis=-1)
