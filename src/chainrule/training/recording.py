"""What is recorded of every step when somebody asks: gradient norms and update ratios, layer by layer.

They are more of the step's graph, and the loop carries their sums. A fit that records nothing runs a step
without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from chainrule.functions import astype, sqrt, sum, where
from chainrule.graph.loop import LoopState
from chainrule.graph.origin import part_of
from chainrule.graph.types import FLOAT64, Array
from chainrule.graph.value import Value, as_value
from chainrule.training.history import History

_PREFIX = "recorded/"
STEPS, RATE = f"{_PREFIX}steps", f"{_PREFIX}learning_rate"
T = TypeVar("T")


def _sums_of(layer: str) -> tuple[str, str]:
    """Return the names of a layer's sums: of its gradient norms, and of its update ratios."""
    return f"{_PREFIX}gradient_norm/{layer}", f"{_PREFIX}update_ratio/{layer}"


def by_layer(parameters: Mapping[str, T]) -> dict[str, list[T]]:
    """Return the layers' parameters: ``layers.0.weight`` belongs to ``layers.0``.

    Examples
    --------
    >>> by_layer({"layers.0.weight": 1, "layers.0.bias": 2})
    {'layers.0': [1, 2]}
    """
    layers: dict[str, list[T]] = {}
    for name, item in parameters.items():
        layers.setdefault(part_of(name), []).append(item)
    return layers


def initial_sums(parameters: Mapping[str, object]) -> dict[str, Array]:
    """Return what the loop carries before the first step: zeros."""
    names = [STEPS, RATE, *(name for layer in by_layer(parameters) for name in _sums_of(layer))]
    return {name: np.zeros((), FLOAT64) for name in names}


def added(
    sums: Mapping[str, Value],
    rate: Value,
    gradients: Mapping[str, Value],
    old: Mapping[str, Value],
    new: Mapping[str, Value],
) -> dict[str, Value]:
    """Return the sums after one more step; of the learning rate, the last.

    Parameters
    ----------
    sums : mapping of Value
        Before the step, by the names of `initial_sums`.
    rate : Value
        The learning rate.
    gradients, old, new : mapping of Value
        For each parameter its gradient, and its value before and after the update.
    """
    result = {STEPS: sums[STEPS] + 1, RATE: rate}
    changes = by_layer({name: new[name] - old[name] for name in old})
    weights = by_layer(old)
    for layer, derivatives in by_layer(gradients).items():
        gradient_norm, update_ratio = _sums_of(layer)
        result[gradient_norm] = sums[gradient_norm] + _norm(derivatives)
        size = _norm(weights[layer])
        ratio = _norm(changes[layer]) / where(size > 0, size, np.inf)
        result[update_ratio] = sums[update_ratio] + _bounded(ratio)
    return result


def _norm(arrays: list[Value]) -> Value:
    """Return the Euclidean norm of some arrays together, in float64: no square of a float32 overflows."""
    squares = [sum(astype(array, FLOAT64) * astype(array, FLOAT64)) for array in arrays]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return as_value(sqrt(_bounded(total)))


def _bounded(number: Value) -> Value:
    """Return a number, or the largest there is: what is recorded is no reason for a fit to fail."""
    largest = np.finfo(FLOAT64).max
    return as_value(where(number < largest, number, largest))


class Recording:
    """Turns the sums that a loop carries into means over each epoch's steps, and enters them in a history.

    In an epoch that a checkpoint has cut in two they are means over the steps of the second part.
    """

    def __init__(self, history: History, state: LoopState) -> None:
        self._history = history
        self._epoch, self._before = state.epoch, _recorded(state.carried)

    def enter(self, state: LoopState) -> None:
        """Enter the epoch that has just ended, once."""
        if state.epoch == self._epoch:
            return
        self._epoch, sums = state.epoch, _recorded(state.carried)
        grown = {name: number - self._before.get(name, 0.0) for name, number in sums.items()}
        self._before = sums
        steps = grown[STEPS]
        for name, total in grown.items():
            kind, _, layer = name.removeprefix(_PREFIX).partition("/")
            if name == RATE:
                self._history.record(kind, layer, sums[RATE])
            elif name != STEPS:
                self._history.record(kind, layer, total / steps if steps else 0.0)


def _recorded(carried: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(array) for name, array in carried.items() if name.startswith(_PREFIX)}
