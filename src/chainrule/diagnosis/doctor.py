"""The doctor at the bedside: looks at a network while it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.data import features, target
from chainrule.diagnosis.flow import VANISHING, gradient_flow, judged_ratios, layer_sizes, update_ratios
from chainrule.diagnosis.leaks import columns
from chainrule.diagnosis.patient import MOST_LOOKED_AT, MOST_TRAINED_ON, Patient, chosen_rows
from chainrule.diagnosis.small_weights import small_weights
from chainrule.diagnosis.start import (
    is_learning,
    loss_of_ignorance,
    output_for_loss,
    slope_of_ignorance,
    start_loss,
)
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.trials import (
    TOO_HIGH,
    TOO_LOW,
    falls_too_slowly,
    is_warming_up,
    late_loss,
    rate_of_failure,
    rate_too_high,
)
from chainrule.diagnosis.units import dropped_units, identical_units, silent_units
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array
from chainrule.training.callbacks import Callback, Progress
from chainrule.training.history import History


class Doctor(Callback):
    """Looks at a network while it is trained, and tells what is wrong: verdicts by layer, with a remedy.

    It looks at the features (their scale, and columns that say the same or tell the target), at the scale of
    the target, at the loss at the start, at the size of initial weights, and after epochs 1, 2, 4, 8, ... and
    the last: at gradients that vanish or explode, at dead and saturated units, at how far steps change the
    weights (about a thousandth is usual), and at the loss. A learning rate is called too high where smaller
    ones come clearly further on a copy; so it is where a fit ends as numbers become NaN or infinite. What is
    wrong from the start is told without what comes of it. Each verdict is told once.

    Parameters
    ----------
    tell : callable or None, default print
        Is called with each verdict as it is found; None only keeps it in `verdicts`.

    Attributes
    ----------
    verdicts : list of Verdict
        What was found in the last fit.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> bias = cr.Constant(-20.0)  # no row gets over it
    >>> net = cr.Sequential([cr.Dense(8, activation="relu", bias_initializer=bias), cr.Dense(1)])
    >>> doctor = cr.Doctor(tell=lambda verdict: print(verdict.name, "in", verdict.where))
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> history = model.fit(x, x[:, 0] * x[:, 1], epochs=2, callbacks=[doctor])
    dead units in layers.0 (Dense)
    """

    records = True
    _running = ("_at_start",)

    def __init__(self, tell: Callable[[Verdict], object] | None = print) -> None:
        if tell is not None and not callable(tell):
            raise TypeError(f"Doctor: tell is a function of a verdict, or None, not {tell!r}")
        self._tell = tell
        self.verdicts: list[Verdict] = []
        self._looked_at = self._steps_before = 0
        self._from_birth: list[Verdict] = []
        self._besides: list[Verdict] = []
        self._silent_from_birth: set[str] = set()
        self._weights_before: dict[str, Array] = {}
        self._at_start: Patient | None = None

    def on_start(self, progress: Progress) -> None:
        """Forget the last patient, and see which layers of this one are silent before the first step."""
        self.verdicts, self._looked_at = [], 0
        self._steps_before = progress.steps
        patient, few = Patient(progress.model._trainer, _looked_at(progress)), _trained_on(progress)
        self._weights_before = patient.weights
        self._at_start = few.copy()
        self._silent_from_birth = {verdict.where for verdict in silent_units(patient.trainer, patient.data)}
        self._besides = list(columns(few))
        self._from_birth = [*features(patient), *_unknown_target(few), *output_for_loss(few)]
        self._from_birth += [*identical_units(patient), *dropped_units(patient)]
        if not (self._from_birth or progress.steps):
            self._from_birth = list(start_loss(few))
        if not (self._from_birth or self._besides or self._silent_from_birth):
            self._from_birth = list(small_weights(few))

    def on_epoch(self, progress: Progress) -> None:
        """Look after epochs 1, 2, 4, 8, ..."""
        if progress.epoch & (progress.epoch - 1) == 0:
            self._look(progress)

    def on_end(self, progress: Progress) -> None:
        """Look once more; where the fit failed, at what it began with."""
        at_start = self._at_start
        losses = progress.history["loss"] if progress.epoch else []
        if at_start and (progress.failure or not np.isfinite(losses[-1:]).all()):
            failed = rate_of_failure(at_start, progress.model._trainer.run.step - self._steps_before)
            self._tell_of([*self._besides, *(self._from_birth or failed)])
        elif at_start and losses:
            if progress.epoch > self._looked_at:
                self._look(progress)
            if not self.verdicts and _began_fast(progress.history):
                steps = progress.steps - self._steps_before
                self._tell_of(rate_too_high(at_start, steps, late_loss(progress.history)))
        self._at_start = None

    def _look(self, progress: Progress) -> None:
        known = {verdict.name for verdict in self.verdicts}
        steps = progress.steps - self._steps_before
        is_first = self._looked_at == self._steps_before == 0
        assert self._at_start is not None
        so_far = _SoFar(
            *(self._at_start, self._silent_from_birth, self._weights_before, steps, is_first),
            *(TOO_LOW in known, TOO_HIGH in known),
        )
        self._looked_at = progress.epoch
        self._weights_before = Patient(progress.model._trainer, {}).weights
        self._tell_of([*self._besides, *(self._from_birth or _findings(progress, so_far))])

    def _tell_of(self, found: Iterable[Verdict]) -> None:
        """Tell each verdict that has not been told yet."""
        known = {verdict.name for verdict in self.verdicts}
        for verdict in found:
            if verdict.name not in known:
                known.add(verdict.name)
                self.verdicts.append(verdict)
                if self._tell is not None:
                    self._tell(verdict)


def _looked_at(progress: Progress) -> dict[str, Array]:
    return {name: array[:MOST_LOOKED_AT] for name, array in progress.data.items()}


def _trained_on(progress: Progress) -> Patient:
    """Return what trials are made with; an estimator has no executor and no seed to choose."""
    model = progress.model
    options = {name: getattr(model, name) for name in ("executor", "seed") if hasattr(model, name)}
    rows = chosen_rows(len(progress.data["x"]), MOST_TRAINED_ON, options.get("seed", 0))
    data = {name: array[rows] for name, array in progress.data.items()}  # of a sparse table only these
    return Patient(model._trainer, data, n_threads=model.n_threads, **options)


def _unknown_target(patient: Patient) -> Iterator[Verdict]:
    """Look at the scale of the target where the network has not come to know it in an earlier fit."""
    if patient.trainer.run.step:
        guess = loss_of_ignorance(patient)
        if guess is None or not patient.start_loss > LIMITS.start_loss * guess.loss:
            return
    yield from target(patient)


class _SoFar(NamedTuple):
    """What is known of a fit before a look at it.

    The weights are those of the last look. Where the network was new and nobody has looked yet, this is the
    first look. It is slow, or fast, where the learning rate has been called too low, or too high.
    """

    at_start: Patient
    silent_from_birth: Set[str]
    weights: Mapping[str, Array]
    steps: int
    is_first: bool
    is_slow: bool
    is_fast: bool


def _findings(progress: Progress, so_far: _SoFar) -> Iterator[Verdict]:
    """Yield what is wrong at this moment, the likely cause first."""
    trainer, history = progress.model._trainer, progress.history
    network = trainer.task.network
    silent = list(silent_units(trainer, _looked_at(progress), so_far.silent_from_birth))
    patient = Patient(trainer, _looked_at(progress))
    sizes = layer_sizes(patient.weights)
    last = {
        kind: {part: numbers[-1] for part, numbers in parts.items() if part in sizes}
        for kind, parts in history.recorded.items()
    }
    relative = {
        part: norm / sizes[part]
        for part, norm in last["gradient_norm"].items()
        if sizes[part] and part not in patient.held
    }
    ratios = last["update_ratio"]
    fell_silent = any(verdict.where not in so_far.silent_from_birth for verdict in silent)
    judged = judged_ratios(ratios, so_far.weights)
    is_rash = fell_silent or _is_rash(patient, history, judged)
    is_rash = is_rash or (so_far.steps >= LIMITS.steps_to_settle and _rises(history))
    too_high = []
    if is_rash and not (so_far.is_fast or so_far.silent_from_birth):
        too_high = list(rate_too_high(so_far.at_start, so_far.steps, late_loss(history)))
    yield from too_high
    is_fast = so_far.is_fast or bool(too_high)  # that explains how gradients flow, and the loss
    causes = silent or ([] if is_fast else list(_flow(patient, relative, history["loss"][-1])))
    yield from causes
    if causes or is_fast:
        return
    found = [] if so_far.is_slow else list(_too_slow(progress, ratios, relative, so_far.is_first))
    yield from found
    slow = so_far.is_slow or found
    falling = _falls(history)
    some_move = max(ratios.values(), default=0.0) > LIMITS.slow_update
    if some_move or not (falling or slow):
        yield from update_ratios(network, judged)
    if so_far.steps >= LIMITS.steps_to_learn and not (falling or slow):
        yield Verdict(
            "nothing is learnt",
            "",
            f"in {len(history['loss'])} epochs the loss has come from {_course(history)}",
            "let model.diagnose(x, y) look for the cause",
        )


def _flow(patient: Patient, relative: Mapping[str, float], loss: float) -> Iterator[Verdict]:
    """Find gradients that explode; or that vanish, where little is learnt."""
    network, usual = patient.trainer.task.network, slope_of_ignorance(patient)
    for verdict in gradient_flow(network, relative, usual, patient.weights):
        if verdict.name != VANISHING or not is_learning(patient, loss):
            yield verdict


def _falls(history: History) -> bool:
    """Whether the loss has become less at all, or there was no time for it."""
    losses = history["loss"]
    return len(losses) < LIMITS.patience or min(losses) < LIMITS.left_loss * losses[0] or not losses[0] > 0


def _course(history: History) -> str:
    return f"{history['loss'][0]:.4g} to {history['loss'][-1]:.4g}"


def _is_rash(patient: Patient, history: History, ratios: Mapping[str, float]) -> bool:
    """Whether steps are very long, or long and the loss is worse than a guess."""
    most = max(ratios.values(), default=0.0)
    if not LIMITS.rash_update < most <= LIMITS.largest_update:
        return most > LIMITS.largest_update
    guess = loss_of_ignorance(patient)
    return guess is not None and history["loss"][-1] > LIMITS.risen_loss * guess.loss > 0


def _rises(history: History) -> bool:
    losses = history["loss"]
    return losses[-1] > LIMITS.risen_loss * min(losses) and losses[-1] > losses[0] > 0


def _began_fast(history: History) -> bool:
    """Whether steps of the first epoch were longer than is usual, for any layer."""
    ratios = history.recorded.get("update_ratio", {}).values()
    return max((float(numbers[0]) for numbers in ratios), default=0.0) > LIMITS.fast_update


def _too_slow(
    progress: Progress, ratios: Mapping[str, float], relative: Mapping[str, float], is_first: bool
) -> Iterator[Verdict]:
    """Find steps so short that the loss stays, though its gradient is large enough to go by.

    At a first look trials tell it, as before training: another rate comes much further.
    """
    model, losses, most = progress.model, progress.history["loss"], max(ratios.values(), default=0.0)
    if is_warming_up(model._trainer.task.optimizer, progress.steps):
        return
    fall = (losses[0] - losses[-1]) / max(1, len(losses) - 1)
    is_steep = max(relative.values(), default=0.0) >= LIMITS.slope_to_go_by
    is_short = len(losses) > 1 and is_steep and 0 < most < LIMITS.slow_update
    if is_short and losses[0] > 0 and fall < LIMITS.slow_fall * losses[0]:
        yield Verdict(
            TOO_LOW,
            "",
            f"in {len(losses)} epochs the loss has come from {_course(progress.history)}; a step changes "
            f"weights by {most:.1g} of themselves, and about {LIMITS.usual_update:g} is usual",
            f"raise the learning rate, {_times(LIMITS.usual_update / most)} for example",
        )
    elif is_first and most <= LIMITS.slow_descent:
        yield from falls_too_slowly(_trained_on(progress))


def _times(factor: float) -> str:
    return f"to {10 ** round(math.log10(factor)):g} times what it is"
