"""What a user hands over as x, y and sample weights, checked and converted."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.types import Array, DType, str_shape


def as_features(x: Any, dtype: DType, name: str = "x") -> Array:
    """Return x as an array (rows, features, ...) of the dtype, all finite; or say where it is not.

    Raises
    ------
    ValueError
        For text, a wrong number of dimensions, no rows, and NaN or infinity (with row and column).
    """
    array = as_numbers(x, name)
    if array.ndim < 2:
        raise ValueError(
            f"{name} has the shape {str_shape(array.shape)}, and (rows, features) is needed; "
            f"for one feature use {name}.reshape(-1, 1), for one row {name}.reshape(1, -1)"
        )
    return as_finite(array.astype(dtype, copy=False), name, array)


def as_numbers(x: Any, name: str) -> Array:
    """Return x as an array of numbers with at least one row; or say what it holds instead."""
    array = as_dense(x, name)
    if array.dtype.kind == "O":
        array = _from_objects(array, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {_kind(array)}, and numbers are needed; encode them first")
    if array.ndim and not len(array):
        raise ValueError(f"{name} has no rows")
    return array


def as_dense(x: Any, name: str) -> Array:
    """Return x as an array of whatever it holds."""
    if hasattr(x, "toarray"):
        raise ValueError(f"{name} is a sparse matrix; {name}.toarray() makes a dense array of it")
    try:
        return np.asarray(x)
    except ValueError:
        raise ValueError(f"{name} is not an array: its rows differ in length") from None


def _from_objects(array: Array, name: str) -> Array:
    """Return an object array as floats, or name the first element that is not a number."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        for place, item in np.ndenumerate(array):
            if not isinstance(item, int | float | np.number):
                raise ValueError(
                    f"{name} holds {item!r} at {_place(place)}, and numbers are needed"
                ) from None
        raise


def _kind(array: Array) -> str:
    return {"U": "text", "S": "bytes", "M": "dates", "m": "time spans", "c": "complex numbers"}.get(
        array.dtype.kind, str(array.dtype)
    )


def as_finite_numbers(y: Any, name: str) -> Array:
    """Return targets or weights as an array of finite numbers; its dtype is its own."""
    return as_finite(as_numbers(y, name), name)


def as_finite(array: Array, name: str, original: Array | None = None) -> Array:
    """Return the array if all of it is finite; otherwise a ValueError says where it is not."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        number = (array if original is None else original)[place]
        if np.isfinite(number):
            raise ValueError(
                f"{name} holds {number} at {_place(place)}, which is too large for {array.dtype}"
            )
        raise ValueError(f"{name} holds {number} at {_place(place)}; fill missing values in, or drop the row")
    return array


def _place(place: tuple[int, ...]) -> str:
    words = [f"{word} {i}" for word, i in zip(("row", "column"), place, strict=False)]
    return ", ".join([*words, *(f"index {i}" for i in place[2:])])


def as_sample_weight(weight: Any, rows: int, dtype: DType, name: str = "sample_weight") -> Array:
    """Return sample weights as an array (rows,), finite and not negative."""
    array = as_finite(as_numbers(weight, name).astype(dtype), name)
    if array.shape != (rows,):
        raise ValueError(f"{name} has the shape {str_shape(array.shape)}, and x has {rows} rows")
    if (array < 0).any():
        raise ValueError(f"{name} is negative in row {int(np.argmax(array < 0))}")
    return array


def check_rows(x: Array, y: Array, names: tuple[str, str] = ("x", "y")) -> None:
    """Raise a ValueError if x and y differ in length."""
    if not y.ndim or len(x) != len(y):
        raise ValueError(f"{names[0]} has {len(x)} rows and {names[1]} {len(y) if y.ndim else 'none'}")


def as_count(number: Any, name: str, least: int = 1) -> int:
    """Return a whole number that is at least `least`."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {number!r}")
    return int(number)
