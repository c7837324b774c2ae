"""A table becomes a trained model: split, describe, fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.app.description import Description, describe
from chainrule.app.holdout import hold_out
from chainrule.app.table import Table
from chainrule.app.target import NumberTarget, infer_classes, infer_number, labelled
from chainrule.graph.words import counted
from chainrule.layers import Dense, Sequential
from chainrule.model import Model
from chainrule.optimizers import AdamW
from chainrule.training.callbacks import Progress, Recorder
from chainrule.training.stopping import EarlyStopping

#: With fewer rows than this, the accuracy on the rows held out says nothing.
FEWEST_ROWS = 10
#: The weight updates that training makes unless it is told how many epochs, and the bounds of those.
UPDATES, FEWEST_EPOCHS, MOST_EPOCHS = 600, 10, 100


@dataclass(frozen=True)
class Settings:
    """What a person may choose about training.

    Attributes
    ----------
    epochs : int or None
        Passes over the training rows; None for as many as make about 600 weight updates, but 10 to 100.
    hidden : tuple of int
        The widths of the hidden layers.
    learning_rate : float
        Of AdamW.
    batch_size : int
        Rows in each weight update.
    held_out : float
        The part of the rows that training does not see.
    seed : int
        Of the split, the first weights and the shuffles.
    patience : int or None
        How many epochs without a smaller loss of the rows held out end training; None for all epochs.
    """

    epochs: int | None = None
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    batch_size: int = 32
    held_out: float = 0.2
    seed: int = 0
    patience: int | None = None

    def epochs_for(self, rows: int) -> int:
        """Return the number of epochs for so many training rows."""
        updates = -(-rows // self.batch_size)
        return self.epochs or min(max(UPDATES // updates, FEWEST_EPOCHS), MOST_EPOCHS)


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from, and to test with.

    Attributes
    ----------
    training, held_out : Table
        The rows of either part.
    description : Description
        How they become features and targets.
    unlabelled : int
        How many rows were left out because their target is missing.
    """

    training: Table
    held_out: Table
    description: Description
    unlabelled: int


def prepare(table: Table, target: str, ignored: Sequence[str], settings: Settings) -> Lesson:
    """Return the lesson in a table: its rows split, and its columns described by the training rows.

    Raises
    ------
    ValueError
        Where the target or an ignored column is not there, or there is too little to learn.
    """
    for name in (target, *ignored):
        table.require(name)
    if target in ignored:
        raise ValueError(f"the column {target!r} is the target and cannot be ignored as well; choose one")
    known = labelled(target, table)
    if len(known.rows) < FEWEST_ROWS:
        raise ValueError(
            f"{table.path} has {counted(len(known.rows), 'row')} with a {target!r}, of {len(table.rows)}; "
            f"training needs at least {FEWEST_ROWS}"
        )
    classes = infer_classes(target, known)
    order = classes.encode(known) if classes else [float(cell) for cell in known.column(target)]
    training, held_out = hold_out(order, settings.held_out, settings.seed, classes is not None)
    description = describe(known, classes or infer_number(target, known, training), ignored, training)
    unlabelled = len(table.rows) - len(known.rows)
    return Lesson(known.take(training), known.take(held_out), description, unlabelled)


def build(description: Description, settings: Settings) -> Model:
    """Return the untrained network for a table, its description in its metadata."""
    target = description.target
    hidden = [Dense(width, activation="relu", weight_initializer="he_normal") for width in settings.hidden]
    model = Model(
        Sequential([*hidden, Dense(target.outputs)]),
        loss=target.loss,
        optimizer=AdamW(settings.learning_rate),
        dtype="float32",
        seed=settings.seed,
    )
    model.metadata["table"] = description.to_json()
    model.build(features=description.features)
    return model


def fit(
    model: Model,
    lesson: Lesson,
    settings: Settings,
    watch: Callable[[Progress], None],
    checkpoint: Path | None = None,
) -> bool:
    """Train; return whether it went to its end. Ctrl-C ends it early, with what was learnt until then.

    Parameters
    ----------
    watch : callable
        Called after every epoch with the progress of the fit.
    checkpoint : Path, optional
        Where training is written now and then, and from where it goes on.
    """
    description = lesson.description
    parts = [
        (description.encode(part), learnable(description, part))
        for part in (lesson.training, lesson.held_out)
    ]

    stopping = [] if settings.patience is None else [EarlyStopping(settings.patience)]

    def keep_history(progress: Progress) -> None:
        model.metadata["history"] = progress.history.to_json()

    try:
        history = model.fit(
            *parts[0],
            epochs=settings.epochs_for(len(lesson.training.rows)),
            batch_size=settings.batch_size,
            validation_data=parts[1],
            callbacks=[watch, Recorder(), keep_history, *stopping],
            checkpoint=checkpoint,
        )
    except KeyboardInterrupt:
        return False
    model.metadata["history"] = history.to_json()
    return True


def learnable(description: Description, table: Table) -> Any:
    """Return the target of a table's rows as the network learns it."""
    target = description.target
    return (
        target.standardize(target.encode(table)) if isinstance(target, NumberTarget) else target.encode(table)
    )
