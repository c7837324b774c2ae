"""scikit-learn: `MLPClassifier.fit`, which goes on from its weights and never stops early."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import LEARNING_RATE, Task
from benchmarks.peers import Run


def training(task: Task) -> Run:
    x, y = task.data()
    classifier = _classifier(task, x, y)

    def go(epochs: int) -> None:
        classifier.set_params(max_iter=epochs).fit(x, y)

    return Run(go, lambda: _loss(task, classifier))


def single(task: Task) -> Run:
    batches = task.batches()
    classifier = _classifier(task, *task.data()).set_params(warm_start=False)
    del classifier._optimizer  # it has made steps with other weights

    def go(epochs: int) -> None:
        for _ in range(epochs):
            for x, y in batches:
                classifier.partial_fit(x, y)

    return Run(go, lambda: _loss(task, classifier))


def _loss(task: Task, classifier: MLPClassifier) -> float:
    """Return the loss of all rows."""
    if task.network.widths[-1] == 2:
        raise ValueError("it has one output for two classes, and other weights")
    x, y = task.data()
    return float(log_loss(y, classifier.predict_proba(x), labels=classifier.classes_))


def prediction(task: Task) -> Run:
    x, _ = task.data()
    wide = np.tile(x, (-(-100 // len(x)), 1))
    classifier = _classifier(task, wide, np.arange(len(wide)) % task.network.widths[-1])

    def go(calls: int) -> None:
        for _ in range(calls):
            classifier.predict_proba(x)

    def outcome() -> float:
        """Return the mean of the logits, of which probabilities leave all but a constant."""
        classifier.out_activation_ = "identity"
        logits = classifier.predict_proba(x)
        classifier.out_activation_ = "softmax"
        return float(logits.mean())

    return Run(go, outcome)


def _classifier(task: Task, x: np.ndarray, y: np.ndarray) -> MLPClassifier:
    """Return a classifier with the task's weights, which it takes once it has been fitted."""
    network = task.network
    if network.dropout or network.normalized or network.activation not in ("relu", "tanh"):
        raise ValueError(f"it has no {network.name.partition(' ')[2]}")
    classifier = MLPClassifier(
        network.widths[1:-1],
        activation=network.activation,
        solver="adam",
        alpha=0,
        batch_size=min(network.batch, len(x)),
        learning_rate_init=LEARNING_RATE,
        random_state=0,
        tol=0,
        n_iter_no_change=10**9,
        max_iter=1,
        warm_start=True,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)
    classifier.fit(x, y)
    if task.network.widths[-1] == 2:  # one output for two classes: it keeps its own weights
        return classifier
    for number, (weight, bias) in enumerate(task.weights()):
        classifier.coefs_[number][...] = weight
        classifier.intercepts_[number][...] = bias
    return classifier
