"""What can be wrong with a table: its scales, columns that say the same, and the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.diagnosis.parts import takes_numbers
from chainrule.diagnosis.patient import Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array
from chainrule.losses import CrossEntropy

SHOWN = 3
#: Near copies are looked for among so many columns at most, each of more values than these. A rounded one is
#: like the original but for this part of its deviation, and at most this part of its grid.
MOST_COMPARED, FEW_VALUES, ROUGHLY, ROUNDED = 1000, 10, 0.1, 0.6
#: What to do about features.
STANDARDIZE = "standardize the columns: (x - x.mean(axis=0)) / x.std(axis=0)"


def features(patient: Patient) -> Iterator[Verdict]:
    """Look at the scale of the features where they reach weights as they are."""
    if takes_numbers(patient.trainer.task.network) and patient.data["x"].ndim == 2:
        yield from feature_scale(patient.data["x"].astype(float), patient.names)


def called(place: int, names: Sequence[str]) -> str:
    """Return what a column is called: its name, or its number where it has none."""
    return repr(names[place]) if names else str(place)


def feature_scale(x: Array, names: Sequence[str] = ()) -> Iterator[Verdict]:
    """Find columns whose sizes are wildly different, or far from 1."""
    varying = _varying(x)
    if not varying.size:
        return
    most = np.max(np.abs(x[:, varying] - np.median(x[:, varying], axis=0)), axis=0)
    spreads = np.std(x[:, varying], axis=0)
    # a long tail, or a flag that is rarely set, reaches far in standardized columns, too
    sizes = np.minimum(most, LIMITS.long_tail * spreads)
    distances = np.abs(np.mean(x[:, varying], axis=0))
    # one that is nearly always -1 does no harm beside others that vary between -1 and 1
    offsets = (distances > np.max(sizes)) * distances / np.maximum(spreads, most / LIMITS.long_tail)
    common = np.array([_unusual(x[:, place]) for place in varying]) >= min(LIMITS.unusual_rows, len(x) / 4)
    small = int(np.argmin(np.where(common, most, np.inf)))
    large, far = int(np.argmax(sizes)), int(np.argmax(offsets))
    largest, least, farthest = (called(int(varying[one]), names) for one in (large, small, far))
    if common.any() and sizes[large] > LIMITS.different_features * most[small]:
        evidence = f"column {largest} varies by {most[large]:.3g} and column {least} by {most[small]:.3g}"
        yield Verdict("features of wildly different scale", "x", evidence, STANDARDIZE)
    elif sizes[large] > LIMITS.largest_feature:
        evidence = f"column {largest} varies by {most[large]:.3g}, and about 1 is what layers expect"
        yield Verdict("features far from unit scale", "x", evidence, STANDARDIZE)
    elif offsets[far] > LIMITS.farthest_feature:
        evidence = f"column {farthest} lies around {np.mean(x[:, varying[far]]):.4g} and varies by "
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


def alike_in_batches(y: Array, batch_size: int) -> Iterator[Verdict]:
    """Find a table whose rows are as good as sorted by their targets, and are visited in that order."""
    targets = y.reshape(len(y), -1).astype(float)
    if batch_size < 2 or not np.ptp(targets, axis=0).any():
        return
    are_classes = y.dtype.kind in "iu" and y.size == len(y)
    part_within = _within_of_classes if are_classes else _within
    within = part_within(targets, batch_size)
    if not within < LIMITS.alike_in_batches:
        return
    sorted_ = part_within(targets[np.lexsort(targets.T)], batch_size)
    if 1 - within > LIMITS.as_if_sorted * (1 - sorted_):
        yield Verdict(
            "batches of rows alike",
            "y",
            f"rows are visited as they stand, and {100 * within:.2g} % of the target's variance is within "
            f"batches of {batch_size} rows; {100 * sorted_:.2g} % if they were sorted by it",
            "fit with shuffle=True, or shuffle the table",
        )


def _within(targets: Array, batch_size: int) -> float:
    """Return which part of targets' variance is within batches."""
    starts = np.arange(0, len(targets), batch_size)
    sums = np.add.reduceat(targets - np.mean(targets, axis=0), starts)
    between = np.sum(sums**2 / np.diff(starts, append=len(targets))[:, None])
    return 1 - float(between) / (len(targets) * float(np.sum(np.var(targets, axis=0))))


def _within_of_classes(targets: Array, batch_size: int) -> float:
    """Return the same of columns that are 1 for one class each; with many classes these would be large.

    It is how often two rows of a batch are of different classes, as a part of how often any two rows are.
    """
    _, classes, sizes = np.unique(targets, return_inverse=True, return_counts=True)
    batches = np.arange(len(targets)) // batch_size
    pairs, counts = np.unique(batches * len(sizes) + classes.ravel(), return_counts=True)
    alike = np.sum(counts**2 / np.bincount(batches)[pairs // len(sizes)]) / len(targets)
    return float((1 - alike) / (1 - np.sum((sizes / len(targets)) ** 2)))


def duplicated_columns(x: Array, names: Sequence[str] = ()) -> Iterator[Verdict]:
    """Find columns that are the same, up to scale and offset, or nearly. In a few rows it may be chance.

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
    nearly = _nearly_same(x, [group[0] for group in groups.values()])
    told = [
        _say_the_same(some, more, names)
        for some, more in ((same, ""), (nearly, ", but for rounding or noise"))
        if some
    ]
    if told:
        yield Verdict("duplicated columns", "x", "; ".join(told), "keep one of each")


def _say_the_same(groups: list[list[int]], but: str, names: Sequence[str]) -> str:
    shown = "; ".join(
        " and ".join(called(place, names) for place in group[:SHOWN]) for group in groups[:SHOWN]
    )
    more = f", and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    return f"columns {shown} say the same{more}{but}"


def _nearly_same(x: Array, places: list[int]) -> list[list[int]]:
    """Return pairs of columns of many values that are the same but for hardly any noise, or rounding.

    Three that follow one another are points of a curve, as of a spectrum: then nothing is said.
    """
    many = [place for place in places if len(np.unique(x[:, place])) > FEW_VALUES]
    if not 2 <= len(many) <= MOST_COMPARED:
        return []
    columns = standardized(x[:, many])
    left = 1 - (columns.T @ columns / len(x)) ** 2
    pairs = [
        [int(many[first]), int(many[second])]
        for first, second in np.argwhere(np.triu(left < ROUGHLY**2, 1))
        if left[first, second] < LIMITS.noise_of_copy**2
        or _is_rounded(x[:, many[first]], x[:, many[second]])
        or _is_rounded(x[:, many[second]], x[:, many[first]])
    ]
    beside = {first for first, second in pairs if second == first + 1}
    return [] if any(place + 1 in beside for place in beside) else pairs


def _is_rounded(column: Array, other: Array) -> bool:
    """Whether the other column is this one, rounded: a line never misses it by more than half its grid."""
    grid = float(np.min(np.diff(np.unique(other))))
    slope, offset = np.polyfit(column, other, 1)
    return bool(np.max(np.abs(slope * column + offset - other)) < ROUNDED * grid)


def _varying(x: Array) -> Array:
    return np.flatnonzero(np.ptp(x, axis=0) > 0)


def _unusual(column: Array) -> int:
    """Return in how many rows a column has not its most common value."""
    return len(column) - int(np.max(np.unique(column, return_counts=True)[1]))


def standardized(x: Array) -> Array:
    """Return columns of mean 0 and deviation 1; of one value, 0."""
    deviations = np.std(x, axis=0)
    return np.asarray((x - np.mean(x, axis=0)) / np.where(deviations > 0, deviations, 1))
