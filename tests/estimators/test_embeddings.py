"""Columns of categories in the estimators: learnt vectors, named in three ways, and codes that are none."""

from __future__ import annotations

import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OPTIONS = {"hidden_layer_sizes": (8,), "max_iter": 80, "random_state": 0, "learning_rate_init": 0.02}
EFFECT = np.array([3.0, -1.0, 0.5, 2.0, -2.5, 1.0])  # of each city, in no order


def table(rows=400):
    """x: a number, a city of six, a colour of three. y follows from number and city."""
    generator = np.random.default_rng(0)
    number, city, colour = generator.normal(size=rows), generator.integers(0, 6, rows), np.arange(rows) % 3
    return np.column_stack([number, city, colour]).astype(float), number + EFFECT[city]


def test_categories_are_learnt_from():
    x, y = table()
    plain = cr.MLPRegressor(**OPTIONS).fit(x, y)
    model = cr.MLPRegressor(**OPTIONS, embeddings={1: 4}).fit(x, y)
    assert model.score(x, y) > 0.98 > plain.score(x, y) + 0.05
    assert {name: vectors.shape for name, vectors in model.embeddings_.items()} == {1: (6, 4)}
    assert model.coefs_[0].shape == (4 + 2, 8)
    assert model.n_features_in_ == 3


def test_a_prediction_is_that_of_the_vectors():
    x, y = table()
    model = cr.MLPRegressor(**OPTIONS, embeddings={2: 2, 1: 4}).fit(x, y)
    vectors = [model.embeddings_[i][x[:, i].astype(int)] for i in (1, 2)]
    hidden = np.maximum(np.hstack([*vectors, x[:, :1]]) @ model.coefs_[0] + model.intercepts_[0], 0)
    expected = hidden @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.predict(x), expected[:, 0], rtol=1e-9)


@pytest.mark.parametrize("embeddings", [[1, 2], (2, 1), np.array([False, True, True]), {1: 3, 2: 2}], ids=str)
def test_columns_by_position_or_mask(embeddings):
    x, y = table()
    model = cr.MLPRegressor(**{**OPTIONS, "max_iter": 3}, embeddings=embeddings).fit(x, y)
    assert {name: vectors.shape for name, vectors in model.embeddings_.items()} == {1: (6, 3), 2: (3, 2)}


def test_columns_by_name_in_a_frame():
    x, y = table()
    frame = pandas.DataFrame(x, columns=["number", "city", "colour"]).astype({"city": int})
    options = {**OPTIONS, "max_iter": 5}
    by_name = cr.MLPRegressor(**options, embeddings={"city": 4}).fit(frame, y)
    by_position = cr.MLPRegressor(**options, embeddings={1: 4}).fit(x, y)
    np.testing.assert_array_equal(by_name.predict(frame), by_position.predict(x))
    assert list(by_name.embeddings_) == ["city"]
    frame.loc[7, "city"] = 6
    with pytest.raises(ValueError, match="column 'city' of x holds 6 in row 7, which is no category"):
        by_name.predict(frame)
    with pytest.raises(ValueError, match="no column 'cities'; did you mean 'city'"):
        cr.MLPRegressor(embeddings=["cities"]).fit(frame, y)


def test_classes_copies_and_going_on():
    x, y = table()
    options = {**OPTIONS, "max_iter": 5, "embeddings": [1, 2], "normalization": "batch", "residual": True}
    model = cr.MLPClassifier(**options, warm_start=True).fit(x.astype("float32"), y > 0)
    assert model.embeddings_[1].dtype == np.float32
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    again = clone(model).fit(x.astype("float32"), y > 0)
    np.testing.assert_array_equal(again.embeddings_[2], model.embeddings_[2])
    before = model.embeddings_[1]
    model.partial_fit(x, y > 0)
    assert (model.embeddings_[1] != before).any()
    with pytest.raises(ValueError, match="embeddings has changed"):
        model.set_params(embeddings=[1]).fit(x, y > 0)


def test_lbfgs_and_all_columns_embedded():
    x, y = table()
    model = cr.MLPRegressor("squared_error", (8,), solver="lbfgs", max_iter=500, embeddings=[0, 1])
    assert model.fit(x[:, 1:], y).score(x[:, 1:], y) > 0.7


@pytest.mark.parametrize("code", [6.0, -1.0, 2.5])
def test_a_code_that_fit_has_not_seen_gets_a_sentence(code):
    x, y = table()
    model = cr.MLPRegressor(**{**OPTIONS, "max_iter": 2}, embeddings=[1]).fit(x, y)
    large = np.tile(x, (20, 1))
    large[5000, 1] = code
    sentence = rf"column 1 of x holds {code:g} in row 5000, which is no category: fit has seen 0 to 5"
    for call in (lambda: model.predict(large), lambda: model.partial_fit(large, np.tile(y, 20))):
        with pytest.raises(ValueError, match=sentence):
            call()


@pytest.mark.parametrize(
    ("embeddings", "sentence"),
    [
        ([0], "column 0 of x holds .* which is no category: categories are coded 0, 1, 2"),
        ([3], "a column is a name or a position from 0 to 2, not 3"),
        ([1.0], "a column is a name or a position"),
        (["city"], "x has no column names"),
        ([True, False], "a mask of 2 columns, and x has 3"),
        ({1: 0}, "a vector's length is a whole number of at least 1, not 0"),
        ({1: True}, "a vector's length"),
        (1, "'embeddings' parameter"),
    ],
    ids=str,
)
def test_what_are_no_columns_of_categories(embeddings, sentence):
    with pytest.raises(ValueError, match=sentence):
        cr.MLPRegressor(embeddings=embeddings).fit(*table())


def test_codes_that_are_too_large_and_a_column_that_is_named_twice():
    x, y = table()
    frame = pandas.DataFrame(x, columns=["number", "city", "colour"])
    with pytest.raises(ValueError, match="column 'city' is given two lengths, 4 and 3"):
        cr.MLPRegressor(embeddings={"city": 4, 1: 3}).fit(frame, y)
    frame.loc[3, "city"] = 2.0**24
    with pytest.raises(
        ValueError, match=r"'city' of x holds 1\.67772e\+07 in row 3, .*from 0 to 16777215 at most"
    ):
        cr.MLPRegressor(embeddings={"city": 4}).fit(frame, y)
