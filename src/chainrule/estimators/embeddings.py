"""Columns of categories, coded 0, 1, 2, ..., that become learnt vectors before the first hidden layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from chainrule.estimators.rows import as_dense
from chainrule.graph.names import unknown_name
from chainrule.graph.types import Array
from chainrule.graph.words import counted
from chainrule.layers import Columns, Concatenate, Embedding, Flatten, Layer, Sequential
from chainrule.layers.embedding import EXACT_IN_FLOAT32

#: No vector is longer than this, unless its length was asked for.
_LONGEST = 50


@dataclass(frozen=True)
class Embedded:
    """One column of categories.

    Attributes
    ----------
    column : int
        Its position in x.
    name : str or int
        Its name, in a frame, otherwise its position.
    categories : int
        How many codes there are: 0 to categories - 1.
    units : int
        The length of each vector.
    asked : int or None
        The length that was asked for; None leaves it to the number of categories.
    """

    column: int
    name: str | int
    categories: int
    units: int
    asked: int | None


def chosen_columns(embeddings: Any, names: Sequence[str] | None, features: int) -> dict[int, int | None]:
    """Return the columns with the lengths of their vectors, None where it follows from the categories.

    Parameters
    ----------
    embeddings : mapping, array-like or None
        Column to length; or columns: positions, names, or a mask of bools.
    names : sequence of str or None
        Those of the columns of a frame.
    features : int
        How many columns there are.
    """
    if embeddings is None:
        return {}
    lengths: dict[Any, Any]
    if isinstance(embeddings, Mapping):
        lengths = dict(embeddings)
    else:
        lengths = dict.fromkeys(_listed(embeddings, features))
    chosen: dict[int, int | None] = {}
    for column, length in lengths.items():
        if length is not None and (
            isinstance(length, bool) or not isinstance(length, Integral) or length < 1
        ):
            raise ValueError(f"embeddings: a vector's length is a whole number of at least 1, not {length!r}")
        position = _position(column, names, features)
        units = None if length is None else int(length)
        first = chosen.setdefault(position, units)
        if first != units:
            name = column if names is None else names[position]
            raise ValueError(
                f"embeddings: column {name!r} is given two lengths, {first} and {units}; name it once"
            )
    return dict(sorted(chosen.items()))


def _listed(embeddings: Any, features: int) -> list[Any]:
    """Return the columns of a sequence; a mask of bools has one for each column."""
    columns = list(embeddings)
    if not columns or not all(isinstance(column, bool | np.bool_) for column in columns):
        return columns
    if len(columns) != features:
        raise ValueError(f"embeddings is a mask of {counted(len(columns), 'column')}, and x has {features}")
    return [int(i) for i in np.flatnonzero(columns)]


def _position(column: Any, names: Sequence[str] | None, features: int) -> int:
    if isinstance(column, str):
        if names is None:
            raise ValueError(
                f"embeddings names the column {column!r}, and x has no column names; give a data frame, or "
                "positions"
            )
        if column not in names:
            raise ValueError(f"embeddings: {unknown_name('column', column, names)}")
        return list(names).index(column)
    if isinstance(column, bool) or not isinstance(column, int | np.integer) or not 0 <= column < features:
        raise ValueError(
            f"embeddings: a column is a name or a position from 0 to {features - 1}, not {column!r}"
        )
    return int(column)


def learnt_columns(
    x: Array, chosen: Mapping[int, int | None], names: Sequence[str] | None
) -> tuple[Embedded, ...]:
    """Return the columns with as many categories as x shows: the largest code, and those below it."""
    embedded = []
    for column, length in chosen.items():
        name = column if names is None else str(names[column])
        codes = as_dense(x[:, [column]])[:, 0]
        _refuse((codes < 0) | (codes != np.floor(codes)), codes, 0, name, "categories are coded 0, 1, 2, ...")
        much = f"codes go from 0 to {EXACT_IN_FLOAT32 - 1} at most; encode the column, or give it as text"
        _refuse(codes >= EXACT_IN_FLOAT32, codes, 0, name, much)
        categories = int(codes.max()) + 1
        units = min(_LONGEST, (categories + 1) // 2) if length is None else length
        embedded.append(Embedded(column, name, categories, units, length))
    return tuple(embedded)


def check_codes(x: Array, embedded: Sequence[Embedded], first_row: int = 0) -> None:
    """Raise a ValueError for the first code that the fit has not seen; rows count from `first_row`."""
    for each in embedded:
        codes = as_dense(x[:, [each.column]])[:, 0]
        wrong = (codes < 0) | (codes >= each.categories) | (codes != np.floor(codes))
        known = (
            f"fit has seen 0 to {each.categories - 1}; fit with rows that have it, or give it a known code"
        )
        _refuse(wrong, codes, first_row, each.name, known)


def _refuse(wrong: Array, codes: Array, first_row: int, name: str | int, why: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"column {name!r} of x holds {codes[row]:g} in row {first_row + row}, which is no category: {why}"
        )


def embedding_layer(features: int, embedded: Sequence[Embedded]) -> Layer:
    """Return the layer that makes vectors of these columns, followed by the other columns as they are."""
    branches: list[Layer] = [
        Sequential([Columns([each.column]), Embedding(each.categories, each.units), Flatten()])
        for each in embedded
    ]
    others = [i for i in range(features) if i not in {each.column for each in embedded}]
    return Concatenate([*branches, Columns(others)] if others else branches)


def embedding_names(embedded: Sequence[Embedded], path: str) -> dict[str | int, str]:
    """Return the name of each column's parameter, where the layer of them stands at a path."""
    return {each.name: f"{path}.layers.{i}.layers.1.weight" for i, each in enumerate(embedded)}
