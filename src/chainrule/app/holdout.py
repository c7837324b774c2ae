"""Rows are held out: training never sees them, so they show how good the predictions for new rows are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.intp]


def hold_out(
    order: Sequence[float] | NDArray[np.int32], share: float, seed: int, classes: bool
) -> tuple[Positions, Positions]:
    """Return the positions of the training rows and of the rows held out, each in ascending order.

    The rows are shuffled, sorted by their target, and cut into equal runs; one row is drawn from each, so
    that both parts have each class, or each range of numbers, in the same proportion.

    Parameters
    ----------
    order : sequence of float
        The target of every row: its class number, or its number.
    share : float
        The part of the rows to hold out; at least one row is.
    seed : int
        Of the shuffle.
    classes : bool
        Whether one row of every class has to stay for training.

    Examples
    --------
    >>> training, held_out = hold_out([0, 0, 0, 0, 1, 1, 1, 1], share=0.25, seed=0, classes=True)
    >>> len(training), len(held_out)
    (6, 2)
    """
    target = np.asarray(order)
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(target))
    ranked = shuffled[np.argsort(target[shuffled], kind="stable")]
    if classes:
        _, first = np.unique(target[ranked], return_index=True)
        candidates = np.delete(ranked, first)
    else:
        candidates = ranked
    count = min(max(1, round(share * len(target))), len(candidates))
    edges = np.linspace(0, len(candidates), count + 1).round().astype(int)
    held_out = np.sort(candidates[random.integers(edges[:-1], edges[1:])])
    return np.delete(np.arange(len(target)), held_out), held_out
