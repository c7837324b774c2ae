"""Activations: what a layer does to each of its sums. Each is a function of x; integers become floats.

The gates (gelu, silu, mish) multiply x by a number between 0 and 1. At -inf this is ∞ · 0, which has no
value: the result is NaN.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.arguments import as_real
from chainrule.functions.reductions import below_largest, sum
from chainrule.graph.trace import operation
from chainrule.graph.value import Operand, Value
from chainrule.primitives import elementwise as rows
from chainrule.primitives import sigmoids, trigonometric

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@operation
def identity(x: Operand, /) -> Any:
    """Return x: no activation.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        x, as floats.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.identity(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """
    return as_real(x)


@operation
def relu(x: Operand, /) -> Any:
    """Return max(x, 0), the rectified linear unit.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x. The derivative at 0 is 0.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return rows.maximum(as_real(x), 0)


@operation
def leaky_relu(x: Operand, /, slope: Operand = 0.01) -> Any:
    """Return x where it is positive, otherwise slope · x.

    Parameters
    ----------
    x : array
        Numbers.
    slope : float, default 0.01
        The derivative where x is not positive.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    x = as_real(x)
    return rows.where(x > 0, x, x * slope)


@operation
def elu(x: Operand, /, alpha: Operand = 1.0) -> Any:
    """Return x where it is positive, otherwise alpha · (exp x - 1): the exponential linear unit.

    Parameters
    ----------
    x : array
        Numbers.
    alpha : float, default 1.0
        The result goes to -alpha for large negative x.

    Returns
    -------
    array
        Floats of the shape of x. The derivatives at 0 are those from below: alpha.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units
    (ELUs)", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.elu(np.array([-1.0, 2.0]))
    array([-0.63212056,  2.        ])
    """
    x = as_real(x)
    return rows.where(x > 0, x, _expm1_up_to_zero(x) * alpha)


def _expm1_up_to_zero(x: Value) -> Any:
    """Return exp x - 1, for positive x that of 0: exp of a large x, chosen or not, is infinite."""
    return rows.expm1(rows.where(x > 0, 0, x))


@operation
def selu(x: Operand, /) -> Any:
    """Return the scaled ELU, 1.0507 · elu(x, 1.6733), which keeps mean 0 and variance 1 from layer to layer.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.selu(np.array([-1.0, 2.0]))
    array([-1.11133074,  2.10140197])
    """
    x = as_real(x)
    return rows.where(x > 0, x * SELU_SCALE, _expm1_up_to_zero(x) * (SELU_ALPHA * SELU_SCALE))


@operation
def sigmoid(x: Operand, /) -> Any:
    """Return 1 / (1 + exp(-x)) without overflow: a number between 0 and 1.

    Parameters
    ----------
    x : array
        Numbers, such as the logarithm of odds.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sigmoid(np.array([0.0, 2.0]))
    array([0.5       , 0.88079708])
    """
    return sigmoids.logistic(as_real(x))


@operation
def softplus(x: Operand, /) -> Any:
    """Return ln(1 + exp x) without overflow: a smooth max(x, 0), whose derivative is the sigmoid of x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Dugas, Bengio, Bélisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for better
    option pricing", 2000.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    return sigmoids.softplus(as_real(x))


@operation
def gelu(x: Operand, /) -> Any:
    """Return x · Φ(x), with Φ the normal distribution function: the exact form with erf.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.gelu(np.array([-1.0, 2.0]))
    array([-0.15865525,  1.95449974])
    """
    x = as_real(x)
    return x * ((1 + rows.erf(x * math.sqrt(0.5))) * 0.5)


@operation
def silu(x: Operand, /) -> Any:
    """Return x · sigmoid(x), also known as swish.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.silu(np.array([-1.0, 2.0]))
    array([-0.26894142,  1.76159416])
    """
    x = as_real(x)
    return x * sigmoids.logistic(x)


@operation
def mish(x: Operand, /) -> Any:
    """Return x · tanh(softplus(x)).

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    References
    ----------
    Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.mish(np.array([-1.0, 2.0]))
    array([-0.30340146,  1.94395896])
    """
    x = as_real(x)
    return x * trigonometric.tanh(softplus(x))


@operation
def softmax(x: Operand, /, axis: int = -1) -> Any:
    r"""Return probabilities, positive and with the sum 1 along an axis, without overflow.

    .. math:: y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array
        Logits. An element -inf gets the probability 0; if all are -inf, or one is +inf, the result is NaN.
    axis : int, default -1
        Along which the probabilities sum to 1.

    Returns
    -------
    array
        Floats of the shape of x.

    Raises
    ------
    ValueError
        If x has no such axis.

    References
    ----------
    Bridle, "Training stochastic model recognition algorithms as networks can lead to maximum mutual
    information estimation of parameters", 1989.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.softmax(np.log(np.array([[1.0, 1.0, 2.0]])))
    array([[0.25, 0.25, 0.5 ]])
    """
    below, _ = below_largest(as_real(x), axis)
    parts = rows.exp(below)
    return parts / sum(parts, axis=axis, keepdims=True)


@operation
def log_softmax(x: Operand, /, axis: int = -1) -> Any:
    r"""Return the logarithm of the softmax, without overflow and without the logarithm of 0.

    .. math:: y_i = x_i - \ln \sum_j e^{x_j}

    Parameters
    ----------
    x : array
        Logits.
    axis : int, default -1
        Along which the probabilities sum to 1.

    Returns
    -------
    array
        Floats of the shape of x.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    below, _ = below_largest(as_real(x), axis)
    return below - rows.log(sum(rows.exp(below), axis=axis, keepdims=True))
