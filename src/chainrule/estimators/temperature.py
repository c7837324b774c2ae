"""Temperature scaling: one number, fitted on rows not trained on, that makes probabilities honest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.graph.types import Array

#: The temperature is sought between 1 / 100 and 100: where all held-out rows are right, 0 would be the best.
_LARGEST = 100.0


def probabilities(logits: Array, several: bool) -> Array:
    """Return softmax(logits) for one class among several, otherwise sigmoid(logits)."""
    from scipy import special

    y: Array = special.softmax(logits, axis=1) if several else special.expit(logits)
    return y


def fitted_temperature(logits: Array, target: Array, weight: Array | None) -> float:
    r"""Return the T for which the probabilities of logits / T have the least log loss.

    Parameters
    ----------
    logits : ndarray
        Of held-out rows, shape (rows, outputs).
    target : ndarray
        Class numbers, shape (rows,), or 0 and 1 for each output.
    weight : ndarray or None
        How much each row counts.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017.
    """
    from scipy import optimize, special

    logits = logits.astype(np.float64)

    def log_loss(log_temperature: float) -> Any:
        scaled = logits * math.exp(-log_temperature)
        if target.ndim == 1:
            losses = -np.take_along_axis(special.log_softmax(scaled, axis=1), target[:, None], axis=1)
        else:
            losses = -special.log_expit(np.where(target > 0.5, scaled, -scaled))
        return np.average(losses.sum(axis=1), weights=weight)

    limit = math.log(_LARGEST)
    found = optimize.minimize_scalar(
        log_loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-8}
    )
    return math.exp(found.x)
