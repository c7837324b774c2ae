"""The tables that estimators are fitted to: standardised x, and an estimator of either library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

#: Where each library has its estimators.
LIBRARIES = {"chainrule": "chainrule", "scikit-learn": "sklearn.neural_network"}
GRID = {
    "hidden_layer_sizes": [(50,), (100,)],
    "activation": ["relu", "tanh"],
    "alpha": [1e-4, 1e-2, 1.0],
    "learning_rate_init": [1e-3, 1e-2],
}
"""24 settings."""


@dataclass(frozen=True)
class Table:
    """Rows with a target.

    Attributes
    ----------
    title : str
        What a page calls it.
    kind : str
        The estimator's name.
    load : callable
        Returns x and y.
    searched : bool
        Whether a search over `GRID` is timed instead of a fit.
    """

    title: str
    kind: str
    load: Callable[[], Any]
    searched: bool = False

    def rows(self, dtype: str) -> tuple[Any, Any]:
        """Return x and y; a target of numbers is standardised too."""
        x, y = self.load()
        if self.kind == "MLPRegressor":
            y = ((y - y.mean()) / y.std()).astype(dtype)
        return StandardScaler().fit_transform(x).astype(dtype), y

    def estimator(self, library: str, seed: int) -> Any:
        """Return a library's estimator, or a search over its settings."""
        made = getattr(importlib.import_module(LIBRARIES[library]), self.kind)(random_state=seed)
        return GridSearchCV(made, GRID, cv=3, n_jobs=2) if self.searched else made


def _bundled(name: str) -> Callable[[], Any]:
    return lambda: getattr(datasets, f"load_{name}")(return_X_y=True)


def _friedman() -> Any:
    return datasets.make_friedman1(20_000, 8, noise=1.0, random_state=0)


def _large() -> Any:
    x, y = datasets.make_classification(100_000, 30, n_informative=15, random_state=0)
    return x, y.astype(np.int64)


TABLES = {
    "digits": Table("digits, 1797 × 64", "MLPClassifier", _bundled("digits")),
    "diabetes": Table("diabetes, 442 × 10", "MLPRegressor", _bundled("diabetes")),
    "breast-cancer": Table("breast cancer, 569 × 30", "MLPClassifier", _bundled("breast_cancer")),
    "wine": Table("wine, 178 × 13", "MLPClassifier", _bundled("wine")),
    "friedman": Table("Friedman, 20,000 × 8", "MLPRegressor", _friedman),
    "large": Table("two classes, 100,000 × 30", "MLPClassifier", _large),
    "search": Table("24 settings of digits, n_jobs=2", "MLPClassifier", _bundled("digits"), searched=True),
}
