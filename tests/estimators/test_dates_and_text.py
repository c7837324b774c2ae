"""Dates are no numbers, and text is told with its column, in every kind of table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

import chainrule as cr

DAYS = pd.DataFrame({"size": np.arange(6.0), "day": pd.date_range("2020-01-01", periods=6)})
TEXT = pd.DataFrame({"size": np.arange(6.0), "code": list("123456"), "city": ["Rome", "Ulm"] * 3})
Y = np.arange(6) % 2
TABLES = {"pandas": lambda frame: frame, "polars": polars.DataFrame, "arrow": pyarrow.table}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("shown", [["size", "day"], ["day"]])
def test_a_column_of_dates_is_refused_by_name(make, shown):
    with pytest.raises(ValueError, match="column 'day' of x holds dates or spans of time; make numbers"):
        cr.MLPClassifier(max_iter=2).fit(make(DAYS[shown]), Y)


@pytest.mark.parametrize("change", [lambda days: days, lambda days: days - days.min()])
def test_dates_and_spans_of_an_array_are_refused_and_those_of_a_target(change):
    days = change(DAYS["day"])
    with pytest.raises(ValueError, match="column 0 of x holds dates or spans of time"):
        cr.MLPClassifier(max_iter=2).fit(days.to_numpy().reshape(-1, 1), Y)
    with pytest.raises(ValueError, match="y holds dates or spans of time; give numbers"):
        cr.MLPRegressor(max_iter=2).fit(DAYS[["size"]], days)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_days_may_be_categories_and_numbers_may_be_text():
    assert len(cr.MLPClassifier(max_iter=2, embeddings=["day"]).fit(DAYS, Y).categories_["day"]) == 6
    assert cr.MLPClassifier(max_iter=2).fit(TEXT[["size", "code"]], Y).n_features_in_ == 2


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_text_is_told_with_its_column(make):
    sentence = (
        r"^could not convert string to float: column 'city' of x holds 'Rome'; embeddings=\['city'\] learns"
    )
    with pytest.raises(ValueError, match=sentence):
        cr.MLPClassifier(max_iter=2).fit(make(TEXT), Y)
    with pytest.raises(ValueError, match=sentence):
        cr.MLPClassifier().partial_fit(make(TEXT), Y, classes=[0, 1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_masked_is_refused_and_what_only_might_be_is_not():
    x, y = np.ma.masked_array(np.eye(6)), np.ma.masked_array(np.arange(6.0))
    model = cr.MLPRegressor(max_iter=2).fit(x, y)
    x[2, 1] = y[3] = np.ma.masked
    for call in (lambda: model.fit(x, y.data), lambda: model.predict(x)):
        with pytest.raises(ValueError, match=r"^x is masked in places; fill them in with x.filled"):
            call()
    with pytest.raises(ValueError, match=r"^y is masked in places"):
        model.fit(x.data, y)


LABELS = ["yes", "no", None, "no", "yes", "no"]


@pytest.mark.parametrize("make", [list, lambda y: pd.Series(y, dtype=object), polars.Series, pyarrow.array])
def test_a_label_that_is_missing_is_told_with_its_row(make):
    model, x = cr.MLPClassifier(max_iter=2), np.eye(6)
    sentence = "^y holds None in row 2; drop rows without a label, or give them one$"
    with pytest.raises(ValueError, match=sentence):
        model.fit(x, make(LABELS))
    model.partial_fit(x, ["yes", "no"] * 3, classes=["no", "yes"])
    with pytest.raises(ValueError, match=sentence):
        model.partial_fit(x, make(LABELS))
    stopping = cr.MLPClassifier(max_iter=2, early_stopping=True)
    with pytest.raises(ValueError, match=sentence):
        stopping.fit(x, ["yes", "no"] * 3, validation_data=(x, make(LABELS)))
