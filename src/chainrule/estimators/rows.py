"""The rows that an estimator is given, checked as scikit-learn checks them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from chainrule.graph.types import Array, DType, str_shape


def as_sample_weight(weight: Any, rows: int, dtype: DType) -> Array:
    """Return one finite number for each row; one number stands for all."""
    if isinstance(weight, Real):
        return np.full(rows, weight, dtype)
    array: Array = check_array(weight, ensure_2d=False, dtype=dtype, order="C", input_name="sample_weight")
    if array.shape != (rows,):
        raise ValueError(
            f"sample_weight has the shape {str_shape(array.shape)}, and X has {rows} rows; give one number "
            "for each row"
        )
    if not array.any():
        raise ValueError("Sample weights must contain at least one non-zero number, of a row that counts.")
    return array


def as_dense(x: Any) -> Array:
    """Return x as an array, whether it is sparse or not."""
    array: Array = x.toarray() if issparse(x) else x
    return array


def explicit_class_weights(given: Any, y: Any) -> Any:
    """Return class weights that no longer depend on other rows than those that they are found on.

    Parameters
    ----------
    given : "balanced", dict or list of dict
        As scikit-learn takes them.
    y : array-like
        The labels of the rows that are trained on.

    Returns
    -------
    dict or list of dict
        The weight of each class, for each column of labels if there are several.
    """
    compute_sample_weight(given, y)  # it has the sentences for what cannot be one
    labels = as_dense(y)
    columns = labels.T if labels.ndim == 2 else [labels]
    each = given if isinstance(given, list) else [given] * len(columns)
    found = []
    for weights, column in zip(each, columns, strict=True):
        classes = np.unique(column)
        numbers = compute_class_weight(weights, classes=classes, y=column)
        found.append(dict(zip(classes.tolist(), numbers, strict=True)))
    return found if len(found) > 1 else found[0]
