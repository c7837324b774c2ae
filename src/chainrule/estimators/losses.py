"""The losses in the scale of scikit-learn's multi-layer perceptron.

Two of its habits show in a loss curve, and are kept: log losses are clipped where a probability is within one
rounding error of 0 or 1, and the squared loss is reported as the mean over the outputs but differentiated as
their sum. Both are in what a loss reports, and not in its formula, whose derivative trains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.functions import (
    exp,
    log,
    maximum,
    minimum,
    sigmoid,
    softmax,
    sum,
    where,
)
from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.types import Array, ArrayType, Shape
from chainrule.graph.value import Operand, Value, as_value
from chainrule.losses import (
    LOSSES,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Gamma,
    Loss,
    MeanAbsoluteError,
    Poisson,
    Quantile,
    as_loss,
)
from chainrule.losses.targets import as_floats, refuse

#: A logit that is as good as infinite: its probability is nearer to 0 or 1 than float64 can tell.
_CERTAIN = 64.0


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """Half the squared error: its value is the mean over the outputs, its derivative that of their sum."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return (prediction - target)² / 2, summed over the outputs."""
        return sum((prediction - target) ** 2 / 2, axis=-1)

    def reported(self, prediction: Value, target: Value) -> Value:
        """Return (prediction - target)² / 2 of each output, whose mean is told."""
        return (prediction - target) ** 2 / 2


@dataclass(frozen=True)
class HalfPoissonDeviance(Loss):
    """t ln (t / p) - t + p for p = exp(prediction), summed over the outputs."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return half of the deviance of each row."""
        entropy = where(target > 0, target * log(where(target > 0, target, 1)), 0)
        return sum(entropy - target * prediction - target + exp(prediction), axis=-1)

    def link(self, prediction: Operand) -> Value:
        """Return exp(prediction)."""
        return exp(prediction)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y as floats; negative numbers are refused."""
        refuse(y < 0, y, "the loss 'poisson' needs y >= 0")
        return as_floats(y, prediction.dtype)


@dataclass(frozen=True)
class LogLoss(BinaryCrossEntropy):
    """The negative log-likelihood of each label by itself, summed over the labels."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return -t ln p - (1 - t) ln (1 - p) for p = sigmoid(prediction), a target t of 0 or 1."""
        return sum(super().formula(prediction, target), axis=-1)

    def reported(self, prediction: Value, target: Value) -> Value:
        """Return the formula, clipped: an infinite logit has a probability of 0 or 1, too."""
        if not is_zero(self.label_smoothing):
            return self.formula(prediction, target)
        bounded = minimum(maximum(prediction, -_CERTAIN), _CERTAIN)
        return sum(_clipped(super().formula(bounded, target)), axis=-1)


@dataclass(frozen=True)
class MulticlassLogLoss(CrossEntropy):
    """The negative log-likelihood of one class among several."""

    def reported(self, prediction: Value, target: Value) -> Value:
        """Return the formula, clipped."""
        loss = self.formula(prediction, target)
        return _clipped(loss) if is_zero(self.label_smoothing) else loss


@dataclass(frozen=True)
class SummedFocal(BinaryFocal):
    """The focal loss of each label by itself, summed over the labels as `LogLoss` is."""

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return the sum over the labels."""
        return sum(super().formula(prediction, target), axis=-1)


@dataclass(frozen=True)
class Logits(Loss):
    """A loss of one's own, whose predictions are taken for the logits of classes.

    Attributes
    ----------
    loss : Loss
        What is minimised.
    several : bool
        Whether one class among several is told, by softmax; otherwise each label by sigmoid.
    """

    loss: Loss
    several: bool

    def formula(self, prediction: Value, target: Value) -> Value:
        """Return the loss."""
        return self.loss.formula(prediction, target)

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return those of the loss."""
        return self.loss.target_shapes(prediction)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return what the loss makes of y."""
        return self.loss.convert(y, prediction)

    def link(self, prediction: Operand) -> Value:
        """Return probabilities."""
        return softmax(prediction) if self.several else sigmoid(prediction)


def _clipped(loss: Value) -> Value:
    """Return -ln p for a p that is kept away from 0 and 1 by the dtype's rounding error."""
    epsilon = float(np.finfo(loss.dtype).eps)
    return as_value(minimum(maximum(loss, -math.log1p(-epsilon)), -math.log(epsilon)))


# By name ------------------------------------------------------------------------------------------

_LOG_LOSSES: dict[bool, type[CrossEntropy | BinaryCrossEntropy]] = {True: MulticlassLogLoss, False: LogLoss}
_FOCAL: dict[bool, type[CrossEntropy | BinaryCrossEntropy]] = {True: Focal, False: SummedFocal}

#: The losses of a classifier by name: for one class among several (True), and for labels by themselves.
CLASSIFIER_LOSSES = {"log_loss": _LOG_LOSSES, "cross_entropy": _LOG_LOSSES, "focal": _FOCAL}

#: The losses of a regressor by name: scikit-learn's, and those of `Model`.
REGRESSOR_LOSSES: dict[str, type[Loss]] = {
    **LOSSES,
    "squared_error": HalfSquaredError,
    "absolute_error": MeanAbsoluteError,
    "poisson": HalfPoissonDeviance,
}


def classifier_loss(loss: Any, label_smoothing: float, several: bool) -> Loss:
    """Return the loss that a classifier's parameters describe.

    Parameters
    ----------
    loss : str, Loss or callable
        A name, or chainrule's loss of logits; where labels are told by themselves, a cross-entropy becomes
        its binary form.
    label_smoothing : float
        Takes the place of the loss's own; 0 leaves it alone.
    several : bool
        Whether one class among several is told.
    """
    if isinstance(loss, str):
        return CLASSIFIER_LOSSES[loss][several](label_smoothing=label_smoothing)
    given = as_loss(loss)
    if label_smoothing:
        if not isinstance(given, CrossEntropy | BinaryCrossEntropy):
            raise ValueError(
                f"label_smoothing acts on cross-entropies and focal losses, not on {loss!r}; set it to 0"
            )
        given = replace(given, label_smoothing=label_smoothing)
    if not several:
        given = _binary(given)
    wrong = (CrossEntropy, BinaryCrossEntropy)[several]
    if isinstance(given, wrong) or type(given) in _NOT_OF_CLASSES:
        what = "one class among several" if several else "two classes or labels"
        raise ValueError(
            f"{type(given).__name__} is no loss of the logits of {what}; give "
            f"{', '.join(map(repr, CLASSIFIER_LOSSES))}, an object such as CrossEntropy() or Focal(), or a "
            "function of (logits, target)"
        )
    if isinstance(given, CrossEntropy | BinaryCrossEntropy):
        return given
    return Logits(given, several)


_NOT_OF_CLASSES = {*LOSSES.values()} - {CrossEntropy, BinaryCrossEntropy, Focal, BinaryFocal}


def _binary(loss: Loss) -> Loss:
    """Return a cross-entropy of one class among several as that of labels."""
    if type(loss) is CrossEntropy:
        return BinaryCrossEntropy(loss.label_smoothing)
    if type(loss) is Focal:
        return BinaryFocal(loss.gamma, label_smoothing=loss.label_smoothing)
    return loss


def regressor_loss(loss: Any, quantile: Any) -> Loss:
    """Return the loss that a regressor's parameters describe."""
    if isinstance(loss, str) and loss == "quantile":
        try:
            listed = tuple(map(float, quantile)) if hasattr(quantile, "__iter__") else (float(quantile),)
        except (TypeError, ValueError):
            raise ValueError(
                f"quantile is a number between 0 and 1, or a list of such numbers, not {quantile!r}"
            ) from None
        return Quantile(listed[0] if len(listed) == 1 else listed)
    return REGRESSOR_LOSSES[loss]() if isinstance(loss, str) else as_loss(loss)


def link_name(loss: Loss) -> str:
    """Return scikit-learn's word for what makes a regressor's prediction of the network's output."""
    if isinstance(loss, HalfPoissonDeviance | Poisson | Gamma):
        return "exp"
    return "logistic" if isinstance(loss, BinaryCrossEntropy) else "identity"
