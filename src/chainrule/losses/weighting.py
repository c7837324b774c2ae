"""Losses of rows become one number: their mean, each row counting by its sample weight."""

from __future__ import annotations

from chainrule.functions import astype, mean, reshape, row_count, sum, where
from chainrule.graph.types import str_shape
from chainrule.graph.value import Value


def weighted_mean(losses: Value, weights: Value | None = None) -> tuple[Value, Value]:
    r"""Return the weighted mean over the rows, and the sum of the weights.

    .. math:: \mathrm{mean} = \frac{\sum_i w_i L_i}{\sum_i w_i}

    The mean is 0 where the weights sum to 0: such a batch changes nothing. A row of weight 0 adds exactly
    nothing, even if its loss is infinite or NaN. Its derivative is nothing too, unless the derivative of the
    loss itself is not finite there, since 0 · ∞ is NaN; `without_absent` keeps such predictions from the
    loss.

    Parameters
    ----------
    losses : Value
        One number a row, shape (rows,).
    weights : Value, optional
        Sample weights, shape (rows,). Without them each row has the weight 1.

    Returns
    -------
    mean, weight : Value
        Scalars. The mean times the weight can be added over batches.
    """
    if losses.ndim != 1:
        raise ValueError(f"a mean over rows needs one number a row, not the shape {str_shape(losses.shape)}")
    if weights is None:
        return mean(losses), astype(row_count(losses), losses.dtype)
    if weights.shape != losses.shape:
        raise ValueError(
            f"the sample weights have the shape {str_shape(weights.shape)}, "
            f"and the losses {str_shape(losses.shape)}"
        )
    total, weight = sum(where(weights == 0, 0, weights * losses)), sum(weights)
    some = weight != 0
    return where(some, total / where(some, weight, 1), 0), weight


def without_absent(prediction: Value, weights: Value) -> Value:
    """Return the prediction with 0 in the rows of weight 0, which the loss then cannot see.

    However far off such a row is, neither its loss nor the derivative of its loss can become infinite or NaN.

    Parameters
    ----------
    prediction : Value
        The network's output, shape (rows, ...).
    weights : Value
        Sample weights, shape (rows,).
    """
    absent = reshape(weights == 0, shape=(*weights.shape, *(1 for _ in prediction.shape[1:])))
    return where(absent, 0, prediction)
