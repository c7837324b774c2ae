"""The rows that an estimator is given, checked as scikit-learn checks them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from chainrule.graph.sparse import SparseRows, Table
from chainrule.graph.types import Array, DType, str_shape
from chainrule.graph.words import counted


def as_sample_weight(weight: Any, rows: int, dtype: DType) -> Array:
    """Return one finite number for each row; one number stands for all."""
    if isinstance(weight, Real):
        weight = np.full(rows, weight, dtype)
    with np.errstate(over="ignore"):  # what is too large for float32 is told of
        array: Array = check_array(
            weight, ensure_2d=False, dtype=dtype, order="C", input_name="sample_weight"
        )
    if array.shape != (rows,):
        raise ValueError(
            f"sample_weight has the shape {str_shape(array.shape)}, and X has {counted(rows, 'row')}; "
            "give one number for each row"
        )
    check_some_weight(array)
    return array


def check_some_weight(weight: Array | None, which: str = "", remedy: str = "of a row that counts") -> None:
    """Raise a ValueError if no row counts; `which` says where, if these are not all rows."""
    if weight is not None and not weight.any():
        raise ValueError(f"Sample weights{which} must contain at least one non-zero number, {remedy}.")


def is_plain(x: Any, features: int) -> bool:
    """Whether x is an array of rows of finite numbers, so many in each: no check would have more to say.

    scikit-learn's takes longer than the prediction of a row.
    """
    return (
        type(x) is np.ndarray
        and x.dtype.kind in "fiub"
        and x.shape[1:] == (features,)
        and len(x) > 0
        and bool(np.isfinite(x).all())
    )


def as_dense(x: Any) -> Array:
    """Return x as an array, whether it is sparse or not."""
    array: Array = x.toarray() if issparse(x) else x
    return array


def as_rows(data: Mapping[str, Any]) -> dict[str, Table]:
    """Return the tables as a loop takes them: what is sparse stays so."""
    return {name: SparseRows.of(table) if issparse(table) else table for name, table in data.items()}


def explicit_class_weights(given: Any, y: Any, known: Any, sample_weight: Array | None = None) -> Any:
    """Return class weights that no longer depend on other rows than those that they are found on.

    Parameters
    ----------
    given : "balanced", dict or list of dict
        As scikit-learn takes them.
    y : array-like
        The labels of the rows that are trained on.
    known : array-like
        All classes, of which a batch may lack some; for several columns of labels 0 and 1.
    sample_weight : array, optional
        How much each row counts where classes are balanced.

    Returns
    -------
    dict or list of dict
        The weight of each class, for each column of labels if there are several.
    """
    labels = as_dense(y)
    columns = labels.T if labels.ndim == 2 else [labels]
    if isinstance(given, list) and len(given) != len(columns):
        raise ValueError(
            f"class_weight is a list of {len(given)}, and y has "
            f"{counted(len(columns), 'column')}; give a dict for each column of y"
        )
    _check_class_weights(given if isinstance(given, list) else [given])
    if len(columns) > 1 and isinstance(given, dict):
        compute_sample_weight(given, y)  # it has the sentence for what cannot be one
    each = given if isinstance(given, list) else [given] * len(columns)
    found = []
    for weights, column in zip(each, columns, strict=True):
        if isinstance(weights, str):
            classes, numbers = _balanced(column, sample_weight)
        else:
            classes = np.unique(known)
            numbers = compute_class_weight(weights, classes=classes, y=column)
        found.append(dict(zip(classes.tolist(), numbers, strict=True)))
    return found if len(found) > 1 else found[0]


def _balanced(labels: Array, sample_weight: Array | None) -> tuple[Array, Array]:
    """Return the classes, and weights that make all of them count equally."""
    classes, numbers = np.unique(labels, return_inverse=True)
    each = np.ones(len(labels)) if sample_weight is None else sample_weight.astype(np.float64)
    sums = np.bincount(numbers.ravel(), each, len(classes))
    return classes, np.divide(each.sum() / np.count_nonzero(sums), sums, np.ones_like(sums), where=sums > 0)


def _check_class_weights(given: list[Any]) -> None:
    for weights in given:
        for kind, weight in weights.items() if isinstance(weights, dict) else ():
            if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
                raise ValueError(
                    f"class_weight gives the class {kind!r} the weight {weight!r}; a weight is a finite "
                    "number of at least 0"
                )
