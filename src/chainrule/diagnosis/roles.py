"""Is an array of a training step a bias or a weight? Without a weight nothing of x gets through."""

from __future__ import annotations

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close

SCALES = (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)  # of random weights


def is_bias(own: OwnStep, place: int, generator: np.random.Generator) -> bool:
    """Whether an array is as long as large: the loss depends on x where it is zero, and on it where x is."""
    if max(own.arrays[place].shape, default=1) != own.arrays[place].size:
        return False
    half = own.with_batch((own.x / 2).astype(own.x.dtype), own.y)
    row = own.on_rows([0] * own.rows)  # other rows may have targets that pull the other way as much
    none = own.with_batch(np.zeros_like(row.x), row.y)
    lets_x_through, adds = False, None
    for scale in SCALES:
        arrays = own.draw(generator, scale)
        without = [np.zeros_like(one) if i == place else one for i, one in enumerate(arrays)]
        lets_x_through |= _differ(own.loss(without), half.loss(without)) is True
        adds = adds or _differ(none.loss(arrays), none.loss(without))
    return lets_x_through and adds is not False


def _differ(one: float, other: float) -> bool | None:
    """Whether two losses differ; None where they are not finite."""
    return not close(one, other, 1e-6) if np.isfinite([one, other]).all() else None
