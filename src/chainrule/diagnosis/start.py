"""The output that the loss is given, and the loss at the start, beside what is to be expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.data import STANDARDIZE, standardized
from chainrule.diagnosis.flow import (
    EXPLODING,
    NO_BIASES,
    gradient_flow,
    large_weights,
    relative_gradients,
    told_of_large,
    told_of_large_biases,
)
from chainrule.diagnosis.parts import takes_numbers
from chainrule.diagnosis.patient import MOST_LOOKED_AT, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.units import much_dropped
from chainrule.diagnosis.verdict import Verdict
from chainrule.functions import mean
from chainrule.gradient.transforms import grad
from chainrule.graph.loop import run_stage
from chainrule.graph.origin import part_of
from chainrule.graph.types import Array
from chainrule.losses import BinaryCrossEntropy, CrossEntropy, FunctionLoss, MeanSquaredError

TOO_HIGH = "loss at the start too high"
#: Weights are drawn so often to see whether outputs are never below 0; one is by chance half of the time.
DRAWS = 16


def output_for_loss(patient: Patient) -> Iterator[Verdict]:
    """Find probabilities, or numbers that are never below 0, that are handed to a loss which takes logits."""
    loss = patient.trainer.task.loss
    if not isinstance(loss, CrossEntropy | BinaryCrossEntropy):
        return
    several = isinstance(loss, CrossEntropy)
    remedy = "let the last layer have no activation; predict(x, link=True) gives the probabilities"
    if gives_probabilities(patient, several):
        function = "softmax" if several else "sigmoid"
        found = (
            f"the network's outputs are probabilities already, and {type(loss).__name__} applies {function}"
        )
        yield Verdict(f"{function} twice", "", found, remedy)
    elif all(np.all(output >= 0) for output in _outputs_of_drawn_weights(patient)):
        found = "the network's outputs are never below 0, whatever its weights are, and "
        found += f"{type(loss).__name__} takes numbers of either sign"
        yield Verdict("activation on logits", "", found, remedy)


def gives_probabilities(patient: Patient, several: bool) -> bool:
    """Whether the network's outputs are probabilities whatever its weights are."""
    stage = patient.trainer.stage("prediction")
    given = patient.trainer.arrays(patient.some(MOST_LOOKED_AT))
    names, weights = patient.trainer.predicting_names(), _without_zeros(patient.weights, patient.seed)
    weights = {names[name]: array for name, array in weights.items()}
    return all(
        _are_probabilities(run_stage(stage, {**given, **_times(weights, factor)})["prediction"], several)
        for factor in (1.0, 100.0, -100.0)
    )


def _outputs_of_drawn_weights(patient: Patient) -> Iterator[Array]:
    """Yield the outputs for some rows with weights drawn at random, anew each time."""
    stage = patient.trainer.stage("prediction")
    given = patient.trainer.arrays(patient.some(MOST_LOOKED_AT))
    names, draw = patient.trainer.predicting_names(), np.random.default_rng(patient.seed).normal
    for _ in range(DRAWS):
        drawn = {
            names[name]: draw(size=array.shape).astype(array.dtype) for name, array in patient.weights.items()
        }
        yield run_stage(stage, {**given, **drawn})["prediction"]


def _are_probabilities(output: Array, several: bool) -> bool:
    """Whether numbers lie between 0 and 1; those of several classes sum to 1."""
    between = bool(np.all((output >= 0) & (output <= 1)))
    return between and (not several or np.allclose(np.sum(output, axis=-1), 1, atol=1e-3))


def _without_zeros(weights: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Return the weights with random numbers for arrays of zeros: 0 is a probability, whatever its factor."""
    generator = np.random.default_rng(seed)
    return {
        name: array if array.any() else generator.normal(size=array.shape).astype(array.dtype)
        for name, array in weights.items()
    }


def _times(weights: Mapping[str, Array], factor: float) -> dict[str, Array]:
    """Return weights so large that an output without bounds does not stay between 0 and 1 by chance."""
    return {name: array * np.asarray(factor, array.dtype) for name, array in weights.items()}


def start_loss(patient: Patient) -> Iterator[Verdict]:
    """Compare the loss at the start with -ln(1/C), the target's variance, or the like.

    Where weights before the last layer are too large, gradients explode with it.
    """
    found = list(_loss_too_high(patient))
    last = part_of(list(patient.weights)[-1])
    if any(verdict.name == TOO_HIGH for verdict in found) and large_weights(patient.weights).keys() - {last}:
        found = [verdict for verdict in gradients_at_start(patient) if verdict.name == EXPLODING] or found
    yield from found


def gradients_at_start(patient: Patient) -> Iterator[Verdict]:
    """Find the layers in which gradients vanish, or explode, with the weights as they are."""
    sizes = relative_gradients(patient.weights, patient.gradients)
    relative = {part: size for part, size in sizes.items() if part not in patient.held}
    network, usual = patient.trainer.task.network, slope_of_ignorance(patient)
    yield from gradient_flow(network, relative, usual, patient.weights)


def _loss_too_high(patient: Patient) -> Iterator[Verdict]:
    """Find a loss that is too high, and its cause: features, dropout, weights, or biases."""
    guess = loss_of_ignorance(patient)
    most = max(LIMITS.start_loss * guess.loss, guess.fresh) if guess else 0.0
    if not guess or not np.inf > patient.start_loss > most > 0:  # where it is not finite, that is traced
        return
    found = (
        f"{patient.start_loss:.4g}; a network that knows nothing should have {guess.words} = {guess.loss:.4g}"
    )
    data = patient.some(MOST_LOOKED_AT)
    if takes_numbers(patient.trainer.task.network) and data["x"].ndim == 2:
        x = standardized(data["x"].astype(float)).astype(patient.trainer.task.dtype)
        other = patient.gradients_of({**data, "x": x})["batch_loss"]
        if other <= most:
            reach = f"columns reach {np.max(np.abs(data['x'])):.4g}, and the loss at the start is {found}"
            evidence = f"{reach}; with standardized columns it would be {other:.4g}"
            yield Verdict("features far from unit scale", "x", evidence, STANDARDIZE)
            return
    predicting = patient.loss(data)
    if predicting <= most:  # dropout makes it so; as much as is usual is no fault
        yield from much_dropped(patient, f"the loss at the start is {found}; without it {predicting:.4g}")
        return
    network = patient.trainer.task.network
    large, biases = large_weights(patient.weights), told_of_large_biases(network, patient.weights)
    remedy = "start with smaller weights in the last layer, and standardize features and targets"
    if large:
        remedy = "start with smaller weights there: a variance of 1 / inputs to 2 / inputs is usual"
    elif biases:
        remedy = NO_BIASES
    found += told_of_large(network, large) + biases
    yield Verdict(TOO_HIGH, "", f"it is {found}", remedy)


class Guess(NamedTuple):
    """A guess that is alike for all rows: its loss, and what that is called.

    `fresh` is the loss of numbers as large as fresh weights may give, which is no fault, however little a
    guess costs: a target may be small, or lie beside 0, and a focal loss is small where nothing is known.
    """

    loss: float
    words: str
    fresh: float = 0.0


def loss_of_ignorance(patient: Patient) -> Guess | None:
    """Return the loss of a guess that is alike for all rows, if that is known."""
    return patient.once("guess", lambda: _guess(patient))


def _guess(patient: Patient) -> Guess | None:
    loss = patient.trainer.task.loss
    if loss is None or isinstance(loss, FunctionLoss) or not np.ptp(patient.data["y"], axis=0).any():
        return None
    y, output = patient.data["y"], patient.trainer.output
    prediction = np.zeros((len(y), *output.shape[1:]), output.dtype)
    if isinstance(loss, CrossEntropy | BinaryCrossEntropy):
        of = int(output.shape[-1]) if isinstance(loss, CrossEntropy) else 2
        even = float(np.mean(loss.reports(prediction, y)))
        log = float(np.log(of))  # a focal loss is less for a guess, and hardly for what is wrong
        words = f"-ln(1/{of})" if np.isclose(even, log) else f"the loss of probabilities of 1/{of}"
        return Guess(even, words, LIMITS.start_loss * log)
    large = np.full_like(prediction, LIMITS.fresh_output)
    fresh = float(np.mean(loss.reports(large, y)) + np.mean(loss.reports(-large, y))) / 2
    words = "the loss of a guess of 0"
    if np.array_equal(loss.link(prediction + 1), prediction + 1):  # of a number to predict the mean is better
        prediction += np.mean(y, axis=0).reshape(-1 if y.ndim > 1 else ())
        words = "the target's variance" if isinstance(loss, MeanSquaredError) else "the loss of the mean"
    return Guess(float(np.mean(loss.reports(prediction, y))), words, fresh)


def is_learning(patient: Patient, loss: float) -> bool:
    """Whether a loss is far below that of a guess that is alike for all rows."""
    guess = loss_of_ignorance(patient)
    return guess is not None and loss < LIMITS.learnt * guess.loss


def slope_of_ignorance(patient: Patient) -> float | None:
    """Return how steep the loss is by a row's prediction where all are 0; None if that is unknown, or 0.

    It tells the loss's unit: of a loss that is a thousand times as large, it is that, too.
    """
    return patient.once("slope", lambda: _slope(patient))


def _slope(patient: Patient) -> float | None:
    loss = patient.trainer.task.loss
    if loss is None:
        return None
    y, output = patient.data["y"], patient.trainer.output
    guess = np.zeros((len(y), *output.shape[1:]), output.dtype)
    by_row = grad(lambda prediction: mean(loss(prediction, y)))(guess)
    slope = float(np.sum(np.sqrt(np.sum(by_row.reshape(len(y), -1).astype(float) ** 2, axis=-1))))
    return slope if 0 < slope < np.inf else None
