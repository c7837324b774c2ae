"""Normalization: signals brought to mean 0 and variance 1, then scaled and shifted by learnt numbers."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.functions import mean, sqrt
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer


def _check(name: str, epsilon: float, momentum: float = 0.0) -> None:
    if not (epsilon > 0 and 0 <= momentum < 1):
        raise ValueError(
            f"{name}: epsilon is above 0 and momentum from 0 to below 1, not {epsilon!r} and {momentum!r}"
        )


@dataclass(frozen=True)
class BatchNorm(Layer):
    r"""Normalizes each feature over the rows of the batch.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    While training, μ and σ² are the batch's mean and (biased) variance, and running averages of them are
    kept; prediction uses the running averages.

    Parameters
    ----------
    momentum : float, default 0.9
        The share of the running average that stays: running ← momentum · running + (1 - momentum) · batch.
    epsilon : float, default 1e-5
        Keeps the division away from 0.

    Notes
    -----
    The parameters are ``scale`` (γ) and ``shift`` (β), the state ``running_mean`` and ``running_variance``,
    all of shape (features,).

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", 2015.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.BatchNorm()
    BatchNorm(momentum=0.9, epsilon=1e-05)
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check("BatchNorm", self.epsilon, self.momentum)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x normalized over the rows."""
        features = x.shape[-1:]
        center = context.state("running_mean", features, "zeros")
        variance = context.state("running_variance", features, "ones")
        if context.training:
            over = tuple(range(x.ndim - 1))
            running = {"running_mean": center, "running_variance": variance}
            center = mean(x, axis=over)
            variance = mean((x - center) ** 2, axis=over)
            for name, batch in (("running_mean", center), ("running_variance", variance)):
                context.update(name, self.momentum * running[name] + (1 - self.momentum) * batch)
        return _scale_and_shift((x - center) / sqrt(variance + self.epsilon), context)


@dataclass(frozen=True)
class LayerNorm(Layer):
    r"""Normalizes each row over its features.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    with μ and σ² the mean and (biased) variance over the last axis, in training and prediction alike.

    Parameters
    ----------
    epsilon : float, default 1e-5
        Keeps the division away from 0.

    Notes
    -----
    The parameters are ``scale`` (γ) and ``shift`` (β), of shape (features,).

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.LayerNorm()
    LayerNorm(epsilon=1e-05)
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check("LayerNorm", self.epsilon)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x normalized over its features."""
        deviation = x - mean(x, axis=-1, keepdims=True)
        variance = mean(deviation**2, axis=-1, keepdims=True)
        return _scale_and_shift(deviation / sqrt(variance + self.epsilon), context)


def _scale_and_shift(x: Value, context: Context) -> Value:
    scale = context.parameter("scale", x.shape[-1:], "ones")
    shift = context.parameter("shift", x.shape[-1:], "zeros")
    return x * scale + shift
