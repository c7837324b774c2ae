"""Layer: what every layer is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any

from chainrule.graph.options import CheckedOptions
from chainrule.graph.types import ROWS
from chainrule.graph.value import Value
from chainrule.layers.context import Context


class Layer(CheckedOptions, ABC):
    """A part of a network: a frozen dataclass of hyperparameters, and how its output follows from its input.

    A layer of one's own needs a dataclass and `forward`, in which it asks its `Context` for parameters, state
    and random numbers; ``context.layer(name, layer, x)`` is the output of a layer within it. A saved model
    holds what it computed, so loading needs no source.

    Notes
    -----
    Fields annotated ``float`` are hyperparameters that can change without a new graph: in `forward` they may
    be symbolic, so compute with them, and don't branch on them. A field that is exactly 0 stays a number.

    Examples
    --------
    >>> import chainrule as cr
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Scale(cr.Layer):
    ...     start: float = 1.0
    ...     def forward(self, x, context):
    ...         return x * context.parameter("scale", x.shape[-1:], cr.Constant(self.start))
    >>> model = cr.Model(cr.Sequential([Scale(2.0), cr.Dense(1)]), loss="mean_squared_error")
    >>> model.build(features=3)
    >>> model.weights["layers.0.scale"]
    array([2., 2., 2.], dtype=float32)
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        try:
            inspect.signature(cls.forward).bind(None, None, None)
        except TypeError:
            raise TypeError(
                f"{cls.__name__}: forward takes x and a context, as in def forward(self, x, context)"
            ) from None

    @abstractmethod
    def forward(self, x: Value, context: Context) -> Value:
        """Return the output for the input.

        Which rows stand together is fixed in a step of training only: `predict`, `evaluate` and the
        validation of a fit take some of them at a time. A layer in which rows see each other, as in a mean
        over them, should do that while ``context.training``, and keep what it needs later as state.

        Parameters
        ----------
        x : Value
            Of shape (rows, ...).
        context : Context
            Parameters, state and random numbers of this layer, and whether it is being trained.

        Returns
        -------
        Value
            Of shape (rows, ...).
        """


def feature_count(x: Value) -> int:
    """Return the size of the last axis; a ValueError says that x has only rows."""
    if x.ndim < 2 or x.shape[-1] is ROWS:
        raise ValueError("it needs features: an x of shape (rows, features)")
    return int(x.shape[-1])
