"""Softmax twice is recognised with smoothed labels, weighted classes and batch normalization, too."""

import numpy as np
import pytest
from homework import SOFTMAX, homework, problem, softmax
from step_matrix import NAMES

import chainrule as cr

WEIGHTS = np.array([1.0, 2.5, 0.4, 1.7])
OTHERS = ("sum", "last bias", "order")


def names(report):
    return {mistake.name for mistake in report.mistakes}


@pytest.mark.parametrize("mistake", [None, *SOFTMAX, *OTHERS])
@pytest.mark.parametrize(
    "options",
    [{"smoothing": 0.1}, {"class_weights": WEIGHTS}, {"smoothing": 0.2, "class_weights": WEIGHTS}],
    ids=["smoothed", "weighted", "both"],
)
def test_smoothed_labels_and_weighted_classes(mistake, options):
    for seed, widths in enumerate([(4, 5, 4), (3, 2)]):
        weights, x, y = problem(widths, seed=seed, rows=8)
        if mistake == "order" and len(widths) == 2:
            continue
        step = homework(*([mistake] if mistake else []), **options)
        report = cr.check_step(step, weights, x, y if seed else np.eye(4)[y])
        assert names(report) == ({NAMES[mistake]} if mistake else set()), report


@pytest.mark.parametrize("mistake", [None, "softmax twice"])
def test_weights_of_each_logarithm_by_its_class(mistake):
    weights, x, y = problem((4, 5, 4), rows=8)

    def step(weights, x, labels, learning_rate):
        w1, b1, w2, b2 = weights
        smooth = 0.9 * labels + 0.1 / 4
        h = np.tanh(x @ w1 + b1)
        p = softmax(h @ w2 + b2)
        if mistake:
            p = softmax(p)
        loss = -np.mean(np.sum(WEIGHTS * smooth * np.log(p), axis=1))
        d2 = (np.sum(WEIGHTS * smooth, axis=1, keepdims=True) * p - WEIGHTS * smooth) / len(x)
        d1 = d2 @ w2.T * (1 - h * h)
        gradients = [x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)]
        return loss, [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]

    report = cr.check_step(step, weights, x, np.eye(4)[y])
    assert names(report) == ({"softmax twice"} if mistake else set()), report


def normalized(*mistakes):
    """A step with batch normalization before the hidden units."""

    def step(weights, x, y, learning_rate):
        w1, scale, shift, w2, b2 = weights
        z = x @ w1
        deviation = np.sqrt(z.var(axis=0) + 1e-5)
        unit = (z - z.mean(axis=0)) / deviation
        h = np.tanh(scale * unit + shift)
        p = used = softmax(h @ w2 + b2)
        if {"softmax twice", "softmax twice in the loss"} & set(mistakes):
            p = softmax(p)
        if {"softmax twice", "softmax twice in the gradient"} & set(mistakes):
            used = softmax(used)
        target = np.eye(p.shape[1])[y]
        loss = -np.mean(np.sum(target * np.log(p), axis=1))
        d2 = (used - target) / (1 if "sum" in mistakes else len(x))
        new = w2 - learning_rate * h.T @ d2
        d1 = d2 @ (new if "order" in mistakes else w2).T * (1 - h * h)
        du = d1 * scale
        dz = (du - du.mean(axis=0) - unit * (du * unit).mean(axis=0)) / deviation
        db = 0 if "last bias" in mistakes else d2.sum(axis=0)
        gradients = [x.T @ dz, (d1 * unit).sum(axis=0), d1.sum(axis=0)]
        first = [w - learning_rate * g for w, g in zip(weights, gradients, strict=False)]
        return loss, [*first, new, b2 - learning_rate * db]

    return step


@pytest.mark.parametrize("mistake", [None, *SOFTMAX, *OTHERS])
def test_batch_normalization(mistake):
    """A batch of copies of one row tells nothing there: all are at their mean."""
    generator = np.random.default_rng(0)
    shapes = [(4, 6), (6,), (6,), (6, 3), (3,)]
    weights = [generator.normal(size=shape) for shape in shapes]
    x, y = generator.normal(size=(9, 4)), generator.integers(3, size=9)
    report = cr.check_step(normalized(*([mistake] if mistake else [])), weights, x, y)
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("mistake", SOFTMAX)
def test_labels_of_any_type(mistake, dtype):
    weights, x, y = problem((4, 5, 2), rows=8)
    report = cr.check_step(homework(mistake), weights, x, y.astype(dtype))
    assert names(report) == {NAMES[mistake]}, report


def test_a_number_is_no_class():
    """A loss that takes any number as a target is not tried as if there were as many classes as units."""
    seen = set()

    def step(weights, x, y, learning_rate):
        w1, b1, w2, b2 = weights
        seen.update(np.unique(y))
        h = np.tanh(x @ w1 + b1)
        error = h @ w2 + b2 - y[:, None]
        d2 = 2 * error / len(x)
        d1 = d2 @ w2.T * (1 - h * h)
        gradients = [x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)]
        return np.mean(error**2), [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]

    weights, x, _ = problem((3, 20, 1))
    assert cr.check_step(step, weights, x, np.array([0, 1, 2, 0, 1, 2])).passed
    assert len(seen) == 4
