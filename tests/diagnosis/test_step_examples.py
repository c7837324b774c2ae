"""A step without data of its own is checked in the form that it was made for."""

import numpy as np
import pytest
from homework import homework, problem, softmax

import chainrule as cr


@pytest.mark.parametrize("mistake", [None, "uphill", "bias"])
def test_a_logistic_step_is_checked_with_one_output(mistake):
    def step(w, x, y, learning_rate):
        h = np.tanh(x @ w["W1"] + w["b1"])
        p = 1 / (1 + np.exp(-(h @ w["W2"] + w["b2"])))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        d2 = (p - y) / len(x) * (-1 if mistake == "uphill" else 1)
        d1 = (d2 @ w["W2"].T) * (1 - h * h)
        g = {"W1": x.T @ d1, "b1": d1.sum(0), "W2": h.T @ d2, "b2": d2.sum(0) * (mistake != "bias")}
        return loss, {name: w[name] - learning_rate * g[name] for name in w}

    report = cr.check_step(step)
    names = {None: [], "uphill": ["step uphill"], "bias": ["bias not trained"]}[mistake]
    assert [found.name for found in report.mistakes] == names, report
    assert report.passed == (mistake is None)
    if mistake != "uphill":  # where nothing is right, no factor stands out
        told = "checked with one output; with 4 it would be wrong: sum where mean was meant"
        assert told in report.notes


def test_one_output_of_softmax_tells_nothing():
    """It is always 1."""

    def step(w, x, y, learning_rate):
        z = x @ w[0] + w[1]
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        d = p - y
        loss = -np.mean(np.sum(y * np.log(p), axis=1))
        return loss, [w[0] - learning_rate * x.T @ d, w[1] - learning_rate * d.sum(0), *w[2:]]

    assert "sum where mean was meant" in str(cr.check_step(step))


@pytest.mark.parametrize("mistake", [None, "softmax twice", "bias not trained"])
def test_one_example_as_a_column(mistake):
    """Of x (3, 1) and y (3, 1) the order of the numbers matters, so they are of one example."""

    def step(weights, x, y, learning_rate):
        w1, b1, w2, b2 = weights
        a = np.tanh(w1 @ x + b1)
        p = softmax((w2 @ a + b2).T).T
        p = softmax(p.T).T if mistake == "softmax twice" else p
        d2 = p - y
        d1 = (w2.T @ d2) * (1 - a**2)
        gradients = [d1 @ x.T, 0 * d1 if mistake == "bias not trained" else d1, d2 @ a.T, d2]
        new = [w - learning_rate * gradient for w, gradient in zip(weights, gradients, strict=True)]
        return -np.sum(y * np.log(p)), new

    generator = np.random.default_rng(0)
    weights = [generator.normal(size=shape) for shape in ((4, 3), (4, 1), (3, 4), (3, 1))]
    report = cr.check_step(step, weights, generator.normal(size=(3, 1)), np.eye(3)[:, [1]])
    assert [found.name for found in report.mistakes] == ([mistake] if mistake else []), report


@pytest.mark.parametrize(("seed", "error"), [("a", TypeError), (2.5, TypeError), (-1, ValueError)])
def test_a_seed_is_an_integer(seed, error):
    with pytest.raises(error, match=f"^a seed is an integer.*, not {seed!r}$"):
        cr.check_step(homework(), seed=seed)


def test_a_learning_rate_that_is_not_used_hides_the_number_of_outputs():
    """A tenth of the rate that is given is used, whichever that is, and there are ten outputs."""
    step = homework("no rate", loss="squares")
    report = cr.check_step(step, *problem((3, 4, 10), classes=False), learning_rate=0.1)
    assert [mistake.name for mistake in report.mistakes] == ["learning rate not used"]
