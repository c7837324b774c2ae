"""Initial weights that are so small that nothing gets through: gradients vanish in all layers alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from chainrule.diagnosis.flow import LARGER, VANISHING, relative_gradients, times_smaller
from chainrule.diagnosis.parts import so_in, title
from chainrule.diagnosis.patient import MOST_LOOKED_AT, STEPS, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.trials import rate_trial
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.origin import part_of

#: The variances that are usual, times the number of inputs: of layers with relu twice those of others.
USUAL = (2.0, 1.0)


def small_weights(patient: Patient) -> Iterator[Verdict]:
    """Find initial weights with which the loss stays where it is, and with the usual ones it comes down.

    What tells it is a trial: a copy with weights of the usual size is trained by the same optimizer. So a
    last layer that starts near 0, or weights that are normalized after them, are no fault.
    """
    if patient.trainer.loop_state.step:
        return
    steepest = max(relative_gradients(patient.weights, patient.gradients).values(), default=0.0)
    for variance in USUAL:
        every = times_smaller(patient.weights, variance)
        times = {name: most for name, most in every.items() if most > 1 / LIMITS.small_weights}
        if not times:
            continue
        usual = patient.copy()
        larger = {name: patient.weights[name] * factor for name, factor in times.items()}
        usual.trainer.replace_arrays(larger)
        other = usual.gradients_of(patient.some(MOST_LOOKED_AT))
        steep = max(relative_gradients(usual.weights, other).values())
        if steep > LIMITS.flatter_than_usual * steepest and np.isfinite(steep):
            verdict = _trial(patient, usual, times)
            if verdict is not None:
                yield verdict
                return


def _trial(patient: Patient, usual: Patient, times: Mapping[str, float]) -> Verdict | None:
    """Return what is wrong if weights of the usual size let the loss come down, and these do not."""
    start = patient.trained_loss
    reached, other = (rate_trial(each, 1.0).loss for each in (patient, usual))
    taken_off = start - other
    if not (taken_off > LIMITS.gets_going * abs(start) and start - reached < LIMITS.stuck * taken_off):
        return None
    most = max(times.values())
    first = next(name for name, factor in times.items() if factor > most / 2)
    parts = list(dict.fromkeys(map(part_of, times)))
    return Verdict(
        VANISHING,
        title(patient.trainer.task.network, part_of(first)),
        f"its weights are {times[first]:.3g} times smaller than usual{so_in(parts)}; about {STEPS} steps "
        f"take the loss from {start:.4g} to {reached:.4g}, and to {other:.4g} with weights of the usual size",
        LARGER,
    )
