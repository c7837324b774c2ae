"""A model read back from its file."""

from __future__ import annotations

import os

from chainrule.graph.names import checked_options
from chainrule.model import Model
from chainrule.training.saving import load_trainer, unreadable


@checked_options
def load(path: str | os.PathLike[str]) -> Model:
    """Return the model that `Model.save` wrote. Nothing in the file is run.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file, or it is a folder; either is a ValueError as well.
    ValueError
        If it is not a model file, is damaged, or comes from a newer version.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    >>> model.build(features=2)
    >>> model.save("line.safetensors")
    >>> bool((cr.load("line.safetensors").predict([[1, 2]]) == model.predict([[1, 2]])).all())
    True
    """
    trainer, kept = load_trainer(path, more=("seed", "metadata"))
    task = trainer.task
    try:
        model = Model(
            task.network,
            loss=task.loss,
            objective=task.objective,
            optimizer=task.optimizer,
            penalties=task.penalties,
            dtype=task.dtype,
            seed=kept["seed"],
        )
    except (TypeError, ValueError) as error:
        raise unreadable(path, error) from None
    model._trainer = trainer
    model.metadata = kept["metadata"]
    return model
