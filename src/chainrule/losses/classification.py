"""Losses for targets that are classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from chainrule.functions import argmax, log_softmax, one_hot, relu, sigmoid, softmax, softplus, sum, where
from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.options import FRACTION
from chainrule.graph.types import Array, ArrayType, Shape, is_float, str_shape
from chainrule.graph.value import Operand, Value
from chainrule.losses.loss import Loss
from chainrule.losses.targets import (
    as_class_numbers,
    as_floats,
    as_probabilities,
    refuse,
    refuse_unless_between_0_and_1,
)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    r"""The negative log-likelihood of one class among several, from logits.

    .. math:: L = -\sum_{k=1}^{K} t_k \ln p_k, \qquad p = \operatorname{softmax}(\hat y)

    Its derivative is p - t. Extreme logits neither overflow nor lose the derivative.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        The part ε, from 0 to below 1, of a target that is spread evenly over all K classes:
        t becomes (1 - ε) t + ε / K.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.

    Notes
    -----
    The prediction holds logits, shape (rows, K): a network needs no last activation, and
    ``predict(x, link=True)`` gives the probabilities p. The target holds class numbers 0, ..., K - 1, shape
    (rows,), or class probabilities, shape (rows, K). A class number outside is refused in an array, and makes
    the loss of its row NaN in a Value. The metric ``accuracy`` counts the rows whose largest logit is the
    target's class.

    References
    ----------
    Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> logits = [[0.0, 0.0], [2.0, 0.0]]
    >>> cr.CrossEntropy()(logits, [0, 1]).round(4)
    array([0.6931, 2.1269])
    >>> cr.CrossEntropy(label_smoothing=0.1)(logits, [[1.0, 0.0], [0.0, 1.0]]).round(4)
    array([0.6931, 2.0269])
    """

    label_smoothing: float = field(default=0.0, metadata=FRACTION)

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return -Σ t ln p over the classes, where 0 ln 0 = 0."""
        classes = int(prediction.shape[-1])
        if is_float(target.dtype):
            return self._divergence(prediction, target)
        known = (target >= 0) & (target < classes)
        losses = self._divergence(prediction, one_hot(target, classes, dtype=prediction.dtype))
        return where(known, losses, math.nan)

    def _divergence(self, prediction: Value, target: Value) -> Value:
        target = smoothed(target, self.label_smoothing, int(prediction.shape[-1]))
        return -sum(where(target == 0, 0, target * log_softmax(prediction)), axis=-1)

    def link(self, prediction: Operand) -> Any:
        """Return the probabilities of the classes, softmax(prediction)."""
        return softmax(prediction)

    def scores(self, prediction: Value, target: Value) -> dict[str, Value]:
        """Return whether the largest logit is the target's class."""
        actual = argmax(target, axis=-1) if is_float(target.dtype) else target
        return {"accuracy": argmax(prediction, axis=-1) == actual}

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return the shape of class numbers and that of class probabilities."""
        if len(prediction) < 2 or prediction[-1] == 1:
            raise ValueError(
                f"CrossEntropy needs one logit for each class, and the network's output is "
                f"{str_shape(prediction)}; BinaryCrossEntropy tells two classes apart by one logit"
            )
        return (prediction[:-1], prediction)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return class numbers as int32, class probabilities as floats."""
        if y.ndim == len(prediction.shape):
            return as_probabilities(y, prediction.dtype)
        return as_class_numbers(y, int(prediction.shape[-1]))


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    r"""The negative log-likelihood of yes or no for each output, from logits.

    .. math::
        L = -\frac{1}{n} \sum_{j=1}^{n} \left( t_j \ln p_j + (1 - t_j) \ln (1 - p_j) \right),
        \qquad p = \sigma(\hat y)

    computed as :math:`t \operatorname{softplus}(-\hat y) + (1 - t) \operatorname{softplus}(\hat y)`, which
    neither overflows nor cancels. The derivative of each term is p - t.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        The part ε, from 0 to below 1, by which targets are drawn to 1/2: t becomes (1 - ε) t + ε / 2.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.

    Notes
    -----
    Prediction and target have the same shape, (rows, n): n = 1 tells two classes apart, n > 1 says which of
    several labels apply. The prediction holds logits: a network needs no last activation, and
    ``predict(x, link=True)`` gives the probabilities p. Targets are 0 and 1, bools, or probabilities. The
    metric ``accuracy`` counts the outputs whose logit is above 0 where the target is above 1/2, and not
    otherwise.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.BinaryCrossEntropy()([[0.0], [2.0], [-1000.0]], [1, 1, 0]).round(4)
    array([0.6931, 0.1269, 0.    ])
    """

    label_smoothing: float = field(default=0.0, metadata=FRACTION)

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return t softplus(-x) + (1 - t) softplus(x) for logits x."""
        target = smoothed(target, self.label_smoothing, 2)
        return target * softplus(-prediction) + (1 - target) * softplus(prediction)

    def link(self, prediction: Operand) -> Any:
        """Return the probability of yes, sigmoid(prediction)."""
        return sigmoid(prediction)

    def scores(self, prediction: Value, target: Value) -> dict[str, Value]:
        """Return whether the more probable answer is the target's."""
        return {"accuracy": (prediction > 0) == (target > 0.5)}

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y as floats from 0 to 1."""
        floats = as_floats(y, prediction.dtype)
        refuse_unless_between_0_and_1(
            floats,
            "BinaryCrossEntropy needs 0 and 1, or probabilities between; (y + 1) / 2 makes them of -1 and +1",
        )
        return floats


@dataclass(frozen=True)
class Hinge(Loss):
    r"""The hinge loss of a maximum-margin classifier: nothing beyond a margin of 1, linear before it.

    .. math:: L = \frac{1}{n} \sum_{j=1}^{n} \max(0, 1 - t_j \, \hat y_j)

    Its derivative at a margin of exactly 1 is 0.

    Notes
    -----
    Prediction and target have the same shape, (rows, n). Targets are -1 and +1. The sign of the prediction is
    the answer; the metric ``accuracy`` counts the outputs that have the target's sign, 0 counting as -1.

    References
    ----------
    Cortes and Vapnik, "Support-vector networks", 1995.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Hinge()([[0.5], [2.0], [2.0]], [1, 1, -1])
    array([0.5, 0. , 3. ])
    """

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return max(0, 1 - target · prediction)."""
        return relu(1 - target * prediction)

    def scores(self, prediction: Value, target: Value) -> dict[str, Value]:
        """Return whether the prediction has the target's sign."""
        return {"accuracy": (prediction > 0) == (target > 0)}

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y, which holds -1 and +1, as floats."""
        refuse(
            (y != 1) & (y != -1) | (y.dtype.kind == "b"),
            y,
            "Hinge needs -1 and +1; 2 * y - 1 makes them of 0 and 1, or False and True",
        )
        return as_floats(y, prediction.dtype)


def smoothed(target: Value, smoothing: float, classes: int) -> Value:
    """Return targets drawn to the even distribution: (1 - ε) t + ε / K."""
    return target if is_zero(smoothing) else (1 - smoothing) * target + smoothing / classes
