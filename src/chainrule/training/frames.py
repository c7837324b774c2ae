"""Frames of pandas and polars and tables of Arrow: what their columns are called, and which hold dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

#: How many columns a sentence names.
MOST_NAMED: Final = 5


def column_names(x: Any) -> list[str] | None:
    """Return the names of a frame's columns, if they are all text; None where it has none."""
    names = getattr(x, "column_names", None)  # an Arrow table's `columns` are what is in them
    names = getattr(x, "columns", None) if names is None else names
    listed = [] if names is None else list(names)
    return listed if listed and all(isinstance(name, str) for name in listed) else None


def check_columns(x: Any, learnt: Sequence[str] | None, name: str) -> None:
    """Raise a ValueError if x has named columns, and not those that were learnt from, in their order."""
    given = None if learnt is None else column_names(x)
    if learnt is None or given is None or given == learnt:
        return
    told = [
        f"{verb} {', '.join(map(repr, columns[:MOST_NAMED]))}{', ...' if len(columns) > MOST_NAMED else ''}"
        for verb, columns in (
            ("lacks", [column for column in learnt if column not in given]),
            ("has besides", [column for column in given if column not in learnt]),
        )
        if columns
    ]
    if not told:
        pairs = zip(given, learnt, strict=False)
        moved = next(((here, there) for here, there in pairs if here != there), (given[-1], "nothing"))
        told = ["has {!r} where the model has learnt from {!r}".format(*moved)]
    raise ValueError(
        f"{name} has other columns than the model has learnt from: it {' and '.join(told)}; "
        "give it the columns model.feature_names, in this order"
    )


def refuse_dates(x: Any, name: str = "x") -> None:
    """Raise a ValueError for dates and spans of time, of which NumPy would make huge whole numbers."""
    shape: tuple[Any, ...] = getattr(x, "shape", ())
    if len(shape) != 2 or hasattr(x, "toarray"):  # lists say themselves what they hold; sparse are numbers
        return
    columns = column_names(x)
    for column in range(shape[1]):
        if _is_date(x, column):
            which = column if columns is None else columns[column]
            raise ValueError(
                f"column {which!r} of {name} holds dates or spans of time; make numbers of it, such as the "
                "days since the first: (column - column.min()) / np.timedelta64(1, 'D')"
            )


def _is_date(x: Any, column: int) -> bool:
    """Whether a column holds dates, times of day or spans of time."""
    if hasattr(x, "iloc"):
        return x.dtypes.iloc[column].kind in "mM"
    if hasattr(x, "to_series"):
        return bool(x.to_series(column).dtype.is_temporal())
    if hasattr(x, "column_names"):
        return str(x.column(column).type).startswith(("timestamp", "date", "time", "duration"))
    return getattr(getattr(x, "dtype", None), "kind", "") in ("m", "M")
