"""What short trainings of copies show of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from chainrule.diagnosis.flow import CALM
from chainrule.diagnosis.patient import MOST_TRAINED_ON, PATIENCE, STEPS, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.optimizers import SGD, Optimizer
from chainrule.training.history import History

#: Rates are tried up to ten to the power of this times the model's.
MOST_FASTER = 7
#: Of faster rates the least is advised that comes so far of the way of the best; with vanishing gradients
#: more steps may come so far of a remedy's.
NEARLY = 0.8
#: Weight updates of a trial of a training that failed.
MOST_STEPS = 2000
TOO_LOW, TOO_HIGH = "learning rate too low", "learning rate too high"
#: Up to which step, and how often, a schedule is asked for its rate.
LAST_STEP, RATES_SEEN = 10**6, 40


@dataclass(frozen=True)
class Trial:
    """A short training with the learning rate times a factor: the loss that it reached, and its records."""

    factor: float
    loss: float
    history: History
    steps: int

    @property
    def moved(self) -> float:
        """How far a step of the first epoch changed the weights of a layer, as a part of them; the most."""
        ratios = self.history.recorded.get("update_ratio", {}).values()
        return max((float(numbers[0]) for numbers in ratios), default=0.0)


def rate_trial(patient: Patient, factor: float, steps: int = STEPS) -> Trial:
    """Return how a copy is trained by the model's optimizer, its learning rate times a factor."""
    key = factor, steps
    if key not in patient.trials:
        patient.trials[key] = _rate_trial(patient, factor, steps)
    return cast(Trial, patient.trials[key])


def _rate_trial(patient: Patient, factor: float, steps: int) -> Trial:
    optimizer = patient.trainer.task.optimizer
    chosen = None if factor == 1 else _faster(optimizer, factor)
    history = patient.copy(chosen).train(patient.some(MOST_TRAINED_ON), steps, recorded=True)
    return Trial(factor, late_loss(history), history, steps)


def undiminished_ratios(history: History) -> dict[str, list[float]]:
    """Return each epoch's update ratios by layer, as they would be at the largest learning rate so far.

    A schedule that has lowered the rate, or a plateau that has, makes short steps that are no fault.
    """
    if not history.recorded:  # it failed in the first epoch
        return {}
    rates = np.array(history.recorded["learning_rate"][""])
    factors = np.max(rates) / np.where(rates > 0, rates, np.inf)
    ratios = history.recorded["update_ratio"]
    return {part: [float(number) for number in numbers * factors] for part, numbers in ratios.items()}


def late_loss(history: History) -> float:
    """Return the mean loss of the last quarter of the epochs."""
    return float(np.mean(history["loss"][len(history["loss"]) * 3 // 4 :]))


def _faster(optimizer: Optimizer, factor: float) -> Optimizer:
    rate = optimizer.learning_rate
    if callable(rate):
        schedule = rate
        return replace(optimizer, learning_rate=lambda t: schedule(t) * factor)
    return replace(optimizer, learning_rate=rate * factor)


def learning_rate(patient: Patient, usual: Trial) -> Iterator[Verdict]:
    """Find a learning rate with which nothing is learnt, while a tenth of it, or ten times, would do."""
    start, reached = patient.trained_loss, usual.loss
    if not np.isfinite(reached):
        yield _diverging(patient, usual)
    elif reached > start / 2 or usual.moved > LIMITS.fast_update:
        found = _clearly_slower(patient, usual.steps, reached)
        if found is not None:
            longer = rate_trial(patient, 1.0, PATIENCE)  # a sound rate catches up
            if _clearly_slower(patient, longer.steps, longer.loss) is not None:
                yield _rate_verdict(patient, TOO_HIGH, usual, found)
        elif usual.moved > LIMITS.fast_update and slower_is_ahead(patient):
            yield from _too_high_later(patient)
        elif reached > start / 2:
            yield from _too_low(patient, usual)


def _too_high_later(patient: Patient) -> Iterator[Verdict]:
    """Find a rate with which more steps come nowhere, while they come clearly further with a smaller one."""
    longer = rate_trial(patient, 1.0, PATIENCE)
    if longer.loss > patient.trained_loss / 2:
        found = _clearly_slower(patient, longer.steps, longer.loss)
        if found is not None:
            yield _rate_verdict(patient, TOO_HIGH, longer, found)


def _clearly_slower(patient: Patient, steps: int, reached: float) -> Trial | None:
    """Return a trial with a smaller rate that comes clearly further than this loss, if there is one."""
    start = patient.trained_loss
    trials = [rate_trial(patient, factor, steps) for factor in (0.1, 0.01)]
    best = min(trials, key=lambda trial: trial.loss)
    fall, gain = start - best.loss, max(start - reached, 0.0)
    is_far = fall > LIMITS.slower_gain * gain
    is_clear = reached - best.loss > max(abs(best.loss), LIMITS.missed_fall * fall)
    is_worse = is_clear and all(reached > trial.loss for trial in trials)
    if (is_far or is_worse) and fall > 0.1 * abs(start):
        return best
    if reached - start > (LIMITS.risen_loss - 1) * abs(start):
        return _slower(patient, steps) or _holding(trials, start, reached)
    return _slower(patient, steps) if reached > start else None


def _holding(trials: Sequence[Trial], start: float, reached: float) -> Trial | None:
    """Return the trial with the largest rate that leaves the loss about where it is: all may be learnt."""
    return next((trial for trial in trials if trial.loss - start < LIMITS.stuck * (reached - start)), None)


def rate_too_high(patient: Patient, steps: int, reached: float) -> Iterator[Verdict]:
    """Find a learning rate that is to blame for what is seen in a fit: smaller ones come clearly further.

    Parameters
    ----------
    patient : Patient
        With the weights that the training began with.
    steps : int
        Weight updates that it had.
    reached : float
        The loss that it reached: where trials do worse, as with other batches, that is not to blame.
    """
    steps = min(max(steps, STEPS), MOST_STEPS)
    if _clearly_slower(patient, steps, reached) is None:  # nor is it then beside a lower loss
        return
    usual = rate_trial(patient, 1.0, steps)
    slower = _clearly_slower(patient, steps, min(usual.loss, reached))
    if slower is not None:
        yield _rate_verdict(patient, TOO_HIGH, usual, slower)


def slower_is_ahead(patient: Patient) -> bool:
    """Whether a tenth of the rate comes further in few steps already: long trials are costly."""
    return rate_trial(patient, 0.1).loss < rate_trial(patient, 1.0).loss


def rate_of_failure(patient: Patient, steps: int) -> Iterator[Verdict]:
    """Find a learning rate that is to blame where training has ended with numbers that are not finite.

    It takes them there again, or makes the loss worse, and a smaller one takes it down.

    Parameters
    ----------
    patient : Patient
        With the weights that the training began with.
    steps : int
        Weight updates that it had.
    """
    usual = rate_trial(patient, 1.0, min(max(2 * steps, STEPS), MOST_STEPS))
    slower = None if usual.loss <= patient.trained_loss else _slower(patient, usual.steps)
    if slower is not None:
        yield _rate_verdict(patient, TOO_HIGH, usual, slower)


def _slower(patient: Patient, steps: int = STEPS) -> Trial | None:
    """Return a trial with the largest rate, a tenth, a hundredth, ..., that takes a tenth off the loss."""
    start = patient.trained_loss
    for factor in 10.0 ** -np.arange(1, 10):
        slower = rate_trial(patient, float(factor), steps)
        if start - slower.loss > 0.1 * abs(start):
            return slower
    return None


def _too_low(patient: Patient, usual: Trial) -> Iterator[Verdict]:
    """Find a learning rate that is far too low: a larger one comes much further in as many steps."""
    optimizer, start = patient.trainer.task.optimizer, patient.trained_loss
    is_plain = isinstance(optimizer, SGD)
    if usual.moved > (LIMITS.slow_descent if is_plain else LIMITS.slow_update) or is_warming_up(
        optimizer, patient.trainer.loop_state.step + STEPS
    ):
        return
    trials = _faster_trials(patient, usual)
    best, gain = trials[-1], max(start - usual.loss, 0.0)
    more = start - best.loss
    needed = LIMITS.faster_gain
    if is_plain and best.factor >= LIMITS.far_faster:
        needed = LIMITS.far_faster_gain
    elif usual.moved > LIMITS.slow_update:
        return
    if more > needed * gain and more > 0.2 * abs(start):
        careful = next(trial for trial in trials if start - trial.loss >= NEARLY * more)
        yield _rate_verdict(patient, TOO_LOW, usual, careful)


def falls_too_slowly(patient: Patient) -> Iterator[Verdict]:
    """Find a learning rate that is far too low, as `learning_rate` does."""
    usual = rate_trial(patient, 1.0)
    if np.isfinite(usual.loss) and usual.loss > patient.trained_loss / 2:
        yield from _too_low(patient, usual)


def _faster_trials(patient: Patient, usual: Trial) -> list[Trial]:
    """Return trials with ten times the rate, and again, as long as that helps; the last comes furthest."""
    trials, start = [usual], patient.trained_loss
    for factor in 10.0 ** np.arange(1, MOST_FASTER + 1):
        trial = rate_trial(patient, float(factor))
        moves = abs(start - trials[-1].loss) > 1e-2 * abs(start)
        if not np.isfinite(trial.loss) or (moves and not trial.loss < trials[-1].loss):
            break
        trials.append(trial)
    return trials


def is_warming_up(optimizer: Optimizer, steps: int) -> bool:
    """Whether a schedule's rates are still to become twice as large as in so many steps, and more."""
    rate = optimizer.learning_rate
    if not callable(rate):
        return False
    with np.errstate(all="ignore"):  # a rate that is multiplied at each step is infinite in the end
        seen, later = (
            max(float(rate(step)) for step in np.floor(np.geomspace(*between, RATES_SEEN)))
            for between in ((1, max(1, steps)), (max(1, steps), LAST_STEP))
        )
    return later > 2 * seen


def _diverging(patient: Patient, usual: Trial) -> Verdict:
    """Return what to do where the loss becomes infinite: a smaller rate, if one takes it down."""
    slower = _slower(patient)
    if slower is not None:
        return _rate_verdict(patient, TOO_HIGH, usual, slower)
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
        f"about {usual.steps} steps take the loss from {patient.trained_loss:.4g} to {usual.loss:.4g} at "
        f"{said}{change}, and to {best.loss:.4g} at {better}",
        f"try {better}",
    )
