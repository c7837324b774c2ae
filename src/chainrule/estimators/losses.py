"""The losses in the scale of scikit-learn's multi-layer perceptron.

Two of its habits show in a loss curve, and are kept: log losses are clipped where a probability is within one
rounding error of 0 or 1, and the squared loss is reported as the mean over the outputs but differentiated as
their sum. Both leave the derivative of the plain formula as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.functions import (
    exp,
    log,
    maximum,
    minimum,
    sigmoid,
    softmax,
    softplus,
    stop_gradient,
    sum,
    where,
)
from chainrule.graph.value import Operand, Value
from chainrule.losses import CrossEntropy, Loss


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """Half the squared error: its value is the mean over the outputs, its derivative that of their sum."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return (prediction - target)² / 2, with the derivative of that times the number of outputs."""
        half = (prediction - target) ** 2 / 2
        summed = half * int(prediction.shape[-1])
        return _reported(half, summed)


@dataclass(frozen=True)
class HalfPoissonDeviance(Loss):
    """t ln (t / p) - t + p for p = exp(prediction), summed over the outputs."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return half of the deviance of each row."""
        entropy = where(target > 0, target * log(where(target > 0, target, 1)), 0)
        y: Value = sum(entropy - target * prediction - target + exp(prediction), axis=-1)
        return y

    def link(self, prediction: Operand) -> Value:
        """Return exp(prediction)."""
        y: Value = exp(prediction)
        return y


@dataclass(frozen=True)
class LogLoss(Loss):
    """The negative log-likelihood of each label by itself, summed over the labels."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return -t ln p - (1 - t) ln (1 - p) for p = sigmoid(prediction), a target t of 0 or 1."""
        plain = target * softplus(-prediction) + (1 - target) * softplus(prediction)
        y: Value = sum(_reported(_clipped(plain), plain), axis=-1)
        return y

    def link(self, prediction: Operand) -> Value:
        """Return sigmoid(prediction)."""
        y: Value = sigmoid(prediction)
        return y


@dataclass(frozen=True)
class MulticlassLogLoss(CrossEntropy):
    """The negative log-likelihood of one class among several."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return -ln p of the target's class for p = softmax(prediction)."""
        plain = super().formula(prediction, target)
        return _reported(_clipped(plain), plain)

    def link(self, prediction: Operand) -> Value:
        """Return softmax(prediction)."""
        y: Value = softmax(prediction)
        return y


def _reported(value: Value, differentiated: Value) -> Value:
    """Return the first, with the derivative of the second."""
    if value is differentiated:
        return value
    y: Value = stop_gradient(value) + (differentiated - stop_gradient(differentiated))
    return y


def _clipped(loss: Value) -> Value:
    """Return -ln p as it is for a p kept away from 0 and 1 by the dtype's rounding error."""
    epsilon = float(np.finfo(loss.dtype).eps)
    y: Value = minimum(maximum(loss, -math.log1p(-epsilon)), -math.log(epsilon))
    return y
