"""Two rows by heart: a network that cannot learn so little has something in its way.

How little loss is little depends on the loss: with smoothed labels, or counts, the least is far from 0. So
the network is compared with predictions that are free: the rows' outputs, trained as parameters themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from chainrule.diagnosis.flow import LARGER, told_of_tiny
from chainrule.diagnosis.patient import MOST_TRAINED_ON, Patient, taken
from chainrule.diagnosis.start import gives_probabilities
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.functions import reshape
from chainrule.graph.hyperparameters import map_parts
from chainrule.graph.loop import run_stage
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value
from chainrule.layers import Context, Dropout, Layer
from chainrule.layers.activation import as_activation
from chainrule.optimizers import Adam, CosineDecay
from chainrule.training.trainer import Trainer

STEPS, PAIRS = 300, 5
RATES, SMALLER = (1e-2, 1e-3, 1e-1), (1e-4, 1e-5)


@dataclass(frozen=True)
class _Free(Layer):
    """Gives its own parameters, one row for each row: x says which."""

    rows: int
    shape: tuple[int, ...]
    link: str

    def forward(self, x: Value, context: Context) -> Value:
        free = context.parameter("prediction", (self.rows, math.prod(self.shape)), "zeros")
        y: Value = as_activation(self.link)(reshape(x @ free, (ROWS, *self.shape)))
        return y


def two_rows(patient: Patient) -> Iterator[Verdict]:
    """Find a network that cannot even learn two rows by heart; an objective has no predictions to compare.

    A few units of relu may be silent in both rows and not in others, so other pairs are tried, too.
    """
    if "y" not in patient.data or patient.trainer.task.loss is None:
        return
    found = None
    for pair in _pairs(patient):
        found = _left(patient, pair)
        if found is None:
            break
    if found is None:
        found = _left_of_ends(patient)
    if found is None:
        return
    tiny = told_of_tiny(patient.weights)
    yield Verdict(
        "cannot overfit two rows",
        "",
        f"{STEPS} steps of Adam on two rows take the loss {found}{tiny}",
        LARGER
        if tiny
        else "look for an output that cannot reach the targets (its last activation), or a layer that lets "
        "nothing through",
    )


def _left_of_ends(patient: Patient) -> str | None:
    """Return what two pairs of rows with the least numbers to predict leave, or two with the largest.

    An activation after the last layer may let half of the numbers be reached, as relu those above 0.
    """
    data = _unweighted(patient)
    if data["y"].dtype.kind != "f":
        return None
    order = np.argsort(np.sum(data["y"].reshape(len(data["y"]), -1), axis=1), kind="stable")
    for end in (order[:4], order[:-5:-1]) if len(order) >= 2 * PAIRS else ():
        found = _left(patient, taken(data, end[::2]))
        if found and _left(patient, taken(data, end[1::2])):
            return found
    return None


def _left(patient: Patient, pair: dict[str, Array]) -> str | None:
    """Return what two rows leave of their loss, in words, if that is much at each rate.

    While each makes the loss rise, as where predictions are exponentials, that tells of the rates only, and
    smaller ones are tried.
    """
    all_rise = True
    for rate in (*RATES, *SMALLER):
        if rate in SMALLER and not all_rise:
            break
        copy = patient.copy(Adam(rate))
        task = copy.trainer.task
        copy.trainer.task = replace(task, network=_without_dropout(task.network), penalties=())
        start = copy.loss(pair)
        copy.train(pair, steps=STEPS, batch_size=2)
        reached = copy.loss(pair)
        least = min(reached, least_loss(patient, pair))
        to_learn = start - least
        if reached - least <= LIMITS.by_heart * to_learn or to_learn < LIMITS.to_learn * abs(least):
            return None
        all_rise = all_rise and reached > start
    return f"from {start:.4g} to {reached:.4g}, and predictions that are free to {least:.4g}"


def _without_dropout(network: Layer) -> Layer:
    """Return the network without what is there so that nothing is learnt by heart."""
    return map_parts(network, "", lambda _, __, part: Dropout(0.0) if isinstance(part, Dropout) else part)


def least_loss(patient: Patient, data: dict[str, Array]) -> float:
    """Return the least loss of predictions for these few rows, where nothing stands in their way."""
    old, rows = patient.trainer, len(data["x"])
    link = _link(patient, data["y"])
    network = _Free(rows, tuple(int(dim) for dim in old.output.shape[1:]), link)
    given = run_stage(old.stage("prediction"), old.arrays(data))["prediction"]
    for rate in (0.3, 3e-3):
        optimizer = Adam(CosineDecay(rate, steps=STEPS))
        trainer = Trainer(replace(old.task, network=network, penalties=(), optimizer=optimizer), patient.seed)
        trainer.build((rows,))
        trainer.key = old.key
        if link == "identity" and np.all(np.isfinite(given)):
            trainer.replace_arrays({"prediction": given.reshape(rows, -1)})
        free = replace(patient, trainer=trainer, trials={}, _memo={})
        which = np.eye(rows, dtype=old.task.dtype)
        losses = free.train({**data, "x": which}, steps=STEPS, batch_size=rows)["loss"]
        if np.isfinite(losses[-1]):
            return float(np.min(losses))
    return math.inf  # such as the logarithm of a prediction that has become negative


def _link(patient: Patient, y: Array) -> str:
    """Return what keeps free predictions probabilities, where the network's are and the targets, too."""
    if y.dtype.kind == "f" and np.all((y >= 0) & (y <= 1)):
        for link, several in (("softmax", True), ("sigmoid", False)):
            if gives_probabilities(patient, several):
                return link
    return "identity"


def _pairs(patient: Patient) -> Iterator[dict[str, Array]]:
    """Yield pairs of rows that differ in input and target, if there are any, each of them with some weight.

    They are far apart: rows that are nearly alike are hard to tell from each other, and little is gained.
    """
    data = _unweighted(patient)
    x, y = (data[name].reshape(len(data["x"]), -1) for name in ("x", "y"))
    for first in dict.fromkeys(np.linspace(0, len(x) - 1, PAIRS).astype(int)):
        apart = np.any(x != x[first], axis=1) & np.any(y != y[first], axis=1)
        far = (
            np.sum(np.abs(y - y[first]), axis=1)
            if y.dtype.kind == "f"
            else np.sum(np.abs(x - x[first]), axis=1)
        )
        if apart.any():
            yield taken(data, np.array([first, int(np.argmax(np.where(apart, far, -1)))]))


def _unweighted(patient: Patient) -> dict[str, Array]:
    """Return rows that count alike."""
    data = patient.some(MOST_TRAINED_ON)
    return {name: array for name, array in data.items() if name != "sample_weight"}
