"""The weighted mean over rows: weight 2 is the row twice, weight 0 is no row."""

import numpy as np
import pytest
from loss_cases import CASES, ROWS, case_id

import chainrule as cr
from chainrule import losses
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.trace import trace
from chainrule.graph.types import ROWS as ROWS_DIM
from chainrule.graph.types import ArrayType
from chainrule.graph.value import as_value

every_case = pytest.mark.parametrize("case", CASES, ids=case_id)
VECTOR = ArrayType((ROWS_DIM,), np.dtype("float32"))


def mean_and_gradient(loss, prediction, target, weights=None):
    """The weighted mean loss and its derivative by the prediction, with absent rows kept from the loss."""

    def mean(p):
        w = None if weights is None else as_value(np.asarray(weights, float))
        shown = p if w is None else losses.without_absent(p, w)
        return losses.weighted_mean(loss(shown, target), w)[0]

    return cr.value_and_grad(mean)(np.asarray(prediction))


@every_case
def test_weight_2_is_the_row_twice(case):
    prediction, target = case.draw()
    repeats = np.arange(ROWS) % 3
    weighted, gradient = mean_and_gradient(case.loss, prediction, target, repeats)
    rows = np.repeat(np.arange(ROWS), repeats)
    repeated, parts = mean_and_gradient(case.loss, prediction[rows], target[rows])
    assert weighted == pytest.approx(repeated, rel=1e-12)
    expected = np.zeros_like(prediction)
    np.add.at(expected, rows, parts)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


@every_case
@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e200])
def test_weight_0_is_no_row(case, bad):
    """However far off the prediction of that row is: neither the loss nor the derivative sees it."""
    prediction, target = case.draw()
    prediction[2] = bad
    weights = np.ones(ROWS)
    weights[2] = 0
    others = np.arange(ROWS) != 2
    with_it, gradient = mean_and_gradient(case.loss, prediction, target, weights)
    without, rest = mean_and_gradient(case.loss, prediction[others], target[others])
    assert with_it == pytest.approx(without, rel=1e-12)
    np.testing.assert_allclose(gradient[others], rest, rtol=1e-12)
    assert not gradient[2].any()


def test_function_that_is_infinite_at_0_has_no_say_in_absent_rows():
    loss = losses.FunctionLoss(lambda p, t: cr.log(p[:, 0]))
    mean, gradient = mean_and_gradient(loss, [[2.0], [-1.0]], [[0.0], [0.0]], [1, 0])
    assert mean == pytest.approx(np.log(2))
    np.testing.assert_array_equal(gradient, [[0.5], [0.0]])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_loss_of_a_row_of_weight_0_adds_nothing(bad):
    values = as_value(np.array([1.0, bad, 4.0], "float32"))
    mean, weight = losses.weighted_mean(values, as_value(np.array([1.0, 0.0, 3.0], "float32")))
    assert evaluated(mean, weight) == [pytest.approx(13 / 4), 4]


def evaluated(*values):
    return list(map(float, evaluate(Graph((), values))))


def test_batch_without_weight_changes_nothing():
    mean, gradient = mean_and_gradient(losses.MeanSquaredError(), [[1.0], [2.0]], [0, 0], [0, 0])
    assert mean == 0
    assert not gradient.any()
    values, zeros = as_value(np.array([np.nan, 1.0])), as_value(np.zeros(2))
    assert evaluated(*losses.weighted_mean(values, zeros)) == [0, 0]


@pytest.mark.parametrize("rows", [1, 4])
def test_any_number_of_rows(rows):
    values = np.arange(1.0, rows + 1, dtype="float32")
    graph = trace(losses.weighted_mean, VECTOR)
    mean, weight = evaluate(graph, values)
    assert (mean, weight) == (values.mean(), rows)
    graph = trace(losses.weighted_mean, VECTOR, VECTOR)
    mean, weight = evaluate(graph, values, values)
    assert mean == pytest.approx((values**2).sum() / values.sum())
    assert weight == values.sum()
    assert mean.dtype == weight.dtype == np.float32


def test_a_nan_of_a_present_row_stays():
    values, ones = as_value(np.array([np.nan, 1.0])), as_value(np.ones(2))
    assert np.isnan(evaluated(losses.weighted_mean(values, ones)[0])[0])


def test_shapes_that_do_not_fit():
    ones = as_value(np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"needs one number a row, not the shape \(3, 1\)$"):
        losses.weighted_mean(ones)
    with pytest.raises(
        ValueError, match=r"^the sample weights have the shape \(2,\), and the losses \(3,\)$"
    ):
        losses.weighted_mean(as_value(np.ones(3)), as_value(np.ones(2)))
