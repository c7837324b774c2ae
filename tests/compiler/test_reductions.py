"""Reductions, compiled: several parts side by side, and what is left over."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.reduction import SIDE_BY_SIDE

ROWS = [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 33, 64, 65, 131]
COLUMNS = [1, 16, 70, 257]
NAMES = ("sum", "max", "min", "argmax")


def spread_out(rows, columns, dtype):
    """Return numbers of which no two are alike, of both signs and many sizes."""
    numbers = np.random.default_rng(rows * 1000 + columns).permutation(rows * columns) + 0.5
    return ((-1.0) ** np.arange(rows * columns) * numbers).reshape(rows, columns).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_any_number_of_rows_and_columns(columns, dtype):
    asked = [(name, axis) for name in NAMES for axis in (0, 1)]
    asked += [(name, None) for name in ("sum", "max", "min")]
    compiled = cr.compile(lambda x: [getattr(cr, name)(x, axis=axis) for name, axis in asked])
    for rows in ROWS:
        x = spread_out(rows, columns, dtype)
        for (name, axis), found in zip(asked, compiled(x), strict=True):
            expected = getattr(np, name)(x, axis=axis)
            if name == "sum":
                room = np.finfo(dtype).eps * np.abs(x).sum(axis=axis)
                assert np.all(np.abs(found - expected) <= room)
            else:
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", range(3 * SIDE_BY_SIDE + 1))
def test_a_nan_anywhere_is_seen(place):
    compiled = cr.compile(lambda x: [cr.sum(x, axis=0), cr.max(x, axis=0), cr.min(x, axis=0)])
    x = np.ones((3 * SIDE_BY_SIDE + 1, 2))
    x[place, 1] = np.nan
    for found in compiled(x):
        assert np.isnan(found).tolist() == [False, True]


def test_a_sum_does_not_depend_on_what_else_is_summed():
    x = spread_out(77, 40, "float32")
    compiled = cr.compile(lambda x: cr.sum(x, axis=0))
    np.testing.assert_array_equal(compiled(x)[:5], cr.compile(lambda x: cr.sum(x, axis=0))(x[:, :5].copy()))
