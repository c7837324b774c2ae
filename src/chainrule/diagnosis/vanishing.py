"""Gradients that vanish are a fault where little is learnt, and a remedy lets more be learnt: trials tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.diagnosis.flow import LARGER, OTHERWISE, UNBLOCK, VANISHING, times_smaller, told_of_tiny
from chainrule.diagnosis.patient import MOST_LOOKED_AT, PATIENCE, STEPS, Patient
from chainrule.diagnosis.start import gradients_at_start, is_learning, loss_of_ignorance
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.trials import NEARLY, rate_trial
from chainrule.diagnosis.units import FEW_STEPS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.hyperparameters import Field, map_parts
from chainrule.layers import Layer
from chainrule.layers.activation import as_activation
from chainrule.optimizers import Adam
from chainrule.training.step import Trace
from chainrule.training.task import DataTypes

#: Activations that do not flatten out on both sides, in place of all that do, or may.
STEEP = ("relu", "selu")


def confirmed(patient: Patient, found: Verdict) -> Verdict | None:
    """Return a verdict of vanishing gradients if they are to blame, with what was tried as its evidence.

    They are not where training comes far below the loss of a guess, nor where in five times as many steps it
    comes as far as with a remedy, or, if it is under way before, nearly as far. Where they are 0 to the last
    digit a layer does not learn.
    """
    reached, guess = rate_trial(patient, 1.0).loss, loss_of_ignorance(patient)
    if is_learning(patient, reached):
        return None
    if found.remedy == UNBLOCK:
        return found if _stays(patient) else None
    tried = [(rate_trial(other, 1.0).loss, words, remedy) for other, words, remedy in _mended(patient)]
    for better, words, remedy in sorted(tried, key=lambda one: not _is_far_below(patient, one[0])):
        if not (_is_far_below(patient, better) or _gets_unstuck(patient, better, reached)):
            continue
        later = rate_trial(patient, 1.0, PATIENCE).loss
        above = guess.loss if guess else patient.trained_loss
        is_under_way = above - reached > 0.1 * abs(above)
        if later <= better or (is_under_way and above - later >= NEARLY * (above - better)):
            return None
        told = (
            f"about {STEPS} steps take the loss from {patient.trained_loss:.4g} to {reached:.4g}, "
            f"{PATIENCE} to {later:.4g}, and {STEPS} {words} to {better:.4g}"
        )
        return replace(found, evidence=f"{found.evidence}; {told}", remedy=remedy)
    return None


def _stays(patient: Patient) -> bool:
    """Whether gradients vanish after some steps, too: what starts at 0 may let nothing through at first."""
    moved = patient.copy(Adam(1e-3))
    moved.train(patient.some(MOST_LOOKED_AT), steps=FEW_STEPS)
    return any(verdict.name == VANISHING for verdict in gradients_at_start(moved))


def _is_far_below(patient: Patient, loss: float) -> bool:
    """Whether a loss is far below that of a guess; where that is not known, below that at the start."""
    if loss_of_ignorance(patient) is not None:
        return is_learning(patient, loss)
    return patient.trained_loss - loss > LIMITS.gets_going * abs(patient.trained_loss)


def _gets_unstuck(patient: Patient, loss: float, reached: float) -> bool:
    """Whether a loss is clearly below that of a guess, and the one reached is not: noise may leave most."""
    guess = loss_of_ignorance(patient)
    if guess is None:
        return False
    taken_off = guess.loss - loss
    return taken_off > LIMITS.gets_going * guess.loss and guess.loss - reached < LIMITS.stuck * taken_off


def _mended(patient: Patient) -> Iterator[tuple[Patient, str, str]]:
    """Yield copies to which a remedy was applied, with words for it."""
    if told_of_tiny(patient.weights):
        usual, times = patient.copy(), times_smaller(patient.weights, 1.0)
        larger = {name: patient.weights[name] * np.float64(max(most, 1)) for name, most in times.items()}
        usual.trainer.replace_arrays(larger)
        yield usual, "with weights of the usual size", LARGER
    for activation in STEEP:
        steep = patient.copy()
        steep.trainer.task = replace(steep.trainer.task, network=_with_activations(patient, activation))
        yield steep, f"with {activation} for its activations", OTHERWISE


def _with_activations(patient: Patient, activation: str) -> Layer:
    """Return the network with other activations before its output."""
    trainer = patient.trainer
    t = Trace(trainer.task, trainer.carried, DataTypes.of(patient.data), training=True)
    t.row_losses()
    last = {part for part, _, y in t.variables.activations if y is t.prediction}
    before = {part for part, _, _ in t.variables.activations} - last

    def replaced(path: str, field: Field | None, part: Any) -> Any:
        if field is None or field.name != "activation" or path.rpartition(".")[0].strip(".") not in before:
            return part  # in a layer of a user's own it may be anything
        return part if as_activation(part) is as_activation("identity") else activation

    return map_parts(trainer.task.network, "", replaced)
