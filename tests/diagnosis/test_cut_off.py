"""A loss that is cut off excuses a gradient; small weights alone excuse none."""

import numpy as np
import pytest
from homework import problem

import chainrule as cr


def names(report):
    return {mistake.name for mistake in report.mistakes}


@pytest.mark.parametrize(
    ("widths", "left_out", "output"), [((3, 8, 8, 8, 1), 2, None), ((3, 8, 8, 1), 2, "tanh")]
)
def test_small_weights_excuse_no_slope_that_was_left_out(widths, left_out, output):
    """There tanh is a straight line, and its slope is 1."""

    def step(weights, x, y, learning_rate):
        layers, a = list(zip(weights[::2], weights[1::2], strict=True)), [x]
        for w, b in layers[:-1]:
            a.append(np.tanh(a[-1] @ w + b))
        z = a[-1] @ layers[-1][0] + layers[-1][1]
        z = z if output is None else np.tanh(z)
        new, delta = [], 2 * (z - y) / y.size  # with tanh at the output, its slope is left out
        for i in reversed(range(len(layers))):
            w, b = layers[i]
            new = [w - learning_rate * a[i].T @ delta, b - learning_rate * delta.sum(axis=0), *new]
            delta = delta @ w.T
            if output is not None or i - 1 != left_out:
                delta = delta * (1 - a[i] ** 2)
        return np.mean((z - y) ** 2), new

    generator = np.random.default_rng(0)
    weights, x, _ = problem(widths, rows=20)
    weights = [w if w.ndim == 2 else 0 * w for w in weights]
    report = cr.check_step(step, weights, x, np.sin(x[:, :1] + 0.1 * generator.normal(size=(20, 1))))
    assert names(report) == {"wrong gradient"}, report


def test_small_weights_give_no_name_that_is_false():
    """The slope of a sigmoid at the output is 1/4 there."""

    def step(weights, x, y, learning_rate):
        w, b = weights
        p = 1 / (1 + np.exp(-(x @ w + b)))
        delta = (p - y) * p * (1 - p) / len(x)  # one slope too many
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        return loss, [w - learning_rate * x.T @ delta, b - learning_rate * delta.sum(axis=0)]

    (w, b), x, _ = problem((3, 1), rows=12)
    report = cr.check_step(step, [w, 0 * b], x, (x[:, :1] > 0) * 1.0)
    assert names(report) == {"wrong gradient"}, report


@pytest.mark.parametrize("size", [8, 20])
@pytest.mark.parametrize("clipped", [False, True])
def test_a_right_step_whose_loss_is_cut_off_passes(size, clipped):
    """Also where the network is so sure that most of its losses are rounding."""

    def step(weights, x, y, learning_rate):
        w1, b1, w2, b2 = weights
        h = np.tanh(x @ w1 + b1)
        p = 1 / (1 + np.exp(-(h @ w2 + b2)))
        q = np.clip(p, 1e-7, 1 - 1e-7) if clipped else p
        least = 0 if clipped else 1e-8
        loss = -np.mean(y * np.log(q + least) + (1 - y) * np.log(1 - q + least))
        d2 = (p - y) / len(x)
        d1 = (d2 @ w2.T) * (1 - h**2)
        gradients = [x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)]
        return loss, [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]

    generator = np.random.default_rng(0)
    shapes = (3, 5), (5,), (5, 1), (1,)
    weights = [size * generator.normal(size=shape) * (len(shape) > 1) for shape in shapes]
    x = generator.normal(size=(12, 3))
    report = cr.check_step(step, weights, x, (x[:, :1] > 0) * 1.0)
    assert report.passed, report
    assert clipped or any("at 0.1 times the weights this is not so" in note for note in report.notes)
