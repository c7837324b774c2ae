"""The loss: how far the output is from the target.

A loss gives one number a row; training minimises their mean, in which each row counts by its sample weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.graph.names import unknown_name
from chainrule.losses.classification import BinaryCrossEntropy, CrossEntropy, Hinge
from chainrule.losses.focal import BinaryFocal, Focal
from chainrule.losses.function import FunctionLoss, as_row_losses
from chainrule.losses.loss import Loss
from chainrule.losses.penalties import L1, L2, Penalty
from chainrule.losses.regression import (
    Gamma,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
)
from chainrule.losses.weighting import weighted_mean, without_absent

__all__ = [
    "L1",
    "L2",
    "LOSSES",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CrossEntropy",
    "Focal",
    "FunctionLoss",
    "Gamma",
    "Hinge",
    "Huber",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Penalty",
    "Poisson",
    "Quantile",
    "as_loss",
    "as_row_losses",
    "weighted_mean",
    "without_absent",
]

#: The losses by name. Any function of (prediction, target) is a loss too.
LOSSES: dict[str, type[Loss]] = {
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
    "quantile": Quantile,
    "poisson": Poisson,
    "gamma": Gamma,
    "cross_entropy": CrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
    "focal": Focal,
    "binary_focal": BinaryFocal,
    "hinge": Hinge,
}


def as_loss(loss: str | Loss | Callable[[Any, Any], Any]) -> Loss:
    """Return the loss for a name, a Loss or a function; a ValueError gives the nearest names."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(unknown_name("loss", loss, LOSSES))
        named: Loss = LOSSES[loss]()
        return named
    if isinstance(loss, type):
        raise TypeError(f"{loss.__name__} is a class; make a loss of it with {loss.__name__}()")
    if not callable(loss):
        raise TypeError(f"a loss is a name, a Loss or a function of (prediction, target), not {loss!r}")
    return FunctionLoss(loss)
