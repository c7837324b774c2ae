"""The user's y: what is converted, and the sentence for what does not fit."""

import numpy as np
import pytest
from loss_cases import exactly

from chainrule import losses
from chainrule.graph.types import ROWS, ArrayType

SQUARED, CROSS, BINARY = losses.MeanSquaredError(), losses.CrossEntropy(), losses.BinaryCrossEntropy()
HINGE, POISSON = losses.Hinge(), losses.Poisson()
FUNCTION = losses.FunctionLoss(lambda p, t: p[:, 0])


def output(*shape, dtype="float32"):
    return ArrayType((ROWS, *shape), np.dtype(dtype))


@pytest.mark.parametrize(
    ("loss", "y", "prediction", "expected"),
    [
        (SQUARED, [1, 2], output(1), np.array([[1], [2]], "float32")),
        (SQUARED, [[1], [2]], output(1), np.array([[1], [2]], "float32")),
        (SQUARED, [[1], [2]], output(), np.array([1, 2], "float32")),
        (SQUARED, [[1.5, 2.5]], output(2, dtype="float64"), np.array([[1.5, 2.5]])),
        (SQUARED, np.array([1, 2.5], object), output(1), np.array([[1], [2.5]], "float32")),
        (SQUARED, np.array([True, False]), output(1), np.array([[1], [0]], "float32")),
        (SQUARED, np.ones((2, 3, 4)), output(3, 4), np.ones((2, 3, 4), "float32")),
        (losses.Quantile((0.1, 0.9)), [1, 2], output(2), np.array([[1], [2]], "float32")),
        (losses.Quantile(0.1), [[1, 2]], output(2), np.array([[1, 2]], "float32")),
        (CROSS, [0, 2], output(3), np.array([0, 2], "int32")),
        (CROSS, np.array([[0], [2]], "uint8"), output(3), np.array([0, 2], "int32")),
        (CROSS, [0.0, 2.0], output(3), np.array([0, 2], "int32")),
        (CROSS, [False, True], output(2), np.array([0, 1], "int32")),
        (CROSS, [[0, 1], [1, 0]], output(2), np.array([[0, 1], [1, 0]], "float32")),
        (CROSS, [[0, 2]], output(2, 3), np.array([[0, 2]], "int32")),
        (CROSS, [[[0.5, 0.5]]], output(1, 2), np.array([[[0.5, 0.5]]], "float32")),
        (BINARY, [True, False], output(1), np.array([[1], [0]], "float32")),
        (HINGE, [-1, 1], output(1), np.array([[-1], [1]], "float32")),
        (losses.Gamma(), [1, 2.5], output(1), np.array([[1], [2.5]], "float32")),
        (POISSON, [0, 2.5], output(1), np.array([[0], [2.5]], "float32")),
        (FUNCTION, [0, 2], output(1), np.array([[0], [2]], "int32")),
        (FUNCTION, [0.5, 2], output(1), np.array([[0.5], [2]], "float32")),
        (FUNCTION, [0, 2], output(3), np.array([0, 2], "int32")),
        (FUNCTION, [[0.5, 2]], output(3), np.array([[0.5, 2]], "float32")),
        (FUNCTION, [True, False], output(3), np.array([1, 0], "float32")),
    ],
)
def test_conversion(loss, y, prediction, expected):
    target = loss.as_target(y, prediction)
    assert target.dtype == expected.dtype
    assert target.shape == expected.shape
    np.testing.assert_array_equal(target, expected)


def test_the_users_array_is_not_shared():
    y = np.ones((2, 1), "float32")
    SQUARED.as_target(y, output(1))[:] = 5
    assert (y == 1).all()


DROP = "drop such rows or fill them in"
SHAPES = [
    (
        SQUARED,
        np.ones((5, 2)),
        output(3),
        "y has the shape (5, 2), and the network's output (rows, 3): "
        "MeanSquaredError needs a target of the shape (rows, 3)",
    ),
    (
        SQUARED,
        np.ones(5),
        output(3),
        "y has the shape (5,), and the network's output (rows, 3): "
        "MeanSquaredError needs a target of the shape (rows, 3)",
    ),
    (
        SQUARED,
        np.ones(5),
        ArrayType((4, 1), np.dtype("float32")),
        "y has the shape (5,), and the network's output (4, 1): "
        "MeanSquaredError needs a target of the shape (4, 1)",
    ),
    (
        CROSS,
        np.ones((5, 2)),
        output(3),
        "y has the shape (5, 2), and the network's output (rows, 3): "
        "CrossEntropy needs a target of the shape (rows,) or (rows, 3)",
    ),
    (
        losses.Quantile((0.1, 0.9)),
        np.ones((5, 2)),
        output(2),
        "y has the shape (5, 2), and the network's output (rows, 2): "
        "Quantile needs a target of the shape (rows, 1)",
    ),
    (
        losses.Quantile((0.1, 0.9)),
        np.ones(5),
        output(3),
        "Quantile has 2 quantiles, and the network's output is (rows, 3): "
        "its last axis needs one output for each quantile",
    ),
    (
        CROSS,
        [0, 1],
        output(1),
        "CrossEntropy needs one logit for each class, and the network's output is (rows, 1); "
        "BinaryCrossEntropy tells two classes apart by one logit",
    ),
]
TEXT = "a target is a number; np.unique(y, return_inverse=True)[1] numbers the classes 0, 1, ..."
CONTENTS = [
    (CROSS, ["setosa", "virginica"], output(3), f"y holds text ('setosa' in row 0): {TEXT}"),
    (SQUARED, np.array([1, "x"], object), output(1), f"y holds text ('x' in row 1): {TEXT}"),
    (
        SQUARED,
        np.array([1, None], object),
        output(1),
        f"y holds None in row 1: a target is a real number; {DROP}",
    ),
    (SQUARED, [1j], output(1), f"y holds 1j in row 0: a target is a real number; {DROP}"),
    (
        SQUARED,
        [1, np.nan],
        output(1),
        f"y holds nan in row 1, column 0: a target is a finite float32; {DROP}",
    ),
    (
        SQUARED,
        [[1, 2], [3, -np.inf]],
        output(2),
        f"y holds -inf in row 1, column 1: a target is a finite float32; {DROP}",
    ),
    (SQUARED, [1e300], output(1), f"y holds 1e+300 in row 0, column 0: a target is a finite float32; {DROP}"),
    (FUNCTION, [1, np.nan], output(2), f"y holds nan in row 1: a target is a finite float32; {DROP}"),
    (CROSS, [0, np.nan], output(3), f"y holds nan in row 1: a target is a finite float64; {DROP}"),
    (
        CROSS,
        [0, 1, 3],
        output(3),
        "y holds 3 in row 2: the network has 3 outputs, so classes are numbered 0 to 2",
    ),
    (
        CROSS,
        [0, -1],
        output(3),
        "y holds -1 in row 1: the network has 3 outputs, so classes are numbered 0 to 2",
    ),
    (
        CROSS,
        [0, 0.5],
        output(3),
        "y holds 0.5 in row 1: class numbers are whole; "
        "the network has 3 outputs, so classes are numbered 0 to 2",
    ),
    (
        CROSS,
        [[0, 1, 5]],
        output(3, 4),
        "y holds 5 in row 0, column 2: the network has 4 outputs, so classes are numbered 0 to 3",
    ),
    (
        CROSS,
        [[0.5, 0.5], [0.5, 1.0]],
        output(2),
        "the class probabilities of y in row 1 sum to 1.5, not to 1",
    ),
    (
        CROSS,
        [[1.5, -0.5]],
        output(2),
        "y holds 1.5 in row 0, column 0: class probabilities are from 0 to 1",
    ),
    (
        CROSS,
        [[[0.5, 0.5], [1.0, -0.5]]],
        output(2, 2),
        "y holds -0.5 in row 0, column 1, index 1: class probabilities are from 0 to 1",
    ),
    (
        BINARY,
        [1, -1],
        output(1),
        "y holds -1.0 in row 1, column 0: BinaryCrossEntropy needs 0 and 1, or probabilities between; "
        "(y + 1) / 2 makes them of -1 and +1",
    ),
    (
        HINGE,
        [1, 0],
        output(1),
        "y holds 0 in row 1, column 0: Hinge needs -1 and +1; "
        "2 * y - 1 makes them of 0 and 1, or False and True",
    ),
    (
        HINGE,
        [True, True],
        output(1),
        "y holds True in row 0, column 0: Hinge needs -1 and +1; "
        "2 * y - 1 makes them of 0 and 1, or False and True",
    ),
    (
        POISSON,
        [1, -2],
        output(1),
        "y holds -2 in row 1, column 0: Poisson needs counts, or other numbers that are not negative",
    ),
    (losses.Gamma(), [1, 0], output(1), "y holds 0 in row 1, column 0: Gamma needs numbers above 0"),
]


@pytest.mark.parametrize(("loss", "y", "prediction", "sentence"), SHAPES + CONTENTS)
def test_sentences(loss, y, prediction, sentence):
    with pytest.raises(ValueError, match=exactly(sentence)):
        loss.as_target(y, prediction)


def test_a_direct_call_checks_its_target_too():
    with pytest.raises(ValueError, match="y holds 2 in row 0"):
        CROSS(np.zeros((1, 2)), [2])
    with pytest.raises(ValueError, match="not a single number"):
        SQUARED(1.0, 1.0)


def test_integers_beyond_int32_are_refused_for_functions():
    with pytest.raises(ValueError, match="do not fit int32"):
        FUNCTION.as_target([2**40], output(1))
