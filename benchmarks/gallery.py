"""What those examples of scikit-learn's gallery compute that have an MLP and bundled data; without plots."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, load_iris, make_circles, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from benchmarks.tables import LIBRARIES


def _classifier(library: str) -> Any:
    warnings.simplefilter("ignore")
    return importlib.import_module(LIBRARIES[library]).MLPClassifier


def _planes() -> list[tuple[Any, Any]]:
    """Return three tables of two features: nearly linear, moons, circles."""
    x, y = make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=1, n_clusters_per_class=1
    )
    x += 2 * np.random.RandomState(2).uniform(size=x.shape)
    return [
        (x, y),
        make_moons(noise=0.3, random_state=0),
        make_circles(noise=0.2, factor=0.5, random_state=1),
    ]


def _grid(x: Any) -> Any:
    """Return the points of a picture of the plane, 0.02 apart."""
    sides = [np.arange(x[:, i].min() - 0.5, x[:, i].max() + 0.5, 0.02) for i in range(2)]
    return np.column_stack([side.ravel() for side in np.meshgrid(*sides)])


def compare_strategies(library: str) -> None:
    """Train with seven strategies on four tables (plot_mlp_training_curves)."""
    sgd = {"solver": "sgd", "learning_rate_init": 0.2}
    strategies: list[dict[str, Any]] = [
        {**sgd, "learning_rate": schedule, "momentum": momentum, "nesterovs_momentum": nesterov}
        for schedule in ("constant", "invscaling")
        for momentum, nesterov in ((0.0, True), (0.9, False), (0.9, True))
    ]
    strategies.append({"solver": "adam", "learning_rate_init": 0.01})
    tables = [
        (load_iris(return_X_y=True), 400),
        (load_digits(return_X_y=True), 15),
        *((table, 400) for table in _planes()[1:]),
    ]
    for (x, y), epochs in tables:
        scaled = MinMaxScaler().fit_transform(x)
        for strategy in strategies:
            model = _classifier(library)(random_state=0, max_iter=epochs, **strategy)
            model.fit(scaled, y).score(scaled, y)


def vary_regularization(library: str) -> None:
    """Fit five penalties to three tables by lbfgs, and draw each plane (plot_mlp_alpha)."""
    for x, y in _planes():
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=42)
        for alpha in np.logspace(-1, 1, 5):
            net = _classifier(library)(
                solver="lbfgs", alpha=alpha, random_state=1, max_iter=2000, hidden_layer_sizes=[10, 10]
            )
            model = make_pipeline(StandardScaler(), net).fit(x_train, y_train)
            model.score(x_test, y_test)
            model.predict_proba(_grid(x))


def compare_classifiers(library: str) -> None:
    """Fit the MLP of a comparison to three tables, and draw each plane (plot_classifier_comparison)."""
    for x, y in _planes():
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=42)
        net = _classifier(library)(alpha=1, max_iter=1000, random_state=42)
        model = make_pipeline(StandardScaler(), net).fit(x_train, y_train)
        model.score(x_test, y_test)
        model.predict_proba(_grid(x))
