"""What a network learns to predict: the class of a row, or a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.app.cells import about_commas, as_number, is_missing, mean_and_deviation
from chainrule.app.holdout import Positions
from chainrule.app.records import record_from_json
from chainrule.app.table import Table

#: Whole numbers are classes if at most so many are different, and each occurs so often on average.
MOST_CLASS_NUMBERS = 20
ROWS_PER_CLASS_NUMBER = 5


@dataclass(frozen=True)
class ClassTarget:
    """A column of classes.

    Attributes
    ----------
    name : str
        The column.
    classes : tuple of str
        The classes; the network's outputs are in this order.
    """

    name: str
    classes: tuple[str, ...]
    task: ClassVar[str] = "classification"
    loss: ClassVar[str] = "cross_entropy"

    @property
    def outputs(self) -> int:
        """How many outputs the network needs."""
        return len(self.classes)

    @property
    def labels(self) -> list[str]:
        """What each of the outputs is called."""
        return list(self.classes)

    def encode(self, table: Table) -> NDArray[np.int32]:
        """Return the class numbers, -1 for a class that training did not see."""
        place = {name: position for position, name in enumerate(self.classes)}
        return np.array([place.get(class_name(cell), -1) for cell in table.column(self.name)], dtype=np.int32)

    def unseen(self, table: Table) -> list[str]:
        """Return the classes in a table that training did not see, sorted."""
        return sorted({class_name(cell) for cell in table.column(self.name)} - set(self.classes))


@dataclass(frozen=True)
class NumberTarget:
    """A column of numbers, which the network sees standardized.

    Attributes
    ----------
    name : str
        The column.
    mean, deviation, low, high : float
        Of the training rows.
    """

    name: str
    mean: float
    deviation: float
    low: float
    high: float
    task: ClassVar[str] = "regression"
    loss: ClassVar[str] = "mean_squared_error"
    outputs: ClassVar[int] = 1

    @property
    def labels(self) -> list[str]:
        """What the output is called."""
        return [f"{self.name} (standardized)"]

    def encode(self, table: Table) -> NDArray[np.float64]:
        """Return the numbers as they are in the table."""
        cells = table.column(self.name)
        for cell, line in zip(cells, table.lines, strict=True):
            if as_number(cell) is None:
                raise ValueError(
                    f"{table.path}, line {line}: {cell!r} in the target column {self.name!r} is not a "
                    "number; correct it, or write NA"
                )
        return np.array([float(cell) for cell in cells])

    def standardize(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the numbers as the network learns them, (rows, 1)."""
        return (numbers[:, None] - self.mean) / self.deviation

    def restore(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the numbers that the network's outputs stand for, (rows,)."""
        return outputs[:, 0].astype(np.float64) * self.deviation + self.mean


Target = ClassTarget | NumberTarget
TASKS: dict[str, type[Any]] = {target.task: target for target in (ClassTarget, NumberTarget)}


def target_to_json(target: Target) -> dict[str, Any]:
    """Return a target as JSON."""
    return {"task": target.task, **asdict(target)}


def target_from_json(item: dict[str, Any]) -> Target:
    """Return the target that was written as JSON."""
    fields = dict(item)
    target: Target = record_from_json(TASKS[str(fields.pop("task"))], fields)
    return target


def class_name(cell: str) -> str:
    """Return the class in a cell; whole numbers have one name however they are written.

    Examples
    --------
    >>> class_name("1.0"), class_name("01"), class_name("yes")
    ('1', '1', 'yes')
    """
    number = as_number(cell)
    return cell if number is None or number != int(number) else str(int(number))


def infer_classes(name: str, table: Table) -> ClassTarget | None:
    """Return the classes in a target column without missing cells, or None where it holds numbers to predict.

    Text is classes. So are whole numbers of which at most 20 are different, each in 5 rows on average.

    Raises
    ------
    ValueError
        Where there is nothing to learn: one class, or nearly as many as there are rows.
    """
    cells = table.column(name)
    numbers = [as_number(cell) for cell in cells]
    counts = Counter(map(class_name, cells))
    if len(counts) < 2:
        raise ValueError(
            f"{table.path}: the target column {name!r} has only the value {cells[0]!r}; "
            "a network needs at least two to learn from"
        )
    if None not in numbers:
        few = len(counts) <= min(MOST_CLASS_NUMBERS, len(cells) // ROWS_PER_CLASS_NUMBER)
        whole = all(number is not None and number == int(number) for number in numbers)
        return ClassTarget(name, tuple(sorted(counts, key=float))) if few and whole else None
    if 2 * len(counts) > len(cells):
        misfit = numbers.index(None)
        raise ValueError(
            f"{table.path}: the target column {name!r} has {len(counts)} classes in {len(cells)} rows: too "
            f"few of each (line {table.lines[misfit]} holds {cells[misfit]!r}, which is no number"
            f"{about_commas(cells[misfit])}); "
            "choose another target, or correct the cells that should be numbers"
        )
    return ClassTarget(name, tuple(sorted(counts)))


def infer_number(name: str, table: Table, training: Sequence[int] | Positions) -> NumberTarget:
    """Return how a target column of numbers is standardized, as the training rows say."""
    numbers = [float(cell) for cell in table.take(training).column(name)]
    low, high = min(numbers), max(numbers)
    moments = mean_and_deviation(numbers)
    if moments is None:
        raise ValueError(
            f"{table.path}: the target column {name!r} goes from {low:g} to {high:g} in the training rows; "
            "a network needs numbers that differ, and not by more than a float64 holds"
        )
    return NumberTarget(name, *moments, low, high)


def labelled(name: str, table: Table) -> Table:
    """Return the rows of a table whose target is not missing."""
    return table.take(i for i, cell in enumerate(table.column(name)) if not is_missing(cell))
