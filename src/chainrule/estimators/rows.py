"""The rows that an estimator is given, checked as scikit-learn checks them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

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
