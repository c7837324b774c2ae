"""Columns of text, or of categories, in a table: each category gets a code, by which its vector is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.graph.types import FLOAT32, FLOAT64, Array
from chainrule.training.frames import column_names

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Coded:
    """A column whose categories a fit has seen.

    Attributes
    ----------
    column : int
        Its position in x.
    name : str or int
        Its name, in a frame, otherwise its position.
    categories : ndarray of object
        In the order of their codes: sorted, and None, where some are missing, in the end.
    """

    column: int
    name: str | int
    categories: Array

    def codes(self, values: Sequence[Any], dtype: Any) -> Array:
        """Return the code of each value; a ValueError names the first that the fit has not seen."""
        known = {value: code for code, value in enumerate(self.categories.tolist())}
        _distinct(values, self.name)
        try:
            return np.array([known[value] for value in values], dtype)
        except KeyError:
            row = next(i for i, value in enumerate(values) if value not in known)
        shown = ", ".join(map(repr, self.categories[:_SHOWN].tolist()))
        more = ", ..." if len(known) > _SHOWN else ""
        raise ValueError(
            f"column {self.name!r} of x holds {values[row]!r} in row {row}, which is no category: "
            f"fit has seen {shown}{more}; fit with rows that have it, or give it a known one"
        )


def as_table(x: Any) -> Any:
    """Return what has columns as it is, and lists as an array of objects; None where there are no columns.

    A single batch of Arrow becomes a table, as scikit-learn takes the names of a table's columns alone.
    """
    if hasattr(x, "column_names") and not hasattr(x, "to_batches"):
        from pyarrow import Table  # it is installed where x has come from

        return Table.from_batches([x])
    if not hasattr(x, "shape"):
        try:
            x = np.asarray(x, object)
        except ValueError:
            return None
    return None if issparse(x) or len(x.shape) != 2 else x


def is_float32_frame(x: Any) -> bool:
    """Whether x is a frame of polars or Arrow with float32 alone, of which scikit-learn makes float64."""
    if hasattr(x, "iloc") or not hasattr(x, "__array__") or column_names(x) is None:
        return False
    return bool(np.asarray(x[:0]).dtype == FLOAT32)


def learnt_categories(x: Any, columns: Iterable[int]) -> tuple[Coded, ...]:
    """Return the categories of those of the columns that do not hold plain numbers."""
    names, found = column_names(x), []
    for column in columns:
        if _is_plain(x, column):
            continue
        name = column if names is None else names[column]
        seen = _distinct(_values(x, column), name)
        try:
            ordered = sorted(seen - {None})
        except TypeError:
            kinds = ", ".join(sorted({type(value).__name__ for value in seen - {None}}))
            raise ValueError(
                f"column {name!r} of x holds categories of several types ({kinds}); give all as text"
            ) from None
        categories = np.empty(len(seen), object)
        categories[:] = [*ordered, *({None} & seen)]
        found.append(Coded(column, name, categories))
    return tuple(found)


def _distinct(values: Sequence[Any], name: str | int) -> set[Any]:
    """Return the values without repetition; a ValueError names the first that cannot be a category."""
    try:
        return set(values)
    except TypeError:
        row = next(i for i, value in enumerate(values) if not _is_hashable(value))
    raise ValueError(
        f"column {name!r} of x holds a {type(values[row]).__name__} in row {row}, and a category is text or "
        "a number; make a column of text of it, or leave the column out of embeddings"
    )


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def with_codes(x: Any, coded: Sequence[Coded]) -> Any:
    """Return a table with codes in place of categories; the user's own is left alone.

    A frame whose columns are others is returned as it is: scikit-learn has the sentence for that.
    """
    names = column_names(x)
    # Where no number stands beside them, nothing says that float32 is meant.
    dtype = FLOAT64 if x.shape[1] == len(coded) else FLOAT32
    for each in coded:
        column = each.column
        if names is not None and isinstance(each.name, str):
            if each.name not in names:
                return x
            column = names.index(each.name)
        x = _replaced(x, column, each.codes(_values(x, column), dtype))
    return x


def with_categories(x: Array, coded: Sequence[Coded]) -> Any:
    """Return an array of rows with categories in place of codes, as a user would give them to `predict`."""
    table = x.astype(object)
    for each in coded:
        table[:, each.column] = each.categories[x[:, each.column].astype(int)]
    return table


def _values(x: Any, column: int) -> list[Any]:
    """Return what is in a column, None where it is missing."""
    if hasattr(x, "iloc"):
        series = x.iloc[:, column].astype(object)
        return series.where(series.notna(), None).tolist()  # type: ignore[no-any-return]
    if hasattr(x, "to_series"):
        return x.to_series(column).to_list()  # type: ignore[no-any-return]
    if hasattr(x, "column_names"):
        return x.column(column).to_pylist()  # type: ignore[no-any-return]
    return [None if _is_missing(value) else value for value in x[:, column].tolist()]


def _is_missing(value: Any) -> bool:
    """Whether it is a NaN, a NaT, or pandas' NA, which differs from itself by being neither."""
    differs = value != value  # noqa: PLR0124
    return differs is value or (isinstance(differs, bool) and differs)


def _is_plain(x: Any, column: int) -> bool:
    """Whether a column holds plain numbers, which are codes already."""
    if hasattr(x, "iloc"):
        series = x.iloc[:, column]
        return not hasattr(series, "cat") and series.dtype.kind in "iufb"
    if hasattr(x, "to_series"):
        dtype = x.to_series(column).dtype
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    if hasattr(x, "column_names"):
        return str(x.column(column).type).startswith(("int", "uint", "float", "double", "halffloat", "bool"))
    return x.dtype.kind in "iufb" or all(isinstance(value, Real | np.bool_) for value in x[:, column])


def tell_text(error: ValueError, x: Any) -> None:
    """Raise the error that text is no number with the column that holds it, and what may be done about it."""
    names = column_names(x)
    if not str(error).startswith("could not convert string to float") or names is None:
        return
    for column, name in enumerate(names):
        text = next((value for value in _values(x, column) if isinstance(value, str)), None)
        if text is not None and not _is_number(text):
            raise ValueError(
                f"could not convert string to float: column {name!r} of x holds {text!r}; "
                f"embeddings=[{name!r}] learns a vector of each category, and OneHotEncoder encodes it"
            ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _replaced(x: Any, column: int, codes: Array) -> Any:
    if hasattr(x, "iloc"):
        x = x.copy(deep=False)
        x.isetitem(column, codes)
        return x
    if hasattr(x, "to_series"):
        series = x.to_series(column)
        return x.clone().replace_column(column, type(series)(series.name, codes))
    if hasattr(x, "column_names"):
        return x.set_column(column, x.column_names[column], [codes])
    table = x.astype(object)
    table[:, column] = codes
    return table
