"""Sound networks and tables that once got a complaint, beside the faults that they look like."""

import numpy as np
import pytest
from patients import DATA, model_for, names

import chainrule as cr
from chainrule.diagnosis.data import feature_scale


def told(x):
    return [verdict.name for verdict in feature_scale(x)]


def standard(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def test_what_standardizing_does_not_mend_is_no_fault_of_the_scale():
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(20_000, 2))
    rare = np.arange(len(numbers)) % 5_000 == 0
    assert np.max(standard(rare)) > 50
    tail = generator.standard_t(2, size=len(numbers))
    assert told(standard(np.column_stack([numbers, rare, tail]))) == []
    assert told(np.column_stack([numbers, 2.0 * rare - 1])) == []  # it lies around -1, and varies by 0.03
    assert told(np.column_stack([10 * numbers[:, 0], 0.01 * rare])) == []


@pytest.mark.parametrize("rows", [256, 1797])
def test_columns_between_minus_1_and_1_of_which_some_hardly_vary(rows):
    """A pixel at the edge is -1 in nearly all rows."""
    x = 2 * DATA["digits"][0][0][:rows] - 1
    assert told(x) == []
    assert told(np.column_stack([x, 100 + x[:, 20]])) == ["features far from unit scale"]
    assert told(1 + 0.01 * x[:, [20, 30]]) == ["features far from unit scale"]


def test_what_standardizing_mends_is_one():
    numbers = np.random.default_rng(0).normal(size=(2_000, 2))
    far = ["features far from unit scale"]
    assert told(numbers * [1, 1e-3]) == ["features of wildly different scale"]
    assert told(numbers * 100) == told(numbers[:, :1] + 100) == far
    once = np.where(np.arange(len(numbers)) == 7, 1e6, numbers[:, 0])
    assert told(np.column_stack([once, numbers[:, 1]])) == ["features of wildly different scale"]
    assert told(once[:, None]) == far


def test_two_rows_in_which_few_units_are_silent_are_not_all_rows():
    (x, y), outputs, loss = DATA["iris"]
    hidden = [cr.Dense(units, activation="relu") for units in (64, 16, 4)]
    assert names(cr.Model(cr.Sequential([*hidden, cr.Dense(outputs)]), loss=loss).diagnose(x, y)) == []


@pytest.mark.parametrize(
    ("name", "hidden", "depth", "batch"), [("iris", 64, 2, 128), ("diabetes", 32, 3, 32)]
)
def test_the_long_first_steps_of_rmsprop_are_no_fault(name, hidden, depth, batch):
    for rate, is_found in ((0.01, False), (1.0, True)):
        doctor = cr.Doctor(tell=None)
        model = model_for(name, hidden=hidden, depth=depth, seed=2, optimizer=cr.RMSprop(rate))
        model.fit(*DATA[name][0], epochs=8, batch_size=batch, callbacks=[doctor])
        assert bool(doctor.verdicts) is is_found, (rate, doctor.verdicts)
