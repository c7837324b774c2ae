"""scikit-learn: `MLPClassifier.fit`, which goes on from its weights and never stops early."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import LEARNING_RATE, Task
from benchmarks.peers import Train


def prepare(task: Task) -> Train:
    x, y = task.data()
    classifier = MLPClassifier(
        task.network.widths[1:-1],
        solver="adam",
        alpha=0,
        batch_size=task.network.batch,
        learning_rate_init=LEARNING_RATE,
        random_state=0,
        tol=0,
        n_iter_no_change=10**9,
        warm_start=True,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)

    def train(epochs: int) -> None:
        classifier.set_params(max_iter=epochs).fit(x, y)

    return train
