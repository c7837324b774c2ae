"""What can be wrong with a table: its scales, columns that say the same, columns that tell the target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array

SHOWN = 3


def feature_scale(x: Array) -> Iterator[Verdict]:
    """Find columns whose sizes are wildly different, or far from 1."""
    varying = _varying(x)
    if not varying.size:
        return
    sizes = np.max(np.abs(x[:, varying] - np.median(x[:, varying], axis=0)), axis=0)
    spreads = np.std(x[:, varying], axis=0)
    offsets = np.abs(np.mean(x[:, varying], axis=0)) / spreads
    small, large, far = int(np.argmin(sizes)), int(np.argmax(sizes)), int(np.argmax(offsets))
    remedy = "standardize the columns: (x - x.mean(axis=0)) / x.std(axis=0)"
    if sizes[large] > LIMITS.different_features * sizes[small]:
        evidence = (
            f"column {varying[large]} varies by {sizes[large]:.3g} and column {varying[small]} by "
            f"{sizes[small]:.3g}"
        )
        yield Verdict("features of wildly different scale", "x", evidence, remedy)
    elif sizes[large] > LIMITS.largest_feature:
        evidence = f"column {varying[large]} varies by {sizes[large]:.3g}, and about 1 is what layers expect"
        yield Verdict("features of wildly different scale", "x", evidence, remedy)
    elif offsets[far] > LIMITS.farthest_feature:
        evidence = f"column {varying[far]} lies around {np.mean(x[:, varying[far]]):.4g} and varies by "
        yield Verdict("features of wildly different scale", "x", f"{evidence}{spreads[far]:.3g} only", remedy)


def target_scale(y: Array) -> Iterator[Verdict]:
    """Find numbers to predict that are far from what a fresh network gives."""
    spread = float(np.max(np.std(y, axis=0), initial=0.0))
    distance = float(np.max(np.abs(np.mean(y, axis=0)), initial=0.0))
    if not spread:
        return
    if (
        not 1 / LIMITS.target_spread < spread < LIMITS.target_spread
        or distance > LIMITS.target_distance * spread
    ):
        yield Verdict(
            "target far from unit scale",
            "y",
            f"it lies around {distance:.4g} and varies by {spread:.4g}, and a fresh network gives about 0 "
            "± 1",
            "standardize the target, and undo it in predictions",
        )


def duplicated_columns(x: Array) -> Iterator[Verdict]:
    """Find columns that are the same, up to scale and offset."""
    varying = _varying(x)
    if len(x) < LIMITS.table_rows or varying.size < 2:
        return
    standard = x[:, varying] - np.mean(x[:, varying], axis=0)
    standard /= np.std(standard, axis=0)
    standard *= np.sign(standard[np.argmax(np.abs(standard) > 1e-3, axis=0), np.arange(len(varying))])
    groups: dict[bytes, list[int]] = {}
    for column, place in enumerate(varying):
        key = np.round(standard[:, column], 4) + 0.0
        groups.setdefault(key.tobytes(), []).append(int(place))
    same = [group for group in groups.values() if len(group) > 1]
    if same:
        shown = "; ".join(" and ".join(map(str, group[:SHOWN])) for group in same[:SHOWN])
        more = f", and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
        yield Verdict("duplicated columns", "x", f"columns {shown} say the same{more}", "keep one of each")


def leaking_columns(x: Array, y: Array) -> Iterator[Verdict]:
    """Find columns that tell the target by themselves: one value for each class, or proportional to it."""
    varying = _varying(x)
    if len(x) < LIMITS.table_rows or x.shape[1] < 2:
        return
    tells = _tells_class if y.ndim == 1 and y.dtype.kind in "iu" else _is_proportional
    found = [int(place) for place in varying if tells(x[:, place], y)]
    if found:
        shown = ", ".join(map(str, found[:SHOWN])) + (", ..." if len(found) > SHOWN else "")
        yield Verdict(
            "leaking columns",
            "x",
            f"column {shown} alone tells the target in all {len(x)} rows",
            "leave out what is not known when a prediction is needed",
        )


def _varying(x: Array) -> Array:
    return np.flatnonzero(np.ptp(x, axis=0) > 0)


def _tells_class(column: Array, y: Array) -> bool:
    """Whether each class has one value of its own."""
    values = np.unique(column)
    if len(values) != len(np.unique(y)) or len(values) < 2:
        return False
    pairs = np.unique(np.column_stack([np.searchsorted(values, column), y]), axis=0)
    return len(pairs) == len(values)


def _is_proportional(column: Array, y: Array) -> bool:
    """Whether an output is the column times a number, plus another."""
    outputs = y.reshape(len(y), -1)
    centred = column - np.mean(column)
    for output in outputs.T:
        other = output - np.mean(output)
        size = float(np.linalg.norm(centred) * np.linalg.norm(other))
        if size and abs(float(centred @ other)) > (1 - 1e-6) * size:
            return True
    return False
