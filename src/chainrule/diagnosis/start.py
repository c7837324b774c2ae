"""The output that the loss is given, and the loss at the start, beside what is to be expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from chainrule.diagnosis.patient import MOST_LOOKED_AT, Patient
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.loop import run_stage
from chainrule.graph.types import Array
from chainrule.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError

#: The loss at the start may be this many times what is expected of a network that knows nothing.
MOST_OF_EXPECTED = 5.0


def output_for_loss(patient: Patient) -> Iterator[Verdict]:
    """Find probabilities that are handed to a loss which takes logits."""
    loss = patient.trainer.task.loss
    if not isinstance(loss, CrossEntropy | BinaryCrossEntropy):
        return
    several = isinstance(loss, CrossEntropy)
    stage = patient.trainer.stage("prediction")
    given = patient.trainer.arrays(patient.some(MOST_LOOKED_AT))
    if all(
        _are_probabilities(
            run_stage(stage, {**given, **_times(patient.weights, factor)})["prediction"], several
        )
        for factor in (1.0, 100.0, -100.0)
    ):
        function = "softmax" if several else "sigmoid"
        yield Verdict(
            f"{function} twice",
            "",
            f"the network's outputs are probabilities already, and {type(loss).__name__} applies {function}",
            "let the last layer have no activation; predict(x, link=True) gives the probabilities",
        )


def _are_probabilities(output: Array, several: bool) -> bool:
    """Whether numbers lie between 0 and 1; those of several classes sum to 1."""
    between = bool(np.all((output >= 0) & (output <= 1)))
    return between and (not several or np.allclose(np.sum(output, axis=-1), 1, atol=1e-3))


def _times(weights: Mapping[str, Array], factor: float) -> dict[str, Array]:
    """Return weights so large that an output without bounds does not stay between 0 and 1 by chance."""
    return {name: array * np.asarray(factor, array.dtype) for name, array in weights.items()}


def start_loss(patient: Patient) -> Iterator[Verdict]:
    """Compare the loss at the start with -ln(1/C), or with the target's variance."""
    task = patient.trainer.task
    expected, words = math.nan, ""
    if isinstance(task.loss, CrossEntropy):
        classes = int(patient.trainer.output.shape[-1])
        expected, words = math.log(classes), f"-ln(1/{classes})"
    elif isinstance(task.loss, BinaryCrossEntropy):
        expected, words = math.log(2), "-ln(1/2)"
    elif isinstance(task.loss, MeanSquaredError):
        expected, words = float(np.mean(np.var(patient.data["y"], axis=0))), "the target's variance"
    found = patient.start_loss
    if expected > 0 and found > MOST_OF_EXPECTED * expected:
        yield Verdict(
            "loss at the start too high",
            "",
            f"it is {found:.4g}; a network that knows nothing should have {words} = {expected:.4g}",
            "start with smaller weights in the last layer, and standardize features and targets",
        )
