"""Early stopping, as more of the graph: it is decided at the end of an epoch, inside the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.functions import isfinite, logical_and, where
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Stage
from chainrule.graph.names import CheckedOptions
from chainrule.graph.types import FLOAT64, Array, ArrayType
from chainrule.graph.value import Value, input_value

_BEST, _WAITED = "early_stopping/best", "early_stopping/waited"
_KEPT = "best/"


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

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.EarlyStopping(patience=3, monitor="loss").patience
    3
    """

    patience: int = 10
    min_delta: float = 0.0
    monitor: str = "validation_loss"
    mode: str = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        whole = isinstance(self.patience, int) and self.patience >= 1
        if not whole or not self.min_delta >= 0 or self.mode not in ("min", "max"):
            raise ValueError(
                "EarlyStopping: patience is a whole number of at least 1, min_delta not negative, mode 'min' "
                f"or 'max', not {self.patience!r}, {self.min_delta!r} and {self.mode!r}"
            )

    def initial(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the loop carries for it: the best loss, the epochs waited, the best weights."""
        counters = {_BEST: np.asarray(np.inf), _WAITED: np.asarray(0.0)}
        best = {_KEPT + name: array for name, array in kept.items()} if self.restore_best else {}
        return {**counters, **best}

    def stage(self, kept: Mapping[str, ArrayType]) -> Stage:
        """Return the graph of the decision; `kept` are the arrays that make up the best weights."""
        scalar = ArrayType((), FLOAT64)
        inputs = {name: _input(name, scalar) for name in (_BEST, _WAITED, self.monitor)}
        loss = -inputs[self.monitor] if self.mode == "max" else inputs[self.monitor]
        better = logical_and(loss < inputs[_BEST] - self.min_delta, isfinite(loss))
        waited = where(better, 0.0, inputs[_WAITED] + 1)
        stop = waited >= self.patience
        outputs = {_BEST: where(better, loss, inputs[_BEST]), _WAITED: waited, "stop": stop}
        if self.restore_best:
            for name, type_ in kept.items():
                now = inputs[name] = _input(name, type_)
                best = inputs[_KEPT + name] = _input(_KEPT + name, type_)
                outputs[_KEPT + name] = where(better, now, best)
        return Stage(Graph(list(inputs.values()), list(outputs.values())), tuple(outputs))


def with_best(carried: Mapping[str, Array]) -> dict[str, Array]:
    """Return the carried arrays with the best weights in place of the last ones, where best ones are kept.

    It is how a fit ends; the loop itself goes on from the last ones, should it be asked for more epochs.
    """
    best = {name.removeprefix(_KEPT): array for name, array in carried.items() if name.startswith(_KEPT)}
    return {**carried, **best}


def _input(name: str, type_: ArrayType) -> Value:
    return input_value(name, type_.shape, type_.dtype)
