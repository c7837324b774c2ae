"""What is drawn is given, what is negative stands in brackets, and the like."""

from __future__ import annotations

import re

import numpy as np
from explained_cases import NETWORKS, NUMBERS, ROWS, built, dense

import chainrule as cr


def test_random_numbers_are_given_on_a_worksheet_and_kept_for_the_loss_after_the_step():
    explanation = built(NETWORKS["dropout"]).explain(ROWS, NUMBERS)
    sheet = explanation.to_text(answers=False)
    assert re.search(r"r₀,₀⁽¹⁾ = (true|false)\n", sheet)
    assert "r₀,₀⁽¹⁾ = ______" not in sheet
    assert "after it, with the same random numbers." in str(explanation)
    assert "random numbers" not in str(built(dense()).explain(ROWS, NUMBERS))


def test_a_minus_behind_a_sign_has_brackets():
    for optimizer in (cr.RMSprop(0.01, centered=True, momentum=0.9), cr.Adadelta()):
        model = built(dense(), lambda p, t: cr.sum((t - p) ** 2, axis=-1), optimizer)
        model.step(ROWS, NUMBERS)
        assert not re.search(r"[·+−/] −", str(model.explain(ROWS, NUMBERS)))
    assert "ρ = 0.9" in str(model.explain(ROWS, NUMBERS))


def test_a_sum_of_one_row_is_no_other_layout():
    explanation = built(dense()).explain(ROWS[:1], NUMBERS[:1], sample_weight=[2.0])
    rules = {step.quantity.symbol.key: step.rule for step in explanation.steps}
    assert rules["constant"] == "a sum of one number"


def test_ranges_are_written_as_other_numbers():
    told = str(built(cr.Dense(40)).explain(ROWS, 1e-9 * ROWS[:, :1] * [[1.0] * 40]))
    assert "10⁻" in told
    assert not re.search(r"\de[-−]\d", re.sub(r"relative error .*", "", told))


def test_numbers_that_are_all_the_same_lie_in_no_range():
    text = str(built(dense(), optimizer=cr.SGD(0.1, momentum=0.9)).explain(ROWS, NUMBERS))
    assert "and 6 more, all the same\n" in text  # the velocities, at the beginning
    assert "more; all lie from 0 to 0" not in text
    assert "more; all lie from −" in text


def test_times_one_over_something_is_a_fraction():
    told = str(built(dense(), optimizer=cr.Adam(0.01)).explain(ROWS, NUMBERS))
    assert "√(s_W⁽⁰⁾′)/√(1 − β₂^(τ+1)) + ε" in told
    assert "(1/√" not in told


def test_numbers_of_an_objective_stand_in_brackets():
    def ends(network, x, y):
        return cr.mean(network(np.array([[0.0], [-1.0]])) ** 2) + cr.mean((network(x) - y) ** 2)

    model = cr.Model(cr.Dense(1), objective=ends, dtype="float64")
    explanation = model.explain([[0.5]], [[1.0]])
    assert "a = (0, −1) W + b\n" in str(explanation)
    assert "(0, −1)ᵀ ∂L/∂a" in str(explanation)


def test_thousands_have_a_comma_as_in_the_verdict():
    network = cr.Sequential([cr.Dense(350), cr.Dropout(0.5), cr.Dense(2)])
    text = str(built(network).explain(ROWS, NUMBERS))
    assert "     and 1,394 more; all lie from" in text
    assert "     and 1,044 more; " in text
    assert " of all 1,050 are true\n" in text
    assert " of 2,452 entries, " in text
