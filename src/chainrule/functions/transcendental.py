"""Exponentials, logarithms, roots, and the trigonometric and hyperbolic functions, element by element.

Each takes numbers of any shape; integers become floats. Outside its domain a function is NaN.
"""

from __future__ import annotations

from typing import Any

from chainrule.functions.arguments import as_real, as_reals
from chainrule.graph.trace import operation
from chainrule.graph.value import Operand, Value
from chainrule.primitives import elementwise as rows
from chainrule.primitives import trigonometric


@operation
def exp(x: Operand, /) -> Any:
    """Return e to the power x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return rows.exp(as_real(x))


@operation
def expm1(x: Operand, /) -> Any:
    """Return e to the power x, minus one, without the cancellation at small x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.expm1(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    return rows.expm1(as_real(x))


@operation
def log(x: Operand, /) -> Any:
    """Return the natural logarithm of x.

    Parameters
    ----------
    x : array
        Numbers; the logarithm of 0 is -inf, of a negative number NaN.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.log(np.array([1.0, 10.0]))
    array([0.        , 2.30258509])
    """
    return rows.log(as_real(x))


@operation
def log1p(x: Operand, /) -> Any:
    """Return the natural logarithm of 1 + x, without the rounding of the sum at small x.

    Parameters
    ----------
    x : array
        Numbers from -1 on.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.log1p(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    return rows.log1p(as_real(x))


@operation
def log2(x: Operand, /) -> Any:
    """Return the logarithm of x to base 2.

    Parameters
    ----------
    x : array
        Numbers; the logarithm of 0 is -inf, of a negative number NaN.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.log2(np.array([1.0, 2.0, 8.0]))
    array([0., 1., 3.])
    """
    return rows.log2(as_real(x))


@operation
def log10(x: Operand, /) -> Any:
    """Return the logarithm of x to base 10.

    Parameters
    ----------
    x : array
        Numbers; the logarithm of 0 is -inf, of a negative number NaN.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.log10(np.array([1.0, 10.0, 100.0]))
    array([0., 1., 2.])
    """
    return rows.log10(as_real(x))


@operation
def logaddexp(x: Operand, y: Operand, /) -> Any:
    """Return ln(exp x + exp y) without overflow.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        Floats of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.logaddexp(np.array([0.0, 1000.0]), 0)
    array([6.93147181e-01, 1.00000000e+03])
    """
    a, b = as_reals(x, y)
    same_infinity = rows.logical_and(a == b, rows.logical_not(rows.is_finite(a)))
    return rows.where(same_infinity, a, log_of_sum(a, b))


def log_of_sum(a: Value, b: Operand) -> Value:
    """Return ln(exp a + exp b) as max + ln(1 + exp(min - max)), where a and b are not the same infinity.

    Which one is the larger is decided once. On either side, and at a tie, the whole formula is smooth, so its
    derivatives of every order are those of ln(exp a + exp b); with `maximum` and `abs` they are not at a = b.
    """
    first = a >= b
    larger, smaller = rows.where(first, a, b), rows.where(first, b, a)
    return larger + rows.log1p(rows.exp(smaller - larger))


@operation
def sqrt(x: Operand, /) -> Any:
    """Return the square root of x.

    Parameters
    ----------
    x : array
        Numbers from 0 on. The derivative at 0 is infinite.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sqrt(np.array([1.0, 2.25]))
    array([1. , 1.5])
    """
    return rows.sqrt(as_real(x))


@operation
def sin(x: Operand, /) -> Any:
    """Return the sine of x.

    Parameters
    ----------
    x : array
        Angles in radians.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sin(np.array([0.0, 1.0]))
    array([0.        , 0.84147098])
    """
    return trigonometric.sin(as_real(x))


@operation
def cos(x: Operand, /) -> Any:
    """Return the cosine of x.

    Parameters
    ----------
    x : array
        Angles in radians.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.cos(np.array([0.0, 1.0]))
    array([1.        , 0.54030231])
    """
    return trigonometric.cos(as_real(x))


@operation
def tan(x: Operand, /) -> Any:
    """Return the tangent of x.

    Parameters
    ----------
    x : array
        Angles in radians.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.tan(np.array([0.0, 1.0]))
    array([0.        , 1.55740772])
    """
    return trigonometric.tan(as_real(x))


@operation
def sinh(x: Operand, /) -> Any:
    """Return the hyperbolic sine of x: (exp x - exp(-x)) / 2.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """
    return trigonometric.sinh(as_real(x))


@operation
def cosh(x: Operand, /) -> Any:
    """Return the hyperbolic cosine of x: (exp x + exp(-x)) / 2.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """
    return trigonometric.cosh(as_real(x))


@operation
def tanh(x: Operand, /) -> Any:
    """Return the hyperbolic tangent of x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats between -1 and 1, of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return trigonometric.tanh(as_real(x))


@operation
def erf(x: Operand, /) -> Any:
    r"""Return the error function of x.

    .. math:: \operatorname{erf} x = \frac{2}{\sqrt{\pi}} \int_0^x e^{-t^2} \, dt

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Floats between -1 and 1, of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    return rows.erf(as_real(x))
