"""A step without data of its own is checked in the form that it was made for."""

import numpy as np
import pytest

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
