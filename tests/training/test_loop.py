"""The loop over batches and epochs: every row once an epoch, in an order fixed by the key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import FEATURES, assert_differ, assert_same, regression, table

import chainrule as cr
from chainrule.functions import random_key
from chainrule.graph.loop import EvaluatedRun, Inputs, Loop, LoopState, Stage
from chainrule.graph.shuffle import shuffled
from chainrule.graph.trace import trace
from chainrule.graph.types import ArrayType


@given(rows=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 10**6))
def test_shuffle_is_a_bijection(rows, seed, epoch):
    order = shuffled(np.arange(rows), rows, random_key(seed), epoch)
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9, 10, 16, 17, 100, 65536, 65537])
def test_shuffle_is_a_bijection_around_squares(rows):
    order = shuffled(np.arange(rows), rows, random_key(3), 1)
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))


def test_shuffle_computes_any_part_by_itself():
    whole = shuffled(np.arange(1000), 1000, random_key(4), 2)
    np.testing.assert_array_equal(shuffled(np.arange(300, 400), 1000, random_key(4), 2), whole[300:400])


def test_shuffle_differs_by_epoch_and_key():
    first = shuffled(np.arange(1000), 1000, random_key(4), 0)
    for other in (
        shuffled(np.arange(1000), 1000, random_key(4), 1),
        shuffled(np.arange(1000), 1000, random_key(5), 0),
        shuffled(np.arange(1000), 1000, random_key(4 + 2**32), 0),
        np.arange(1000),
    ):
        assert np.mean(first == other) < 0.02  # one in 1000 is expected to agree


@pytest.mark.parametrize("rows", [2, 3, 7])
def test_each_row_is_equally_likely_at_each_position(rows):
    """χ² of the counts over many epochs stays below what chance exceeds once in a million."""
    epochs = 1000
    orders = np.array([shuffled(np.arange(rows), rows, random_key(8), epoch) for epoch in range(epochs)])
    counts = np.array([np.bincount(column, minlength=rows) for column in orders.T])
    expected = epochs / rows
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    freedom = (rows - 1) ** 2
    assert chi_squared < freedom + 5 * np.sqrt(2 * freedom) + 20


def test_neighbours_do_not_stay_neighbours():
    order = shuffled(np.arange(5000), 5000, random_key(9), 0)
    assert abs(np.corrcoef(np.arange(5000), order)[0, 1]) < 0.07  # five standard errors
    assert np.mean(np.abs(np.diff(order)) == 1) < 0.005


# What a loop visits ------------------------------------------------------------------------------


def seen_batches(rows, batch_size, epochs, shuffle=True, key=1):
    """Return, epoch by epoch, the batches that a loop's step was given."""
    seen = [[]]

    def step(total, x):
        return total + cr.sum(x), cr.sum(x), cr.astype(cr.row_count(x), "float64")

    types = ArrayType((), np.dtype("float64")), ArrayType((cr.ROWS,), np.dtype("float64"))
    graph = trace(step, *types)
    graph.inputs[0].name, graph.inputs[1].name = "total", "x"
    loop = Loop(Stage(graph, ("total", "batch_loss", "batch_weight")), ("x",), shuffle)

    class Spy(EvaluatedRun):
        def _rows_at(self, start, end):
            chosen = super()._rows_at(start, end)
            seen[-1].append(np.arange(rows)[chosen])
            return chosen

    data = {"x": np.arange(rows, dtype=float)}
    run = Spy(loop, LoopState({"total": np.zeros(())}), Inputs(data, {}, random_key(key), batch_size, epochs))
    for results in run:
        batches = seen[-1]
        means = [batch.sum() * len(batch) for batch in batches]
        assert results["loss"] == pytest.approx(sum(means) / rows)
        seen.append([])
    assert run.state.carried["total"] == epochs * np.arange(rows).sum()
    assert (run.state.step, run.state.epoch, run.state.position) == (
        epochs * -(-rows // batch_size),
        epochs,
        0,
    )
    return seen[:-1]


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 3), (10, 5), (10, 1), (10, 10), (10, 64), (1, 1)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_once_an_epoch(rows, batch_size, shuffle):
    for batches in seen_batches(rows, batch_size, 3, shuffle):
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(rows))
        sizes = [len(batch) for batch in batches]
        assert all(size == min(batch_size, rows) for size in sizes[:-1])
        assert 0 < sizes[-1] <= batch_size


def test_order_of_the_rows():
    in_order = seen_batches(10, 4, 2, shuffle=False)
    assert [list(np.concatenate(batches)) for batches in in_order] == [list(range(10))] * 2
    first, second = (np.concatenate(batches) for batches in seen_batches(100, 7, 2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, shuffled(np.arange(100), 100, random_key(1), 0))
    np.testing.assert_array_equal(second, shuffled(np.arange(100), 100, random_key(1), 1))


# The same, seen from fit -------------------------------------------------------------------------


def test_epoch_loss_is_the_mean_over_rows_of_the_batch_losses():
    x, y = table(10)
    by_hand, model = regression(), regression()
    steps = [by_hand.step(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]
    loss = model.fit(x, y, batch_size=4, shuffle=False)["loss"]
    assert loss == [pytest.approx((4 * steps[0] + 4 * steps[1] + 2 * steps[2]) / 10, rel=1e-12)]
    assert_same(model.weights, by_hand.weights)
    assert (model.steps, model.epochs, by_hand.epochs) == (3, 1, 0)


def test_batch_loss_counts_by_its_weights():
    x, y = table(4)
    weights = np.array([1.0, 3.0, 0.5, 0.5])
    by_hand, model = regression(), regression()
    steps = [by_hand.step(x[i : i + 2], y[i : i + 2], sample_weight=weights[i : i + 2]) for i in (0, 2)]
    loss = model.fit(x, y, batch_size=2, shuffle=False, sample_weight=weights)["loss"]
    assert loss == [pytest.approx((4 * steps[0] + 1 * steps[1]) / 5, rel=1e-12)]


@pytest.mark.parametrize("batch_size", [22, 23, 10**6])
def test_one_batch(batch_size):
    """A batch as large as the table, or larger, or None, is one step of all rows."""
    x, y = table()
    model, whole = regression(), regression()
    model.fit(x, y, epochs=3, batch_size=batch_size)
    whole.fit(x, y, epochs=3, batch_size=None)
    assert model.steps == whole.steps == 3
    assert_same(model.weights, whole.weights)


def test_shuffle_changes_the_order():
    x, y = table()
    shuffled_, in_order = regression(), regression()
    shuffled_.fit(x, y, batch_size=4)
    in_order.fit(x, y, batch_size=4, shuffle=False)
    assert_differ(shuffled_.weights, in_order.weights)


def test_fit_visits_the_rows_in_the_order_of_the_key():
    """The same rows in the order of `shuffled`, one by one."""
    x, y = table(9)
    model, by_hand = regression(seed=7), regression(seed=7)
    model.fit(x, y, epochs=2, batch_size=1)
    for epoch in range(2):
        for row in shuffled(np.arange(9), 9, random_key(7), epoch):
            by_hand.step(x[[row]], y[[row]])
    assert_same(model.weights, by_hand.weights)


def test_float32_and_more_axes():
    """Rows may be anything: here matrices."""
    x = np.random.default_rng(1).normal(size=(6, 2, FEATURES))
    model = cr.Model(cr.Sequential([cr.Flatten(), cr.Dense(1)]), loss="mean_squared_error")
    history = model.fit(x, x[:, 0, 0], epochs=2, batch_size=4)
    assert len(history["loss"]) == 2
    assert model.predict(x).shape == (6, 1)
