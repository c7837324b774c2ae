"""What short trainings of copies show: the learning rate, two rows by heart, and whether the input helps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from chainrule.diagnosis.patient import BATCH, MOST_TRAINED_ON, STEPS, Patient, taken
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array
from chainrule.optimizers import Adam, Optimizer
from chainrule.training.history import History

MOST_HELD_OUT = 500


@dataclass(frozen=True)
class Trial:
    """A short training with the learning rate times a factor: the loss that it reached, and its records."""

    factor: float
    loss: float
    history: History

    @property
    def moved(self) -> float:
        """How far a step of the first epoch changed the weights of a layer, as a part of them; the most."""
        ratios = self.history.recorded.get("update_ratio", {}).values()
        return max((float(numbers[0]) for numbers in ratios), default=0.0)


def rate_trial(patient: Patient, factor: float) -> Trial:
    """Train a copy with the model's optimizer, its learning rate times a factor."""
    optimizer = patient.trainer.task.optimizer
    chosen = None if factor == 1 else _faster(optimizer, factor)
    history = patient.copy(chosen).train(patient.some(MOST_TRAINED_ON))
    losses = history["loss"][len(history["loss"]) * 3 // 4 :]
    return Trial(factor, float(np.mean(losses)), history)


def _faster(optimizer: Optimizer, factor: float) -> Optimizer:
    rate = optimizer.learning_rate
    if callable(rate):
        schedule = rate
        return replace(optimizer, learning_rate=lambda t: schedule(t) * factor)
    return replace(optimizer, learning_rate=rate * factor)


def learning_rate(patient: Patient, usual: Trial) -> Iterator[Verdict]:
    """Find a learning rate with which nothing is learnt, while a tenth of it, or ten times, would do."""
    start, reached = patient.start_loss, usual.loss
    gain = max(start - reached, 0.0) if np.isfinite(reached) else 0.0
    if reached > start / 2 or not np.isfinite(reached):
        slower = [rate_trial(patient, factor) for factor in (0.1, 0.01)]
        best = min(slower, key=lambda trial: trial.loss)
        if start - best.loss > LIMITS.slower_gain * gain and start - best.loss > 0.1 * abs(start):
            yield _rate_verdict(patient, "learning rate too high", usual, best)
            return
        if usual.moved > LIMITS.slow_update:
            return
        faster = [rate_trial(patient, factor) for factor in (10.0, 100.0, 1000.0)]
        best = min(faster, key=lambda trial: trial.loss if np.isfinite(trial.loss) else np.inf)
        if start - best.loss > LIMITS.faster_gain * gain and start - best.loss > 0.2 * abs(start):
            yield _rate_verdict(patient, "learning rate too low", usual, best)


def _rate_verdict(patient: Patient, name: str, usual: Trial, best: Trial) -> Verdict:
    rate = patient.trainer.task.optimizer.learning_rate
    said = "the schedule's" if callable(rate) else f"{rate:g}"
    better = f"{best.factor:g} times it" if callable(rate) else f"{rate * best.factor:g}"
    change = f" (a step changes weights by {usual.moved:.1g} of themselves)" if usual.moved else ""
    return Verdict(
        name,
        "",
        f"about {STEPS} steps take the loss from {patient.start_loss:.4g} to {usual.loss:.4g} at "
        f"{said}{change}, and to {best.loss:.4g} at {better}",
        f"try {better}",
    )


def two_rows(patient: Patient) -> Iterator[Verdict]:
    """Find a network that cannot even learn two rows by heart."""
    pair = _two_different_rows(patient) if "y" in patient.data else None
    if pair is None:
        return
    free = replace(patient.trainer.task, penalties=())
    for rate in (1e-2, 1e-3):
        copy = patient.copy(Adam(rate))
        copy.trainer.task = replace(free, optimizer=Adam(rate))
        start = copy.loss(pair)
        copy.train(pair, steps=300, batch_size=2)
        reached = copy.loss(pair)
        if reached <= LIMITS.by_heart * start or reached < 1e-3:
            return
    yield Verdict(
        "cannot overfit two rows",
        "",
        f"after 300 steps of Adam on two rows the loss is {reached:.4g}, from {start:.4g}",
        "look for an output that cannot reach the targets (its last activation), a layer that lets nothing "
        "through, or a loss that does not fit",
    )


def _two_different_rows(patient: Patient) -> dict[str, Array] | None:
    """Return two rows that differ in input and target, if there are any, each of them with some weight."""
    data = patient.some(MOST_TRAINED_ON)
    data = {name: array for name, array in data.items() if name != "sample_weight"}
    x, y = (data[name].reshape(len(data["x"]), -1) for name in ("x", "y"))
    apart = np.any(x != x[0], axis=1) & np.any(y != y[0], axis=1)
    return taken(data, np.array([0, int(np.argmax(apart))])) if apart.any() else None


def sees_input(patient: Patient) -> Iterator[Verdict]:
    """Find an input that does not help: on rows held out, a network that is shown zeros is as good."""
    if patient.rows < LIMITS.held_out_rows or "y" not in patient.data:
        return
    data = patient.some(MOST_TRAINED_ON)
    rows = len(data["x"])
    order = np.random.default_rng(patient.seed).permutation(rows)
    held = min(rows // 4, MOST_HELD_OUT)
    lowest = []
    for shown in (1, 0):
        given = {**data, "x": data["x"] * np.asarray(shown, data["x"].dtype)}
        copy = patient.copy(Adam(3e-3))
        history = copy.train(
            taken(given, order[held:]), 2 * STEPS, BATCH, validation=taken(given, order[:held])
        )
        lowest.append(min(history.get("validation_loss", [np.inf])))
    seeing, blind = lowest
    least = max(LIMITS.helps, 0.5 / np.sqrt(held)) * abs(blind)
    if blind - seeing < least:
        yield Verdict(
            "input that does not help",
            "",
            f"on {held} rows held out the loss comes down to {seeing:.4g}, and to {blind:.4g} for a network "
            "that is shown zeros",
            "check that rows of x and y belong together, and that x tells anything about y",
        )
