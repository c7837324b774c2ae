"""Is an array of a training step a bias or a weight? Without a weight nothing of x gets through."""

from __future__ import annotations

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close

SCALES = (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)  # of random weights


def is_bias(own: OwnStep, place: int, generator: np.random.Generator) -> bool:
    """Whether an array is as long as large, and the loss depends on x also where it is zero."""
    if max(own.arrays[place].shape, default=1) != own.arrays[place].size:
        return False
    half = own.with_batch((own.x / 2).astype(own.x.dtype), own.y)
    for scale in SCALES:
        arrays = own.draw(generator, scale)
        arrays[place] = np.zeros_like(arrays[place])
        losses = own.loss(arrays), half.loss(arrays)
        if np.isfinite(losses).all() and not close(*losses, 1e-6):
            return True
    return False
