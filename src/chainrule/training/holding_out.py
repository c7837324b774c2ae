"""The rows on which a fit is measured after each epoch: given beside the others, or held out of them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from chainrule.graph.shuffle import shuffled
from chainrule.graph.types import Array

#: The order of rows that decides which are held out: that of no epoch.
BEFORE_THE_FIRST = -1


def is_part(validation_data: Any) -> bool:
    """Whether a user gave a number, the part of the rows to hold out, and not the rows themselves."""
    return isinstance(validation_data, Real)


def as_validation(data: Any) -> tuple[Any, Any, Any]:
    """Return validation data as x, y and sample weights or None."""
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise ValueError(
            "validation_data is (x, y) or (x, y, sample_weight), or the part of the rows to hold out, as 0.2"
        )
    x, y, *weight = data
    return x, y, weight[0] if weight else None


def hold_out(data: Mapping[str, Array], part: float, key: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the rows to train on and those held out, each in the order that they had.

    Parameters
    ----------
    data : mapping of arrays
        All rows, by name.
    part : float
        The part to hold out; at least one row is.
    key : array
        Decides which, so that they are the same in each fit of a model on the same rows.

    Raises
    ------
    ValueError
        If the part is not between 0 and 1, or leaves no row to train on.

    Examples
    --------
    >>> from chainrule.functions import random_key
    >>> training, held_out = hold_out({"x": np.arange(10)}, 0.2, random_key(0))
    >>> len(training["x"]), len(held_out["x"])
    (8, 2)
    """
    if isinstance(part, bool) or not 0 < part < 1:
        raise ValueError(
            f"validation_data={part!r} is no part of the rows; a number is above 0 and below 1, as 0.2"
        )
    rows = len(data["x"])
    count = max(1, round(float(part) * rows))
    if count >= rows:
        raise ValueError(f"validation_data={part!r} leaves no row of x, of {rows}, to train on; give more")
    held_out = np.sort(shuffled(np.arange(count), rows, key, BEFORE_THE_FIRST))
    others = np.delete(np.arange(rows), held_out)
    return (
        {name: array[others] for name, array in data.items()},
        {name: array[held_out] for name, array in data.items()},
    )
