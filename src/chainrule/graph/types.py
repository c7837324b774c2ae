"""What an array is before it has numbers: its shape, with the one dimension `rows`, and its dtype."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
DType = np.dtype[Any]

FLOAT32: Final = np.dtype("float32")
FLOAT64: Final = np.dtype("float64")
INT32: Final = np.dtype("int32")
UINT32: Final = np.dtype("uint32")
BOOL: Final = np.dtype("bool")
DTYPES: Final = {dtype.name: dtype for dtype in (FLOAT32, FLOAT64, INT32, UINT32, BOOL)}


class Rows(enum.Enum):
    """The dimension whose size is bound only at run time: the number of rows of a batch or table."""

    ROWS = "rows"

    def __repr__(self) -> str:
        return "rows"

    def _unknown(self, *_: object) -> NoReturn:
        raise TypeError(
            "the number of rows is not known until the graph runs, so no number can be computed from it; "
            "cr.mean, cr.sum and cr.row_count work with it"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _unknown
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __int__ = __float__ = _unknown
    __index__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown


ROWS: Final[Literal[Rows.ROWS]] = Rows.ROWS

Dim = int | Rows
Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class ArrayType:
    """The type of an array: what is known of it before it has numbers.

    Attributes
    ----------
    shape : tuple
        Its dimensions: numbers, and `cr.ROWS` for the one that is bound at run time.
    dtype : numpy.dtype
        float32, float64, int32, uint32 or bool.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> print(cr.ArrayType((cr.ROWS, 4), np.dtype("float32")))
    float32[rows, 4]
    """

    shape: Shape
    dtype: DType

    def __post_init__(self) -> None:
        for dim in self.shape:
            if dim is not ROWS and not (isinstance(dim, int | np.integer) and dim >= 0):
                raise ValueError(f"a dimension is a number from 0 on, or rows, not {dim!r}")

    def __str__(self) -> str:
        return f"{dtype_name(self.dtype)}[{', '.join(map(str_dim, self.shape))}]"


@cache
def dtype_name(dtype: DType) -> str:
    """Return a dtype's name; NumPy puts it together anew each time."""
    return str(dtype.name)


def str_dim(dim: Dim) -> str:
    """Return a dimension as text: a number or `rows`."""
    return "rows" if dim is ROWS else str(dim)


def str_shape(shape: Shape) -> str:
    """Return a shape as text, as Python writes a tuple: `(rows, 4)`."""
    return f"({', '.join(map(str_dim, shape))}{',' if len(shape) == 1 else ''})"


def as_dtype(dtype: object) -> DType:
    """Return one of the language's dtypes by its name, or say which there are."""
    try:
        name = "None" if dtype is None else dtype_name(np.dtype(dtype))  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r} is not one of {', '.join(DTYPES)}")
    return DTYPES[name]


def is_float(dtype: DType) -> bool:
    """Whether values of this dtype vary continuously, so that a derivative can reach them."""
    return dtype.kind == "f"


def static_size(shape: Shape) -> int:
    """Return the number of elements of a shape without `rows`."""
    size = 1
    for dim in shape:
        if dim is ROWS:
            raise TypeError(
                f"the size of {str_shape(shape)} is not known until the graph runs; "
                "cr.mean, cr.sum and cr.row_count work with rows"
            )
        size *= int(dim)
    return size


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that all of `shapes` stretch to, by the rule of NumPy and the array API."""
    ndim = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = [1] * ndim
    for shape in shapes:
        for axis, dim in enumerate(shape, start=ndim - len(shape)):
            if dim == 1 or dim == result[axis]:
                continue
            if result[axis] != 1:
                raise ValueError(f"shapes {' and '.join(map(str_shape, shapes))} do not fit together")
            result[axis] = dim
    return tuple(result)


_LATTICE: Final = {BOOL: 0, INT32: 1, FLOAT32: 2, FLOAT64: 3}


def join_dtypes(*dtypes: DType) -> DType:
    """Return the smallest dtype that holds all of `dtypes`: bool < int32 < float32 < float64."""
    if all(dtype == dtypes[0] for dtype in dtypes):
        return dtypes[0]
    if UINT32 in dtypes:
        raise ValueError("uint32 holds random bits and mixes with no other dtype; cast it first")
    return max(dtypes, key=_LATTICE.__getitem__)


def normalize_axis(axis: int, ndim: int) -> int:
    """Return the axis counted from the front, or say that there is no such axis."""
    if not isinstance(axis, int | np.integer):
        raise TypeError(f"an axis is a whole number, not {axis!r}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} does not exist in an array of {ndim} dimensions")
    return int(axis % ndim)


def normalize_axes(axes: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return one axis or several, counted from the front and in order, or say which is there twice."""
    chosen = axes if isinstance(axes, list | tuple) else (axes,)
    found = sorted(normalize_axis(axis, ndim) for axis in chosen)
    if len(set(found)) < len(found):
        raise ValueError(f"the axes {axes} name one axis twice")
    return tuple(found)
