"""Columns of text and of categories become learnt vectors without an encoder, in every kind of frame."""

from __future__ import annotations

import pickle

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RANDOM = np.random.default_rng(0)
CITIES = np.array(["Pisa", "Rome", "Ulm"])
CODES = RANDOM.integers(0, 3, 60)
CITY, NUMBER = CITIES[CODES], RANDOM.normal(size=60)
Y = NUMBER + np.array([2.0, -1.0, 0.5])[CODES]
COLUMNS = {"city": CITY, "number": NUMBER}
KINDS = {
    "pandas": pandas.DataFrame,
    "pandas categories": lambda columns: pandas.DataFrame(columns).astype({"city": "category"}),
    "pandas strings": lambda columns: pandas.DataFrame(columns).astype({"city": "string"}),
    "polars": polars.DataFrame,
    "polars categories": lambda columns: polars.DataFrame(columns).with_columns(
        polars.col("city").cast(polars.Categorical)
    ),
    "polars enumeration": lambda columns: polars.DataFrame(columns).with_columns(
        polars.col("city").cast(polars.Enum(["Ulm", "Rome", "Pisa", "Bern"]))
    ),
    "arrow": pyarrow.table,
    "arrow batch": lambda columns: pyarrow.table(columns).combine_chunks().to_batches()[0],
    "arrow dictionary": lambda columns: pyarrow.table(
        {**columns, "city": pyarrow.array(columns["city"]).dictionary_encode()}
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def regressor(**options):
    options = {"embeddings": {"city": 2}, "max_iter": 4, "random_state": 0, **options}
    return cr.MLPRegressor(hidden_layer_sizes=5, learning_rate_init=0.05, **options)


def by_code(**options):
    """Return what a fit to codes finds."""
    return regressor(embeddings={0: 2}, **options).fit(np.column_stack([CODES, NUMBER]), Y)


@every_kind
def test_text_trains_and_predicts_as_its_codes(kind):
    frame, plain = KINDS[kind](COLUMNS), by_code()
    model = regressor().fit(frame, Y)
    np.testing.assert_array_equal(model.predict(frame), plain.predict(np.column_stack([CODES, NUMBER])))
    assert {name: found.tolist() for name, found in model.categories_.items()} == {"city": CITIES.tolist()}
    np.testing.assert_array_equal(model.embeddings_["city"], plain.embeddings_[0])
    some = KINDS[kind]({name: column[CODES == 2] for name, column in COLUMNS.items()})
    np.testing.assert_array_equal(model.predict(some), model.predict(frame)[CODES == 2])
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        other.partial_fit(some, Y[CODES == 2]).predict(some),
        model.partial_fit(some, Y[CODES == 2]).predict(some),
    )
    assert model.partial_fit(frame, Y).n_features_in_ == 2


@pytest.mark.parametrize("kind", ["pandas", "pandas strings", "polars", "arrow"])
def test_a_missing_category_is_one_of_its_own_if_the_fit_has_seen_it(kind):
    city = np.where(CODES == 0, None, CITY)
    frame = KINDS[kind]({**COLUMNS, "city": city})
    model = regressor().fit(frame, Y)
    assert model.categories_["city"].tolist() == ["Rome", "Ulm", None]
    assert np.isfinite(model.predict(frame)).all()
    with pytest.raises(ValueError, match="column 'city' of x holds None in row 0, which is no category"):
        regressor().fit(KINDS[kind](COLUMNS), Y).predict(
            KINDS[kind]({"city": np.array([None, "Ulm"]), "number": NUMBER[:2]})
        )


@every_kind
def test_what_the_fit_has_not_seen_gets_a_sentence(kind):
    known = {name: column[CODES < 2] for name, column in COLUMNS.items()}
    frame, row = KINDS[kind](COLUMNS), int(np.argmax(CODES == 2))
    sentence = (
        rf"column 'city' of x holds 'Ulm' in row {row}, which is no category: fit has seen 'Pisa', 'Rome'"
    )
    model = regressor().fit(KINDS[kind](known), Y[CODES < 2])
    for call in (
        lambda: model.predict(frame),
        lambda: model.partial_fit(frame, Y),
        lambda: regressor().fit(KINDS[kind](known), Y[CODES < 2], validation_data=(frame, Y)),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    frame, names = KINDS[kind](known), ["number", "city"]
    backwards = frame[names] if kind.startswith("pandas") else frame.select(names)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.predict(backwards)


def test_arrays_and_lists_of_objects():
    x = np.column_stack([CITY, NUMBER]).astype(object)
    x[:, 1] = NUMBER
    plain = by_code().predict(np.column_stack([CODES, NUMBER]))
    for table in (x, x.tolist()):
        model = regressor(embeddings={0: 2}).fit(table, Y)
        np.testing.assert_array_equal(model.predict(table), plain)
    assert x[0, 0] in CITIES  # it is the user's own
    assert model.categories_[0].tolist() == CITIES.tolist()
    only = regressor(embeddings=[0, 1]).fit(np.column_stack([CITY, CITY[::-1]]), Y)
    assert only.coefs_[0].dtype == np.float64
    frame = pandas.DataFrame(COLUMNS).astype({"number": "float32"})
    assert regressor().fit(frame, Y).coefs_[0].dtype == np.float32
    with pytest.raises(ValueError, match=r"column 0 of x holds categories of several types \(int, str\)"):
        regressor(embeddings=[0]).fit(np.array([["a", 1.0], [2, 1.0]], object), [0, 1])
    assert by_code().categories_ == {}
    codes = sparse.csr_matrix(np.column_stack([CODES, NUMBER]))
    np.testing.assert_array_equal(regressor(embeddings={0: 2}).fit(codes, Y).predict(codes), plain)


def test_categories_that_are_numbers_are_known_by_their_value():
    frame = pandas.DataFrame({**COLUMNS, "city": pandas.Categorical(CODES * 10 + 1)})
    model = regressor().fit(frame, Y)
    plain = by_code().predict(np.column_stack([CODES, NUMBER]))
    np.testing.assert_array_equal(model.predict(frame), plain)
    np.testing.assert_array_equal(model.predict(frame.astype({"city": int})), plain)
    with pytest.raises(ValueError, match="holds 0 in row 0, which is no category: fit has seen 1, 11, 21"):
        model.predict(frame.assign(city=0))


def test_scorers_searches_copies_and_checkpoints(tmp_path):
    frame = pandas.DataFrame(COLUMNS)
    options = {"early_stopping": True, "scoring": "neg_mean_absolute_error"}
    model = regressor(**options, checkpoint=tmp_path / "run.ckpt").fit(frame, Y)
    assert model.validation_scores_ == by_code(**options).validation_scores_
    again = clone(model).fit(frame, Y)
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.categories_["city"].tolist() == CITIES.tolist()
    assert np.isfinite(cross_val_score(regressor(), frame, Y, cv=3)).all()
    assert model.check_gradients(frame[:9], Y[:9])


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "array"])
def test_a_cell_that_can_be_no_category_is_named(kind):
    good, bad = CITY[:4].tolist(), [["a"], ["b"], ["a"], []]
    frame = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table}.get(kind)

    def table(cells):
        if frame is not None:
            return frame({"city": cells, "number": NUMBER[:4]})
        rows = np.empty((4, 2), object)
        rows[:, 0], rows[:, 1] = [*map(np.array, cells)] if cells is bad else cells, NUMBER[:4]
        return rows

    model = regressor(embeddings=[0]).fit(table(good), Y[:4])
    what = "ndarray" if kind == "array" else "list"
    for call in (lambda: regressor(embeddings=[0]).fit(table(bad), Y[:4]), lambda: model.predict(table(bad))):
        with pytest.raises(
            ValueError, match=f"of x holds a {what} in row 0, and a category is text or a number"
        ):
            call()


def test_everything_that_means_missing_is_one_category():
    x = np.array([["a", 1.0], [None, 2.0], [pandas.NA, 3.0], [pandas.NaT, 4.0], [np.nan, 5.0]], object)
    assert regressor(embeddings=[0]).fit(x, Y[:5]).categories_[0].tolist() == ["a", None]


def test_numbers_in_an_array_of_objects_are_codes():
    x = np.column_stack([CODES, NUMBER]).astype(object)
    x[:, 0] = [*CODES]  # NumPy's integers, as a frame of several types gives them
    model = regressor(embeddings={0: 2}).fit(x, Y)
    assert model.categories_ == {}
