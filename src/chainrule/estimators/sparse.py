"""Sparse x: where a row has few numbers, only their rows of the first weights are multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from chainrule.estimators.network import layers_of
from chainrule.functions import astype, expand_dims, sum, take
from chainrule.graph.sparse import SparseRows, Table
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import Value
from chainrule.layers import Dense, Layer, Sequential
from chainrule.layers.activation import activated
from chainrule.layers.context import Context
from chainrule.layers.embedding import EXACT_IN_FLOAT32
from chainrule.layers.layer import feature_count
from chainrule.training.memo import declared
from chainrule.training.trainer import Trainer

#: A product that finds its rows by number takes so many times as long, per multiplication, as a dense one.
_SLOWER = 16
#: Rows are padded to the longest one, if that takes at most so many times the memory that they need.
_FILLED = 4
#: The most numbers that a batch's rows of the first weights may be, beyond those of its dense rows.
NUMBERS = 1 << 25


@final
@dataclass(frozen=True)
class SparseDense(Layer):
    """A dense layer that is told the columns of a row's numbers, and then the numbers: y = f(x W + b).

    Attributes
    ----------
    features : int
        The width of x.
    dense : Dense
        The layer that it stands for, whose parameters it has.
    """

    features: int
    dense: Dense

    def forward(self, x: Value, context: Context) -> Value:
        """Return f(x W + b)."""
        dense, count = self.dense, feature_count(x) // 2
        weight = context.parameter("weight", (self.features, dense.units), dense.weight_initializer)
        columns, numbers = astype(x[:, :count], "int32"), expand_dims(x[:, count:], axis=-1)
        z = sum(take(weight, columns) * numbers, axis=1)
        return _biased(z, dense, context)


@final
@dataclass(frozen=True)
class Multiplied(Layer):
    """What is left of a dense layer that is given the product x W: y = f(x W + b).

    Attributes
    ----------
    dense : Dense
        The layer that it stands for, whose bias it has.
    """

    dense: Dense

    def forward(self, x: Value, context: Context) -> Value:
        """Return f(x + b)."""
        return _biased(x, self.dense, context)


def _biased(z: Value, dense: Dense, context: Context) -> Value:
    z = z + context.parameter("bias", (dense.units,), dense.bias_initializer)
    return activated(z, dense.activation, context)


def with_first(trainer: Trainer, first: Layer, x: ArrayType) -> Trainer:
    """Return a trainer with another first layer, for rows of that type, which stands where the other does.

    Its arrays have the same names; a parameter that the layer does not ask for is left out.
    """
    network = Sequential([first, *layers_of(trainer.task.network)[1:]])
    other, carried = Trainer(replace(trainer.task, network=network), 0), trainer.carried
    asked = declared(network, x).parameters
    parameters, state, optimizer_state = (
        {name: trainer.loop_state.carried[name] for name in names}
        for names in (asked, carried.state, carried.optimizer_state)
    )
    other.enter(x, trainer.output, parameters, state, optimizer_state)
    other.key, other.loop_state = trainer.key, trainer.loop_state
    return other


def fed(trainer: Trainer, tables: Mapping[str, Table], batch: int) -> tuple[Trainer, dict[str, Table]]:
    """Return the rows in the form that is the fastest to train on, and a trainer whose network takes that.

    It stands where the trainer stands, and its arrays have the same names.

    Parameters
    ----------
    trainer : Trainer
        Of a network that takes dense rows.
    tables : mapping
        x, and what else there is of each row.
    batch : int
        How many rows are taken at a time.
    """
    x, first = tables["x"], layers_of(trainer.task.network)[0]
    if not isinstance(x, SparseRows) or not isinstance(first, Dense) or not _pays(x, first.units, batch):
        return trainer, dict(tables)
    listed = x.columns_and_values()
    other = with_first(trainer, SparseDense(x.width, first), ArrayType((ROWS, listed.shape[1]), listed.dtype))
    return other, {**tables, "x": listed}


def _pays(x: SparseRows, units: int, batch: int) -> bool:
    longest = x.longest
    return (
        0 < _SLOWER * longest <= x.width <= EXACT_IN_FLOAT32
        and len(x) * longest <= _FILLED * len(x.values)
        and longest * units <= max(x.width, NUMBERS // batch)
    )
