"""The rows that early stopping watches: a part of the training rows, or the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from chainrule.graph.types import Array


class Held(NamedTuple):
    """Rows that are not trained on, and how an estimator is scored on them."""

    score: Callable[[Any], float]


def held_out(
    estimator: Any, data: dict[str, Array], y: Any, random_state: Any
) -> tuple[dict[str, Array], Held]:
    """Return the rows to train on, and the others: scikit-learn's own split, stratified for classes."""
    stratify = y if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    split = train_test_split(
        *data.values(),
        y,
        random_state=random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )
    parts = dict(zip([*data, "labels"], zip(split[::2], split[1::2], strict=True), strict=True))
    x, labels, weight = parts["x"][1], parts["labels"][1], parts.get("sample_weight", (None, None))[1]
    if len(x) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return {name: parts[name][0] for name in data}, _held(estimator, x, labels, weight, checked=True)


def own_rows(estimator: Any, given: Any) -> Held:
    """Return the rows that a user gave: (X, y) or (X, y, sample_weight)."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(f"validation_data is (X, y) or (X, y, sample_weight), not {type(given).__name__}")
    x, y, *weight = given
    return _held(estimator, x, y, weight[0] if weight else None, checked=False)


def _held(estimator: Any, x: Any, y: Any, weight: Any, checked: bool) -> Held:
    if estimator.scoring is None and checked:
        return Held(lambda fitted: fitted._default_score(x, y, weight))
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    weights = {} if weight is None else {"sample_weight": weight}

    def score(fitted: Any) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "X does not have valid feature names"
            )  # held-out rows have none
            return float(scorer(fitted, x, y, **weights))

    return Held(score)
