"""The tables that an estimator is given: rows are checked, and a fit learns by what later ones are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import validate_data

from chainrule.estimators.categories import (
    Coded,
    as_table,
    is_float32_frame,
    learnt_categories,
    tell_text,
    with_codes,
)
from chainrule.estimators.embeddings import check_codes, chosen_columns
from chainrule.estimators.fitted import Seen
from chainrule.estimators.rows import as_sample_weight, check_some_weight
from chainrule.graph.types import Array, DType
from chainrule.training.data import refuse_masked
from chainrule.training.frames import column_names, refuse_dates

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP


#: Which classes y may have, and whether it must have all of them; those of rows that are held out are known.
Classes = Literal["new", "known", "all known", "held out"]


class Target(NamedTuple):
    """A target that was checked, and what a network for it has.

    Attributes
    ----------
    labels : ndarray
        As scikit-learn takes it.
    y : ndarray
        As the loss takes it.
    outputs : int
        How many the network has.
    link : str
        scikit-learn's word for what makes predictions of them.
    """

    labels: Any
    y: Array
    outputs: int
    link: str


@dataclass(frozen=True)
class Rows:
    """Rows that were checked.

    Attributes
    ----------
    data : dict of ndarray
        x, y and perhaps sample_weight, as the loop takes them.
    target : Target
        What y was, and what a network for it has.
    """

    data: dict[str, Array]
    target: Target


def rows_to_fit(
    estimator: BaseMLP, X: Any, y: Any, sample_weight: Any, *, first: bool, incremental: bool = False
) -> Rows:
    """Return the rows of a fit; the estimator gets what is known of their table.

    The `first` fit learns the columns; one that goes on keeps these, and the network's dtype. partial_fit,
    which is `incremental`, knows all classes.
    """
    X, coded = _coded(estimator, X, None if first else estimator._seen.coded)
    x, y = _validated(estimator, X, y, reset=first)
    classes: Classes = "all known" if estimator.warm_start else "known" if incremental else "new"
    target = estimator._checked_target(y, classes)
    dtype = x.dtype if first else estimator._dtype
    weight, class_weights = _weights(estimator, sample_weight, target.labels, dtype)
    check_some_weight(weight)
    estimator.n_outputs_, estimator.out_activation_ = target.outputs, target.link
    estimator._seen = Seen(coded, target.link, class_weights)
    return _as_rows(x, target, weight, x.dtype)


def known_rows(estimator: BaseMLP, X: Any, y: Any, sample_weight: Any, *, held: bool = False) -> Rows:
    """Return rows that are not trained on, of a table that the estimator knows: nothing is learnt of them.

    Those that are `held` out of a fit are in its dtype.
    """
    x, y = _validated(estimator, with_known_codes(estimator, X), y)
    target = estimator._checked_target(y, "held out" if held else "known")
    if held:
        check_codes(x, estimator._kept.network.embedded)
    dtype = estimator._dtype
    known = estimator._seen.class_weights
    weight, _ = _weights(estimator, sample_weight, target.labels, dtype, known)
    return _as_rows(x, target, weight, dtype if held else x.dtype)


def with_known_codes(estimator: BaseMLP, X: Any) -> Any:
    """Return a table with codes for the categories that the fit has seen."""
    return _coded(estimator, X, estimator._seen.coded)[0]


def _coded(estimator: BaseMLP, X: Any, coded: tuple[Coded, ...] | None) -> tuple[Any, tuple[Coded, ...]]:
    """Return a table with codes for the categories of embedded columns; None has these learnt."""
    table = None if estimator.embeddings is None else as_table(X)
    if table is None:
        return X, coded or ()
    if coded is None:
        chosen = chosen_columns(estimator.embeddings, column_names(table), table.shape[1])
        coded = learnt_categories(table, chosen)
    return with_codes(table, coded) if coded else X, coded


def _validated(estimator: BaseMLP, X: Any, y: Any, reset: bool = False) -> tuple[Array, Any]:
    """Return X and y as scikit-learn's checks leave them."""
    refuse_dates(X)
    refuse_masked(X, "x")
    refuse_masked(y, "y")
    try:
        x, y = validate_data(
            estimator,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=estimator._numeric_target,
            dtype=np.float32 if is_float32_frame(X) else (np.float64, np.float32),
            reset=reset,
        )
    except ValueError as error:
        tell_text(error, X)
        raise
    return x, y


def _weights(
    estimator: BaseMLP, sample_weight: Any, labels: Any, dtype: DType, known: Any = None
) -> tuple[Array | None, Any]:
    """Return the rows' weights, times those of their classes, and these, found unless they are known."""
    weight = None if sample_weight is None else as_sample_weight(sample_weight, labels.shape[0], dtype)
    class_weights = estimator._found_class_weights(labels, weight, known)
    if class_weights is not None:
        factors = compute_sample_weight(class_weights, labels).astype(dtype)
        weight = factors if weight is None else factors * weight
    return weight, class_weights


def _as_rows(x: Array, target: Target, weight: Array | None, dtype: DType) -> Rows:
    """Return rows in a dtype; class numbers stay whole."""
    y = target.y if target.y.dtype.kind == "i" and target.y.ndim == 1 else target.y.astype(dtype)
    data = {"x": x.astype(dtype, copy=False), "y": y}
    return Rows(data if weight is None else {**data, "sample_weight": weight}, target)
