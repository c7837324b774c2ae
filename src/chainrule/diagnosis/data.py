"""What can be wrong with a table: its scales, and columns that say the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.parts import takes_numbers
from chainrule.diagnosis.patient import Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array
from chainrule.losses import CrossEntropy

SHOWN = 3
#: What to do about features.
STANDARDIZE = "standardize the columns: (x - x.mean(axis=0)) / x.std(axis=0)"


def features(patient: Patient) -> Iterator[Verdict]:
    """Look at the scale of the features where they reach weights as they are."""
    if takes_numbers(patient.trainer.task.network) and patient.data["x"].ndim == 2:
        yield from feature_scale(patient.data["x"].astype(float))


def feature_scale(x: Array) -> Iterator[Verdict]:
    """Find columns whose sizes are wildly different, or far from 1."""
    varying = _varying(x)
    if not varying.size:
        return
    sizes = np.max(np.abs(x[:, varying] - np.median(x[:, varying], axis=0)), axis=0)
    spreads = np.std(x[:, varying], axis=0)
    offsets = np.abs(np.mean(x[:, varying], axis=0)) / spreads
    small, large, far = int(np.argmin(sizes)), int(np.argmax(sizes)), int(np.argmax(offsets))
    if sizes[large] > LIMITS.different_features * sizes[small]:
        evidence = (
            f"column {varying[large]} varies by {sizes[large]:.3g} and column {varying[small]} by "
            f"{sizes[small]:.3g}"
        )
        yield Verdict("features of wildly different scale", "x", evidence, STANDARDIZE)
    elif sizes[large] > LIMITS.largest_feature:
        evidence = f"column {varying[large]} varies by {sizes[large]:.3g}, and about 1 is what layers expect"
        yield Verdict("features far from unit scale", "x", evidence, STANDARDIZE)
    elif offsets[far] > LIMITS.farthest_feature:
        evidence = f"column {varying[far]} lies around {np.mean(x[:, varying[far]]):.4g} and varies by "
        yield Verdict("features far from unit scale", "x", f"{evidence}{spreads[far]:.3g} only", STANDARDIZE)


def target(patient: Patient) -> Iterator[Verdict]:
    """Look at the scale of a target that the network's outputs are to be equal to."""
    loss, y = patient.trainer.task.loss, patient.data.get("y")
    if y is None or loss is None or isinstance(loss, CrossEntropy):
        return
    if y.dtype.kind == "f" and loss.link(1) == 1:
        yield from target_scale(y.astype(float))


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
            "standardize the target: (y - y.mean(axis=0)) / y.std(axis=0), and undo it in predictions",
        )


def duplicated_columns(x: Array) -> Iterator[Verdict]:
    """Find columns that are the same, up to scale and offset; but for a few rows 0, it may be chance.

    Two columns of two values each, of which one says yes where the other says no, are no duplicates: that is
    how a category of two is usually written.
    """
    varying = _varying(x)
    varying = varying[[_unusual(x[:, place]) >= LIMITS.unusual_rows for place in varying]]
    if len(x) < LIMITS.table_rows or varying.size < 2:
        return
    standard = x[:, varying] - np.mean(x[:, varying], axis=0)
    standard /= np.std(standard, axis=0)
    signs = np.sign(standard[np.argmax(np.abs(standard) > 1e-3, axis=0), np.arange(len(varying))])
    standard *= np.where([len(np.unique(x[:, place])) == 2 for place in varying], 1, signs)
    groups: dict[bytes, list[int]] = {}
    for column, place in enumerate(varying):
        key = np.round(standard[:, column], 4) + 0.0
        groups.setdefault(key.tobytes(), []).append(int(place))
    same = [group for group in groups.values() if len(group) > 1]
    if same:
        shown = "; ".join(" and ".join(map(str, group[:SHOWN])) for group in same[:SHOWN])
        more = f", and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
        yield Verdict("duplicated columns", "x", f"columns {shown} say the same{more}", "keep one of each")


def _varying(x: Array) -> Array:
    return np.flatnonzero(np.ptp(x, axis=0) > 0)


def _unusual(column: Array) -> int:
    """Return in how many rows a column has not its most common value."""
    return len(column) - int(np.max(np.unique(column, return_counts=True)[1]))


def standardized(x: Array) -> Array:
    """Return columns of mean 0 and deviation 1; of one value, 0."""
    deviations = np.std(x, axis=0)
    return np.asarray((x - np.mean(x, axis=0)) / np.where(deviations > 0, deviations, 1))
