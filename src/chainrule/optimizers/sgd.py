"""SGD: stochastic gradient descent."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np

from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.options import FRACTION
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum or Nesterov's.

    .. math:: v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta v

    Nesterov's momentum looks one step ahead: :math:`w \leftarrow w - \eta (g + \mu v)`.

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
        η, or a schedule of it.
    momentum : float, default 0.0
        μ, at least 0 and below 1. With 0 there is no velocity v, and w ← w - η g.
    nesterov : bool, default False
        Whether momentum is Nesterov's.
    **options
        Those of every `Optimizer`.

    References
    ----------
    Robbins, Monro: A stochastic approximation method (1951).
    Polyak: Some methods of speeding up the convergence of iteration methods (1964).
    Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning
    (2013).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.SGD(0.5, momentum=0.9).momentum
    0.9
    """

    learning_rate: float | Schedule = 0.01
    _: KW_ONLY
    momentum: float = field(default=0.0, metadata=FRACTION)
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov=True needs a momentum above 0")

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the velocity, where there is momentum."""
        return {} if is_zero(self.momentum) else {"velocity": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the velocity, or the gradient where there is no momentum."""
        if is_zero(self.momentum):
            return parameter - learning_rate * gradient, {}
        velocity = self.momentum * slots["velocity"] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return parameter - learning_rate * direction, {"velocity": velocity}
