"""Losses for targets that are quantities."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from chainrule.functions import abs, exp, expm1, log, log1p, relu, square, where
from chainrule.graph.hyperparameters import RUN_TIME
from chainrule.graph.options import ABOVE_ZERO
from chainrule.graph.types import Array, ArrayType, Shape, str_shape
from chainrule.graph.value import Operand, Value, as_value
from chainrule.graph.words import counted
from chainrule.losses.loss import Loss
from chainrule.losses.targets import as_floats, refuse


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    r"""The squared error, averaged over the outputs.

    .. math:: L = \frac{1}{n} \sum_{j=1}^{n} (\hat y_j - t_j)^2

    Notes
    -----
    Prediction and target have the same shape, (rows, n). The prediction that minimises it is the mean.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.MeanSquaredError()([[1.0, 2.0], [0.0, 0.0]], [[1.0, 4.0], [0.0, 1.0]])
    array([2. , 0.5])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return (prediction - target)²."""
        return square(prediction - target)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    r"""The absolute error, averaged over the outputs; its derivative at an error of 0 is 0.

    .. math:: L = \frac{1}{n} \sum_{j=1}^{n} |\hat y_j - t_j|

    Notes
    -----
    Prediction and target have the same shape, (rows, n). The prediction that minimises it is the median.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.MeanAbsoluteError()([[1.0, 2.0], [0.0, 0.0]], [[1.0, 4.0], [0.0, 1.0]])
    array([1. , 0.5])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return |prediction - target|."""
        return abs(prediction - target)


@dataclass(frozen=True)
class Huber(Loss):
    r"""Half the squared error where it is small, and linear beyond `delta`, so that outliers pull less.

    .. math::
        L = \begin{cases} e^2 / 2 & |e| \le \delta \\ \delta \, (|e| - \delta / 2) & \text{otherwise}
        \end{cases} \qquad e = \hat y - t

    averaged over the outputs.

    Parameters
    ----------
    delta : float, default 1.0
        The error at which the parabola becomes a line, above 0, in the target's unit.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.

    Notes
    -----
    Prediction and target have the same shape, (rows, n).

    References
    ----------
    Huber, "Robust estimation of a location parameter", 1964.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Huber(delta=2.0)([[1.0], [5.0]], [[0.0], [0.0]])
    array([0.5, 8. ])
    """

    delta: float = field(default=1.0, metadata=ABOVE_ZERO)

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return e² / 2 up to delta and delta (|e| - delta / 2) beyond."""
        error = prediction - target
        size = abs(error)
        return where(size <= self.delta, square(error) / 2, self.delta * (size - self.delta / 2))


@dataclass(frozen=True)
class LogCosh(Loss):
    r"""The logarithm of the hyperbolic cosine of the error: a parabola at 0, lines far away, smooth between.

    .. math:: L = \ln \cosh e = |e| + \ln\left(1 + \frac{e^{-2|e|} - 1}{2}\right), \qquad e = \hat y - t

    averaged over the outputs. Its derivative is tanh e.

    Notes
    -----
    Prediction and target have the same shape, (rows, n).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.LogCosh()([[0.0], [1000.0]], [[1.0], [0.0]]).round(4)
    array([4.338000e-01, 9.993069e+02])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return ln cosh e without overflow, and precise where e is small."""
        error = prediction - target
        size = where(error > 0, error, -error)  # unlike abs, it leaves the second derivative at 0 alone
        return size + log1p(expm1(-2 * size) / 2)


@dataclass(frozen=True)
class Quantile(Loss):
    r"""The pinball loss, whose minimum is a quantile of the target instead of its mean.

    .. math:: L = q \max(e, 0) + (1 - q) \max(-e, 0), \qquad e = t - \hat y

    averaged over the outputs. Its derivative at an error of 0 is 0.

    Parameters
    ----------
    quantiles : float or tuple of float, default 0.5
        Which quantile, between 0 and 1. A tuple asks for several at once: the network has an output for each,
        and the target one column.

    Raises
    ------
    ValueError
        If they are no such numbers, or there is none.

    Notes
    -----
    Prediction and target have the same shape, (rows, n); with a tuple of n quantiles the prediction has the
    shape (rows, n) and the target (rows, 1).

    References
    ----------
    Koenker and Bassett, "Regression quantiles", 1978.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Quantile(0.75)([[0.0], [2.0]], [[1.0], [1.0]])
    array([0.75, 0.25])
    >>> cr.Quantile((0.1, 0.5, 0.9))([[1.0, 2.0, 3.0]], [2.0]).round(4)
    array([0.0667])
    """

    quantiles: float | tuple[float, ...] = field(default=0.5, metadata=RUN_TIME)

    def __post_init__(self) -> None:
        given = self.quantiles if isinstance(self.quantiles, tuple) else (self.quantiles,)
        if not given or not all(isinstance(q, Real) and 0 < q < 1 for q in given):
            raise ValueError(
                "Quantile: quantiles is a number between 0 and 1, or a tuple of such numbers, "
                f"not {self.quantiles!r}"
            )
        plain = tuple(map(float, given))
        object.__setattr__(self, "quantiles", plain if isinstance(self.quantiles, tuple) else plain[0])

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return q max(e, 0) + (1 - q) max(-e, 0)."""
        q: Any = self.quantiles
        if isinstance(q, tuple):
            q = np.asarray(q, prediction.dtype)
        error = target - prediction
        y: Value = q * relu(error) + (1 - q) * relu(-error)
        return y

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return the prediction's shape, with one column where there are several quantiles."""
        several = as_value(self.quantiles).shape  # they may be an input of a graph
        if not several:
            return (prediction,)
        if prediction[1:][-1:] != several:
            raise ValueError(
                f"Quantile has {counted(int(several[0]), 'quantile')}, and the network's output is "
                f"{str_shape(prediction)}: its last axis needs one output for each quantile"
            )
        return ((*prediction[:-1], 1),)


@dataclass(frozen=True)
class Poisson(Loss):
    r"""The negative log-likelihood of counts whose rate is the exponential of the prediction.

    .. math:: L = e^{\hat y} - t \, \hat y

    averaged over the outputs. The term :math:`\ln t!`, which no weight can change, is left out, so the loss
    can be negative.

    Notes
    -----
    Prediction and target have the same shape, (rows, n). The prediction is the logarithm of the rate: a
    network needs no last activation, and ``predict(x, link=True)`` gives the rate. Targets are counts or
    other numbers that are not negative. A prediction above 88 (709 in float64) overflows.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Poisson()([[0.0], [1.0]], [[2.0], [1.0]]).round(4)
    array([1.    , 1.7183])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return exp(prediction) - target · prediction."""
        return exp(prediction) - target * prediction

    def link(self, prediction: Operand) -> Any:
        """Return the rate, exp(prediction)."""
        return exp(prediction)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y as floats; negative numbers are refused."""
        refuse(y < 0, y, "Poisson needs counts, or other numbers that are not negative")
        return as_floats(y, prediction.dtype)


@dataclass(frozen=True)
class Gamma(Loss):
    r"""Half the deviance of gamma-distributed amounts whose mean is the exponential of the prediction.

    .. math:: L = e^r - 1 - r, \qquad r = \ln t - \hat y

    averaged over the outputs: with the mean :math:`\mu = e^{\hat y}` it is
    :math:`t / \mu - 1 - \ln (t / \mu)`, which is 0 where the prediction is right.

    Notes
    -----
    Prediction and target have the same shape, (rows, n). The prediction is the logarithm of the mean: a
    network needs no last activation, and ``predict(x, link=True)`` gives the mean. Targets are above 0:
    durations, costs, amounts whose spread grows with their size. A prediction that is too small by more than
    88 (709 in float64) overflows.

    References
    ----------
    McCullagh and Nelder, "Generalized linear models", 1989, chapter 8.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Gamma()([[0.0], [1.0]], [[1.0], [1.0]]).round(4)
    array([0.    , 0.3679])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return e^r - 1 - r for the log of the ratio of target and mean."""
        ratio = log(target) - prediction
        return expm1(ratio) - ratio

    def link(self, prediction: Operand) -> Any:
        """Return the mean, exp(prediction)."""
        return exp(prediction)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y as floats; numbers that are not above 0 are refused."""
        refuse(y <= 0, y, "Gamma needs numbers above 0")
        return as_floats(y, prediction.dtype)
