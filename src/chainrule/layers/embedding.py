"""Embedding: a learnt vector for each category."""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.functions import astype, take, where
from chainrule.graph.options import COUNT, ranged
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.initializers import Initializer, as_initializer
from chainrule.layers.layer import Layer

EXACT_IN_FLOAT32 = 2**24
_CATEGORIES = ranged(
    f"a whole number from 1 to {EXACT_IN_FLOAT32}", lambda count: 1 <= count <= EXACT_IN_FLOAT32, whole=True
)
_NO_CATEGORY = -1


@dataclass(frozen=True)
class Embedding(Layer):
    r"""A vector for each category: :math:`y = W_x`, the row of W that the number x names.

    Parameters
    ----------
    categories : int
        The number of categories, at most 2²⁴; x holds whole numbers from 0 to categories - 1.
    units : int
        The length of each vector.
    weight_initializer : str or Initializer, default "glorot_uniform"
        What W holds before training.

    Raises
    ------
    TypeError, ValueError
        If `categories` or `units` is no such whole number, or the initializer is unknown.

    Notes
    -----
    x of shape (rows, ...) gives y of shape (rows, ..., units). The parameter is called ``weight`` and has the
    shape (categories, units).

    For a number that is no category, as 2.5 or -1, y is NaN: `fit` stops there, and names this layer, rather
    than learn from it; `predict` and `evaluate` warn, with the row and this layer.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", 2003.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Sequential([cr.Embedding(7, units=2), cr.Flatten(), cr.Dense(1)])
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> model.fit([[0, 3], [6, 3]], [1.0, 2.0], epochs=1)["loss"][0] > 0
    True
    """

    categories: int = field(metadata=_CATEGORIES)
    units: int = field(metadata=COUNT)
    weight_initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        as_initializer(self.weight_initializer)

    def forward(self, x: Value, context: Context) -> Value:
        """Return the vectors of the categories x."""
        weight = context.parameter("weight", (self.categories, self.units), self.weight_initializer)
        number = astype(x, "int32")
        return take(weight, where(number == x, number, _NO_CATEGORY))
