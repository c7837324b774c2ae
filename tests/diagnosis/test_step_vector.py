"""A step that takes all its weights as one long vector gets the same names as any other."""

import math

import numpy as np
import pytest
from homework import homework, problem
from step_matrix import NAMES, in_one_vector

import chainrule as cr

MISTAKES = (
    "order",
    "bias",
    "last bias",
    "sum",
    "transposed",
    "softmax twice",
    "softmax twice in the gradient",
)


def names(report):
    return {mistake.name for mistake in report.mistakes}


@pytest.mark.parametrize("features", [3, 4], ids=["biases behind", "biases between"])
@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_the_classic_mistakes_are_recognised_in_one_vector(mistake, features):
    widths = (features, features, features) if mistake == "transposed" else (features, 5, 3)
    given = problem(widths, rows=7)
    for options in ({}, {"decay": 0.01}, {"activation": "relu"}):
        step = homework(*([mistake] if mistake else []), **options)
        report = cr.check_step(*in_one_vector(step, *given))
        assert names(report) == ({NAMES[mistake]} if mistake else set()), report


def test_the_part_of_the_vector_is_named():
    given = in_one_vector(homework("last bias", "order"), *problem((4, 4, 3), rows=5))
    report = cr.check_step(*given)
    assert {mistake.name: mistake.where for mistake in report.mistakes} == {
        NAMES["order"]: "weights[0:20]",
        NAMES["bias"]: "weights[32:35]",
    }
    assert [found.size for found in report.arrays] == [20, 12, 3]


def test_a_matrix_that_is_not_square_and_reshaped_to_fit():
    step, weights, x, y = in_one_vector(homework("transposed"), *problem((4, 6, 3), rows=5))
    report = cr.check_step(step, weights, x, y)
    assert names(report) == {NAMES["transposed"]}
    assert report.mistakes[0].where == "weights[0:24], weights[30:48]"


def test_weights_that_are_no_bias_are_not_called_one():
    step, weights, x, y = in_one_vector(homework(), *problem((4, 5, 3), rows=5))

    def idle(vector, x, y, learning_rate):
        loss, new = step(vector, x, y, learning_rate)
        new[:20] = vector[:20]
        return loss, new

    report = cr.check_step(idle, weights, x, y)
    assert [(found.name, found.where) for found in report.mistakes] == [
        ("weight not trained", "weights[0:20]")
    ]


@pytest.mark.parametrize("mistake", [None, "order", "last bias", "sum", "transposed"])
def test_the_velocities_may_be_in_the_vector_too(mistake):
    planted = [mistake] if mistake else []
    plain, weights, x, y = in_one_vector(homework(*planted), *problem((4, 4, 4), rows=7))

    def momentum(vector, x, y, learning_rate):
        w, velocity = np.split(vector, 2)
        loss, new = plain(w, x, y, learning_rate)
        velocity = 0.9 * velocity + new - w
        return loss, np.concatenate([w + velocity, velocity])

    report = cr.check_step(momentum, np.concatenate([weights, weights / 3]), x, y)
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    assert f"weights[{weights.size}:{2 * weights.size}]: the state of the rule" in report.notes[0]


def test_a_step_that_refuses_some_weights():
    """The last one is a standard deviation, whose logarithm is taken."""

    def step(vector, x, y, learning_rate):
        error, deviation = x @ vector[:3] - y, vector[3]
        squares = np.mean(error**2) / deviation**2
        gradient = np.append(x.T @ error / len(x) / deviation**2, (1 - squares) / deviation)
        return squares / 2 + math.log(deviation), vector - learning_rate * gradient

    generator = np.random.default_rng(0)
    assert cr.check_step(step, np.full(4, 1.5), generator.normal(size=(8, 3)), np.arange(8.0)).passed


def test_weights_that_are_all_0():
    def uphill(vector, x, y, learning_rate):
        error = x @ vector - y
        gradient = 2 * x.T @ error / len(x) * [1, -1, 1]
        return np.mean(error**2), vector - learning_rate * gradient

    generator = np.random.default_rng(0)
    report = cr.check_step(uphill, np.zeros(3), generator.normal(size=(8, 3)), np.arange(8.0))
    assert names(report) == {"wrong gradient"}


@pytest.mark.parametrize(("place", "name"), [(1, "weight not trained"), (3, "bias not trained")])
def test_one_number_that_is_not_trained(place, name):
    """Without either, something of x still gets through; where x is 0, only the bias adds something."""

    def step(vector, x, y, learning_rate):
        error = x @ vector[:3] + vector[3] - y
        gradient = 2 * np.append(x.T @ error, error.sum()) / len(x)
        gradient[place] = 0
        return np.mean(error**2), vector - learning_rate * gradient

    generator = np.random.default_rng(0)
    report = cr.check_step(step, generator.normal(size=4), generator.normal(size=(8, 3)), np.arange(8.0))
    assert [(found.name, found.where) for found in report.mistakes] == [
        (name, f"weights[{place}:{place + 1}]")
    ]


@pytest.mark.parametrize("mistake", [None, "last bias"])
def test_velocities_in_a_very_long_vector(mistake):
    """It is looked at in pieces, and none ends where the weights, or the velocities, do."""
    step, weights, x, y = in_one_vector(homework(*([mistake] if mistake else [])), *problem((17, 93, 4)))
    size = weights.size

    def momentum(vector, x, y, learning_rate):
        idle, w, velocity, count = np.split(vector, [1, 1 + size, 1 + 2 * size])
        loss, new = step(w, x, y, learning_rate)
        velocity = 0.9 * velocity + new - w
        return loss, np.concatenate([idle + 1, w + velocity, velocity, count + 1])

    vector = np.concatenate([[0], weights, weights / 3, np.zeros(7)])
    report = cr.check_step(momentum, vector, x, y)
    assert names(report) == ({NAMES[mistake]} if mistake else set()), report
    assert f"weights[{1 + size}:{2 * size + 8}]: the state of the rule" in report.notes[0]
