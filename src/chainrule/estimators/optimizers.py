"""The weight updates of scikit-learn's solvers."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, final

import numpy as np

from chainrule.functions import sqrt, square
from chainrule.graph.hyperparameters import EVEN_ZERO
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers import Optimizer


@final
@dataclass(frozen=True)
class VelocitySGD(Optimizer):
    r"""Gradient descent whose velocity holds the learning rate.

    .. math:: v \leftarrow \mu v - \eta g, \qquad w \leftarrow w + v

    With Nesterov's momentum :math:`w \leftarrow w + \mu v - \eta g`. Where η changes, past gradients keep the
    rate that they came with. A fit without momentum has the code of one with it.
    """

    decoupled_weight_decay: ClassVar[bool] = True

    _: KW_ONLY
    momentum: float = field(default=0.9, metadata=EVEN_ZERO)
    nesterov: bool = True

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the velocity."""
        return {"velocity": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Return w + v, or w + μ v - η g."""
        velocity = self.momentum * slots["velocity"] - learning_rate * gradient
        change = self.momentum * velocity - learning_rate * gradient if self.nesterov else velocity
        return parameter + change, {"velocity": velocity}


@final
@dataclass(frozen=True)
class PlainAdam(Optimizer):
    r"""Adam in the order of operations that its paper calls efficient, where ε is not corrected for bias.

    .. math:: w \leftarrow w - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}

    References
    ----------
    Kingma, Ba: Adam: a method for stochastic optimization (2015), end of section 2.
    """

    decoupled_weight_decay: ClassVar[bool] = True

    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the two moments."""
        return {"mean": np.zeros_like(parameter), "square": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Return w - η' m / (√v + ε)."""
        mean = self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient
        second = self.beta_2 * slots["square"] + (1 - self.beta_2) * square(gradient)
        rate = learning_rate * sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return parameter - rate * mean / (sqrt(second) + self.epsilon), {"mean": mean, "square": second}
