"""A network examined before it is trained: few verdicts, each with its evidence and a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chainrule.diagnosis import data
from chainrule.diagnosis.by_heart import two_rows
from chainrule.diagnosis.finite import finite_at_start
from chainrule.diagnosis.flow import EXPLODING, VANISHING, judged_ratios, relative_gradients, update_ratios
from chainrule.diagnosis.leaks import columns
from chainrule.diagnosis.patient import MOST_LOOKED_AT, Patient
from chainrule.diagnosis.small_weights import small_weights
from chainrule.diagnosis.start import (
    TOO_HIGH,
    gradients_at_start,
    output_for_loss,
    start_loss,
)
from chainrule.diagnosis.trials import learning_rate, rate_trial, undiminished_ratios
from chainrule.diagnosis.units import dropped_units, identical_units, silent_units
from chainrule.diagnosis.use_of_input import is_alike, sees_input
from chainrule.diagnosis.vanishing import confirmed
from chainrule.diagnosis.verdict import Verdict


@dataclass(frozen=True)
class Diagnosis:
    """What `Model.diagnose` found; it counts as true if nothing is wrong.

    Attributes
    ----------
    verdicts : tuple of Verdict
        What is wrong, causes before consequences.
    checked : tuple of str
        What was looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) * [1, 1, 5000]
    >>> net = cr.Sequential([cr.Dense(8, activation="tanh"), cr.Dense(1)])
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> [verdict.name for verdict in model.diagnose(x, np.sin(x[:, 0])).verdicts]
    ['features of wildly different scale']
    """

    verdicts: tuple[Verdict, ...]
    checked: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.verdicts

    def __bool__(self) -> bool:
        return self.sound

    def __str__(self) -> str:
        looked = f"looked at: {', '.join(self.checked)}"
        return "\n".join([*(map(str, self.verdicts) if self.verdicts else ["nothing is wrong"]), looked])


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes
    ----------
    name : str
        What it is about.
    look : callable
        Takes the patient, and yields verdicts.
    unless : tuple of str
        Verdicts that explain what it would find; after one of these it is left out.
    """

    name: str
    look: Callable[[Patient], Iterator[Verdict]]
    unless: tuple[str, ...] = ()


_SCALE = ("features of wildly different scale", "features far from unit scale")
_TARGET = "target far from unit scale"
_TWICE = ("softmax twice", "sigmoid twice", "activation on logits")
_COPIES, _DROPPED = "units that are copies", "dropout too high"
_SILENT = (_COPIES, "dead units", "saturated units", _DROPPED)
_FLOW = (VANISHING, EXPLODING)
_NOT_FINITE = ("loss is not finite", "gradient is not finite")


def _units(patient: Patient) -> Iterator[Verdict]:
    some = replace(patient, data=patient.some(MOST_LOOKED_AT), trials={}, _memo={})
    if not is_alike(some.data):  # one row lets half of the units of relu be dead, and zeros all
        yield from silent_units(some)


def _flow(patient: Patient) -> Iterator[Verdict]:
    found = list(small_weights(patient))
    if found:
        yield from found
        return
    for verdict in gradients_at_start(patient):
        told = confirmed(patient, verdict) if verdict.name == VANISHING else verdict
        if told is not None:
            yield told


def _steps(patient: Patient) -> Iterator[Verdict]:
    usual = rate_trial(patient, 1.0)
    found = list(learning_rate(patient, usual))
    ratios = undiminished_ratios(usual.history)
    moves = {part: max(epochs) for part, epochs in ratios.items()}  # a loss of 0 moves nothing any more
    weights, network = patient.weights, patient.trainer.task.network
    relative = relative_gradients(weights, patient.gradients)
    yield from found or update_ratios(network, judged_ratios(moves, weights), relative)


CHECKS = [
    Check("scale of the features", data.features),
    Check("scale of the target", data.target),
    Check("duplicated and leaking columns", columns),
    Check("finite loss and gradients", finite_at_start),
    Check("output for the loss", output_for_loss, _NOT_FINITE),
    Check("units that are copies", identical_units, _NOT_FINITE),
    Check("dropout", dropped_units, _NOT_FINITE),
    Check("loss at the start", start_loss, (*_NOT_FINITE, *_SCALE, _TARGET, *_TWICE, _COPIES, _DROPPED)),
    Check("dead and saturated units", _units, (*_NOT_FINITE, *_SCALE, _COPIES)),
    Check("gradients by layer", _flow, (*_NOT_FINITE, *_SCALE, _TARGET, TOO_HIGH, EXPLODING, *_SILENT)),
    Check(
        "learning rate and updates",
        _steps,
        (*_NOT_FINITE, *_SCALE, _TARGET, TOO_HIGH, *_TWICE, *_SILENT, *_FLOW),
    ),
    Check(
        "two rows by heart", two_rows, (*_NOT_FINITE, *_SCALE, _TARGET, TOO_HIGH, *_TWICE, *_SILENT, *_FLOW)
    ),
    Check(
        "use of the input",
        sees_input,
        (*_NOT_FINITE, *_SCALE, _TARGET, TOO_HIGH, *_TWICE, *_SILENT, *_FLOW, "cannot overfit two rows"),
    ),
]


def examine(patient: Patient) -> Diagnosis:
    """Look at everything in turn; what follows from a verdict that is given already is not told again."""
    verdicts: list[Verdict] = []
    checked = []
    for check in CHECKS:
        if not {verdict.name for verdict in verdicts} & set(check.unless):
            verdicts += check.look(patient)
            checked.append(check.name)
    return Diagnosis(tuple(verdicts), tuple(checked))
