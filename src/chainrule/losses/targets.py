"""The user's y, checked and converted, with a sentence that names the row where it does not fit."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from chainrule.graph.types import INT32, ROWS, Array, DType, Shape, str_shape
from chainrule.graph.words import counted, place


def as_numbers(y: object) -> Array:
    """Return y as an array of integers, floats or bools; text and missing values are refused."""
    array = np.asarray(y)
    if array.dtype.kind in "biuf":
        return array
    for index in np.ndindex(array.shape):
        item = array[index]
        if isinstance(item, str | bytes):
            raise ValueError(
                f"y holds text ({str(item)!r} in {place(index)}): a target is a number; "
                "np.unique(y, return_inverse=True)[1] numbers the classes 0, 1, ..."
            )
        if not isinstance(item, numbers.Real | np.bool_):
            refuse_at(index, array, "a target is a real number; drop such rows or fill them in")
    return array.astype(np.float64)


def as_floats(y: Array, dtype: DType) -> Array:
    """Return y as floats of this dtype; NaN, infinity and what is too large for it are refused."""
    with np.errstate(over="ignore"):
        floats = y.astype(dtype)
    refuse(~np.isfinite(floats), y, f"a target is a finite {dtype}; drop such rows or fill them in")
    return floats


def as_class_numbers(y: Array, classes: int) -> Array:
    """Return y as int32 if it holds whole numbers from 0 to classes - 1."""
    if y.dtype.kind in "iu" and y.size and y.min() >= 0 and y.max() < classes:
        return y.astype(INT32)
    whole = as_floats(y, np.dtype(np.float64))
    numbered = f"the network has {counted(classes, 'output')}, so classes are numbered 0 to {classes - 1}"
    refuse(whole != np.floor(whole), y, f"class numbers are whole; {numbered}")
    refuse((whole < 0) | (whole >= classes), y, numbered)
    return whole.astype(INT32)


def as_probabilities(y: Array, dtype: DType) -> Array:
    """Return y as floats if each row of its last axis holds probabilities that sum to 1."""
    floats = as_floats(y, dtype)
    refuse_unless_between_0_and_1(floats, "class probabilities are from 0 to 1")
    sums = floats.sum(axis=-1, dtype=np.float64)
    wrong = np.abs(sums - 1) > 1e-3
    if wrong.any():
        index = tuple(np.argwhere(wrong)[0])
        raise ValueError(f"the class probabilities of y in {place(index)} sum to {sums[index]:.6g}, not to 1")
    return floats


def refuse_unless_between_0_and_1(y: Array, why: str) -> None:
    """Raise a ValueError for the first number of y outside [0, 1]."""
    refuse((y < 0) | (y > 1), y, why)


def refuse(wrong: Array, y: Array, why: str) -> None:
    """Raise a ValueError for the first element of y that is wrong, naming its place."""
    if wrong.any():
        refuse_at(tuple(np.argwhere(wrong)[0]), y, why)


def refuse_at(index: Sequence[int], y: Array, why: str) -> NoReturn:
    """Raise a ValueError for one element of y, naming its place."""
    raise ValueError(f"y holds {y[tuple(index)]} in {place(index)}: {why}")


def fitted(y: Array, shapes: Sequence[Shape], prediction: Shape, loss: str) -> Array:
    """Return y in one of the shapes; a last axis of size 1 may be missing or too many."""
    candidates = [y.shape, (*y.shape, 1)]
    if y.shape[-1:] == (1,):
        candidates.append(y.shape[:-1])
    for shape in shapes:
        for candidate in candidates:
            if _fits(candidate, shape):
                return y.reshape(candidate)
    if shapes:
        raise ValueError(shapes_do_not_fit("y", str_shape(y.shape), shapes, prediction, loss))
    return y


def shapes_do_not_fit(what: str, shape: str, shapes: Sequence[Shape], prediction: Shape, loss: str) -> str:
    """Return the sentence for a target whose shape is none of those that fit the prediction."""
    fitting = " or ".join(map(str_shape, shapes))
    return (
        f"{what} has the shape {shape}, and the network's output {str_shape(prediction)}: "
        f"{loss} needs a target of the shape {fitting}"
    )


def _fits(shape: Shape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        want is ROWS or have == want for have, want in zip(shape, expected, strict=True)
    )
