"""What short trainings of copies show of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from chainrule.diagnosis.flow import CALM
from chainrule.diagnosis.patient import MOST_TRAINED_ON, STEPS, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.optimizers import Optimizer
from chainrule.training.history import History


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
    gain = max(start - reached, 0.0)
    if not np.isfinite(reached):
        yield _diverging(patient, usual)
    elif reached > start / 2:
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


def _diverging(patient: Patient, usual: Trial) -> Verdict:
    """Return what to do where the loss becomes infinite: a smaller rate, if one takes it down."""
    for factor in 10.0 ** -np.arange(1, 10):
        slower = rate_trial(patient, float(factor))
        if np.isfinite(slower.loss) and patient.start_loss - slower.loss > 0.1 * abs(patient.start_loss):
            return _rate_verdict(patient, "learning rate too high", usual, slower)
    evidence = f"within about {STEPS} steps the loss is infinite, and however small the learning rate, none "
    return Verdict("exploding gradients", "", f"{evidence}takes it down by a tenth", CALM)


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
