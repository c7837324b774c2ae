"""Every row of the table with every one of its samples, in every dtype that the row takes."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import chainrule.primitives  # noqa: F401  (fills the table)
from chainrule.graph.samples import Case
from chainrule.graph.types import ArrayType
from chainrule.graph.value import PRIMITIVES, input_value

ROWS_OF_TABLE = [pytest.param(row, id=name) for name, row in PRIMITIVES.items()]


def samples(row):
    """The samples of a row, the same in every run."""
    return row.samples(np.random.default_rng(zlib.crc32(row.name.encode())))


def types_of(arrays):
    """The types of arrays."""
    return [ArrayType(array.shape, array.dtype) for array in arrays]


def inputs_of(types):
    """A symbolic input of each type."""
    return [input_value(f"x{i}", type_.shape, type_.dtype) for i, type_ in enumerate(types)]


def converted(case, dtype):
    """The case with its float operands in another dtype."""

    def convert(x):
        if x.dtype.kind != "f":
            return x
        if np.dtype(dtype).kind in "iu":
            x = np.rint(np.abs(x) if dtype == "uint32" else x)
        return np.asarray(x).astype(dtype)

    return Case(tuple(map(convert, case.operands)), case.attributes)


def takes(row, case):
    """Whether the row's types allow the case."""
    try:
        row.shape(*types_of(case.operands), **case.attributes)
    except ValueError:
        return False
    return True


def _all_cases(dtypes):
    for name, row in PRIMITIVES.items():
        for i, case in enumerate(samples(row)):
            has_floats = any(x.dtype.kind == "f" for x in case.operands)
            for dtype in dtypes if has_floats else ["own"]:
                variant = converted(case, dtype) if has_floats else case
                if takes(row, variant):
                    yield pytest.param(row, variant, id=f"{name}-{i}-{dtype}")


#: (row, case): in float64 as drawn, and in every other dtype that the row takes.
CASES = list(_all_cases(["float64", "float32", "int32", "uint32", "bool"]))
#: (row, case): what has a derivative, in float64.
SMOOTH_CASES = [
    param
    for param in _all_cases(["float64"])
    if param.values[0].derivative is not None
    and any(x.dtype.kind == "f" for x in param.values[1].operands)
    and np.dtype(
        param.values[0].shape(*types_of(param.values[1].operands), **param.values[1].attributes).dtype
    ).kind
    == "f"
]
