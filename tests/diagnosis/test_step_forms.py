"""Steps in forms that people write, and mistakes in one array alone."""

import math
from collections import namedtuple

import numpy as np
import pytest

import chainrule as cr

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(6, 4))
CLASSES = np.eye(4)[[0, 1, 2, 3, 0, 1]]
WEIGHTS = [GENERATOR.normal(size=shape) for shape in ((4, 4), 4, (4, 4), 4)]


def classifier(change=lambda gradients, rate: gradients, give=list):
    """A step of a net with two layers; `change` gets its gradients as a list, `give` returns new weights."""

    def step(weights, x, y, learning_rate):
        w1, b1, w2, b2 = weights
        h = np.tanh(x @ w1 + b1)
        p = np.exp(h @ w2 + b2)
        p = p / p.sum(axis=1, keepdims=True)
        d2 = (p - y) / len(x)
        d1 = (d2 @ np.transpose(w2)) * (1 - h**2)
        gradients = change([x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)], learning_rate)
        new = [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)]
        return -np.sum(y * np.log(p)) / len(x), give(new)

    return step


def at(place, change):
    """Change one gradient."""
    return lambda gradients, rate: [change(g, rate) if i == place else g for i, g in enumerate(gradients)]


def uneven(gradient, rate):
    """A gradient that is wrong in no way that has a name."""
    return gradient * np.arange(1, gradient.size + 1).reshape(gradient.shape)


def named(report):
    return {(mistake.name, mistake.where) for mistake in report.mistakes}


@pytest.mark.parametrize(
    "give",
    [
        lambda new: [array.tolist() for array in new],
        lambda new: (array for array in new),
        lambda new: zip(new[::2], new[1::2], strict=True),
    ],
    ids=["lists of numbers", "one by one", "by layers"],
)
@pytest.mark.parametrize("trained", [True, False])
def test_new_weights_in_any_form(give, trained):
    report = cr.check_step(classifier(at(3, lambda g, _: trained * g), give))
    assert named(report) == (set() if trained else {("bias not trained", "weights[3]")})


def test_a_step_without_numpy():
    def step(weights, x, y, learning_rate):
        w, b = [[float(weight) for weight in row] for row in weights[0]], list(weights[1])
        new, loss = [[*row] for row in w], 0.0
        for row, targets in zip(x, y, strict=True):
            for k, target in enumerate(targets):
                error = sum(number * w[i][k] for i, number in enumerate(row)) + b[k] - target
                loss += error**2 / 2 / len(x)
                for i, number in enumerate(row):
                    new[i][k] -= learning_rate * error * number / len(x)
        return loss, [new, b]

    weights = [[[0.5, -1.0], [0.3, 0.2], [0.1, -0.4]], [0.0, 0.5]]
    x, y = [[1.0, 2.0, -1.0], [0.5, 0.0, 1.0], [2.0, 1.0, 0.5]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    assert named(cr.check_step(step, weights, x, y)) == {("bias not trained", "weights[1]")}


def test_weights_with_names():
    weights = namedtuple("Weights", "w1 b1 w2 b2")(*WEIGHTS)
    step = classifier(give=lambda new: type(weights)(*new))
    assert cr.check_step(step, weights, X, CLASSES)


def test_a_rate_of_0_may_be_refused():
    step = classifier()

    def strict(weights, x, y, learning_rate):
        if learning_rate <= 0:
            raise ValueError("the learning rate is above 0")
        return step(weights, x, y, learning_rate)

    assert cr.check_step(strict)
    with pytest.raises(ValueError, match=r"learning rate above 0.*not inf"):
        cr.check_step(step, learning_rate=math.inf)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (lambda w, x, y, r: (0.5, None), "returned None as new weights; return them"),
        (lambda w, x, y, r: (w, 0.5), r"loss should be one float, and it is \[array"),
        (lambda w, x, y, r: (3, w), "loss should be one float, and it is 3"),
    ],
)
def test_what_is_no_result(step, sentence):
    with pytest.raises(TypeError, match=sentence):
        cr.check_step(step, WEIGHTS, X, CLASSES)


@pytest.mark.parametrize("result", [0.5, (0.5, None), [0.5, [], 1]])
def test_other_weights_do_not_help_where_a_result_is_missing(result):
    with pytest.raises(TypeError, match=r"^the step (should return|returned)"):
        cr.check_step(lambda w, x, y, r: result)


@pytest.mark.parametrize("trained", [True, False])
def test_velocities_that_are_returned_in_another_order(trained):
    def step(weights, x, y, learning_rate):
        error = x @ weights["W"] + weights["b"] - y
        v = 0.9 * weights["v"] + x.T @ error / len(x)
        u = 0.9 * weights["u"] + error.sum(axis=0) / len(x)
        new = {"u": u, "b": weights["b"] - trained * learning_rate * u}
        return np.sum(error**2) / 2 / len(x), new | {"v": v, "W": weights["W"] - learning_rate * v}

    weights = {"W": WEIGHTS[0], "b": WEIGHTS[1], "v": np.zeros((4, 4)), "u": np.zeros(4)}
    report = cr.check_step(step, weights, X, CLASSES)
    assert named(report) == (set() if trained else {("bias not trained", "b")})
    assert report.notes == ("v, u: the state of the rule, at 0 for the check",)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda g, rate: g / rate, "learning rate not used"),
        (lambda g, rate: 0.03 * g / rate, "learning rate not used"),
        (lambda g, rate: g * rate, "learning rate used twice"),
    ],
)
def test_the_learning_rate_of_one_array(place, change, name):
    assert named(cr.check_step(classifier(at(place, change)))) == {(name, f"weights[{place}]")}


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("power", [0, 2])
def test_the_learning_rate_of_one_array_in_float32(place, power):
    inner = classifier(at(place, lambda g, rate: g * rate if power else g / rate))

    def step(weights, x, y, learning_rate):
        arrays = [np.asarray(array, np.float32) for array in (*weights, x, y)]
        loss, new = inner(arrays[:-2], *arrays[-2:], np.float32(learning_rate))
        return loss, [np.asarray(array, np.float32) for array in new]

    name = "learning rate used twice" if power else "learning rate not used"
    assert named(cr.check_step(step, WEIGHTS, X, CLASSES)) == {(name, f"weights[{place}]")}


def test_biases_in_a_vector_that_lack_the_learning_rate():
    inner = classifier(lambda gradients, rate: [g if g.ndim == 2 else g / rate for g in gradients])

    def step(vector, x, y, learning_rate):
        pieces = np.split(vector, [16, 20, 36])
        weights = [piece.reshape(array.shape) for piece, array in zip(pieces, WEIGHTS, strict=True)]
        loss, new = inner(weights, x, y, learning_rate)
        return loss, np.concatenate([array.ravel() for array in new])

    report = cr.check_step(step, np.concatenate([array.ravel() for array in WEIGHTS]), X, CLASSES)
    assert named(report) == {("learning rate not used", "weights[16:20], weights[36:40]")}


def test_a_learning_rate_that_is_used_twice_throughout():
    report = cr.check_step(classifier(lambda gradients, rate: [rate * g for g in gradients]))
    assert [mistake.name for mistake in report.mistakes] == ["learning rate used twice"]
    assert "by a sixteenth as much at 0.025 as at 0.1" in str(report)


def test_new_weights_of_zero_that_are_used_too_early_are_no_rate_that_is_used_twice():
    """All that the first layer's gradient has is the learning rate times that of the second."""

    def step(weights, x, y, learning_rate):
        w, v = weights
        h = np.tanh(x @ w)
        delta = (h @ v - y) / len(x)
        new = v - learning_rate * h.T @ delta
        return np.sum((h @ v - y) ** 2) / 2 / len(x), [
            w - learning_rate * x.T @ (delta @ new.T * (1 - h**2)),
            new,
        ]

    report = cr.check_step(step, [WEIGHTS[0], np.zeros((4, 4))], X, CLASSES)
    assert named(report) == {("weights updated before the deltas are taken", "weights[0]")}


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        (None, set()),
        ("order", {("weights updated before the deltas are taken", "W[0], W[1], b[0], b[1]")}),
        ("transposed", {("transposed weight gradient", "W[0], W[1], W[2]")}),
        ("bias", {("bias not trained", "b[0], b[1], b[2]")}),
        ("one", {("transposed weight gradient", "W[1]")}),
    ],
)
def test_layers_in_a_stack(mistake, expected):
    def step(weights, x, y, learning_rate):
        w, b = weights["W"].copy(), weights["b"].copy()
        a = [x]
        for matrix, bias in zip(w, b, strict=True):
            a.append(np.tanh(a[-1] @ matrix + bias))
        loss, delta = np.sum((a[-1] - y) ** 2) / 2 / len(x), (a[-1] - y) / len(x)
        for i in (2, 1, 0):
            delta = delta * (1 - a[i + 1] ** 2)
            by_w, old = a[i].T @ delta, w[i].copy()
            is_turned = mistake == "transposed" or (mistake == "one" and i == 1)
            w[i] -= learning_rate * (by_w.T if is_turned else by_w)
            b[i] -= (mistake != "bias") * learning_rate * delta.sum(axis=0)
            delta = delta @ (w[i] if mistake == "order" else old).T
        return loss, {"W": w, "b": b}

    generator = np.random.default_rng(1)
    weights = {"W": generator.normal(size=(3, 4, 4)), "b": generator.normal(size=(3, 4))}
    assert named(cr.check_step(step, weights, X, CLASSES)) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            at(0, lambda g, _: g.T),
            at(3, uneven),
            {("transposed weight gradient", "weights[0]"), ("wrong gradient", "weights[3]")},
        ),
        (
            at(1, lambda g, _: 0 * g),
            at(2, uneven),
            {("bias not trained", "weights[1]"), ("wrong gradient", "weights[2]")},
        ),
    ],
)
def test_a_softmax_of_one_output_is_no_place_to_see_two_mistakes(first, second, expected):
    """Its loss is 0 whatever the weights, and none of its gradients fits that."""
    report = cr.check_step(classifier(lambda gradients, rate: second(first(gradients, rate), rate)))
    assert named(report) == expected
    assert not report.notes


def linear(loss, slope):
    """A step of a linear net with this loss of the errors."""

    def step(weights, x, y, learning_rate):
        error = x @ weights[0] + weights[1] - y
        delta = slope(error)
        return loss(error), [
            weights[0] - learning_rate * x.T @ delta,
            weights[1] - learning_rate * delta.sum(axis=0),
        ]

    return step


def test_a_factor_that_is_the_same_everywhere_is_no_slope_of_a_sigmoid():
    """The root of a mean of squares, and the derivative of the mean: about 4 times as large on this batch."""
    step = linear(lambda e: np.sqrt(np.mean(e**2)), lambda e: 2 * e / e.size)
    y = CLASSES * 2 / np.sqrt(np.mean((X @ WEIGHTS[0] + WEIGHTS[1] - CLASSES) ** 2))
    report = cr.check_step(step, WEIGHTS[:2], X, y)
    assert [mistake.name for mistake in report.mistakes] == ["not plain gradient descent"]
    assert "times the derivative, on others not" in str(report)


def test_a_loss_that_changes_with_no_weight_says_so():
    report = cr.check_step(linear(lambda e: 0.0, lambda e: e / len(e)), WEIGHTS[:2], X, CLASSES)
    assert "the loss changes with no weight: return what is minimized" in str(report)


@pytest.mark.parametrize("seed", range(3))
def test_a_bias_that_cancels_but_for_rounding_is_no_state(seed):
    """Softmax over the rows: what is added to all rows changes nothing."""

    def step(weights, x, y, learning_rate):
        w, a, v, b = weights
        h = np.tanh(x @ w + a)
        z = np.exp(h @ v + b)
        p = z / z.sum(axis=0)
        d2 = (p - y) / len(x)
        d1 = d2 @ v.T * (1 - h**2)
        gradients = x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)
        new = [old - learning_rate * g for old, g in zip(weights, gradients, strict=True)]
        return -np.sum(y * np.log(p)) / len(x), new

    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in ((4, 5), 5, (5, 3), 3)]
    x, y = generator.normal(size=(8, 4)), np.eye(3)[generator.integers(3, size=8)]
    report = cr.check_step(step, weights, x, y)
    assert not report
    assert not report.notes


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("name", [None, "sum where mean was meant", "step uphill"])
def test_a_bias_in_a_matrix_beside_another_mistake(trained, name):
    def step(weights, x, y, learning_rate):
        with_one = np.c_[x, np.ones(len(x))]
        error = with_one @ weights[0] - y
        gradient = with_one.T @ error / (len(x) if name != "sum where mean was meant" else 1)
        gradient[-1] *= trained
        gradient *= -1 if name == "step uphill" else 1
        return np.sum(error**2) / 2 / len(x), [weights[0] - learning_rate * gradient]

    report = cr.check_step(step, [np.ones((5, 4))], X, CLASSES)
    names = {mistake.name for mistake in report.mistakes}
    assert names == ({name} if name else set()) | (set() if trained else {"bias not trained"})


def test_a_feature_that_is_always_0_is_no_row_that_is_not_trained():
    def step(weights, x, y, learning_rate):
        error = x @ weights[0] - y
        return np.sum(error**2) / 2 / len(x), [weights[0] - learning_rate * x.T @ error]

    report = cr.check_step(step, [np.ones((4, 4))], X * [1, 0, 1, 1], CLASSES)
    assert [mistake.name for mistake in report.mistakes] == ["sum where mean was meant"]


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("turned", [False, True], ids=["row", "column"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_transposed_gradient_beside_a_bias_in_the_same_matrix(place, turned, trained):
    def step(weights, x, y, learning_rate):
        (given,) = weights
        matrix = given.T if turned else given
        w, b = np.delete(matrix, place, axis=0), matrix[place]
        error = x @ w + b - y
        of_bias = trained * error.sum(axis=0)
        gradient = np.insert(error.T @ x, (0, 4)[place], of_bias, axis=0) / len(x)
        gradient = gradient.T if turned else gradient
        return np.sum(error**2) / 2 / len(x), [given - learning_rate * gradient]

    matrix = np.random.default_rng(1).normal(size=(5, 4))
    report = cr.check_step(step, [matrix.T if turned else matrix], X, CLASSES)
    names = {mistake.name for mistake in report.mistakes}
    assert names == {"transposed weight gradient"} | (set() if trained else {"bias not trained"})
