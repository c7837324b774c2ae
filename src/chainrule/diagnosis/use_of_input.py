"""Whether the input helps: on rows held out, beside a network that is shown zeros."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.by_heart import least_loss
from chainrule.diagnosis.data import standardized
from chainrule.diagnosis.linear import is_linear, told_by_lines
from chainrule.diagnosis.parts import first_layer
from chainrule.diagnosis.patient import BATCH, MOST_TRAINED_ON, STEPS, Data, Patient, taken
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.loop import run_stage
from chainrule.graph.types import Array
from chainrule.layers import Embedding
from chainrule.losses import BinaryCrossEntropy, CrossEntropy
from chainrule.optimizers import Adam

#: Of few rows all are held out, a part of them at a time.
FEW, FOLDS, MOST_HELD_OUT = 120, 3, 500
#: The held-out rows are looked at after so many steps in all.
LOOKS = (STEPS // 10, STEPS // 3, STEPS, 2 * STEPS)
#: Some need far more steps before the input helps at all, such as a sine of several waves; while the held-out
#: loss is not this part above its least, they may still come to it.
MORE_LOOKS, BY_HEART = (*LOOKS, 4 * STEPS, 8 * STEPS, 16 * STEPS), 0.1
#: Columns of a truth table have so many values.
FEW_VALUES = 3
#: Of an input of categories so many of the most frequent ones are looked at.
MOST_CATEGORIES = 1000
#: What is chance is measured on so many permutations of the targets.
DRAWS = 50
RATE = 3e-3
#: An objective is measured on groups of rows; the least loss on a few.
GROUP, FLOOR_ROWS = 8, 32
#: What to do about it.
APART = "check that rows of x and y belong together, that x tells anything about y, and that rows are enough"
ALIKE = "look where y comes from: rows of one class only, or one number, teach nothing"
HIDDEN = "put a hidden layer with an activation, such as relu, before the last layer"


def sees_input(patient: Patient) -> Iterator[Verdict]:
    """Find an input that does not help: on rows held out, a network that is shown zeros is as good."""
    if "y" not in patient.data:
        return
    data = patient.some(MOST_TRAINED_ON)
    if "sample_weight" in data:
        data = taken(data, np.flatnonzero(data["sample_weight"]))
    if np.all(data["y"] == data["y"][:1]):
        if len(data["y"]) >= LIMITS.table_rows and _is_told(patient, data):
            yield _useless(f"the targets of {len(data['y'])} rows are all alike", ALIKE)
        return
    if is_alike(data):
        yield _useless(f"{len(data['x'])} rows of x are all alike", APART)
    elif patient.rows >= LIMITS.held_out_rows:
        if not (_is_truth_table(data["x"]) or _correlated(_comparable(patient, data), patient.seed)):
            yield from _held_out_says(patient, data)
    elif is_linear(patient) and told_by_lines(data) < LIMITS.told_by_lines:
        part = f"{100 * told_by_lines(data):.1g} % of the target in {len(data['x'])} rows"
        yield _useless(f"outputs that are linear in the input explain {part}", HIDDEN)


def is_alike(data: Data) -> bool:
    """Whether all rows of the input are one, though their targets are not."""
    is_one = bool(np.all(data["x"] == data["x"][:1]))
    return is_one and "y" in data and not np.all(data["y"] == data["y"][:1])


def _is_told(patient: Patient, data: Data) -> bool:
    """Whether a target is a class, or a number other than 0, as the residual of an equation is to be."""
    loss = patient.trainer.task.loss
    return loss is not None and (isinstance(loss, CrossEntropy | BinaryCrossEntropy) or bool(data["y"].any()))


def _is_truth_table(x: Array) -> bool:
    """Whether there is one row for each combination of a few values: none of them tells of another."""
    if x.ndim != 2:
        return False
    values = np.array([len(np.unique(column)) for column in x.T])
    return bool(
        np.max(values) <= FEW_VALUES
        and np.prod(values, dtype=float) == len(x)
        and len(np.unique(x, axis=0)) == len(x)
    )


def _comparable(patient: Patient, data: Data) -> Data:
    """Return the data; numbers of categories, whose size says nothing, with a column for each of them."""
    if not isinstance(first_layer(patient.trainer.task.network), Embedding):
        return data
    x, frequent = data["x"].reshape(len(data["x"]), -1), list[tuple[int, int, float]]()
    for place, column in enumerate(x.T):
        values, counts = np.unique(column, return_counts=True)
        frequent += [(int(count), place, value) for value, count in zip(values, counts, strict=True)]
    chosen = [(place, value) for count, place, value in sorted(frequent)[-MOST_CATEGORIES:]]
    return {**data, "x": np.stack([x[:, place] == value for place, value in chosen], axis=1).astype(x.dtype)}


def _correlated(data: Data, seed: int) -> bool:
    """Whether a column of x and an output are correlated, more than all but a few permutations make them."""
    x = data["x"].reshape(len(data["x"]), -1)
    y = data["y"].reshape(len(x), -1)
    if y.dtype.kind != "f":
        y = y[:, :1] == np.unique(y[:, :1])
    x, y = standardized(x.astype(float)), standardized(y.astype(float))
    generator = np.random.default_rng(seed)
    chance = [np.max(np.abs(x.T @ generator.permutation(y))) for _ in range(DRAWS)]
    return bool(np.max(np.abs(x.T @ y)) > np.mean(chance) + LIMITS.correlated * np.std(chance))


def _held_out_says(patient: Patient, data: Data) -> Iterator[Verdict]:
    """Compare the loss on rows held out with that of a network that is shown zeros."""
    few = taken(data, np.arange(min(len(data["x"]), FLOOR_ROWS)))
    floor: float | None = None
    for looks in (LOOKS, MORE_LOOKS):
        blind, seeing = (_held_out(patient, data, shown, looks) for shown in (0, 1))
        taken_off = blind - seeing
        gain, spread = np.mean(taken_off), np.std(taken_off) / np.sqrt(len(taken_off))
        if not gain < 2 * spread:  # it helps, however little
            return
        if floor is None:
            floor = least_loss(patient, few) if patient.trainer.task.loss is not None else 0.0
        least = LIMITS.helps * (np.mean(blind) - (floor if np.isfinite(floor) else 0.0))
        if not (gain < least and gain + spread < 2 * least):
            return
        too_simple = _neighbours_agree(_comparable(patient, data), patient.seed)
        if too_simple and not is_linear(patient):
            return
    evidence = (
        f"on rows held out of {len(data['x'])} the loss comes down to {np.mean(seeing):.4g} "
        f"(± {spread:.1g}), and to {np.mean(blind):.4g} for a network that is shown zeros"
    )
    if too_simple:
        evidence += "; rows alike have targets alike, but outputs are linear in the input"
    yield _useless(evidence, HIDDEN if too_simple else APART)


def _useless(evidence: str, remedy: str) -> Verdict:
    return Verdict("input that does not help", "", evidence, remedy)


def _neighbours_agree(data: Data, seed: int) -> bool:
    """Whether rows with like inputs have like targets: the input tells something, learnt or not."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(data["x"]))  # of several that are equally near, any
    x, y = data["x"][order].reshape(len(order), -1).astype(float), data["y"][order]
    squares = np.sum(x * x, axis=1)
    distances = squares[:, None] + squares - 2 * x @ x.T
    np.fill_diagonal(distances, np.inf)
    nearest = np.argmin(distances, axis=1)

    def apart(y: Array) -> float:
        return float(np.mean(np.abs(y - y[nearest]) if y.dtype.kind == "f" else y != y[nearest]))

    chance = [apart(generator.permutation(y)) for _ in range(DRAWS)]
    return bool(apart(y) < np.mean(chance) - LIMITS.alike_targets * np.std(chance))


def _held_out(patient: Patient, data: Data, shown: int, looks: tuple[int, ...]) -> Array:
    """Return the loss of each held-out row with the input, or without it where 0 of it is shown."""
    rows = len(data["x"])
    order = np.random.default_rng(patient.seed).permutation(rows)
    folds = np.array_split(order, FOLDS) if rows <= FEW else [order[: min(rows // FOLDS, MOST_HELD_OUT)]]
    given = {**data, "x": data["x"] * np.asarray(shown, data["x"].dtype)}
    return np.concatenate(
        [
            _losses(patient, taken(given, np.setdiff1d(order, held)), taken(given, held), looks)
            for held in folds
        ]
    )


def _losses(patient: Patient, data: Data, held: Data, looks: tuple[int, ...]) -> Array:
    """Return the losses of held-out rows: of one half when the other half's were lowest, and the reverse."""
    copy, before, seen = patient.copy(Adam(RATE)), 0, list[Array]()
    for steps in looks:
        history = copy.train(data, steps - before, BATCH)
        if not np.isfinite(history["loss"][-1]):
            break
        seen.append(_row_losses(copy, held))
        before = steps
        least = min(map(np.mean, seen))
        if np.mean(seen[-1]) > least + BY_HEART * abs(least):
            break
    if not seen:
        return _row_losses(patient, held)
    found = np.array(seen)
    first = np.arange(found.shape[1]) % 2 == 0
    by_second, by_first = (int(np.argmin(np.mean(found[:, half], axis=1))) for half in (~first, first))
    chosen: Array = np.where(first, found[by_second], found[by_first])
    return chosen


def _row_losses(patient: Patient, data: Data) -> Array:
    """Return the loss of each row; of an objective, which may take rows together, those of groups."""
    trainer, loss = patient.trainer, patient.trainer.task.loss
    if loss is None:
        groups = np.array_split(np.arange(len(data["x"])), max(2, len(data["x"]) // GROUP))
        return np.array([patient.loss(taken(data, group)) for group in groups])
    prediction = run_stage(trainer.stage("prediction"), trainer.arrays(data))["prediction"]
    return np.asarray(loss.reports(prediction, data["y"]), float)
