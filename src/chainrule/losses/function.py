"""A user's Python function as a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.graph.types import INT32, Array, ArrayType, Shape, is_float, str_shape
from chainrule.graph.value import Value, as_array
from chainrule.losses.loss import Loss
from chainrule.losses.targets import as_floats


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss given by a Python function of (prediction, target).

    Parameters
    ----------
    function : callable
        Takes two values, (rows, ...) each, and returns one number a row, shape (rows,). It may also return
        one number for the whole batch, of shape (): then there is nothing that sample weights could weigh.

    Notes
    -----
    Integer targets reach the function as int32, others in the prediction's dtype. Where the prediction has
    the shape (rows, 1), a target of shape (rows,) becomes (rows, 1).

    Examples
    --------
    >>> import chainrule as cr
    >>> half_squared = lambda prediction, target: cr.sum((target - prediction) ** 2, axis=-1) / 2
    >>> cr.FunctionLoss(half_squared)([[1.0, 2.0]], [[1.0, 4.0]])
    array([2.])
    """

    function: Callable[[Any, Any], Any]

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return what the function returns, if that is one number a row or one for the batch."""
        return as_row_losses(
            self.function(prediction, target), f"the loss {self._name}", prediction.shape[:1]
        )

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return no shape: the function decides what fits."""
        return ()

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return integers as int32 and others in the prediction's dtype."""
        if y.ndim == 1 and prediction.shape[1:] == (1,):
            y = y[:, None]
        if y.dtype.kind in "iu":
            return as_array(y).astype(INT32)
        return as_floats(y, prediction.dtype)

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def as_row_losses(result: object, what: str, rows: Shape) -> Value:
    """Return what a user's function returned, if that is one number a row or one for the batch."""
    if not isinstance(result, Value):
        raise TypeError(
            f"{what} returned {type(result).__name__}, and it should return one number a row, computed by "
            "operators and chainrule's functions"
        )
    if not is_float(result.dtype):
        raise TypeError(f"{what} returned {result.type}; only floats have derivatives")
    if result.shape not in ((), rows):
        raise ValueError(
            f"{what} returned the shape {str_shape(result.shape)}, and it should return one number a row, "
            f"{str_shape(rows)}: reduce over the last axis, as cr.sum(..., axis=-1) does"
        )
    return result
