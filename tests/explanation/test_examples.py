"""The worked examples' numbers are those of the formulas in NumPy, and a worksheet gives nothing away."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.examples import ADAM, EXAMPLES, MOMENTUM, SIGMOID, SIGMOID_BIASES, SOFTMAX, XOR
from chainrule.explanation.latex import to_latex
from chainrule.explanation.plain import to_text


def told(explanation):
    return {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}


def steps(explanations):
    """Each step, and whether a worksheet leaves it out: of a later update also what it begins with."""
    for update, explanation in enumerate(explanations):
        for step in explanation.steps:
            begins = "which is" in step.title or "optimizer keeps" in step.title
            yield step, step.stage != "given" or (update > 0 and begins)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("format", ["text", "latex"])
def test_a_worksheet_has_every_given_number_and_no_other(name, format):
    """Written in full: four rows of XOR are more than the story tells of an array."""
    example = EXAMPLES[name]
    sheet = example.worksheet(format)
    write = to_text if format == "text" else to_latex
    given = set()
    for step, left_out in steps(example.explanations()):
        for place in step.quantity.places():
            line = step.quantity.line(place)
            number = write(step.quantity.names.printer.number(line.value))
            if left_out:
                assert not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", sheet) or len(number) < 5
            else:
                given.add(number)
                assert f"{write(line.left)} = {number}" in sheet
    assert given
    assert not re.search("more|all lie", sheet)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_answers_give_all_that_the_worksheet_asks_for(name):
    asks = [line for line in EXAMPLES[name].worksheet().splitlines() if line.endswith(" = ______")]
    asked, answered = (
        {line.partition(" = ")[0] for line in lines}
        for lines in (asks, EXAMPLES[name].answers().splitlines())
    )
    assert asked <= answered, asked - answered


def test_a_large_worksheet_says_how_many_are_alike():
    model = cr.Model(cr.Dense(40), loss="mean_squared_error", dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 3))
    sheet = model.explain(x, np.zeros((2, 40))).to_text(answers=False)
    assert "and 32 more in the same way" in sheet
    assert "all lie" not in sheet
    assert sheet.count("t₁,") > 40
    answers = model.explain(x, np.zeros((2, 40))).to_text()
    assert "more; all lie from" in answers


def test_they_come_with_the_package():
    assert cr.examples.EXAMPLES is EXAMPLES
    assert "examples" in dir(cr)


def test_the_sigmoid_nets_numbers_are_those_of_the_course():
    """The loss after the step is that of the course to its rounded weights; Mazur prints 0.291027924."""
    (explanation,) = SIGMOID.explanations()
    (trained,) = SIGMOID_BIASES.explanations()
    assert explanation.loss == trained.loss == pytest.approx(0.298371109, abs=5e-10)
    assert explanation.loss_after == pytest.approx(0.291027924, abs=2e-7)
    numbers = told(explanation)
    weights = {
        "layers.0.weight′": [[0.149780716, 0.24975114], [0.19956143, 0.29950229]],
        "layers.1.weight′": [[0.35891648, 0.511301270], [0.408666186, 0.561370121]],
    }
    for key, expected in weights.items():
        np.testing.assert_allclose(numbers[key], expected, atol=5e-9)
        np.testing.assert_array_equal(numbers[key], told(trained)[key])
    for layer, bias in enumerate((0.35, 0.6)):
        assert numbers[f"layers.{layer}.bias′"].tolist() == [bias, bias]
        step = bias - 0.5 * numbers[f"d layers.{layer}.bias"]
        np.testing.assert_allclose(told(trained)[f"layers.{layer}.bias′"], step, rtol=1e-14)
    x, y = np.array(SIGMOID.x), np.array(SIGMOID.y)
    new = {key.removesuffix("′"): array for key, array in told(trained).items() if "′" in key}
    hidden = 1 / (1 + np.exp(-(x @ new["layers.0.weight"] + new["layers.0.bias"])))
    output = 1 / (1 + np.exp(-(hidden @ new["layers.1.weight"] + new["layers.1.bias"])))
    assert trained.loss_after == pytest.approx(((output - y) ** 2).sum() / 2, rel=1e-13)
    page = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text(encoding="utf-8")
    assert f"its loss is\n{trained.loss_after:.6f} after it" in page


def test_what_is_left_as_it_is_says_so():
    answers = SIGMOID.answers()
    assert "kept as it is: the factor of its learning rate is 0\n   b⁽⁰⁾′ = b⁽⁰⁾\n" in answers
    assert "The biases stay as they are, as in most courses" in SIGMOID.worksheet()
    assert "kept as it is" not in SIGMOID_BIASES.answers()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_answers_and_worksheet(name):
    example = EXAMPLES[name]
    for format in ("text", "markdown", "latex"):
        answers, worksheet = example.answers(format), example.worksheet(format)
        assert example.title in answers
        assert answers.count("gradient is right") == example.updates
        blanks = worksheet.count(r"\qquad\qquad" if format != "text" else "= ______")
        explanations = example.explanations()
        asked = sum(step.quantity.array.size for step, left_out in steps(explanations) if left_out)
        assert blanks == asked
        assert "gradient is right" not in worksheet


def test_a_worksheet_shows_only_what_is_given():
    sheet = EXAMPLES["sigmoid"].worksheet()
    numbers = set(re.findall(r"\d*\.\d+", sheet))
    given = {
        "0.05",
        "0.1",
        "0.01",
        "0.99",
        "0.15",
        "0.25",
        "0.2",
        "0.3",
        "0.35",
        "0.4",
        "0.5",
        "0.45",
        "0.55",
        "0.6",
    }
    assert numbers <= given | {".0", ".1"}  # layers.0


def test_an_unknown_format_is_told():
    with pytest.raises(ValueError, match="no format 'markdow'; did you mean 'markdown'"):
        XOR.worksheet("markdow")


def test_momentum():
    weight, velocity = 2.0, 0.0
    for explanation in MOMENTUM.explanations():
        velocity = 0.9 * velocity + weight
        weight -= 0.2 * velocity
        assert told(explanation)["weight/velocity′"].item() == pytest.approx(velocity, rel=1e-12)
        assert told(explanation)["weight′"].item() == pytest.approx(weight, rel=1e-12)


def test_adam():
    weight, mean, square = 2.0, 0.0, 0.0
    for t, explanation in enumerate(ADAM.explanations(), start=1):
        gradient = weight
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight -= 0.1 * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        assert told(explanation)["weight/mean′"].item() == pytest.approx(mean, rel=1e-12)
        assert told(explanation)["weight′"].item() == pytest.approx(weight, rel=1e-9)


def test_softmax_with_cross_entropy():
    (explanation,) = SOFTMAX.explanations()
    z = told(explanation)["z"][0]
    probabilities = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(told(explanation)["d z"][0], probabilities - [0, 1, 0], rtol=1e-12)
    assert explanation.loss == pytest.approx(-np.log(probabilities[1]))


def test_xor():
    (explanation,) = XOR.explanations()
    assert explanation.loss_after < explanation.loss
    x, y = np.array(XOR.x), np.array(XOR.y)
    weights = XOR.model().weights
    hidden = np.tanh(x @ weights["layers.0.weight"] + weights["layers.0.bias"])
    output = 1 / (1 + np.exp(-(hidden @ weights["layers.1.weight"] + weights["layers.1.bias"])))
    delta = (output - y) / 4 * output * (1 - output)
    np.testing.assert_allclose(told(explanation)["d layers.1.weight"], hidden.T @ delta, rtol=1e-12)
