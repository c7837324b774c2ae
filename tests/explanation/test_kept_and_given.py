"""What layers keep from step to step, and what is made of the targets, is told as well."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import CLASSES, NUMBERS, ROWS, built, dense

import chainrule as cr
from chainrule.examples import SOFTMAX
from chainrule.explanation.plain import to_text

NORMALIZED = cr.Sequential([cr.Dense(3), cr.BatchNorm(momentum=0.8), cr.Activation("tanh"), cr.Dense(2)])


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1), cr.Adam(0.01)], ids=["sgd", "adam"])
def test_running_statistics_are_told_before_and_after(optimizer):
    model = built(NORMALIZED, optimizer=optimizer)
    model.step(ROWS, NUMBERS)
    before = model.state
    explanation = model.explain(ROWS, NUMBERS)
    data = {step["name"]: step for step in explanation.to_dict()["steps"]}
    z = np.array(data["layers.0.z"]["value"])
    batch = {"running_mean": z.mean(axis=0), "running_variance": z.var(axis=0)}
    model.step(ROWS, NUMBERS)
    for name, number in batch.items():
        key = f"layers.1.{name}"
        old, new = data[key], data[f"{key}′"]
        np.testing.assert_array_equal(old["value"], before[key])
        np.testing.assert_allclose(new["value"], 0.8 * before[key] + 0.2 * number, rtol=1e-12)
        np.testing.assert_allclose(new["value"], model.state[key], rtol=1e-12)
        assert (old["stage"], new["stage"], new["part"]) == ("given", "update", "layers.1")
        assert old["title"] == f"given: what layers.1 keeps: {key}"
        assert new["title"] == f"what layers.1 keeps: {key}"
    mean = data["layers.1.running_mean′"]["formula"]
    assert mean == "running_mean⁽¹⁾′ = μ⁽¹⁾ · running_mean⁽¹⁾ + (1 − μ⁽¹⁾) · ((∑_n z⁽⁰⁾)/3)"
    assert "running_mean⁽¹⁾" in str(explanation)


def test_a_network_without_state_keeps_nothing():
    titles = [step.title for step in built(dense()).explain(ROWS, NUMBERS).steps]
    assert not [title for title in titles if "keeps" in title]


def test_a_target_of_classes_is_said_to_be_one_hot():
    steps = built(dense(), "cross_entropy").explain(ROWS, CLASSES).steps
    told = {step.quantity.symbol.key: step for step in steps}
    np.testing.assert_array_equal(told["target"].quantity.array, np.eye(2)[CLASSES])
    assert told["target"].title.endswith("the target as one-hot: 1 at the class y, and 0 at the others")
    smoothed = built(dense(), cr.CrossEntropy(label_smoothing=0.1)).explain(ROWS, CLASSES).steps
    (target,) = [step for step in smoothed if step.quantity.symbol.key == "target"]
    assert "one-hot" not in target.title
    assert to_text(target.quantity.equation) == "t_(n,k) = (1 − ε) · {1 if y_n = k, 0 otherwise} + ε/2"


def test_a_worksheet_says_what_t_is_and_not_its_numbers():
    sheet = SOFTMAX.worksheet()
    assert "t, the target as one-hot: 1 at the class y" in sheet
    assert "t₁ = ______" in sheet
    assert "t₁ = 1" not in sheet


def test_the_sum_of_weights_has_a_formula():
    steps = built(dense(), "cross_entropy").explain(ROWS, CLASSES, sample_weight=[1.0, 0.5, 2.0]).steps
    assert "N = ∑_n ω" in [to_text(step.quantity.equation) for step in steps]


def test_what_is_only_laid_out_anew_says_so():
    net = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Flatten(), cr.Dense(2)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    steps = model.explain(ROWS.reshape(3, 2, 2), NUMBERS).steps
    rules = {step.quantity.symbol.key: step.rule for step in steps}
    assert rules["layers.1.a"] == "the same numbers, laid out in another shape"
    assert rules["layers.2.z"] == ""


def test_plain_data_has_the_given_numbers_in_full():
    model = built(dense(), optimizer=cr.Adam(1 / 3, beta_1=2 / 3))
    steps = {step["name"]: step for step in model.explain(ROWS, NUMBERS).to_dict()["steps"]}
    assert steps["layers.0.weight/mean′"]["numbers"] == {"task.optimizer.beta_1": 2 / 3}
    assert steps["layers.0.weight′"]["numbers"]["task.optimizer.learning_rate"] == 1 / 3
    assert steps["layers.0.weight"]["numbers"] == {}
