"""Adadelta: steps in the units of the weights themselves."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np

from chainrule.functions import sqrt, square
from chainrule.graph.options import ABOVE_ZERO, FRACTION
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class Adadelta(Optimizer):
    r"""Adadelta: the gradient times the size of recent steps over the size of recent gradients.

    .. math::
        s \leftarrow \rho s + (1 - \rho) g^2, \qquad
        \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{s + \epsilon}} g, \qquad
        u \leftarrow \rho u + (1 - \rho) \Delta^2, \qquad
        w \leftarrow w - \eta \Delta

    Parameters
    ----------
    learning_rate : float or callable, default 1.0
        η, or a schedule of it; the paper has none, which is 1.
    rho : float, default 0.9
        ρ, the decay of the means; at least 0 and below 1.
    epsilon : float, default 1e-6
        ε, above 0: the first steps have about the size of its root.
    **options
        Those of every `Optimizer`.

    References
    ----------
    Zeiler: ADADELTA: an adaptive learning rate method (2012).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Adadelta().learning_rate
    1.0
    """

    learning_rate: float | Schedule = 1.0
    _: KW_ONLY
    rho: float = field(default=0.9, metadata=FRACTION)
    epsilon: float = field(default=1e-6, metadata=ABOVE_ZERO)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the mean squares of gradients and of steps."""
        return {name: np.zeros_like(parameter) for name in ("mean_square_gradient", "mean_square_step")}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the gradient, brought to the size of recent steps."""
        s = self.rho * slots["mean_square_gradient"] + (1 - self.rho) * square(gradient)
        delta = sqrt(slots["mean_square_step"] + self.epsilon) / sqrt(s + self.epsilon) * gradient
        u = self.rho * slots["mean_square_step"] + (1 - self.rho) * square(delta)
        return parameter - learning_rate * delta, {"mean_square_gradient": s, "mean_square_step": u}
