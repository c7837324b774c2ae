"""Everything a model file has to say about the table that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.app.cells import quoted
from chainrule.app.columns import (
    Column,
    Features,
    IgnoredColumn,
    column_from_json,
    column_to_json,
    infer_column,
)
from chainrule.app.holdout import Positions
from chainrule.app.table import Table
from chainrule.app.target import Target, target_from_json, target_to_json

#: The version of the description's JSON.
VERSION = 1


@dataclass(frozen=True)
class Description:
    """How each column of a table becomes features, and what is predicted.

    Attributes
    ----------
    columns : tuple of Column
        Every column but the target, in the order of the training table.
    target : Target
        What is predicted.
    """

    columns: tuple[Column, ...]
    target: Target

    @property
    def features(self) -> int:
        """How many features all columns become."""
        return sum(column.features for column in self.columns)

    @property
    def used(self) -> list[Column]:
        """The columns that the network sees."""
        return [column for column in self.columns if column.features]

    def encode(self, table: Table) -> Features:
        """Return the features of a table's rows, (rows, features); its columns may have any order."""
        return np.concatenate([column.encode(table) for column in self.used], axis=1)

    def require_columns(self, table: Table) -> None:
        """Raise a ValueError that names the columns which a table lacks."""
        absent = [column.name for column in self.used if column.name not in table.names]
        if len(absent) == 1:
            table.require(absent[0])
        if absent:
            raise ValueError(
                f"{table.path} lacks the columns {quoted(absent)}, which the model was trained with; "
                f"it has {quoted(table.names)}"
            )

    def remarks(self, table: Table) -> list[str]:
        """Return what a person should know about the rows of a table: columns and values without use."""
        known = {self.target.name, *(column.name for column in self.columns)}
        extra = [name for name in table.names if name not in known]
        remarks = [f"ignored {quoted(extra)}: not in the training table"] if extra else []
        for column in self.used:
            unseen = column.unseen(table)
            if unseen:
                remarks.append(f"{column.name}: training never saw {quoted(unseen)}; taken as missing")
        return remarks

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON."""
        columns = [column_to_json(column) for column in self.columns]
        return {"version": VERSION, "target": target_to_json(self.target), "columns": columns}

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> Description:
        """Return the description that was written as JSON.

        Raises
        ------
        ValueError
            Where it was written by a later version, or is not one.
        """
        try:
            if item["version"] != VERSION:
                raise ValueError(f"its table description has the version {item['version']}, not {VERSION}")
            columns = tuple(map(column_from_json, item["columns"]))
            return cls(columns, target_from_json(item["target"]))
        except (KeyError, TypeError, AttributeError):
            raise ValueError("its table description is damaged") from None


def describe(
    table: Table, target: Target, ignored: Sequence[str], training: Sequence[int] | Positions
) -> Description:
    """Return how the columns of a table become features, as its training rows say.

    Raises
    ------
    ValueError
        Where no column is of use.
    """
    columns = tuple(
        IgnoredColumn(name, "as asked") if name in ignored else infer_column(name, table, training)
        for name in table.names
        if name != target.name
    )
    description = Description(columns, target)
    if not description.used:
        reasons = "; ".join(
            f"{column.name!r}: {column.reason}" for column in columns if isinstance(column, IgnoredColumn)
        )
        raise ValueError(
            f"{table.path} has no column to predict {target.name!r} from ({reasons or 'it is alone'}); "
            "add columns of numbers or of repeated text"
        )
    return description
