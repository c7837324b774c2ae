"""Frames of pandas, polars and Arrow go in, and their columns' names are kept."""

from __future__ import annotations

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler, scale

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = ["length", "width", "petal", "depth"]
X, Y = load_iris(return_X_y=True)
X, LABELS = scale(X), np.array(["setosa", "versicolor", "virginica"])[Y]
KINDS = {
    "pandas": (lambda x: pandas.DataFrame(x, columns=NAMES), pandas.Series),
    "polars": (lambda x: polars.DataFrame(x, schema=NAMES), polars.Series),
    "arrow": (lambda x: pyarrow.table(dict(zip(NAMES, x.T, strict=True))), pyarrow.array),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(**options):
    options = {"max_iter": 4, "random_state": 0, "learning_rate_init": 0.02, **options}
    return cr.MLPClassifier((8,), **options)


def chosen(frame, names):
    return frame[names] if isinstance(frame, pandas.DataFrame) else frame.select(names)


@every_kind
def test_a_frame_trains_and_predicts_as_its_array(kind):
    as_frame, as_column = KINDS[kind]
    frame, labels = as_frame(X), as_column(LABELS)
    model, plain = small().fit(frame, labels), small().fit(X, LABELS)
    assert list(model.feature_names_in_) == NAMES
    np.testing.assert_array_equal(model.predict_proba(frame), plain.predict_proba(X))
    assert model.score(frame, labels) == plain.score(X, LABELS)
    weight = as_column(np.linspace(0, 1, len(Y)))
    model.partial_fit(frame, labels, weight)
    plain.partial_fit(X, LABELS, np.linspace(0, 1, len(Y)))
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


@every_kind
def test_float32_is_kept(kind):
    narrow, as_frame = X.astype("f"), KINDS[kind][0]
    model, plain = small().fit(as_frame(narrow), Y), small().fit(narrow, Y)
    assert model.coefs_[0].dtype == model.predict_proba(as_frame(narrow)).dtype == np.float32
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    mixed = pandas.DataFrame(narrow, columns=NAMES).astype({"depth": "float64"})
    mixed = {"pandas": mixed, "polars": polars.from_pandas(mixed), "arrow": pyarrow.Table.from_pandas(mixed)}
    assert small().fit(mixed[kind], Y).coefs_[0].dtype == np.float64


@every_kind
def test_categories_beside_float32(kind):
    """Text says nothing of a dtype: numbers beside it do."""
    frame = pandas.DataFrame(X.astype("f"), columns=NAMES).assign(kind=LABELS)
    frame = {"pandas": frame, "polars": polars.from_pandas(frame), "arrow": pyarrow.Table.from_pandas(frame)}[
        kind
    ]
    assert small(embeddings=["kind"]).fit(frame, Y).coefs_[0].dtype == np.float32


@every_kind
def test_numbers_to_predict_and_rows_to_validate_on(kind):
    as_frame, as_column = KINDS[kind]
    rows = as_frame(X[::2]), as_column(X[::2, 3]), as_column(np.ones(75))
    options = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0, "early_stopping": True}
    for scoring in (None, "neg_mean_absolute_error"):
        model = cr.MLPRegressor(**options, scoring=scoring)
        model.fit(as_frame(X), as_column(X[:, 3]), validation_data=rows)
        plain = cr.MLPRegressor(**options, scoring=scoring)
        plain.fit(X, X[:, 3], validation_data=(X[::2], X[::2, 3], np.ones(75)))
        assert model.validation_scores_ == plain.validation_scores_


@every_kind
def test_columns_that_are_others_are_refused(kind):
    frame = KINDS[kind][0](X)
    model = small().fit(frame, Y)
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        model.predict(chosen(frame, NAMES[::-1]))
    with pytest.raises(ValueError, match=r"Feature names seen at fit time, yet now missing:\n- depth"):
        model.predict(chosen(frame, NAMES[:3]))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert model.predict(X).shape == (150,)
    with pytest.warns(UserWarning, match="MLPClassifier was fitted without feature names"):
        small().fit(X, Y).predict(frame)


@every_kind
def test_categories_are_named_by_their_column(kind):
    codes = np.column_stack([X[:, :3], Y])
    frame = KINDS[kind][0](codes)
    model = small(embeddings={"depth": 2}).fit(frame, Y)
    assert model.embeddings_["depth"].shape == (3, 2)
    assert (model.predict_proba(frame) == small(embeddings={3: 2}).fit(codes, Y).predict_proba(codes)).all()


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_in_a_pipeline_of_columns_by_name(output):
    """What a transformer hands on may be a frame: its names are the model's."""
    frame = pandas.DataFrame(X, columns=NAMES).assign(color=np.array(["red", "blue"])[Y % 2])
    columns = make_column_transformer(
        (StandardScaler(), NAMES[:2]), (OrdinalEncoder(), ["color"]), verbose_feature_names_out=False
    )
    embeddings = [2] if output == "default" else ["color"]
    pipeline = make_pipeline(columns.set_output(transform=output), small(embeddings=embeddings, max_iter=60))
    assert pipeline.fit(frame, LABELS).score(frame, LABELS) > 0.9
    assert hasattr(pipeline[-1], "feature_names_in_") == (output != "default")


def test_a_frame_of_text_is_refused():
    frame = pandas.DataFrame({"a": ["x", "y"]})
    with pytest.raises(ValueError, match="could not convert string to float"):
        small().fit(frame, [0, 1])
