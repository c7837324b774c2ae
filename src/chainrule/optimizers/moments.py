"""What Adam and its relatives share: the mean of recent gradients and of their squares."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

import numpy as np

from chainrule.functions import sqrt, square
from chainrule.graph.options import ABOVE_ZERO, FRACTION
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@dataclass(frozen=True)
class MomentOptimizer(Optimizer):
    r"""The base of the optimizers that keep both moments of the gradient.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        s \leftarrow \beta_2 s + (1 - \beta_2) g^2

    Both start at zero, so that :math:`m / (1 - \beta_1^t)` and :math:`s / (1 - \beta_2^t)` are the means.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        η, or a schedule of it.
    beta_1 : float, default 0.9
        The decay of m; at least 0 and below 1.
    beta_2 : float, default 0.999
        The decay of s; at least 0 and below 1.
    epsilon : float, default 1e-8
        ε, above 0: keeps quotients finite.
    **options
        Those of every `Optimizer`.
    """

    learning_rate: float | Schedule = 1e-3
    _: KW_ONLY
    beta_1: float = field(default=0.9, metadata=FRACTION)
    beta_2: float = field(default=0.999, metadata=FRACTION)
    epsilon: float = field(default=1e-8, metadata=ABOVE_ZERO)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return m and s, before the first update."""
        return {"mean": np.zeros_like(parameter), "mean_square": np.zeros_like(parameter)}

    def moments(self, gradient: Value, slots: dict[str, Value]) -> dict[str, Value]:
        """Return m and s with this gradient in them."""
        return {
            "mean": self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient,
            "mean_square": self.beta_2 * slots["mean_square"] + (1 - self.beta_2) * square(gradient),
        }

    def step(self, mean: Value, mean_square: Value, t: Value, learning_rate: Value) -> Value:
        """Return what a weight moves by: η times the corrected mean over the root."""
        rate = learning_rate / (1 - self.beta_1**t)  # corrects the mean, with one number for all weights
        return rate * mean / self.root(mean_square, t)

    def root(self, mean_square: Value, t: Value) -> Value:
        """Return the root of the mean square, corrected for its start at zero, plus ε."""
        correction = 1 / sqrt(1 - self.beta_2**t)
        return sqrt(mean_square) * correction + self.epsilon
