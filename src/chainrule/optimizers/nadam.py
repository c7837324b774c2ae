"""Nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, final

import numpy as np

from chainrule.graph.options import AT_LEAST_ZERO
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.moments import MomentOptimizer
from chainrule.optimizers.schedules import Schedule


@final
@dataclass(frozen=True)
class Nadam(MomentOptimizer):
    r"""Adam with Nesterov's momentum, which looks one step ahead.

    .. math::
        \mu_t = \beta_1 \left(1 - \tfrac{1}{2} 0.96^{t \psi}\right), \qquad
        \pi \leftarrow \mu_t \pi, \qquad
        \bar m = \frac{\mu_{t+1} m}{1 - \pi \mu_{t+1}} + \frac{(1 - \mu_t) g}{1 - \pi}, \qquad
        w \leftarrow w - \eta \frac{\bar m}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    with m and s as in `Adam`; π, the product of all :math:`\mu` so far, starts at 1.

    Parameters
    ----------
    learning_rate : float or callable, default 0.002
        η, or a schedule of it.
    beta_1 : float, default 0.9
        The decay of m and the limit of μ; at least 0 and below 1.
    beta_2 : float, default 0.999
        The decay of s; at least 0 and below 1.
    momentum_decay : float, default 0.004
        ψ, at least 0: how soon μ comes near its limit.
    epsilon : float, default 1e-8
        ε, above 0: keeps the quotient finite.
    **options
        Those of every `Optimizer`.

    References
    ----------
    Dozat: Incorporating Nesterov momentum into Adam (2016).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Nadam().learning_rate
    0.002
    """

    learning_rate: float | Schedule = 2e-3
    _: KW_ONLY
    momentum_decay: float = field(default=4e-3, metadata=AT_LEAST_ZERO)

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return both moments and the product of the momenta, before the first update."""
        return {**super().slots(parameter), "momentum_product": np.ones((), parameter.dtype)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the mean gradient of the next step over the root of the mean square."""
        new = self.moments(gradient, slots)
        now, following = self._momentum(t), self._momentum(t + 1)
        product = now * slots["momentum_product"]
        ahead = following / (1 - product * following) * new["mean"] + (1 - now) / (1 - product) * gradient
        direction = ahead / self.root(new["mean_square"], t)
        return parameter - learning_rate * direction, {**new, "momentum_product": product}

    def _momentum(self, t: Value) -> Any:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))
