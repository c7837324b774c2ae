"""A number as validation_data holds out that part of the rows, as the seed says."""

import numpy as np
import pytest
from resuming import rich_model
from training_cases import assert_same, classes, classification, regression, table

from bad_input import refused
from chainrule.functions import random_key
from chainrule.training.holding_out import hold_out

X, Y = table()
ROWS = len(X)


def parts(part, seed=0, rows=ROWS):
    """Return the numbers of the rows that are trained on, and of those held out."""
    training, held_out = hold_out({"x": np.arange(rows)}, part, random_key(seed))
    return training["x"], held_out["x"]


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.95, np.float32(0.25)])
def test_each_row_is_in_one_part_and_stays_in_order(part):
    training, held_out = parts(part)
    assert len(held_out) == max(1, round(float(part) * ROWS))
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(ROWS))
    assert (np.diff(training) > 0).all()
    assert (np.diff(held_out) > 0).all()


def test_which_rows_are_held_out_is_drawn_evenly():
    """Each of 20 rows is, with 200 of 1000 seeds; at most 5 standard deviations off."""
    counts = np.zeros(20)
    for seed in range(1000):
        counts[parts(0.2, seed, rows=20)[1]] += 1
    assert abs(counts - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)


def test_a_fit_is_that_on_the_two_parts():
    weight = np.linspace(0.5, 2, ROWS)
    model, other = regression(seed=3), regression(seed=3)
    history = model.fit(X, Y, epochs=3, batch_size=4, sample_weight=weight, validation_data=0.3)
    training, held_out = parts(0.3, seed=3)
    same = other.fit(
        X[training],
        Y[training],
        epochs=3,
        batch_size=4,
        sample_weight=weight[training],
        validation_data=(X[held_out], Y[held_out], weight[held_out]),
    )
    assert history == same
    assert set(history) == {"loss", "validation_loss"}
    assert_same(model.weights, other.weights)


def test_the_same_rows_are_held_out_in_each_fit():
    model = regression()
    seen = []
    for _ in range(2):
        model.fit(X, Y, validation_data=0.3, callbacks=[lambda progress: seen.append(progress.data["x"])])
    np.testing.assert_array_equal(*seen)
    other = regression(seed=1)
    other.fit(X, Y, validation_data=0.3, callbacks=[lambda progress: seen.append(progress.data["x"])])
    assert not np.array_equal(seen[0], seen[2])


def test_the_metrics_of_classes_are_measured():
    x, y = classes()
    assert 0 <= classification().fit(x, y, validation_data=0.2)["validation_accuracy"][0] <= 1


@pytest.mark.parametrize("part", [0, 1, -0.2, 1.5, 5, True, np.nan])
def test_what_is_no_part(part):
    model = regression()
    with refused(
        r"^validation_data=.* is no part of the rows; a number is above 0 and below 1, as 0\.2$", model
    ):
        model.fit(X, Y, validation_data=part)


def test_no_row_is_left():
    model = regression()
    with refused(r"^validation_data=0\.5 leaves no row of x, of 1, to train on; give more$", model):
        model.fit(X[:1], Y[:1], validation_data=0.5)


def test_a_checkpoint_of_another_part_is_refused(tmp_path):
    def fit(part):
        model = rich_model()
        return model.fit(
            X, Y, epochs=2, validation_data=part, checkpoint=tmp_path / "run.ckpt"
        ), model.weights

    history, weights = fit(0.3)
    again = fit(0.3)
    assert again[0] == history
    assert_same(again[1], weights)
    with refused(r"is of another fit: validation_data was 0\.3 and is 0\.2"):
        fit(0.2)
    with refused(r"is of another fit: validation_data was 0\.3 and is absent"):
        fit(None)
