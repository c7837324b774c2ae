"""Warnings of an estimator: they show the line that called it, and meet the filters of scikit-learn's."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from sklearn.utils import column_or_1d

from chainrule.graph.types import Array

#: Code for scikit-learn's classes filters their warnings by where they come from.
_MODULE = "sklearn.neural_network"


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the first line outside of chainrule, in the name of the module that scikit-learn warns from."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back and frame.f_globals.get("__name__", "").startswith("chainrule."):
        frame = frame.f_back
    assert frame is not None
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        _MODULE,
        frame.f_globals.setdefault("__warningregistry__", {}),
    )


def as_one_dimension(y: Any) -> Array:
    """Return a target of one column as a vector, with scikit-learn's warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vector: Array = column_or_1d(y, warn=True)
    for each in caught:
        warn(str(each.message), each.category)
    return vector
