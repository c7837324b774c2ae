"""Activations: what a layer does to each of its sums."""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.elementwise import _real
from chainrule.functions.reductions import logsumexp
from chainrule.graph.trace import array_function
from chainrule.graph.value import Operand
from chainrule.primitives import elementwise as rows


@array_function
def identity(x: Operand, /) -> Any:
    """Return x."""
    return _real(x)


@array_function
def relu(x: Operand, /) -> Any:
    """Return max(x, 0); the derivative at 0 is 0."""
    return rows.maximum(x, 0)


@array_function
def leaky_relu(x: Operand, /, slope: float = 0.01) -> Any:
    """Return x where it is positive, otherwise slope · x."""
    x = _real(x)
    return rows.where(x > 0, x, x * slope)


@array_function
def elu(x: Operand, /, alpha: float = 1.0) -> Any:
    """Return x where it is positive, otherwise alpha · (exp x - 1)."""
    x = _real(x)
    return rows.where(x > 0, x, rows.expm1(rows.minimum(x, 0)) * alpha)


@array_function
def selu(x: Operand, /) -> Any:
    """Return the self-normalizing ELU: 1.0507 · elu(x, 1.6733)."""
    return 1.0507009873554805 * elu(_real(x), 1.6732632423543772)


@array_function
def sigmoid(x: Operand, /) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return rows.logistic(_real(x))


@array_function
def softplus(x: Operand, /) -> Any:
    """Return ln(1 + exp x) without overflow; its derivative is the sigmoid of x everywhere."""
    x = _real(x)
    return rows.maximum(x, 0) + rows.log1p(rows.exp(-rows.absolute(x)))


@array_function
def gelu(x: Operand, /) -> Any:
    """Return x · Φ(x), with Φ the normal distribution function: the exact form with erf."""
    x = _real(x)
    return x * (1 + rows.erf(x * math.sqrt(0.5))) * 0.5


@array_function
def silu(x: Operand, /) -> Any:
    """Return x · sigmoid(x)."""
    x = _real(x)
    return x * rows.logistic(x)


@array_function
def mish(x: Operand, /) -> Any:
    """Return x · tanh(softplus(x))."""
    x = _real(x)
    return x * rows.tanh(softplus(x))


@array_function
def softmax(x: Operand, /, axis: int = -1) -> Any:
    """Return exp x / Σ exp x along an axis, without overflow."""
    return rows.exp(log_softmax(_real(x), axis=axis))


@array_function
def log_softmax(x: Operand, /, axis: int = -1) -> Any:
    """Return x - ln Σ exp x along an axis, without overflow."""
    x = _real(x)
    return x - logsumexp(x, axis=axis, keepdims=True)
