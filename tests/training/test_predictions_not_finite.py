"""Predictions that are NaN or infinite come with a warning that tells where that began."""

import numpy as np
import pytest

import chainrule as cr


def model_of_counts():
    model = cr.Model(cr.Dense(1), loss="poisson")
    model.build(1)
    model.set_weights({"weight": [[1.0]], "bias": [0.0]})
    return model


def test_the_row_is_told_however_many_there_are():
    x = np.zeros((200_000, 1))
    x[[150_000, 160_000]] = 1000.0  # whose exponential is infinite
    model = model_of_counts()
    assert (model.predict(x) == x).all()
    with pytest.warns(RuntimeWarning) as caught:
        predicted = model.predict(x, link=True)
    (warning,) = caught
    assert str(warning.message).startswith(
        "the predictions of 2 of 200000 rows are not finite; the first is inf in row 150000, made by exp"
    )
    assert warning.filename == __file__
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(predicted)), [150_000, 160_000])


def test_what_only_compiled_code_makes_is_told_as_such(monkeypatch):
    model = model_of_counts()
    wrong = {"prediction": np.array([[np.nan]])}
    monkeypatch.setattr("chainrule.model.run_stage", lambda *given: wrong)
    told = "^the predictions of 1 of 1 row are not finite; evaluated equation by equation, each is finite"
    with pytest.warns(RuntimeWarning, match=told):
        model.predict([[1.0]])
