"""Clipping: gradients that are too large are made smaller before they change the weights.

A gradient of zeros stays zeros, and a NaN stays a NaN. An array with an infinite element has no norm to scale
it by, so it becomes NaN, which is noticed; clipping by value takes an infinity for a large number.
"""

from __future__ import annotations

from typing import Any

from chainrule.functions import abs, astype, clip, max, maximum, sqrt, square, stack, sum, where
from chainrule.graph.trace import array_function
from chainrule.graph.value import Operand, Value, as_value


@array_function
def clip_by_value(gradients: dict[str, Any], limit: Operand) -> Any:
    """Return the gradients with every element limited to [-limit, limit].

    Parameters
    ----------
    gradients : dict of array
        By the names of their parameters; floats of any shapes.
    limit : float
        The largest absolute value that an element may have; above 0.

    Returns
    -------
    dict of array
        Of the same names, shapes and dtypes.

    Examples
    --------
    >>> from chainrule.optimizers import clip_by_value
    >>> clip_by_value({"w": [3.0, -0.5]}, 1.0)
    {'w': array([ 1. , -0.5])}
    """
    return {name: clip(gradient, -limit, limit) for name, gradient in gradients.items()}


@array_function
def clip_by_norm(gradients: dict[str, Any], limit: Operand) -> Any:
    r"""Return the gradients, each array scaled down so that its own norm is at most `limit`.

    .. math:: g \leftarrow g \cdot \min(1, \mathrm{limit} / \lVert g \rVert)

    Parameters
    ----------
    gradients : dict of array
        By the names of their parameters; floats of any shapes.
    limit : float
        The largest Euclidean norm that an array may have; above 0.

    Returns
    -------
    dict of array
        Of the same names, shapes and dtypes.

    References
    ----------
    Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (2013).

    Examples
    --------
    >>> from chainrule.optimizers import clip_by_norm
    >>> clip_by_norm({"w": [3.0, 4.0], "b": [0.0]}, 1.0)
    {'w': array([0.6, 0.8]), 'b': array([0.])}
    """
    return {name: _scaled(gradient, _norm(gradient), limit) for name, gradient in gradients.items()}


@array_function
def clip_by_global_norm(gradients: dict[str, Any], limit: Operand) -> Any:
    r"""Return the gradients, scaled down together so that the norm of all their elements is at most `limit`.

    .. math:: g \leftarrow g \cdot \min(1, \mathrm{limit} / N), \quad N^2 = \sum_h \lVert h \rVert^2

    Their direction stays; one gradient that is not finite makes all of them so.

    Parameters
    ----------
    gradients : dict of array
        By the names of their parameters; floats of any shapes.
    limit : float
        The largest Euclidean norm that the gradients together may have; above 0.

    Returns
    -------
    dict of array
        Of the same names, shapes and dtypes.

    References
    ----------
    Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (2013).

    Examples
    --------
    >>> from chainrule.optimizers import clip_by_global_norm
    >>> clip_by_global_norm({"w": [3.0], "b": [4.0]}, 1.0)
    {'w': array([0.6]), 'b': array([0.8])}
    """
    norm = _norm(stack([_norm(gradient) for gradient in gradients.values()]))
    return {name: _scaled(gradient, norm, limit) for name, gradient in gradients.items()}


def _norm(gradient: Operand) -> Value:
    """Return the Euclidean norm; the largest element is divided out first, so that no square overflows."""
    x = as_value(gradient)
    if 0 in x.shape:
        return sum(x)  # it has no largest element
    largest = max(abs(x))
    scale = where(largest > 0, largest, 1)
    return scale * sqrt(sum(square(x / scale)))


def _scaled(gradient: Operand, norm: Value, limit: Operand) -> Value:
    """Return gradient · min(1, limit / norm); division by the larger of the two bears a norm of 0."""
    x = as_value(gradient)
    factor: Value = limit / maximum(norm, limit)
    return x * astype(factor, x.dtype)
