"""The rows that early stopping watches: a part of the training rows, or the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from chainrule.estimators.categories import with_categories
from chainrule.estimators.reading import Rows, known_rows
from chainrule.estimators.rows import check_some_weight
from chainrule.estimators.scores import (
    SCALE,
    RowScore,
    accuracy,
    determination,
    determination_scale,
)
from chainrule.graph.types import Array
from chainrule.graph.words import counted

_REMEDY = (
    "class weights included; leave out rows of weight 0, or give fit a validation_data of rows that count"
)


@dataclass(frozen=True)
class Held:
    """Rows that are not trained on, and how an estimator is scored on them.

    Attributes
    ----------
    data : dict of ndarray
        x, y and perhaps sample_weight, as the loop takes them.
    row_score : callable or None
        How the loop finds the score of each row.
    carried : dict of ndarray
        What it needs for that.
    score : callable
        How Python finds the score, of an estimator: where the loop cannot.
    """

    data: dict[str, Array]
    row_score: RowScore | None
    carried: dict[str, Array] = field(default_factory=dict)
    score: Callable[[Any], float] | None = None


def held_out(estimator: Any, rows: Rows, random_state: Any) -> tuple[dict[str, Array], Held]:
    """Return the rows to train on, and the others: scikit-learn's own split, stratified for classes."""
    data, y = rows.data, rows.target.labels
    stratify = y if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    split = train_test_split(
        *data.values(),
        y,
        random_state=random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )
    parts = dict(zip([*data, "labels"], zip(split[::2], split[1::2], strict=True), strict=True))
    labels = parts.pop("labels")[1]
    if labels.shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    training, held = ({name: part[i] for name, part in parts.items()} for i in (0, 1))
    check_some_weight(training.get("sample_weight"), " of rows that are not held out", _REMEDY)
    return training, _held(estimator, held, labels)


def own_rows(estimator: Any, given: Any) -> Held:
    """Return the rows that a user gave: (X, y) or (X, y, sample_weight)."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        of = f" of {len(given)}" if isinstance(given, tuple | list) else ""
        raise ValueError(
            f"validation_data is (X, y) or (X, y, sample_weight), not a {type(given).__name__}{of}"
        )
    x, y, *weight = given
    rows = known_rows(estimator, x, y, weight[0] if weight else None, held=True)
    if rows.target.outputs != estimator.n_outputs_:
        columns = counted(rows.target.outputs, "column")
        raise ValueError(f"the y of validation_data has {columns}, and {estimator.n_outputs_} are trained on")
    return _held(estimator, rows.data, rows.target.labels)


def _held(estimator: Any, data: dict[str, Array], labels: Any) -> Held:
    """Return the rows with the loop's score, where it is the default one and can be one number a row."""
    y, weight = data["y"], data.get("sample_weight")
    check_some_weight(weight, " of rows that are held out", _REMEDY)
    if estimator.scoring is None and is_classifier(estimator) and len(estimator.classes_) > 1:
        return Held(data, accuracy)
    if estimator.scoring is None and estimator.early_stopping and len(y) < 2 and not is_classifier(estimator):
        raise ValueError("validation_data has 1 row, and R² needs 2; give more, or set scoring")
    one_to_one = y.ndim == 1 or y.shape[1] == estimator.n_outputs_  # not so with several quantiles
    if estimator.scoring is None and not is_classifier(estimator) and one_to_one:
        scale = determination_scale(y, weight)
        if scale is not None:
            return Held(data, determination, {SCALE: scale})
    return Held(data, None, score=_scored(estimator, data["x"], labels, weight))


def _scored(estimator: Any, x: Array, labels: Any, weight: Array | None) -> Callable[[Any], float]:
    if estimator.scoring is None:
        return lambda fitted: float(fitted._default_score(x, labels, weight))
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    takes = signature(getattr(scorer, "_score_func", scorer)).parameters
    weighs = "sample_weight" in takes or any(each.kind is Parameter.VAR_KEYWORD for each in takes.values())
    weights = {} if weight is None or not weighs else {"sample_weight": weight}
    rows = with_categories(x, estimator._seen.coded) if estimator._seen.coded else x

    def score(fitted: Any) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "X does not have valid feature names"
            )  # held-out rows have none
            try:
                found = scorer(fitted, rows, labels, **weights)
            except ValueError as problem:
                _refuse_missing_class(problem, fitted, labels)
                raise
        try:
            return float(found)
        except (TypeError, ValueError):
            raise TypeError(
                f"scoring={estimator.scoring!r} returned {found!r}; a scorer returns one number"
            ) from None

    return score


def _refuse_missing_class(problem: ValueError, fitted: Any, labels: Any) -> None:
    """Say what a scorer may have failed on: a class that no held-out row has."""
    one_class = is_classifier(fitted) and labels.ndim == 1
    missing = np.setdiff1d(fitted.classes_, labels).tolist() if one_class else []
    if missing:
        raise ValueError(
            f"scoring={fitted.scoring!r} failed on the held-out rows ({problem}); that may be as none of "
            f"them is of the class {missing[0]!r}: give fit a validation_data with each class, or set a "
            "larger validation_fraction"
        ) from problem
