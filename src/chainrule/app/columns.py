"""How the columns of a table become the features of a network: inferred once, from the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.app.cells import about_commas, as_number, is_missing, mean_and_deviation
from chainrule.app.holdout import Positions
from chainrule.app.records import record_from_json
from chainrule.app.table import Table

Features = NDArray[np.float64]

#: A text column with more different values than this is not a category.
MOST_CATEGORIES = 256
#: Names of columns that only tell the rows apart, where every row has another value.
IDENTIFIERS = frozenset({"", "id", "index", "row", "rowid", "rownames", "unnamed: 0"})


@dataclass(frozen=True)
class NumberColumn:
    r"""A column of numbers: standardized, :math:`(x - \mu) / \sigma`.

    A missing cell becomes the mean, 0. If the training rows had missing cells, a second feature is 1 there.

    Attributes
    ----------
    name : str
        The column.
    mean, deviation, low, high : float
        Of the training rows' numbers; the deviation of equal numbers is given as 1.
    missing : int
        How many training rows had no number.
    """

    name: str
    mean: float
    deviation: float
    low: float
    high: float
    missing: int

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        return 1 + (self.missing > 0)

    @property
    def labels(self) -> list[str]:
        """What each of the features is called."""
        return [f"{self.name} (standardized)", f"{self.name} is missing"][: self.features]

    def encode(self, table: Table) -> Features:
        """Return the features, one row for each of the table's."""
        numbers = np.array([np.nan if number is None else number for number in self._numbers(table)])
        absent = np.isnan(numbers)
        standardized = np.where(absent, 0.0, (numbers - self.mean) / self.deviation)
        return np.column_stack([standardized, absent][: self.features]).astype(np.float64)

    def unseen(self, table: Table) -> list[str]:
        """Return nothing: any number may come."""
        return []

    def _numbers(self, table: Table) -> list[float | None]:
        """Return the numbers, None for missing cells; refuse everything else."""
        cells = table.column(self.name)
        numbers = [None if is_missing(cell) else as_number(cell) for cell in cells]
        for number, cell, line in zip(numbers, cells, table.lines, strict=True):
            if number is None and not is_missing(cell):
                raise ValueError(
                    f"{table.path}, line {line}: {cell!r} in the column {self.name!r} is not a number, "
                    "as all were in training; correct it, or write NA"
                )
            if number is not None and abs(number - self.mean) > 1e30 * self.deviation:
                raise ValueError(
                    f"{table.path}, line {line}: {cell} in the column {self.name!r} is out of all proportion "
                    f"to the training rows, {self.low:g} to {self.high:g}; correct it, or write NA"
                )
        return numbers


@dataclass(frozen=True)
class CategoryColumn:
    """A column of names: one feature for each value, 1 where a cell has it and 0 elsewhere.

    A missing or unknown cell becomes the mean of the training rows, the share of each value. If the training
    rows had missing cells, a last feature is 1 there.

    Attributes
    ----------
    name : str
        The column.
    values : tuple of str
        The values in the training rows, sorted.
    shares : tuple of float
        How often each occurs there; they sum to 1.
    missing : int
        How many training rows had no value.
    """

    name: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    missing: int

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        return len(self.values) + (self.missing > 0)

    @property
    def labels(self) -> list[str]:
        """What each of the features is called."""
        listed = [f"{self.name} = {value}" for value in self.values]
        return [*listed, f"{self.name} is missing"][: self.features]

    def encode(self, table: Table) -> Features:
        """Return the features, one row for each of the table's."""
        patterns = np.eye(self.features)
        unknown = np.append(self.shares, [1.0] * (self.missing > 0))
        place = {value: position for position, value in enumerate(self.values)}
        return np.vstack([patterns, unknown])[
            [place.get(cell, self.features) for cell in table.column(self.name)]
        ]

    def unseen(self, table: Table) -> list[str]:
        """Return the values that training did not see, the most frequent first."""
        counts = Counter(cell for cell in table.column(self.name) if not is_missing(cell))
        return [value for value, _ in counts.most_common() if value not in self.values]


@dataclass(frozen=True)
class IgnoredColumn:
    """A column that the network does not see.

    Attributes
    ----------
    name : str
        The column.
    reason : str
        Why not.
    """

    name: str
    reason: str

    @property
    def features(self) -> int:
        """No features."""
        return 0

    @property
    def labels(self) -> list[str]:
        """No names for no features."""
        return []

    def encode(self, table: Table) -> Features:
        """Return the features: none for each row."""
        return np.empty((len(table.rows), 0))

    def unseen(self, table: Table) -> list[str]:
        """Return nothing."""
        return []


Column = NumberColumn | CategoryColumn | IgnoredColumn
KINDS: dict[str, type[Any]] = {"number": NumberColumn, "category": CategoryColumn, "ignored": IgnoredColumn}


def kind(column: Column) -> str:
    """Return what a column is called: number, category or ignored."""
    return next(name for name, kind in KINDS.items() if isinstance(column, kind))


def column_to_json(column: Column) -> dict[str, Any]:
    """Return a column as JSON."""
    return {"kind": kind(column), **asdict(column)}


def column_from_json(item: dict[str, Any]) -> Column:
    """Return the column that was written as JSON."""
    fields = dict(item)
    column: Column = record_from_json(KINDS[str(fields.pop("kind"))], fields)
    return column


def infer_column(name: str, table: Table, training: Sequence[int] | Positions) -> Column:
    """Return how a column becomes features.

    Whether it holds numbers is seen in all of its cells, so that every one can be read. Everything that is
    estimated (means, deviations, the values of a category) comes from the training rows only.

    Parameters
    ----------
    name : str
        The column.
    table : Table
        Where it stands.
    training : sequence or array of int
        The positions of the training rows.
    """
    cells = table.column(name)
    known = [cells[i] for i in training if not is_missing(cells[i])]
    missing = len(training) - len(known)
    counts = Counter(known)
    if not known:
        return IgnoredColumn(name, "it has no values")
    if len(counts) == 1 and not missing:
        return IgnoredColumn(name, f"every training row has {known[0]}")
    if _is_identifier(name) and len(counts) == len(training):
        return IgnoredColumn(name, "it only tells the rows apart")
    misfit = _first_not_a_number(cells, table.lines)
    if not misfit:
        return _number_column(name, [float(cell) for cell in known], missing)
    if len(counts) > MOST_CATEGORIES or 2 * len(counts) > max(len(known), 2):
        return IgnoredColumn(name, f"text with {len(counts)} different values in {len(known)} rows; {misfit}")
    shares = tuple(counts[value] / len(known) for value in sorted(counts))
    return CategoryColumn(name, tuple(sorted(counts)), shares, missing)


def _number_column(name: str, numbers: Sequence[float], missing: int) -> Column:
    """Return a column of numbers; equal ones that are not there in every row have the deviation 1."""
    low, high = min(numbers), max(numbers)
    moments = mean_and_deviation(numbers) if low < high else (low, 1.0)
    if moments is None:
        return IgnoredColumn(name, f"no deviation can be computed of numbers from {low:g} to {high:g}")
    return NumberColumn(name, *moments, low, high, missing)


def _is_identifier(name: str) -> bool:
    plain = name.casefold()
    return plain in IDENTIFIERS or plain.endswith(("_id", " id"))


def _first_not_a_number(cells: Sequence[str], lines: Sequence[int]) -> str:
    """Return where a column shows that it is not one of numbers, empty where it is one."""
    for cell, line in zip(cells, lines, strict=True):
        if not is_missing(cell) and as_number(cell) is None:
            return f"{cell!r} in line {line} is not a number{about_commas(cell)}"
    return ""
