"""What a user hands over as x, y and sample weights, checked and converted."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from numbers import Real
from typing import Any, Final

import numpy as np

from chainrule.graph.types import FLOAT32, INT32, Array, DType, str_shape
from chainrule.graph.value import Value
from chainrule.graph.words import counted, place
from chainrule.training.frames import column_names, refuse_dates

#: How many elements are looked at together.
ELEMENTS: Final = 1 << 18


def as_features(x: Any, dtype: DType, name: str = "x") -> Array:
    """Return x as an array (rows, features, ...) of the dtype, all finite; or say where it is not.

    Raises
    ------
    ValueError
        For text, dates, a wrong number of dimensions, no rows, and NaN or infinity (with row and column).
    """
    if not isinstance(x, np.ndarray):
        refuse_dates(x, name)
    numbers = as_numbers(x, name)
    if numbers.ndim < 2:
        raise ValueError(
            f"{name} has the shape {str_shape(numbers.shape)}, and (rows, features) is needed; "
            f"for one feature use np.reshape({name}, (-1, 1)), for one row np.reshape({name}, (1, -1))"
        )
    return as_finite(numbers, dtype, name, table=x)


def as_numbers(x: Any, name: str) -> Array:
    """Return x as an array of numbers with at least one row; or say what it holds instead."""
    array = as_dense(x, name)
    if array.dtype.kind == "O":
        array = _from_objects(array, name, column_names(x))
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {_kind(array)}, and numbers are needed; encode them first")
    if array.ndim and not len(array):
        raise ValueError(f"{name} has no rows; give it at least one")
    return array


def as_dense(x: Any, name: str) -> Array:
    """Return x as an array of whatever it holds."""
    if isinstance(x, Value):
        raise TypeError(
            f"{name} is a symbolic {x.type}, and numbers are needed; "
            "in a function that is differentiated or compiled, model(x) is the network's output"
        )
    if hasattr(x, "toarray"):
        raise ValueError(f"{name} is a sparse matrix; {name}.toarray() makes a dense array of it")
    refuse_masked(x, name)
    try:
        return np.asarray(x)
    except ValueError:
        raise ValueError(
            f"{name} is not an array: its rows differ in length; make them equally long"
        ) from None


def refuse_masked(x: Any, name: str) -> None:
    """Raise a ValueError for a masked array: NumPy forgets the mask, and takes what lies under it."""
    mask = getattr(x, "mask", None)
    if mask is not None and isinstance(x, np.ndarray) and np.any(mask):
        raise ValueError(
            f"{name} is masked in places; fill them in with {name}.filled(...), or drop such rows"
        )


def _from_objects(array: Array, name: str, columns: Sequence[str] | None) -> Array:
    """Return an object array as floats, or name the first element that is not a number."""
    for index, item in np.ndenumerate(array):
        if isinstance(item, Real | np.bool_):
            continue
        if not index:
            kind = type(item).__name__
            raise ValueError(f"{name} is a {kind}, and numbers are needed; make an array or a frame of it")
        shown = " ".join(reprlib.repr(item).split())
        raise ValueError(
            f"{name} holds {shown} at {place(index, columns)}, and numbers are needed; "
            "encode it, or drop the row"
        )
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} holds a number that is too large for float64; scale {name} down") from None


def _kind(array: Array) -> str:
    return {"U": "text", "S": "bytes", "M": "dates", "m": "time spans", "c": "complex numbers"}.get(
        array.dtype.kind, str(array.dtype)
    )


def as_finite(x: Any, dtype: DType, name: str, table: Any = None) -> Array:
    """Return numbers in this dtype, if all of them are finite; otherwise a ValueError says where not.

    Where they come from a table, the ValueError names the column as it does.
    """
    numbers = as_numbers(x, name)
    array = numbers
    if numbers.dtype != dtype:
        with np.errstate(over="ignore"):
            array = numbers.astype(dtype)
    index = _first_not_finite(array)
    if index is not None:
        what = f"{name} holds {numbers[index]!s} at {place(index, column_names(table))}"
        if np.isfinite(numbers[index]):
            wider = 'use dtype="float64", or ' if dtype == FLOAT32 else ""
            raise ValueError(f"{what}, which is too large for {dtype}; {wider}scale {name} down")
        raise ValueError(f"{what}; fill missing values in, or drop the row")
    return array


def _first_not_finite(array: Array) -> tuple[int, ...] | None:
    """Return the place of the first NaN or infinity; some rows at a time, which takes little memory."""
    if array.size > ELEMENTS and len(array) > 1:
        rows = max(1, ELEMENTS // array[:1].size)
        for start in range(0, len(array), rows):
            index = _first_not_finite(array[start : start + rows])
            if index is not None:
                return start + index[0], *index[1:]
        return None
    finite = np.isfinite(array)
    if np.count_nonzero(finite) == finite.size:
        return None
    return tuple(map(int, np.argwhere(~finite)[0]))


def as_objective_target(y: Any, dtype: DType, name: str) -> Array:
    """Return y as an objective gets it: whole numbers as int32, others as finite floats."""
    numbers = as_numbers(y, name)
    if numbers.dtype.kind == "f":
        return as_finite(numbers, dtype, name)
    whole = numbers.astype(INT32)
    if (whole != numbers).any():
        index = tuple(np.argwhere(whole != numbers)[0])
        raise ValueError(
            f"{name} holds {numbers[index]} at {place(index)}, which does not fit int32; "
            "give smaller numbers, or floats"
        )
    return whole


def as_sample_weight(weight: Any, rows: int, dtype: DType, name: str = "sample_weight") -> Array:
    """Return sample weights as an array (rows,), finite and not negative."""
    array = as_finite(weight, dtype, name)
    if array.shape != (rows,):
        raise ValueError(
            f"{name} has the shape {str_shape(array.shape)}, and x has {counted(rows, 'row')}; "
            "give one weight for each row"
        )
    if (array < 0).any():
        raise ValueError(
            f"{name} is negative in row {int(np.argmax(array < 0))}; use 0 for a row not to count"
        )
    return array


def check_rows(x: Array, y: Array, names: tuple[str, str] = ("x", "y")) -> None:
    """Raise a ValueError if x and y differ in length."""
    if not y.ndim or len(x) != len(y):
        raise ValueError(
            f"{names[0]} has {counted(len(x), 'row')} and {names[1]} {len(y) if y.ndim else 'none'}; "
            f"give {names[1]} one entry for each row"
        )


def as_count(number: Any, name: str, least: int = 1) -> int:
    """Return a whole number that is at least `least`."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {number!r}")
    return int(number)
