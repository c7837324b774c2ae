"""Early stopping, as more of the graph: it is decided at the end of an epoch, inside the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from chainrule.functions import isfinite, logical_and, where
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import EVEN_ZERO, hyperparameters, with_inputs
from chainrule.graph.loop import Loop, Stage
from chainrule.graph.names import unknown_name
from chainrule.graph.options import AT_LEAST_ZERO, LENGTH, CheckedOptions
from chainrule.graph.types import FLOAT64, Array, ArrayType
from chainrule.graph.value import Value, input_like

_BEST, _WAITED = "early_stopping/best", "early_stopping/waited"
_KEPT = "best/"
_NUMBERS = "early_stopping"


@dataclass(frozen=True)
class EarlyStopping(CheckedOptions):
    """Stop when a loss has not become better for some epochs, and take back the best weights.

    Given to ``fit(callbacks=[...])``. It counts anew in each fit.

    Parameters
    ----------
    patience : int, default 10
        How many epochs in a row without an improvement end the fit.
    min_delta : float, default 0.0
        By how much the loss must fall below the best so far to count as an improvement.
    monitor : str, default "validation_loss"
        What is watched: ``"validation_loss"``, ``"loss"``, or a metric such as ``"validation_accuracy"``.
    mode : {"min", "max"}, default "min"
        Whether smaller or larger is better.
    restore_best : bool, default True
        Whether the fit ends with the weights of the best epoch, also when it was not stopped.

    Raises
    ------
    TypeError, ValueError
        If an option is not a number, or is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.EarlyStopping(patience=3, monitor="loss").patience
    3
    """

    patience: int = field(default=10, metadata=LENGTH)
    min_delta: float = field(default=0.0, metadata={**AT_LEAST_ZERO, **EVEN_ZERO})
    monitor: str = "validation_loss"
    mode: str = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mode(self)

    def initial(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the loop carries for it: the best loss, the epochs waited, the best weights."""
        counters = {_BEST: np.asarray(np.inf), _WAITED: np.asarray(0.0)}
        return {**counters, **(first_best(kept) if self.restore_best else {})}

    def arguments(self) -> dict[str, Array]:
        """Return its numbers, which the decision is given, by name."""
        return hyperparameters(self, _NUMBERS)

    def stage(self, kept: Mapping[str, ArrayType]) -> Stage:
        """Return the graph of the decision; `kept` are the arrays that make up the best weights."""
        scalar = ArrayType((), FLOAT64)
        inputs = {name: input_like(name, scalar) for name in (_BEST, _WAITED, self.monitor)}
        one = with_inputs(self, _NUMBERS, inputs)
        best, better, waited = waiting(inputs[self.monitor], inputs[_BEST], inputs[_WAITED], one)
        outputs = {_BEST: best, _WAITED: waited, "stop": waited >= one.patience}
        if self.restore_best:
            outputs |= kept_best(inputs, better, kept)
        return Stage(Graph(list(inputs.values()), list(outputs.values())), tuple(outputs))


class Patience(Protocol):
    """What waits for a loss to become better."""

    @property
    def patience(self) -> int:
        """How many epochs it waits."""

    @property
    def min_delta(self) -> float:
        """By how much the loss must become better."""

    @property
    def monitor(self) -> str:
        """The name of the loss."""

    @property
    def mode(self) -> str:
        """Whether smaller ("min") or larger ("max") is better."""


def check_mode(one: Patience) -> None:
    """Raise a ValueError if it is neither of the two."""
    if one.mode not in ("min", "max"):
        raise ValueError(f"{type(one).__name__}: mode is 'min' or 'max', not {one.mode!r}")


def check_monitor(one: Patience, loop: Loop) -> None:
    """Raise a ValueError if what is to be watched is not measured."""
    measured = ["loss"]
    if loop.validation is not None:
        measured += [f"validation_{name}" for name in loop.validation.outputs if name != "weight"]
    if one.monitor not in measured:
        more = "" if loop.validation is not None else "; validation_data= gives more"
        raise ValueError(f"{type(one).__name__}: {unknown_name('result', one.monitor, measured)}{more}")


def waiting(loss: Value, best: Value, waited: Value, one: Patience) -> tuple[Value, Value, Value]:
    """Return the new best, whether the loss is better than the old, and the epochs waited since the best."""
    loss = -loss if one.mode == "max" else loss
    better = logical_and(loss < best - one.min_delta, isfinite(loss))
    return where(better, loss, best), better, where(better, 0.0, waited + 1)


def first_best(kept: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a loop carries to keep the best weights: those that it starts with."""
    return {_KEPT + name: array for name, array in kept.items()}


def kept_best(inputs: dict[str, Value], better: Value, kept: Mapping[str, ArrayType]) -> dict[str, Value]:
    """Return the best weights after an epoch, the best so far or not; what they need joins `inputs`."""
    outputs = {}
    for name, type_ in kept.items():
        now = inputs[name] = input_like(name, type_)
        best = inputs[_KEPT + name] = input_like(_KEPT + name, type_)
        outputs[_KEPT + name] = where(better, now, best)
    return outputs


def with_best(carried: Mapping[str, Array]) -> dict[str, Array]:
    """Return the carried arrays with the best weights in place of the last ones, where best ones are kept.

    It is how a fit ends; the loop itself goes on from the last ones, should it be asked for more epochs.
    """
    best = {name.removeprefix(_KEPT): array for name, array in carried.items() if name.startswith(_KEPT)}
    return {**carried, **best}
