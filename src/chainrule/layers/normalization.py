"""Normalization: signals brought to mean 0 and variance 1, then scaled and shifted by learnt numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.functions import mean, sqrt
from chainrule.graph.options import ABOVE_ZERO, FRACTION
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer, feature_count


@dataclass(frozen=True)
class BatchNorm(Layer):
    r"""Normalizes each feature over the rows of the batch.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    While training, μ and σ² are the batch's mean and (biased) variance of each feature, over the rows and any
    axes between, and running averages of them are kept; prediction uses the running averages.

    Parameters
    ----------
    momentum : float, default 0.9
        The share of the running average that stays, from 0 to below 1:
        running ← momentum · running + (1 - momentum) · batch.
    epsilon : float, default 1e-5
        Keeps the division away from 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    Notes
    -----
    x and y have the shape (rows, ..., features). The parameters are ``scale`` (γ, at first 1) and ``shift``
    (β, at first 0), the state ``running_mean`` (at first 0) and ``running_variance`` (at first 1), all of
    shape (features,). Sample weights do not act on μ and σ².

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Sequential([cr.BatchNorm(), cr.Dense(1)]), loss="mean_squared_error")
    >>> model.fit([[0.0], [2.0]], [0.0, 1.0], batch_size=2).epochs
    1
    >>> model.state["layers.0.running_mean"]  # 0.9 · 0 + 0.1 · 1
    array([0.1], dtype=float32)
    """

    momentum: float = field(default=0.9, metadata=FRACTION)
    epsilon: float = field(default=1e-5, metadata=ABOVE_ZERO)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x normalized over the rows."""
        center = context.state("running_mean", (feature_count(x),), "zeros")
        variance = context.state("running_variance", (feature_count(x),), "ones")
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

    Raises
    ------
    TypeError, ValueError
        If epsilon is not above 0.

    Notes
    -----
    x and y have the shape (rows, ..., features). The parameters are ``scale`` (γ, at first 1) and ``shift``
    (β, at first 0), of shape (features,).

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.LayerNorm()
    LayerNorm(epsilon=1e-05)
    """

    epsilon: float = field(default=1e-5, metadata=ABOVE_ZERO)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x normalized over its features."""
        feature_count(x)
        deviation = x - mean(x, axis=-1, keepdims=True)
        variance = mean(deviation**2, axis=-1, keepdims=True)
        return _scale_and_shift(deviation / sqrt(variance + self.epsilon), context)


def _scale_and_shift(x: Value, context: Context) -> Value:
    """Return γ x + β."""
    scale = context.parameter("scale", (feature_count(x),), "ones")
    shift = context.parameter("shift", (feature_count(x),), "zeros")
    return x * scale + shift
