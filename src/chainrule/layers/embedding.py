"""Embedding: a learnt vector for each category."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.functions import astype, take
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.initializers import Initializer, as_initializer
from chainrule.layers.layer import Layer

_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class Embedding(Layer):
    r"""A vector for each category: :math:`y = W_x`, the row of W that the number x names.

    Parameters
    ----------
    categories : int
        The number of categories; x holds whole numbers from 0 to categories - 1. A number outside gives NaN,
        so that training stops there rather than learn from it.
    units : int
        The length of each vector.
    weight_initializer : str or Initializer
        What W holds before training.

    Notes
    -----
    x of shape (rows, ...) gives y of shape (rows, ..., units). The parameter is called ``weight`` and has the
    shape (categories, units).

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Sequential([cr.Embedding(7, units=2), cr.Flatten(), cr.Dense(1)])
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> model.fit([[0, 3], [6, 3]], [1.0, 2.0], epochs=1)["loss"][0] > 0
    True
    """

    categories: int
    units: int
    weight_initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        if not 1 <= self.categories <= _EXACT_IN_FLOAT32 or self.units < 1:
            raise ValueError(
                f"Embedding: categories is from 1 to {_EXACT_IN_FLOAT32} and units at least 1, "
                f"not {self.categories!r} and {self.units!r}"
            )
        as_initializer(self.weight_initializer)

    def forward(self, x: Value, context: Context) -> Value:
        """Return the vectors of the categories x."""
        weight = context.parameter("weight", (self.categories, self.units), self.weight_initializer)
        y: Value = take(weight, astype(x, "int32"))
        return y
