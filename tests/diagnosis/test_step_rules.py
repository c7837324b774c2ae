"""Steps that are more than plain gradient descent: momentum, Adam, decay, clipping; right and wrong ones."""

import functools
import itertools

import numpy as np
import pytest
from homework import homework, problem
from step_matrix import NAMES, Way

import chainrule as cr


def names(report):
    return {mistake.name for mistake in report.mistakes}


def gradients(weights, x, y, *mistakes):
    loss, new = homework(*mistakes)(weights, x, y, 1.0)
    return loss, [w - changed for w, changed in zip(weights, new, strict=True)]


def heavy_ball(w, v, g, rate):
    v = 0.9 * v + g
    return w - rate * v, v


def velocity(w, v, g, rate):
    v = 0.9 * v - rate * g
    return w + v, v


def smooth(w, v, g, rate):
    v = 0.9 * v + 0.1 * g
    return w - rate * v / 0.1, v


def average(w, v, g, rate):
    v = 0.9 * v + 0.1 * g
    return w - rate * v, v


def nesterov(w, v, g, rate):
    before, v = v, 0.8 * v - rate * g
    return w - 0.8 * before + 1.8 * v, v


#: What of the gradient a first step of these rules uses.
FIRST = {average: "0.1", nesterov: "1.8"}


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        (heavy_ball, None),
        (heavy_ball, "factor"),
        (average, None),
        (average, "order"),
        (average, "sum"),
        (average, "factor"),
        (nesterov, None),
        (nesterov, "bias"),
        (velocity, None),
        (smooth, None),
        (heavy_ball, "order"),
        (velocity, "bias"),
        (smooth, "no slope"),
        (heavy_ball, "softmax twice in the gradient"),
    ],
)
def test_momentum_is_checked_with_its_state_at_0(rule, mistake):
    def step(weights, x, y, learning_rate):
        w = [weights[f"w{i}"] for i in range(4)]
        loss, new = homework(*([mistake] if mistake else []))(w, x, y, learning_rate)
        gradient = [(old - changed) / (learning_rate or 1.0) for old, changed in zip(w, new, strict=True)]
        updated = {}
        for i, g in enumerate(gradient):
            updated[f"w{i}"], updated[f"v{i}"] = rule(w[i], weights[f"v{i}"], g, learning_rate)
        return loss, {name: updated[name] for name in weights}

    w, x, y = problem()
    weights = {f"w{i}": a for i, a in enumerate(w)} | {f"v{i}": 0 * a + 0.1 for i, a in enumerate(w)}
    report = cr.check_step(step, weights, x, y)
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    assert "v0, v1, v2, v3: the state of the rule" in report.notes[0]
    told = (
        [f"a step uses {FIRST[rule]} times the gradient" in note for note in report.notes]
        if rule in FIRST
        else []
    )
    assert any(told) == (rule in FIRST and mistake != "factor")
    assert [found.name for found in report.arrays] == ["w0", "w1", "w2", "w3"]


def test_adam_with_its_state():
    def step(weights, x, y, learning_rate):
        loss, g = gradients(weights["w"], x, y)
        t = weights["t"] + 1
        m = [0.9 * a + 0.1 * d for a, d in zip(weights["m"], g, strict=True)]
        v = [0.999 * a + 0.001 * d * d for a, d in zip(weights["v"], g, strict=True)]
        w = [
            old - learning_rate * a / (1 - 0.9**t) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
            for old, a, b in zip(weights["w"], m, v, strict=True)
        ]
        return loss, {"w": w, "m": m, "v": v, "t": t}

    w, x, y = problem()
    zeros = [0 * one for one in w]
    report = cr.check_step(step, {"w": w, "m": zeros, "v": zeros, "t": 0}, x, y)
    assert names(report) == {"not plain gradient descent"}
    assert "all weights move by 1 times the learning rate" in str(report)


def signs(g):
    return [np.sign(one) for one in g]


def clipped(g):
    return [np.clip(one, -0.02, 0.02) for one in g]


def short(g):
    return [one / max(1, 1e3 * np.sqrt(sum(np.sum(one**2) for one in g))) for one in g]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (signs, "all weights move by 1"),
        (clipped, "to be clipped"),
        (short, "times the derivative, on others not"),
    ],
)
def test_another_rule_has_its_name(change, words):
    def step(weights, x, y, learning_rate):
        loss, g = gradients(weights, x, y)
        return loss, [w - learning_rate * one for w, one in zip(weights, change(g), strict=True)]

    report = cr.check_step(step, *problem())
    assert names(report) == {"not plain gradient descent"}, report
    assert words in str(report)


@pytest.mark.parametrize("of", [lambda w: w, np.sign])
@pytest.mark.parametrize("mistake", [None, "order", "sum"])
def test_decay_beside_the_loss_is_a_note(of, mistake):
    def step(weights, x, y, learning_rate):
        loss, new = homework(*([mistake] if mistake else []))(weights, x, y, learning_rate)
        return loss, [
            changed - learning_rate * 0.05 * of(w) * (w.ndim > 1)
            for w, changed in zip(weights, new, strict=True)
        ]

    report = cr.check_step(step, *problem())
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    if mistake is None:
        assert "0.05 times" in report.notes[0]
        assert "is taken off weights[0], weights[2]: weight decay" in report.notes[0]


@pytest.mark.parametrize("penalty", [np.square, np.abs])
def test_a_penalty_that_the_gradient_lacks(penalty):
    def step(weights, x, y, learning_rate):
        loss, new = homework()(weights, x, y, learning_rate)
        return loss + 0.05 * sum(np.sum(penalty(w)) for w in weights if w.ndim > 1), new

    report = cr.check_step(step, *problem())
    assert [(one.name, one.where) for one in report.mistakes] == [
        ("penalty left out of the gradient", "weights[0], weights[2]")
    ]


def test_a_bias_that_the_loss_does_not_see_is_no_state():
    def step(weights, x, y, learning_rate):
        w, b = weights
        error = x @ w - y  # forgotten: + b
        return np.mean(error**2), [
            w - learning_rate * 2 * x.T @ error / error.size,
            b - learning_rate * 2 * np.sum(error, axis=0) / error.size,
        ]

    weights, x, y = problem((3, 2), classes=False)
    report = cr.check_step(step, weights, x, y)
    assert [one.name for one in report.mistakes] == ["wrong gradient"]
    assert report.mistakes[0].where == "weights[1]"


def test_a_counter_that_only_counts_is_a_state():
    def step(weights, x, y, learning_rate):
        loss, g = gradients(weights["w"], x, y)
        w = [old - learning_rate * one for old, one in zip(weights["w"], g, strict=True)]
        return loss, {"w": w, "step": weights["step"] + 1}

    w, x, y = problem()
    report = cr.check_step(step, {"w": w, "step": np.array(3)}, x, y)
    assert report.passed, report
    assert "step: the state of the rule" in report.notes[0]


def relu_step(mistake=None):
    """Return a step of a net of three layers with relu, rows, and softmax with a log that is cut off."""

    def step(weights, x, y, rate):
        W1, b1, W2, b2, W3, b3 = weights
        z1 = x @ W1 + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ W2 + b2
        a2 = np.maximum(z2, 0)
        z3 = a2 @ W3 + b3
        e = np.exp(z3 - z3.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(np.clip((p * y).sum(axis=1), 1e-12, 1)).mean()
        d3 = (p - y) / len(x)
        new3 = W3 - rate * a2.T @ d3
        d2 = (d3 @ (new3 if mistake == "order" else W3).T) * (z2 > 0)
        new2 = W2 - rate * a1.T @ d2
        d1 = (d2 @ (new2 if mistake == "order" else W2).T) * (z1 > 0)
        new_b2 = b2 if mistake == "bias" else b2 - rate * d2.sum(axis=0)
        new_b = b1 - rate * d1.sum(axis=0), new_b2, b3 - rate * d3.sum(axis=0)
        return loss, [W1 - rate * x.T @ d1, new_b[0], new2, new_b[1], new3, new_b[2]]

    return step


def relu_case(seed, scale, spread):
    generator = np.random.default_rng(seed)
    widths = (6, 5, 5, 3)
    x = scale * np.abs(generator.normal(size=(40, widths[0])))
    y = np.eye(3)[generator.integers(0, 3, 40)]
    weights = []
    for m, n in itertools.pairwise(widths):
        weights += [spread * generator.normal(size=(m, n)) * np.sqrt(2 / m), np.zeros(n)]
    return weights, x, y


@pytest.mark.parametrize("mistake", [None, "order", "bias"])
@pytest.mark.parametrize(("scale", "spread"), [(1.0, 1.0), (500.0, 0.01)], ids=["usual", "raw"])
@pytest.mark.parametrize("seed", range(3))
def test_raw_features_and_biases_of_zero_hide_nothing(mistake, scale, spread, seed):
    report = cr.check_step(relu_step(mistake), *relu_case(seed, scale, spread))
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    assert not [note for note in report.notes if "state" in note]


# Forms of weights, and precisions ---------------------------------------------------------------------


@pytest.mark.parametrize("mistake", [None, "order", "bias", "sum", "transposed"])
def test_a_step_that_computes_in_float32_and_returns_float64(mistake):
    """As where it takes its weights and x for float32, and y is float64."""
    step, weights, x, y = Way(mistake, loss="squares", widths=(4, 5, 5)).case()

    def single(weights, x, y, learning_rate):
        loss, new = step([np.float32(w) for w in weights], np.float32(x), np.float32(y), learning_rate)
        return np.float64(loss), [np.float64(w) for w in new]

    report = cr.check_step(single, weights, x, y)
    assert [found.name for found in report.mistakes] == ([NAMES[mistake]] if mistake else [])
    assert not report.unjudged


@pytest.mark.parametrize("mistake", [None, "order", "bias", "transposed"])
def test_a_dict_that_is_returned_in_another_order(mistake):
    step, weights, x, y = Way(mistake, widths=(4, 5, 5), named=True).case()

    def turned(weights, x, y, learning_rate):
        loss, new = step(weights, x, y, learning_rate)
        return loss, dict(reversed(new.items()))

    report = cr.check_step(turned, weights, x, y)
    assert [found.name for found in report.mistakes] == ([NAMES[mistake]] if mistake else [])
    assert [found.name for found in report.arrays] == list(weights)


def test_a_weight_that_is_not_returned_is_named():
    step, weights, x, y = Way(None, named=True).case()

    def forgets(weights, x, y, learning_rate):
        loss, new = step(weights, x, y, learning_rate)
        del new[list(new)[1]]
        return loss, new

    with pytest.raises(ValueError, match="the step was given b1 and did not return it; return all weights"):
        cr.check_step(forgets, weights, x, y)


def test_a_slope_of_a_sigmoid_that_is_nearly_a_quarter_is_no_clipping():
    """Small weights: a step that leaves it out, or takes it twice, is wrong by nearly one factor."""

    def step(weights, x, y, learning_rate, power):
        w1, b1, w2, b2 = weights
        h = 1 / (1 + np.exp(-x @ w1 - b1))
        error = (h @ w2 + b2 - y) / len(x)
        d = error @ w2.T * (h * (1 - h)) ** power
        new = [w1 - learning_rate * x.T @ d, b1 - learning_rate * d.sum(0)]
        loss = np.sum((h @ w2 + b2 - y) ** 2) / 2 / len(x)
        return loss, [*new, w2 - learning_rate * h.T @ error, b2 - learning_rate * error.sum(0)]

    generator = np.random.default_rng(0)
    weights = [0.03 * generator.normal(size=shape) for shape in ((4, 5), 5, (5, 3), 3)]
    x, y = generator.normal(size=(8, 4)), generator.normal(size=(8, 3))
    for power, told in ((0, "left out"), (1, ""), (2, "taken twice")):
        report = cr.check_step(functools.partial(step, power=power), weights, x, y)
        assert [mistake.name for mistake in report.mistakes] == ["wrong gradient"] * bool(told)
        assert all("slope a(1 - a)" in mistake.remedy for mistake in report.mistakes)
        assert all(told in mistake.remedy for mistake in report.mistakes)


@pytest.mark.parametrize("power", [1, 2])
def test_a_mean_that_is_taken_once_too_often_is_no_matter_of_the_loss_alone(power):
    """Of the sum over the rows, once; of their mean, twice."""
    x, y = np.random.default_rng(0).normal(size=(2, 9, 4))
    weights = [np.random.default_rng(1).normal(size=(4, 4))]

    def step(weights, x, y, learning_rate):
        e = x @ weights[0] - y
        gradient = x.T @ e / len(x) ** power
        return np.sum(e**2) / 2 / len(x) ** (power - 1), [weights[0] - learning_rate * gradient]

    (found,) = cr.check_step(step, weights, x, y).mistakes
    assert found.name == "mean where sum was meant"
    assert found.evidence.startswith("once more often than the loss, the update is divided by")
