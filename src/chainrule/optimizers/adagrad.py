"""Adagrad: each element's step over the size of all its gradients so far."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np

from chainrule.functions import sqrt, square
from chainrule.graph.options import ABOVE_ZERO
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class Adagrad(Optimizer):
    r"""Adagrad: the gradient over the root of the sum of all squares so far.

    .. math::
        s \leftarrow s + g^2, \qquad
        w \leftarrow w - \eta \frac{g}{\sqrt{s} + \epsilon}

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
        η, or a schedule of it.
    epsilon : float, default 1e-10
        ε, above 0: keeps the quotient finite.
    **options
        Those of every `Optimizer`.

    Notes
    -----
    Defaults and the place of ε, outside the root, are those of PyTorch.

    References
    ----------
    Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization (2011).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Adagrad(0.1).epsilon
    1e-10
    """

    learning_rate: float | Schedule = 0.01
    _: KW_ONLY
    epsilon: float = field(default=1e-10, metadata=ABOVE_ZERO)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the sum of squares."""
        return {"sum_of_squares": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the gradient over its size so far."""
        total = slots["sum_of_squares"] + square(gradient)
        new = parameter - learning_rate * gradient / (sqrt(total) + self.epsilon)
        return new, {"sum_of_squares": total}
