"""Adam, and with it AMSGrad and AdamW."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, final

import numpy as np

from chainrule.functions import maximum
from chainrule.graph.options import AT_LEAST_ZERO
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.optimizers.moments import MomentOptimizer


@dataclass(frozen=True)
class _AdamRule(MomentOptimizer):
    """The rule that Adam and AdamW have in common."""

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the mean gradient over the root of its mean square."""
        new = self.moments(gradient, slots)
        return parameter - self.step(new["mean"], new["mean_square"], t, learning_rate), new


@final
@dataclass(frozen=True)
class Adam(_AdamRule):
    r"""Adam: the mean gradient over the root of its mean square.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

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
        Those of every `Optimizer`. Weight decay is added to the gradient; see `AdamW`.

    References
    ----------
    Kingma, Ba: Adam: a method for stochastic optimization (2015).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Adam(cr.CosineDecay(1e-3, steps=1000)).learning_rate(500)
    0.0005
    """


@final
@dataclass(frozen=True)
class AdamW(_AdamRule):
    r"""Adam with decoupled weight decay.

    .. math:: w \leftarrow w - \eta \lambda w

    comes before the update of `Adam`, whose moments do not see it. Every parameter decays, as in PyTorch.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
        η, or a schedule of it.
    weight_decay : float, default 0.01
        λ, at least 0.
    beta_1 : float, default 0.9
        The decay of the mean; at least 0 and below 1.
    beta_2 : float, default 0.999
        The decay of the mean square; at least 0 and below 1.
    epsilon : float, default 1e-8
        ε, above 0: keeps the quotient finite.
    **options
        Those of every `Optimizer`.

    References
    ----------
    Loshchilov, Hutter: Decoupled weight decay regularization (2019).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.AdamW(1e-3).weight_decay
    0.01
    """

    decoupled_weight_decay: ClassVar[bool] = True

    _: KW_ONLY
    weight_decay: float = field(default=0.01, metadata=AT_LEAST_ZERO)


@final
@dataclass(frozen=True)
class AMSGrad(MomentOptimizer):
    r"""Adam whose steps never grow again: the largest mean square so far stands in place of the present one.

    .. math::
        u \leftarrow \max(u, s), \qquad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{u / (1 - \beta_2^t)} + \epsilon}

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
    As in PyTorch, the corrections for the start at zero are applied, and after the maximum is taken; the
    paper has none.

    References
    ----------
    Reddi, Kale, Kumar: On the convergence of Adam and beyond (2018).

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> sorted(cr.AMSGrad().initial_state({"bias": np.zeros(1)}))
    ['bias/largest_mean_square', 'bias/mean', 'bias/mean_square']
    """

    def slots(self, parameter: Array) -> dict[str, Array]:
        """Return both moments and the largest mean square, before the first update."""
        return {**super().slots(parameter), "largest_mean_square": np.zeros_like(parameter)}

    def rule(
        self, parameter: Value, gradient: Value, slots: dict[str, Value], t: Value, learning_rate: Value
    ) -> tuple[Value, dict[str, Value]]:
        """Go down the mean gradient over the root of its largest mean square."""
        new = self.moments(gradient, slots)
        largest = maximum(slots["largest_mean_square"], new["mean_square"])
        step = self.step(new["mean"], largest, t, learning_rate)
        return parameter - step, {**new, "largest_mean_square": largest}
