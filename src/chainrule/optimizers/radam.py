"""RAdam: Adam without its erratic first steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from chainrule.functions import sqrt, where
from chainrule.graph.value import Value
from chainrule.optimizers.moments import MomentOptimizer


@final
@dataclass(frozen=True)
class RAdam(MomentOptimizer):
    r"""Rectified Adam: the mean square counts only as far as enough gradients are in it.

    .. math::
        \rho_\infty = \frac{2}{1 - \beta_2} - 1, \qquad
        \rho = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
        r = \sqrt{\frac{(\rho - 4)(\rho - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho}}

    .. math::
        w \leftarrow w - \eta \frac{m}{1 - \beta_1^t} \cdot \begin{cases}
        r \sqrt{1 - \beta_2^t} / (\sqrt s + \epsilon) & \rho > 5 \\ 1 & \text{otherwise} \end{cases}

    with m and s as in `Adam`.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        η, or a schedule of it.
    beta_1 : float, default 0.9
        The decay of m; at least 0 and below 1.
    beta_2 : float, default 0.999
        The decay of s; at least 0 and below 1.
    epsilon : float, default 1e-8
        ε, above 0: keeps the quotient finite.
    **options
        Those of every `Optimizer`.

    Notes
    -----
    The threshold, 5, and the place of ε are those of PyTorch; the paper's threshold is 4.

    References
    ----------
    Liu, Jiang, He, Chen, Liu, Gao, Han: On the variance of the adaptive learning rate and beyond (2020).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.RAdam(1e-3).beta_2
    0.999
    """

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the mean gradient, over the root of the mean square once that can be trusted."""
        new = self.moments(gradient, slots)
        mean = new["mean"] / (1 - self.beta_1**t)
        trusted, rectification = self._rectification(t)
        scale = rectification * sqrt(1 - self.beta_2**t) / (sqrt(new["mean_square"]) + self.epsilon)
        return parameter - learning_rate * mean * where(trusted, scale, 1), new

    def _rectification(self, t: Value) -> tuple[Any, Any]:
        """Return whether the mean square can be trusted, and r where it can."""
        limit = 2 / (1 - self.beta_2) - 1
        length = limit - 2 * t * self.beta_2**t / (1 - self.beta_2**t)
        trusted = length > 5
        length = where(trusted, length, 5)
        factor = (length - 4) * (length - 2) / length
        return trusted, sqrt(factor * limit / ((limit - 4) * (limit - 2)))
