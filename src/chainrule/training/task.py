"""Task: what is trained, and towards what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.graph.hyperparameters import hyperparameters, with_inputs
from chainrule.graph.sparse import Table
from chainrule.graph.types import ROWS, Array, ArrayType, DType
from chainrule.graph.value import Value
from chainrule.layers import Layer
from chainrule.losses import Loss, Penalty
from chainrule.optimizers import Optimizer

#: A whole objective: (network, x, y) → one number a row, or one number. The network may be called any number
#: of times, and differentiated.
Objective = Callable[[Callable[[Any], Value], Value, Value | None], Value]


@dataclass(frozen=True)
class Task:
    """A network, what it is to minimise, and how.

    Attributes
    ----------
    network : Layer
        What is trained.
    loss : Loss or None
        How far a prediction is from its target; None where there is an objective.
    objective : callable or None
        Takes the place of the loss.
    optimizer : Optimizer
        The rule of the weight update.
    penalties : sequence of Penalty
        What is added to the loss for large weights.
    dtype : dtype
        Of all computation.
    shared_penalties : bool
        Whether the penalties are divided by the sum of a batch's sample weights, as scikit-learn's are.
    epoch_by_rows : bool
        Whether batches count by their rows in an epoch's loss, and not by their sample weights: so they do in
        scikit-learn's ``loss_curve_``.
    """

    network: Layer
    loss: Loss | None
    objective: Objective | None
    optimizer: Optimizer
    penalties: Sequence[Penalty]
    dtype: DType
    shared_penalties: bool = False
    epoch_by_rows: bool = False

    def hyperparameters(self) -> dict[str, Array]:
        """Return the numbers that are run-time arguments of its graphs, by path."""
        return hyperparameters(self, "task")

    def with_inputs(self, inputs: dict[str, Value]) -> Task:
        """Return the task with these numbers as inputs of a graph, entered into `inputs`."""
        return with_inputs(self, "task", inputs)


@dataclass(frozen=True)
class DataTypes:
    """The types of a batch: x, y (None where the objective takes none), and whether rows have weights."""

    x: ArrayType
    y: ArrayType | None
    weighted: bool

    @classmethod
    def of(cls, data: Mapping[str, Table]) -> DataTypes:
        """Return the types of a batch of these tables, by the names of the graphs' inputs."""

        def batch_of(table: Table) -> ArrayType:
            return ArrayType((ROWS, *table.shape[1:]), table.dtype)

        y = batch_of(data["y"]) if "y" in data else None
        return cls(batch_of(data["x"]), y, "sample_weight" in data)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs that hold rows."""
        return ("x", *(("y",) if self.y else ()), *(("sample_weight",) if self.weighted else ()))


@dataclass(frozen=True)
class CarriedTypes:
    """The types of the arrays that a step hands on to the next, by name."""

    parameters: Mapping[str, ArrayType]
    state: Mapping[str, ArrayType]
    optimizer_state: Mapping[str, ArrayType]
