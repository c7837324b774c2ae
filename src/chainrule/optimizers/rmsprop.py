"""RMSprop: each element's step over the size of its recent gradients."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np

from chainrule.functions import maximum, sqrt, square
from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.options import ABOVE_ZERO, FRACTION
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class RMSprop(Optimizer):
    r"""RMSprop: the gradient over the root of its mean square.

    .. math::
        s \leftarrow \rho s + (1 - \rho) g^2, \qquad
        w \leftarrow w - \eta \frac{g}{\sqrt{s} + \epsilon}

    Centered, the variance :math:`s - m^2` stands in place of s, with the mean
    :math:`m \leftarrow \rho m + (1 - \rho) g`. With momentum, the quotient q enters a velocity:
    :math:`v \leftarrow \mu v + q,\ w \leftarrow w - \eta v`.

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
        η, or a schedule of it.
    rho : float, default 0.99
        ρ, the decay of the means; at least 0 and below 1.
    momentum : float, default 0.0
        μ, at least 0 and below 1. With 0 there is no velocity.
    centered : bool, default False
        Whether the variance is used.
    epsilon : float, default 1e-8
        ε, above 0: keeps the quotient finite.
    **options
        Those of every `Optimizer`.

    Notes
    -----
    Defaults and the place of ε, outside the root, are those of PyTorch.

    References
    ----------
    Tieleman, Hinton: Lecture 6.5, RMSprop (2012).
    Graves: Generating sequences with recurrent neural networks (2013), for the centered form.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.RMSprop(1e-3, momentum=0.9).rho
    0.99
    """

    learning_rate: float | Schedule = 0.01
    _: KW_ONLY
    rho: float = field(default=0.99, metadata=FRACTION)
    momentum: float = field(default=0.0, metadata=FRACTION)
    centered: bool = False
    epsilon: float = field(default=1e-8, metadata=ABOVE_ZERO)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the mean square and, where they are used, the mean and the velocity."""
        names = ["mean_square"]
        if self.centered:
            names.append("mean")
        if not is_zero(self.momentum):
            names.append("velocity")
        return {name: np.zeros_like(parameter) for name in names}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the gradient over its recent size."""
        new = {"mean_square": self.rho * slots["mean_square"] + (1 - self.rho) * square(gradient)}
        size = new["mean_square"]
        if self.centered:
            new["mean"] = self.rho * slots["mean"] + (1 - self.rho) * gradient
            size = maximum(size - square(new["mean"]), 0)  # rounding can leave it just below 0
        direction = gradient / (sqrt(size) + self.epsilon)
        if not is_zero(self.momentum):
            new["velocity"] = direction = self.momentum * slots["velocity"] + direction
        return parameter - learning_rate * direction, new
