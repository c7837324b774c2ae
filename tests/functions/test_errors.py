"""What does not fit gets one sentence that says what, where, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.trace import trace
from chainrule.graph.types import FLOAT64, ROWS, ArrayType

X = np.zeros((2, 3))

MISTAKES = [
    (lambda: cr.add(X, np.zeros(2)), ValueError, r"\(2, 3\) and \(2,\) do not fit together"),
    (lambda: cr.matmul(X, X), ValueError, r"\(2, 3\) @ \(2, 3\) do not fit: .* first has 3 .* second 2"),
    (lambda: cr.matmul(X, 2.0), ValueError, r"at least one dimension; multiply by a number with \*"),
    (lambda: cr.vecdot(X, np.zeros(2)), ValueError, r"\(2, 3\) and \(2,\) have no common last axis"),
    (lambda: cr.reshape(X, (4, 2)), ValueError, r"does not have as many elements as \(4, 2\)"),
    (lambda: cr.reshape(X, (4, -1)), ValueError, r"no one dimension in place of -1 makes \(4, -1\)"),
    (lambda: cr.reshape(X, (-1, -1)), ValueError, "no one dimension in place of -1"),
    (lambda: cr.reshape(np.zeros((0, 3)), (0, -1)), ValueError, "no one dimension in place of -1"),
    (lambda: cr.broadcast_to(X, (3,)), ValueError, r"cannot be broadcast to the shape \(3,\)"),
    (lambda: cr.broadcast_to(X, (3, 3)), ValueError, "do not fit together"),
    (lambda: cr.sum(X, axis=2), ValueError, "axis 2 does not exist in an array of 2 dimensions"),
    (lambda: cr.sum(X, axis=(0, -2)), ValueError, "name one axis twice"),
    (lambda: cr.sum(X, axis=1.0), TypeError, "an axis is a whole number, not 1.0"),
    (lambda: cr.squeeze(np.zeros((1, 1)), (0, -2)), ValueError, "name one axis twice"),
    (lambda: cr.full(2, np.nan, dtype="int32"), ValueError, "full: int32 does not hold nan; give another"),
    (lambda: cr.full(2, -1, dtype="uint32"), ValueError, "full: uint32 does not hold -1"),
    (lambda: cr.softmax(1.0), ValueError, "axis -1 does not exist in an array of 0 dimensions"),
    (lambda: cr.row_count(1.0), ValueError, "axis 0 does not exist"),
    (lambda: cr.expand_dims(X, axis=3), ValueError, "axis 3 does not exist in an array of 3 dimensions"),
    (lambda: cr.squeeze(X, 0), ValueError, "only axes of size 1 can be dropped, not 0 of"),
    (lambda: cr.permute_dims(X, (0, 0)), ValueError, r"axes \(0, 0\) are not all the axes"),
    (lambda: cr.matrix_transpose(np.zeros(3)), ValueError, "at least two dimensions"),
    (lambda: cr.max(np.zeros((2, 0)), axis=1), ValueError, "no largest or smallest element"),
    (lambda: cr.argmax(X, axis=None), ValueError, "takes one axis"),
    (lambda: cr.concat([]), ValueError, "at least one array"),
    (lambda: cr.stack([]), ValueError, "at least one array"),
    (lambda: cr.concat([X, np.zeros((2, 4))]), ValueError, "differ in more than the axis 0"),
    (lambda: cr.stack([X, X.T]), ValueError, "differ in more than the axis 0"),
    (lambda: cr.take(X, [0.5]), ValueError, "int32 indices"),
    (lambda: cr.scatter_add([0, 1], np.zeros(3), size=2), ValueError, "an update for each"),
    (lambda: cr.zeros((2, -1)), ValueError, "a dimension is a number from 0 on"),
    (lambda: cr.arange(-1), ValueError, "a dimension is a number from 0 on"),
    (lambda: cr.zeros(2, dtype="float16"), ValueError, "'float16' is not one of float32, float64"),
    (lambda: cr.astype(X, "complex64"), ValueError, "'complex64' is not one of"),
    (lambda: cr.where(X, X, X), ValueError, "should be bool, not float64; compare first"),
    (lambda: cr.logical_and(X, X), ValueError, "takes bools, not float64; compare first"),
    (lambda: cr.abs(X > 0), ValueError, "takes numbers, not bool; cast first"),
    (lambda: cr.tanh("x"), TypeError, "an array of numbers is needed, not str"),
    (lambda: cr.tanh(None), TypeError, "an array of numbers is needed, not NoneType"),
    (lambda: cr.multiply(X, 2**40), ValueError, "does not fit int32; write it as a float"),
    (lambda: cr.random_key(-1), ValueError, r"from 0 to 2\*\*64 - 1, not -1"),
    (lambda: cr.random_key(0.5), TypeError, "a seed is an integer, not 0.5"),
    (lambda: cr.uniform(0, (3,)), ValueError, r"made from a seed by cr.random_key, not int32\[\]"),
    (lambda: cr.uniform(cr.random_key(0), (3,), dtype="int32"), ValueError, "float32 or float64 here"),
    (lambda: cr.normal(cr.random_key(0), (3,), dtype="bool"), ValueError, "float32 or float64 here"),
]

SYMBOLIC_MISTAKES = [  # x is (rows, 3)
    (lambda x: x[:, 3], IndexError, r"3 is outside the axis 1 of float64\[rows, 3\]"),
    (lambda x: x[:, -4], IndexError, "-4 is outside the axis 1"),
    (lambda x: x[:, np.array([0, 3])], IndexError, r"3 is outside the axis 1 of float64\[rows, 3\]"),
    (lambda x: x[:, [-1, -4]], IndexError, "-4 is outside the axis 1"),
    (lambda x: x[[2, -1]], IndexError, "-1 would count from the end of the rows, whose number is not known"),
    (lambda x: x[0], IndexError, r"rows can only be taken whole \(x\[:, ...\]\) or by an integer array"),
    (lambda x: x[1:], IndexError, "rows can only be taken whole"),
    (lambda x: x[:, 0, 0], IndexError, "has 2 dimensions, and the index names 3"),
    (lambda x: x[..., 0, ...], IndexError, r"at most one \.\.\."),
    (lambda x: x[::-1], IndexError, "rows can only be taken whole"),
    (lambda x: x[:, ::0], ValueError, "step cannot be zero"),
    (lambda x: x[[0], [1]], TypeError, "one integer array; use cr.take"),
    (
        lambda x: x[x > 0],
        TypeError,
        "a slice, None, ... or an integer array, .*; what a mask would .* cr.where",
    ),
    (lambda x: x.__setitem__(0, 1.0), TypeError, "cannot be changed in place; make a new one with cr.where"),
    (lambda x: x[:, 0.5], TypeError, "an index is an int, a slice, None, ... or an integer array"),
    (lambda x: x @ np.zeros((2, 2)), ValueError, r"\(rows, 3\) @ \(2, 2\) do not fit: .* has 3 .* second 2"),
    (lambda x: np.zeros((2, 3)) @ x, ValueError, r"the first has 3 and .* the second rows"),
    (lambda x: x + np.zeros((4, 3)), ValueError, r"\(rows, 3\) and \(4, 3\) do not fit together"),
    (lambda x: cr.reshape(x, (3, ROWS)), ValueError, "with the rows kept apart"),
    (lambda x: cr.argmax(x, axis=0), ValueError, "cannot look along the rows"),
    (lambda x: cr.concat([x, x]), ValueError, "cannot be joined along the rows"),
    (lambda x: x if cr.sum(x) > 0 else -x, TypeError, r"a Python condition \(if, .* use cr.where to choose"),
    (lambda x: float(cr.sum(x)), TypeError, r"float\(\) needs a number, .* is symbolic"),
    (lambda x: cr.full(3, cr.sum(x)), TypeError, "needs a number, .* is symbolic"),
    (lambda x: np.asarray(x), TypeError, "a NumPy function needs a number, .* is symbolic"),
    (lambda x: cr.sum([x, x]), TypeError, "is symbolic: .* cr.stack to make an array of a list"),
    (lambda x: np.deg2rad(x), TypeError, "np.deg2rad needs a number, .* use chainrule's functions"),
    (lambda x: cr.sum(x) / x.shape[0], TypeError, "the number of rows is not known .* cr.row_count"),
    (lambda x: cr.sum(x) / len(x), TypeError, r"the size of \(rows,\) is not known .* cr.row_count"),
    (lambda x: x.shape[0] * 2, TypeError, "the number of rows is not known until the graph runs"),
]


@pytest.mark.parametrize(("call", "kind", "sentence"), MISTAKES)
def test_mistake(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("function", "kind", "sentence"), SYMBOLIC_MISTAKES)
def test_mistake_while_tracing(function, kind, sentence):
    with pytest.raises(kind, match=sentence):
        trace(function, ArrayType((ROWS, 3), FLOAT64))
