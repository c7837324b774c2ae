"""Columns that tell the target by themselves, as nothing does that is known before.

A column that is the target leaks it. Any other that tells the target may be what a network is to learn from:
degrees Celsius tell degrees Fahrenheit, and some features separate classes. So it is only called a leak where

- it is made of the target as features are not: of a number it is a function, with no noise, such as its
  square or its sign, or the number itself with hardly any; it has one value for each class, or for one,
  up to hardly any noise, or lies at the number of the class; and
- without it the target can be predicted, but only in part: far less well, where there is noise.

What has more noise looks like the value of the day before, and that of the day before is known by its
numbers, which are other rows' targets, or nearer to the target of the row before. What takes several columns,
such as a sum that is the target, looks like any target that is easy to predict. Nothing is said of these, nor
of a network whose several outputs are to give back its input, as an autoencoder's are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.data import called, duplicated_columns, standardized
from chainrule.diagnosis.patient import MOST_TRAINED_ON, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array

SHOWN = 3
FEW_VALUES = 10
MANY_CLASSES = 5
ROUNDING = 1e-6
#: Rows of which a linear function may explain a part by chance.
CHANCE = 10


class Teller(NamedTuple):
    """A column that tells an output: how, in which part of the rows, what is to be told, and the noise.

    The noise is the part of a number's variance that the column leaves.
    """

    place: int
    how: str
    told: float
    goal: Array
    is_copy: bool = False
    noise: float = 0.0


def columns(patient: Patient) -> Iterator[Verdict]:
    """Find columns of a table that say the same, or tell the target."""
    if patient.data["x"].ndim == 2:
        yield from duplicated_columns(patient.data["x"].astype(float), patient.names)
        if "y" in patient.data:
            few = patient.some(MOST_TRAINED_ON)
            x, y = few["x"].astype(float), few["y"]
            yield from leaking_columns(x, y.astype(float) if y.dtype.kind == "f" else y, patient.names)


def leaking_columns(x: Array, y: Array, names: Sequence[str] = ()) -> Iterator[Verdict]:
    """Find columns that tell the target, or one of its classes, by themselves."""
    if len(x) < LIMITS.table_rows or x.shape[1] < 2:
        return
    outputs = y.reshape(len(y), -1).T
    are_classes = [y.dtype.kind in "iu" or len(np.unique(output)) == 2 for output in outputs]
    tellers = [
        list((_telling_class if is_class else _telling_number)(x, output))
        for output, is_class in zip(outputs, are_classes, strict=True)
    ]
    told = {teller.place for several in tellers for teller in several}
    if len(outputs) > 1 and len(told) >= LIMITS.given_back * x.shape[1]:
        return
    found: dict[int, str] = {}
    for several, is_class in zip(tellers, are_classes, strict=True):
        others = np.delete(x, [teller.place for teller in several], axis=1)
        partly = _is_partly_told_class if is_class else _is_partly_told_number
        # all that tell a number have the same goal; the noisiest is the hardest to call a leak
        different = several if is_class else sorted(several, key=lambda teller: -teller.noise)[:1]
        if any(teller.is_copy for teller in several) or any(partly(others, teller) for teller in different):
            found |= {teller.place: teller.how for teller in several}
    if found:
        shown = ", ".join(called(place, names) for place in sorted(found)[:SHOWN])
        shown += ", ..." if len(found) > SHOWN else ""
        yield Verdict(
            "leaking columns",
            "x",
            f"column {shown} alone tells the target: {found[min(found)]}",
            "leave out what is not known when a prediction is needed",
        )


# Classes ---------------------------------------------------------------------------------------------


def _telling_class(x: Array, classes: Array) -> Iterator[Teller]:
    """Yield columns with one value for each class, or for one class; or whose round numbers are classes."""
    labels, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if len(labels) < 2:
        return
    for place in range(x.shape[1]):
        values, column = np.unique(x[:, place], return_inverse=True)
        if len(values) == len(labels):
            told = _one_to_one(column, numbers)
            if told > LIMITS.told_rows:
                how = f"it says the class in {100 * told:.4g} % of {len(x)} rows"
                yield Teller(place, how, told, numbers, is_copy=told == 1)
        elif len(values) == 2:
            for k in np.flatnonzero(counts >= LIMITS.unusual_rows):
                if _one_to_one(column, (numbers == k).astype(int)) == 1:
                    how = f"it says whether it is a certain class in 100 % of {len(x)} rows"
                    yield Teller(place, how, 1.0, numbers == k)
        else:
            told = _beside_numbers(x[:, place], classes, len(labels))
            if told > LIMITS.told_rows:
                how = f"it is about the number of the class in {100 * told:.4g} % of {len(x)} rows"
                yield Teller(place, how, told, numbers)
            elif np.min(counts) >= LIMITS.unusual_rows and _lies_at_places(x[:, place], numbers):
                how = f"in {len(x)} rows it has one value for each class, but for tiny noise"
                yield Teller(place, how, 1.0, numbers)


def _beside_numbers(column: Array, classes: Array, count: int) -> float:
    """Return in which part of the rows a column is nearer to its class's number than to any between.

    Of many classes at any scale and offset: the places of few may lie on a line by chance.
    """
    slope, offset = np.polyfit(classes, column, 1) if count >= MANY_CLASSES else (1.0, 0.0)
    return float(np.mean(np.abs(column - slope * classes - offset) < abs(slope) / 3))


def _lies_at_places(column: Array, numbers: Array) -> bool:
    """Whether a column lies at one place for each class, and hardly varies there beside their distances."""
    counts = np.bincount(numbers)
    means = np.bincount(numbers, column) / counts
    spreads = np.sqrt(np.bincount(numbers, (column - means[numbers]) ** 2) / counts)
    return bool(np.max(spreads) < LIMITS.little_noise * np.min(np.diff(np.sort(means))))


def _one_to_one(first: Array, second: Array) -> float:
    """Return in which part of the rows two columns of as many values agree, if each is named by the other."""
    table = np.zeros((np.max(first) + 1, np.max(second) + 1))
    np.add.at(table, (first, second), 1)
    best = np.argmax(table, axis=1)
    return float(np.sum(np.max(table, axis=1)) / len(first)) if len(set(best)) == len(best) else 0.0


def _is_partly_told_class(others: Array, teller: Teller) -> bool:
    """Whether the other columns tell groups better than chance, and yet leave more rows than the column.

    Neighbours tell it; or where columns of noise lead them astray, lines, and for a class that lies between
    others, curves.
    """
    if not others.shape[1]:
        return False
    groups = teller.goal
    rows = standardized(others)
    squares = np.sum(rows**2, axis=1)
    distances = squares[:, None] + squares - 2 * rows @ rows.T
    np.fill_diagonal(distances, np.inf)
    labels, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    missed = int(np.count_nonzero(which[np.argmin(distances, axis=1)] != which))
    by_chance = len(groups) - float(np.sum(counts**2)) / len(groups)
    own = (1 - teller.told) * len(groups)
    if missed < max(LIMITS.unusual_rows, 2 * own):
        return False
    luck = 4 * np.sqrt(by_chance * (1 - by_chance / len(groups)))
    if missed < (1 - LIMITS.told_partly) * by_chance - luck:
        return True
    goals = (which[:, None] == np.arange(len(labels))) - counts / len(groups)
    curved = np.column_stack([rows, standardized(rows**2)])
    least = LIMITS.class_told_partly + CHANCE / len(rows)
    return any(_part_told(columns, goals) > least for columns in (rows, curved))


# Numbers ---------------------------------------------------------------------------------------------


def _telling_number(x: Array, output: Array) -> Iterator[Teller]:
    """Yield columns that are the number, or a function of it with no noise."""
    rows, size = len(x), float(np.std(output))
    if not size:
        return
    has_many = len(np.unique(output)) > FEW_VALUES  # between few, any column rises and falls as few times
    goal = _ranks(output)
    for place, is_function in _candidates(x, output):
        column = x[:, place]
        values, counts = np.unique(column, return_counts=True)
        if rows - np.max(counts) < LIMITS.unusual_rows:
            continue
        in_order = column[np.lexsort((column, output))]
        if np.max(np.abs(column - output)) <= ROUNDING * size:
            yield Teller(place, f"it is the target in all {rows} rows", 1.0, goal, is_copy=True)
        elif len(values) <= FEW_VALUES:
            if is_function and _divides(in_order, np.sort(output), len(values)):
                how = f"its {len(values)} values divide the {rows} targets into intervals"
                yield Teller(place, how, 1.0, goal)
        elif has_many and is_function and _turns(in_order) <= LIMITS.told_turns:
            yield Teller(place, f"in {rows} rows it is a function of the target, with no noise", 1.0, goal)
        else:
            left = _noise_beside(column, output)
            if left < LIMITS.little_noise**2 and not _is_earlier(column, output, left):
                noise = f"{100 * left**0.5:.1g} % noise"
                how = f"in {rows} rows it is the target, up to scale and offset, with {noise}"
                yield Teller(place, how, 1.0, goal, noise=left)


def _noise_beside(column: Array, output: Array) -> float:
    """Return the part of a number's variance that a column leaves."""
    return 1 - float(np.corrcoef(column, output)[0, 1]) ** 2


def _is_earlier(column: Array, output: Array, left: float) -> bool:
    """Whether a column has the numbers of other rows, as those of the day before, or means of some days.

    Their numbers are the targets of other rows, or they are nearer to the target of the row before or after.
    """
    if np.mean(np.isin(column, output)) > LIMITS.earlier_rows:
        return True
    beside = min(_noise_beside(column[1:], output[:-1]), _noise_beside(column[:-1], output[1:]))
    return beside < LIMITS.nearer_to_next * left


def _candidates(x: Array, output: Array) -> Iterator[tuple[int, bool]]:
    """Yield the columns to look at closely, and whether they are as good as equal where the numbers are.

    They turn seldom as the numbers rise, or are the numbers but for tiny noise; hardly any others do.
    """
    order = np.argsort(output, kind="stable")
    starts = np.flatnonzero(np.diff(output[order], prepend=-np.inf))
    counts = np.diff(starts, append=len(x))[:, None]
    columns = standardized(x)[order]
    between = np.sum(np.add.reduceat(columns, starts) ** 2 / counts, axis=0) / len(x)
    is_function = 1 - between < LIMITS.tiny_noise**2
    steps = np.diff(columns[starts], axis=0)  # of equal numbers one row is enough to see that it turns
    turns = np.count_nonzero(steps[1:] * steps[:-1] < 0, axis=0)
    correlation = standardized(output[order, None])[:, 0] @ columns / len(x)
    is_copy = correlation**2 > 1 - LIMITS.little_noise**2
    for place in np.flatnonzero((is_function & (turns <= max(FEW_VALUES, LIMITS.told_turns))) | is_copy):
        yield int(place), bool(is_function[place])


def _divides(in_order: Array, numbers: Array, values: int) -> bool:
    """Whether each value stands for an interval of the numbers, which do not fall apart there by themselves.

    A column that names groups that lie apart is a feature as good as any.
    """
    ends = np.flatnonzero(np.diff(in_order)) + 1
    if len(ends) != values - 1:
        return False
    spreads = np.array([np.std(group) for group in np.split(numbers, ends)])
    gaps = numbers[ends] - numbers[ends - 1]
    return bool(np.median(gaps) <= np.median(spreads[spreads > 0])) if spreads.any() else True


def _turns(numbers: Array) -> int:
    """Return how often numbers that rise begin to fall, or the other way."""
    steps = np.sign(np.diff(numbers))
    return int(np.count_nonzero(np.diff(steps[steps != 0])))


def _is_partly_told_number(others: Array, teller: Teller) -> bool:
    """Whether a linear function of the other columns' ranks explains a part of a number's."""
    if not others.shape[1]:
        return False
    columns, goal = np.column_stack([_ranks(other) for other in others.T]), teller.goal
    told = _part_told(columns, goal[:, None])
    clearly_less = 1 - told > LIMITS.noise_beside_others * teller.noise
    return told > LIMITS.told_partly + CHANCE / len(goal) and clearly_less


def _part_told(columns: Array, goals: Array) -> float:
    """Return the part of goals' variance that linear functions, fitted to the other rows, tell of each row.

    Columns and goals lie around 0. It is 0 where there are as many columns as rows.
    """
    space, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    space = space[:, sizes > ROUNDING * np.max(sizes)]
    weight = np.sum(space**2, axis=1) + 1 / len(goals)
    if np.max(weight) > 1 - ROUNDING:
        return 0.0
    left = (goals - space @ (space.T @ goals)) / (1 - weight)[:, None]
    return 1 - float(np.sum(left**2)) / float(np.sum(goals**2))


def _ranks(numbers: Array) -> Array:
    """Return ranks around 0; equal numbers have the mean of theirs."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts + 1) / 2 - (len(numbers) - 1) / 2)[which]
    return ranks
