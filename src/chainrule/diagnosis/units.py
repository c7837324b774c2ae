"""Units that say nothing, or nothing of their own: dead ones, saturated ones, copies, and dropped ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set

import numpy as np

from chainrule.diagnosis.flow import NO_BIASES, large_weights, told_of_large, told_of_large_biases
from chainrule.diagnosis.parts import layer_at, so_in, title
from chainrule.diagnosis.patient import MOST_LOOKED_AT, Patient
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.functions import sum as sum_of
from chainrule.gradient.backward import backward
from chainrule.graph.loop import Stage, run_stage
from chainrule.graph.origin import part_of
from chainrule.graph.types import Array
from chainrule.graph.value import Value, as_value
from chainrule.graph.words import counted
from chainrule.layers import Dropout
from chainrule.optimizers import SGD
from chainrule.training.memo import remembered
from chainrule.training.step import Trace
from chainrule.training.task import DataTypes

#: Plain descent that shows whether units are copies: after it they differ by at most this part of its way.
RATE, FEW_STEPS, SAME = 0.1, 20, 1e-3

DEAD, SATURATED = "dead units", "saturated units"
#: What to do about them; the second before the first step, when no learning rate has made them so.
REMEDIES = {
    DEAD: (
        "lower the learning rate, start with zero biases, standardize features, or try leaky_relu",
        "start with weights around 0, standardize the features, or try leaky_relu",
    ),
    SATURATED: (
        "lower the learning rate, start with smaller weights, or standardize the features",
        "start with smaller weights, or standardize the features",
    ),
}

Arrays = Mapping[str, Array]


def silent_units(patient: Patient, at_start: Set[str] | None = None) -> Iterator[Verdict]:
    """Find layers in which most units are dead, or half of them saturated.

    Parameters
    ----------
    patient : Patient
        Whose layers they are, with some rows.
    at_start : set of str, optional
        Layers that were saturated before the first step, as verdicts name them: of these, and of all before
        that step, most slopes are flat, no matter of which units. What is learnt may make them so, too.
    """
    trainer = patient.trainer
    if patient.rows < LIMITS.unit_rows:
        return
    network, found = trainer.task.network, dict[str, Verdict]()  # one for each layer, however often called
    biases = told_of_large_biases(network, patient.weights)
    cause = biases or told_of_large(network, large_weights(patient.weights))
    stage = _activation_stage(patient)
    results = run_stage(stage, trainer.arrays(patient.data)) if stage.outputs else {}
    for name in stage.outputs[::2]:
        part = name.rpartition(" ")[0]
        where = title(network, part)
        fresh = trainer.loop_state.step == 0 if at_start is None else where in at_start
        silence = _silence(results[name], np.abs(results[f"{name}'"]), fresh)
        if silence is not None:
            kind, told = silence
            remedy = NO_BIASES if fresh and biases else REMEDIES[kind][fresh]
            found[part] = Verdict(kind, where, told + cause * fresh, remedy)
    yield from found.values()


def _silence(y: Array, slope: Array, fresh: bool) -> tuple[str, str] | None:
    """Return what most units of a layer are, dead or saturated, and how many; None if most are neither."""
    off, flat = (slope == 0) & (y == 0), slope < LIMITS.flat_slope
    rows = tuple(range(y.ndim - 1))
    dead = float(np.mean(np.all(off, axis=rows)))
    mostly_flat = np.mean(flat, axis=rows) > LIMITS.mostly_flat
    saturated = float(np.mean(mostly_flat & np.any(flat & ~off, axis=rows)))
    flat_share = float(np.mean(flat & ~off))
    if dead >= LIMITS.dead_units:
        return DEAD, f"{100 * dead:.0f} % give 0 and have no slope in any of {len(y)} rows"
    if saturated >= LIMITS.saturated_units:
        told = (
            f"{100 * saturated:.0f} % have a slope below {LIMITS.flat_slope} in nearly all of {len(y)} rows"
        )
        return SATURATED, told
    if fresh and flat_share >= LIMITS.flat_at_start:
        told = f"{100 * flat_share:.0f} % of its slopes in {len(y)} rows are below {LIMITS.flat_slope}"
        return SATURATED, told
    return None


def _activation_stage(patient: Patient) -> Stage:
    """Return the graph of each activation's results and slopes, named by the layers' paths.

    The slopes are read off the derivative of Σ ± y, with signs that alternate: where a unit's result depends
    on its own sum only, it is ± f'(z). With equal signs that of a softmax, whose units sum to 1, would be 0.
    """
    trainer = patient.trainer
    types = DataTypes.of(patient.data)

    def make() -> Stage:
        t = Trace(trainer.task, trainer.carried, types, training=True)
        t.row_losses()
        outputs: dict[str, Value] = {}
        for part, z, y in t.variables.activations:
            if y is z:
                continue  # the identity
            signs = 1.0 - 2.0 * (np.indices([int(dim) for dim in z.shape[1:]]).sum(axis=0) % 2)
            total = sum_of(y * as_value(signs.astype(y.dtype)))
            name = f"{part} {len(outputs) // 2}"
            outputs[name] = y
            (outputs[f"{name}'"],) = backward(total, [z])
        return t.stage(outputs)

    return remembered("activations", trainer.task, trainer.carried, types, make)


def identical_units(patient: Patient) -> Iterator[Verdict]:
    """Find layers before the last all of whose units start as copies of one, and say the same.

    What is after them, or dropout, may tell them apart before that: the gradient of the next layer, or some
    steps of plain descent, show it.
    """
    last = part_of(list(patient.weights)[-1])
    units = {
        part_of(name): array.shape[-1]
        for name, array in patient.weights.items()
        if array.ndim > 1 and array.shape[-1] > 1 and part_of(name) != last
    }
    copies = [part for part in units if _are_copies(patient.weights, part)]
    if not copies:
        return
    moved = patient.copy(SGD(RATE))
    moved.train(patient.some(MOST_LOOKED_AT), steps=FEW_STEPS)
    staying = [part for part in copies if _are_copies(moved.weights, part, patient.weights)]
    found = [part for part in copies if part in staying or _say_the_same(patient, part, units[part])]
    if found:
        count = units[found[0]]
        same = " and change alike, as one unit"
        if found[0] not in staying:
            same = f", so the next layer is given one number {count} times"
        yield Verdict(
            "units that are copies",
            title(patient.trainer.task.network, found[0]),
            f"its {count} units start with the same weights{same}{so_in(found)}",
            "draw the initial weights at random, as layers do unless a weight_initializer is given",
        )


def _say_the_same(patient: Patient, part: str, units: int) -> bool:
    """Whether the next matrix that takes so many numbers is given the same one for each of them.

    Its gradient tells: it is that of its sums times what it is given. It is looked at where nothing that
    starts at 0 lets nothing through.
    """
    names = [name for name, array in patient.weights.items() if array.ndim > 1]
    after = max(i for i, name in enumerate(names) if part_of(name) == part) + 1
    taking = next((name for name in names[after:] if patient.weights[name].shape[-2] == units), None)
    if taking is None:
        return False
    other, generator, drawn = patient.copy(), np.random.default_rng(patient.seed), {}
    for name in names:
        array = patient.weights[name]
        if part_of(name) == part or not array.any():
            shape = (*array.shape[:-1], 1) if part_of(name) == part else array.shape
            numbers = generator.normal(size=shape) / np.sqrt(array.shape[-2])
            drawn[name] = np.broadcast_to(numbers, array.shape).astype(array.dtype)
    other.trainer.replace_arrays(drawn)
    gradient = other.gradients[taking]
    largest = np.max(np.abs(gradient))
    return bool(np.all(np.ptp(gradient, axis=-2) <= SAME * largest) and largest > 0)


def _are_copies(weights: Arrays, part: str, before: Arrays | None = None) -> bool:
    """Whether all units have the same weights, up to what rounding does to a change."""
    mine = [name for name in weights if part_of(name) == part]
    changes = [float(np.max(np.abs(weights[name] - before[name]))) for name in mine] if before else [0.0]
    return all(bool(np.all(np.ptp(weights[name], axis=-1) <= SAME * max(changes))) for name in mine)


def dropped_units(patient: Patient) -> Iterator[Verdict]:
    """Find dropout that leaves so few units that nothing gets through."""
    for part, rate, units in _dropout_layers(patient):
        left = units * (1 - rate)
        if rate > LIMITS.much_dropped and left < LIMITS.least_left:
            found = (
                f"a step leaves {left:.2g} of {counted(units, 'unit')} on average, times {1 / (1 - rate):.3g}"
            )
            yield _dropout_too_high(patient, part, found)
            return


def much_dropped(patient: Patient, found: str) -> Iterator[Verdict]:
    """Name the dropout with the highest rate, if that is unusual, as the cause of what was found."""
    part, rate, _ = max(_dropout_layers(patient), key=lambda layer: layer[1], default=("", 0.0, 0))
    if rate > LIMITS.much_dropped:
        yield _dropout_too_high(patient, part, f"its rate is {rate:g}, and {found}")


def _dropout_layers(patient: Patient) -> Iterator[tuple[str, float, int]]:
    """Yield the places of dropout between layers, with the rate and the number of units."""
    trainer = patient.trainer
    stage = trainer.stage("gradients", DataTypes.of(patient.data))
    for value in stage.graph.equations:
        layer = layer_at(trainer.task.network, value.origin.part)
        if isinstance(layer, Dropout) and value.dtype.kind == "f" and len(value.shape) > 1:
            yield value.origin.part, layer.rate, math.prod(int(dim) for dim in value.shape[1:])


def _dropout_too_high(patient: Patient, part: str, found: str) -> Verdict:
    where = title(patient.trainer.task.network, part)
    return Verdict("dropout too high", where, found, "lower its rate; 0.1 to 0.5 are usual")
