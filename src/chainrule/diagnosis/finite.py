"""Whether the loss and its gradient are finite at all, and where the first number that is not was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.parts import title
from chainrule.diagnosis.patient import MOST_LOOKED_AT, MOST_TRAINED_ON, Patient, chosen_rows, taken
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.loop import NotFiniteError, Stage, check_finite, run_stage
from chainrule.graph.types import Array
from chainrule.training.failure import Beginning, first_not_finite
from chainrule.training.task import DataTypes

#: What to do where training has not begun, so that it cannot have made the numbers large.
_REMEDY = (
    "keep what this operation is given where it and its derivative are finite, as log(z + 1e-6) and "
    "sqrt(z + 1e-6) do, or scale features and weights"
)


class Failure(NamedTuple):
    """A loss or a derivative that is NaN or infinite: its name, the number, and where that began."""

    name: str
    number: float
    beginning: Beginning

    @property
    def of_loss(self) -> bool:
        """Whether the loss itself is not finite."""
        return self.name == "batch_loss"


def failure_of(stage: Stage, arrays: Mapping[str, Array], rows: Array) -> Failure | None:
    """Return what is not finite of a stage's loss and its derivatives, if anything is; the loss first."""
    try:
        check_finite(run_stage(stage, arrays), arrays, rows)
    except NotFiniteError as failed:
        return Failure(failed.name, failed.number, first_not_finite(stage.graph, arrays, rows))
    return None


def finite_at_start(patient: Patient) -> Iterator[Verdict]:
    """Find a loss or a gradient that is not finite before anything is trained."""
    rows = chosen_rows(patient.rows, MOST_TRAINED_ON, patient.seed)
    for some in np.array_split(rows, -(-len(rows) // MOST_LOOKED_AT)):
        data = taken(patient.data, some)
        stage = patient.trainer.stage("gradients", DataTypes.of(data))
        failure = failure_of(stage, patient.trainer.arrays(data), some)
        if failure is not None:
            begun = failure.beginning
            yield Verdict(
                f"{'loss' if failure.of_loss else 'gradient'} is not finite",
                title(patient.trainer.task.network, begun.part) if begun.part else "",
                begun.found,
                begun.remedy or _REMEDY,
            )
            return
