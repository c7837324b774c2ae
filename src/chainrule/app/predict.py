"""A trained model and a table become predictions."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.app.description import Description
from chainrule.app.table import Table
from chainrule.app.target import ClassTarget
from chainrule.graph.words import counted
from chainrule.loading import load
from chainrule.model import Model


@dataclass(frozen=True)
class Predictions:
    """What a model says about the rows of a table.

    Attributes
    ----------
    values : ndarray
        Class numbers (rows,), or predicted numbers (rows,).
    probabilities : ndarray or None
        Of each class, (rows, classes); None for predicted numbers.
    """

    values: NDArray[Any]
    probabilities: NDArray[Any] | None


def load_trained(path: str | Path) -> tuple[Model, Description]:
    """Return a model and what it knows about its table.

    Raises
    ------
    ValueError
        Where the file is not one that `chainrule train` has written.
    """
    model = load(path)
    if not isinstance(model.metadata, dict) or "table" not in model.metadata:
        raise ValueError(
            f"{path} holds a model without a description of its table: it was saved from Python; "
            "load it there with cr.load, or train one with: chainrule train"
        )
    try:
        return model, Description.from_json(model.metadata["table"])
    except ValueError as problem:
        raise ValueError(f"{path} cannot be used: {problem}; train the model again") from None


def predict_table(model: Model, description: Description, table: Table) -> Predictions:
    """Return what a model predicts for the rows of a table."""
    features = description.encode(table)
    target = description.target
    if isinstance(target, ClassTarget):
        probabilities = _outputs(model, features, target.outputs, link=True)
        return Predictions(np.argmax(probabilities, axis=1), probabilities)
    return Predictions(target.restore(_outputs(model, features, target.outputs)), None)


def _outputs(model: Model, features: NDArray[Any], count: int, *, link: bool = False) -> NDArray[Any]:
    """Return what the network says, (rows, count)."""
    outputs: NDArray[Any] = model.predict(features, link=link)
    if outputs.shape[1:] != (count,):
        raise ValueError(
            f"the network's output has the shape {outputs.shape}, and the model's table description tells of "
            f"{counted(count, 'output')}; train the model again"
        )
    return outputs


def to_csv(predictions: Predictions, description: Description) -> str:
    """Return predictions as CSV: one row for each of the table's, in its order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    target = description.target
    if isinstance(target, ClassTarget) and predictions.probabilities is not None:
        header = ["prediction", "probability", *(f"probability of {name}" for name in target.classes)]
        writer.writerow(header)
        for place, row in zip(predictions.values, predictions.probabilities, strict=True):
            writer.writerow([target.classes[place], *(f"{number:.6g}" for number in (row[place], *row))])
    else:
        writer.writerow(["prediction"])
        writer.writerows([f"{number:.7g}"] for number in predictions.values)
    return text.getvalue()
