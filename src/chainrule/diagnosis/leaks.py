"""Columns that tell the target by themselves, as nothing does that is known before.

A class, or whether it is a certain one, is told by a column whose nearest other value has the same class in
nearly all rows, and which varies little within a class: that is more than can be said of a feature that
separates classes well. A number is told by a column that rises or falls with it, up to little noise, or by
the few values of a column that divide the numbers into intervals.

Of a network whose several outputs are to give back its input, as an autoencoder's are, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array

SHOWN = 3
FEW_VALUES = 10


def leaking_columns(x: Array, y: Array) -> Iterator[Verdict]:
    """Find columns that tell the target, or one of its classes, by themselves."""
    if len(x) < LIMITS.table_rows or x.shape[1] < 2:
        return
    outputs = y.reshape(len(y), -1).T
    found: dict[int, str] = {}
    for output in outputs:
        is_class = y.dtype.kind in "iu" or len(np.unique(output)) == 2
        for place, how in (_telling_class if is_class else _telling_number)(x, output):
            found.setdefault(place, how)
    gives_back = len(outputs) > 1 and len(found) >= LIMITS.given_back * x.shape[1]
    if found and not gives_back:
        shown = ", ".join(map(str, sorted(found)[:SHOWN])) + (", ..." if len(found) > SHOWN else "")
        yield Verdict(
            "leaking columns",
            "x",
            f"column {shown} alone tells the target: {found[min(found)]}",
            "leave out what is not known when a prediction is needed",
        )


def _telling_class(x: Array, classes: Array) -> Iterator[tuple[int, str]]:
    """Yield columns that tell the class, or whether it is a certain one."""
    labels, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    questions = [numbers] if len(labels) > 1 else []
    if len(labels) > 2:
        questions += [numbers == k for k in np.flatnonzero(counts >= LIMITS.unusual_rows)]
    for question in questions:
        for place in np.flatnonzero(_between(x, question) > LIMITS.told_spread):
            told = _same_as_nearest(x[:, place], question)
            if told > LIMITS.told_rows:
                which = "the class" if question is numbers else "whether it is a certain class"
                yield int(place), f"it says {which} in {100 * told:.4g} % of {len(x)} rows"


def _between(x: Array, groups: Array) -> Array:
    """Return for each column which part of its variance lies between the groups."""
    centred = x - np.mean(x, axis=0)
    total = np.sum(centred**2, axis=0)
    between = np.zeros_like(total)
    for group in np.unique(groups):
        rows = centred[groups == group]
        between += len(rows) * np.mean(rows, axis=0) ** 2
    parts: Array = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return parts


def _same_as_nearest(column: Array, groups: Array) -> float:
    """Return for which part of the rows a row of the nearest value, or of the same, is of their group."""
    _, value, alike = np.unique(column, return_inverse=True, return_counts=True)
    pairs = np.column_stack([value, groups])
    _, pair, both = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    others = alike[value] - 1
    order = np.argsort(column, kind="stable")
    gaps = np.diff(column[order])
    same = groups[order][1:] == groups[order][:-1]
    below, above = np.r_[np.inf, gaps], np.r_[gaps, np.inf]
    nearest = np.empty(len(column))
    nearest[order] = np.where(below <= above, np.r_[False, same], np.r_[same, False])
    told = np.where(others > 0, (both[pair.ravel()] - 1) / np.maximum(others, 1), nearest)
    return float(np.mean(told))


def _telling_number(x: Array, output: Array) -> Iterator[tuple[int, str]]:
    """Yield columns that rise or fall with a number, or whose few values divide it into intervals."""
    goal = _ranks(output)
    for place in range(x.shape[1]):
        column = x[:, place]
        values, counts = np.unique(column, return_counts=True)
        ranks = _ranks(column)
        size = float(np.linalg.norm(ranks) * np.linalg.norm(goal))
        rank = abs(float(ranks @ goal)) / size if size else 0.0
        if rank > LIMITS.told_rank and len(values) > 1:
            yield place, f"its rank correlation with it is {rank:.4g} in {len(x)} rows"
        elif len(values) <= FEW_VALUES and np.count_nonzero(counts >= LIMITS.unusual_rows) > 1:
            changes = np.diff(column[np.lexsort((column, output))])
            if np.count_nonzero(changes) == len(values) - 1:
                yield place, f"its {len(values)} values divide the {len(x)} targets into intervals"


def _ranks(numbers: Array) -> Array:
    """Return ranks around 0; equal numbers have the mean of theirs."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts + 1) / 2 - (len(numbers) - 1) / 2)[which]
    return ranks
