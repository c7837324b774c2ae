"""Lion: steps of one size, along signs."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, final

import numpy as np

from chainrule.functions import sign
from chainrule.graph.options import FRACTION
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.optimizer import Optimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class Lion(Optimizer):
    r"""Lion: the sign of a mean of gradients, so that every element moves by the learning rate.

    .. math::
        w \leftarrow w - \eta \operatorname{sign}(\beta_1 m + (1 - \beta_1) g), \qquad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    Parameters
    ----------
    learning_rate : float or callable, default 1e-4
        η, or a schedule of it; three to ten times smaller than Adam's.
    beta_1 : float, default 0.9
        The part of m in the direction of a step; at least 0 and below 1.
    beta_2 : float, default 0.99
        The decay of m; at least 0 and below 1.
    **options
        Those of every `Optimizer`. Weight decay is decoupled: :math:`w \leftarrow w - \eta \lambda w` comes
        first.

    References
    ----------
    Chen, Liang, Huang, Real, and others: Symbolic discovery of optimization algorithms (2023).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Lion(1e-4, weight_decay=0.1).beta_2
    0.99
    """

    decoupled_weight_decay: ClassVar[bool] = True

    learning_rate: float | Schedule = 1e-4
    _: KW_ONLY
    beta_1: float = field(default=0.9, metadata=FRACTION)
    beta_2: float = field(default=0.99, metadata=FRACTION)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return the mean of gradients, before the first update."""
        return {"mean": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go one learning rate down the sign."""
        direction = sign(self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient)
        mean = self.beta_2 * slots["mean"] + (1 - self.beta_2) * gradient
        return parameter - learning_rate * direction, {"mean": mean}
