"""The learning rate of a schedule is told as η; what the updates have in common, as what it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.explanation.formula import names
from chainrule.explanation.plain import to_text

SCHEDULES = [
    cr.ConstantRate(0.1),
    cr.StepDecay(0.1, every=2),
    cr.ExponentialDecay(0.1, every=3),
    cr.PolynomialDecay(0.1, steps=10, power=2.0),
    cr.CosineDecay(0.1, steps=10),
    cr.CosineDecay(0.1, steps=10, warmup_steps=4),
    cr.CosineDecay(0.1, steps=3, restarts=True),
    cr.OneCycle(0.1, steps=10),
]


def updated(optimizer, network):
    """The steps of an update, the third, by their symbols."""
    model = cr.Model(network, loss="mean_squared_error", optimizer=optimizer, dtype="float64")
    model.build(features=1)
    for _ in range(2):
        model.step([[1.0]], [[0.0]])
    steps = model.explain([[1.0]], [[0.0]]).steps
    return {step.quantity.symbol.key: step for step in steps if step.stage == "update"}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("optimizer", [cr.SGD, cr.Adam])
def test_the_rate_of_a_schedule_is_told_however_many_parameters_there_are(optimizer, schedule):
    for network in (cr.Dense(1, use_bias=False), cr.Dense(1), cr.Sequential([cr.Dense(2), cr.Dense(1)])):
        told = updated(optimizer(schedule), network)
        eta = told["update.learning_rate"]
        assert eta.title == "the learning rate of this step, η"
        assert float(eta.quantity.array) == pytest.approx(float(schedule(2)), rel=1e-12)
        weights = [step for key, step in told.items() if key.endswith(("weight′", "bias′"))]
        assert all("η" in to_text(step.quantity.equation) for step in weights)


def test_a_rate_that_is_the_step_itself_does_not_rename_the_step():
    told = updated(cr.Adam(lambda step: step), cr.Dense(1))
    assert to_text(told["update.learning_rate"].quantity.equation) == "η = τ"
    assert "η/(1 − β₁^(τ+1))" in to_text(told["weight′"].quantity.equation)
    assert np.array_equal(told["update.learning_rate"].quantity.array, 2)


def test_a_given_rate_is_no_step_of_its_own():
    told = updated(cr.Adam(0.1), cr.Dense(1))
    assert not [key for key in told if key.startswith("update.")]
    assert re.search("η = 0.1", told["weight′"].rule)


def test_what_updates_have_in_common_is_told_with_what_uses_it():
    network = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(1)])
    optimizers = [cr.SGD(schedule, clip_global_norm=0.01) for schedule in SCHEDULES]
    for optimizer in (*optimizers, cr.Adam(0.1), cr.RAdam(cr.CosineDecay(0.1, steps=10)), cr.Nadam(0.1)):
        for net in (network, cr.Dense(1), cr.Dense(1, use_bias=False)):
            told = updated(optimizer, net)
            formulas = {key: to_text(step.quantity.equation).split(" = ", 1) for key, step in told.items()}
            for key in [key for key in told if key.startswith("update.c")]:
                letter, users = (
                    formulas[key][0],
                    [one for one in formulas.values() if formulas[key][0] in one[1]],
                )
                title = told[key].title
                assert users, title
                if title != f"{letter}, which several updates use":
                    assert title == f"{letter}, on the way to {', '.join(user[0] for user in users)}"
                else:
                    assert sum("′" in user[0] for user in users) > 1


def test_a_number_for_the_learning_rate_alone_is_not_one_of_several_updates():
    told = updated(cr.SGD(cr.CosineDecay(0.1, steps=10)), cr.Dense(1))
    assert told["update.c0"].title == "c₀, on the way to η"


OPTIMIZERS = [
    cr.SGD(0.1, average=0.9),
    cr.SGD(0.1, momentum=0.9, nesterov=True, average=0.9),
    cr.AdamW(0.01, average=0.9),
    cr.AMSGrad(0.01, average=0.5),
    cr.Nadam(cr.OneCycle(0.1, steps=10), clip_global_norm=0.1),
    cr.Adadelta(),
    cr.RMSprop(0.01, momentum=0.9, centered=True),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_nothing_is_used_before_it_is_told(optimizer):
    told = updated(optimizer, cr.Sequential([cr.Dense(2), cr.Dense(1)]))
    quantities = [step.quantity for step in told.values()]
    for place, quantity in enumerate(quantities):
        later = {one.value for one in quantities[place:]}
        assert not [name for name in names(quantity.formula) if name.value in later], quantity.symbol.key
