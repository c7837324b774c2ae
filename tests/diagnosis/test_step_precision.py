"""Small gradients: what float32 and small weights hide is found, or it is said that it cannot be told."""

import numpy as np
import pytest
from homework import homework, problem
from step_matrix import NAMES

import chainrule as cr


def names(report):
    return {mistake.name for mistake in report.mistakes}


@pytest.mark.parametrize(
    ("mistake", "size"),
    [("transposed", 0.1), ("sum", 0.1), (None, 0.003), ("no slope", 0.003), ("order", 0.003)],
)
def test_float32_and_small_weights_hide_no_mistake(mistake, size):
    weights, x, y = problem((4, 4, 4), rows=8)
    weights = [size * w for w in weights]
    step = homework(*([mistake] if mistake else []), dtype=np.float32)
    report = cr.check_step(step, weights, x, y)
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    assert not report.unjudged


def test_float32_and_many_kinks_give_no_false_name():
    """With 40 rows some unit of relu starts or ends to fire wherever a weight is moved."""
    weights, x, y = problem((4, 4, 4, 3), rows=40)
    report = cr.check_step(homework("uphill", activation="relu", dtype=np.float32), weights, x, y)
    assert names(report) == {NAMES["uphill"]}, report


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_slope_that_is_one_factor_at_small_weights_has_no_false_name(dtype):
    """That of a sigmoid is 1/4 there."""

    def step(weights, x, y, learning_rate):
        w, b = (np.asarray(one, dtype) for one in weights)
        x, y = x.astype(dtype), y.astype(dtype)
        p = 1 / (1 + np.exp(-(x @ w + b)))
        delta = (p - y) * p * (1 - p) / len(x)  # one slope too many
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        return loss, [w - dtype(learning_rate) * x.T @ delta, b - dtype(learning_rate) * delta.sum(axis=0)]

    (w, b), x, _ = problem((3, 1), rows=12)
    report = cr.check_step(step, [0.01 * w, 0 * b], x, (x[:, :1] > 0) * 1.0)
    assert names(report) == {"wrong gradient"}, report


def test_a_slope_that_is_left_out_is_no_clipping():
    weights, x, y = problem((2, 4, 3), rows=20, classes=False)
    report = cr.check_step(homework("no slope", loss="squares"), [0.1 * w for w in weights], x, y)
    assert names(report) == {"wrong gradient"}, report


def test_units_that_never_fire_hide_no_mistake():
    weights, x, y = problem(rows=8)
    weights[1] = weights[1] - 100.0
    report = cr.check_step(homework("sum", activation="relu"), weights, x, y)
    assert {found.name for found in report.arrays if found.kind == "scaled"} == {
        f"weights[{i}]" for i in range(4)
    }
    assert "tell too little at these weights: fresh ones were drawn" in str(report)


def test_what_cannot_be_judged_is_not_called_right():
    """The loss depends on the first weights by less than rounding."""

    def step(weights, x, y, learning_rate):
        error = x @ weights["w"] + 1e-18 * np.tanh(x @ weights["v"]) - y
        gradient = 2 * x.T @ error / len(x)
        return np.mean(error**2), {"v": weights["v"], "w": weights["w"] - learning_rate * gradient}

    x = np.random.default_rng(0).normal(size=(8, 2))
    report = cr.check_step(step, {"v": np.ones(2), "w": np.ones(2)}, x, x[:, 0] ** 2)
    assert report.passed
    assert report.unjudged == ("v",)
    assert str(report).startswith("no mistake is seen, but v could not be judged\n")
    assert "not judged: too small to tell" in str(report)
    assert "v are too small for differences of the loss to tell" in report.notes[0]
