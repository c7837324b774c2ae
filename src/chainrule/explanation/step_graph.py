"""StepGraph: a training step with the values in it that a story is told of; Recording: with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.graph.evaluate import numbers_of
from chainrule.graph.loop import Stage, bind
from chainrule.graph.types import Array
from chainrule.graph.value import Value


@dataclass(frozen=True)
class Slope:
    """The derivative f′ of an activation a = f(z).

    Attributes
    ----------
    inner : Value
        z.
    value : Value
        f′(z), of the shape of z. Where f takes all units together, as softmax does, ∂a_i/∂z_j: one axis more.
    """

    inner: Value
    value: Value

    @property
    def of_each(self) -> bool:
        """Whether f acts on each element by itself."""
        return self.value.ndim == self.inner.ndim


@dataclass(frozen=True)
class Softmax:
    """p = e^v / Σ e^v: the derivative of ln Σ e^v by v.

    Attributes
    ----------
    power, total : Value
        e^v, and the sum of them.
    value : Value
        p, of the shape of v.
    """

    power: Value
    total: Value
    value: Value


@dataclass(frozen=True)
class StepGraph:
    """One training step: forward, loss, backward, update.

    Attributes
    ----------
    stage : Stage
        The whole step as a graph.
    x : Value
        The rows.
    data : dict of Value
        Targets and sample weights, by name.
    parameters : dict of Value
        By name.
    state : dict of Value
        What layers and the optimizer keep, by name.
    loss : Value
        What is differentiated.
    derivatives : dict of Value to Value
        For every value on the way the derivative of the loss by it.
    slopes : dict of Value to Slope
        For the output of an activation: its derivative f′.
    softmaxes : tuple of Softmax
        For each logarithm of a sum of powers.
    gradients : dict of Value
        The derivative of the loss by every parameter.
    rates : sequence of Value
        The learning rate of this step, where a schedule computes it; empty where it is a given number.
    new : dict of Value
        Parameters, and what layers and the optimizer keep, after the step, by name.
    """

    stage: Stage
    x: Value
    data: Mapping[str, Value]
    parameters: Mapping[str, Value]
    state: Mapping[str, Value]
    loss: Value
    derivatives: Mapping[Value, Value]
    slopes: Mapping[Value, Slope]
    softmaxes: tuple[Softmax, ...]
    gradients: Mapping[str, Value]
    rates: Sequence[Value]
    new: Mapping[str, Value]

    def record(self, arrays: Mapping[str, Array]) -> Recording:
        """Run the step on NumPy and keep what every value came to."""
        graph = self.stage.graph
        return Recording(self, numbers_of(graph, bind(graph.inputs, arrays)))


@dataclass(frozen=True)
class Recording:
    """A step with the number of every value in it."""

    step: StepGraph
    numbers: Mapping[Value, Array]

    @property
    def rows(self) -> int:
        """How many rows it had."""
        return len(self.numbers[self.step.x])

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand over each value after its operands, so that none is pickled deep inside of another."""
        values = sorted(self.numbers, key=lambda value: value.serial)
        return _restored, (values, self.step, self.numbers)


def _restored(
    values: list[Value],
    step: StepGraph,
    numbers: Mapping[Value, Array],
) -> Recording:
    """Return the recording; its values are read first, and found again in the others."""
    return Recording(step, numbers)
