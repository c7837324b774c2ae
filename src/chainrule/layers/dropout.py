"""Dropout: random units are left out of each training step."""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.functions import where
from chainrule.graph.hyperparameters import is_zero
from chainrule.graph.options import FRACTION
from chainrule.graph.value import Value
from chainrule.layers.context import Context
from chainrule.layers.layer import Layer


@dataclass(frozen=True)
class Dropout(Layer):
    r"""Sets each input to 0 with probability `rate` while training, and divides the others by 1 - rate.

    .. math:: y = \frac{m}{1 - \mathrm{rate}} \, x, \qquad m \sim \mathrm{Bernoulli}(1 - \mathrm{rate})

    so that the expected y is x. Each step draws anew. Prediction leaves x as it is.

    Parameters
    ----------
    rate : float
        The probability of being left out, from 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If the rate is no such number.

    Notes
    -----
    x may have any shape; y has the same.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Sequential([cr.Dense(64, activation="relu"), cr.Dropout(0.1), cr.Dense(10)]).layers[1]
    Dropout(rate=0.1)
    """

    rate: float = field(metadata=FRACTION)

    def forward(self, x: Value, context: Context) -> Value:
        """Return x with some elements set to 0 while training."""
        if not context.training or is_zero(self.rate):
            return x
        keep = 1 - self.rate
        return where(context.bernoulli(keep, x.shape), x / keep, 0)
