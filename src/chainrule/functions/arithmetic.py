"""Element-wise arithmetic under the names of the Python array API.

Arrays of different shapes are broadcast. Integers stay integers, except where a result is a fraction.
"""

from __future__ import annotations

from typing import Any

from chainrule.functions.arguments import as_real, as_reals
from chainrule.graph.trace import operation
from chainrule.graph.types import INT32
from chainrule.graph.value import OPERATORS, Operand, as_value
from chainrule.primitives import division
from chainrule.primitives import elementwise as rows


@operation
def add(x: Operand, y: Operand, /) -> Any:
    """Return x + y.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        The sums, of the broadcast shape and the wider dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.add(np.array([1.0, 2.0]), 10)
    array([11., 12.])
    """
    return rows.add(x, y)


@operation
def subtract(x: Operand, y: Operand, /) -> Any:
    """Return x - y.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        The differences, of the broadcast shape and the wider dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.subtract(np.array([1.0, 2.0]), 10)
    array([-9., -8.])
    """
    return rows.subtract(x, y)


@operation
def multiply(x: Operand, y: Operand, /) -> Any:
    """Return x · y, element by element.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        The products, of the broadcast shape and the wider dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.multiply(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return rows.multiply(x, y)


@operation
def divide(x: Operand, y: Operand, /) -> Any:
    """Return x / y.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together; integers become floats.

    Returns
    -------
    array
        The quotients, floats of the broadcast shape. x / 0 is an infinity, 0 / 0 is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.divide(np.array([1, 2]), 4)
    array([0.25, 0.5 ])
    """
    return rows.divide(*as_reals(x, y))


@operation
def remainder(x: Operand, y: Operand, /) -> Any:
    """Return the remainder of x divided by y, which has the sign of y, as Python's ``x % y``.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        x - n · y for the whole number n that puts it between 0 and y, of the broadcast shape and the wider
        dtype. By zero it is NaN, or for integers 0.

    Notes
    -----
    The derivative by x is 1 and by y is -n; what jumps has none there.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.remainder(np.array([7.0, -7.0]), 4)
    array([3., 1.])
    """
    return division.remainder(x, y)


@operation
def floor_divide(x: Operand, y: Operand, /) -> Any:
    """Return x / y rounded down to a whole number, as Python's ``x // y``.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        Of the broadcast shape and the wider dtype. Floats by zero are infinite or NaN, integers 0. No
        derivative flows through it: it is piecewise constant.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.floor_divide(np.array([7.0, -7.0]), 4)
    array([ 1., -2.])
    """
    return division.floor_divide(x, y)


@operation
def pow(x: Operand, y: Operand, /) -> Any:
    """Return x to the power y.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together. Integers become floats, but the square of integers
        (y the Python number 2) stays an integer.

    Returns
    -------
    array
        The powers, of the broadcast shape. A negative x to a fractional power is NaN.

    Notes
    -----
    The derivative by x is y · x^(y - 1), and 0 where y = 0; the derivative by y is x^y · ln x, and 0 where
    x = 0.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.pow(np.array([1.0, 2.0, 3.0]), 3)
    array([ 1.,  8., 27.])
    """
    if type(y) is int and y == 2:
        return rows.multiply(x, x)
    return rows.power(*as_reals(x, y))


@operation
def negative(x: Operand, /) -> Any:
    """Return -x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return rows.negative(x)


@operation
def abs(x: Operand, /) -> Any:
    """Return the absolute value |x|.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x.

    Notes
    -----
    The derivative is the sign of x: 0 at the kink x = 0.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.abs(np.array([1.0, -2.0]))
    array([1., 2.])
    """
    return rows.absolute(x)


@operation
def sign(x: Operand, /) -> Any:
    """Return -1, 0 or 1 by the sign of x; NaN stays NaN.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x. No derivative flows through it: it is piecewise constant.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sign(np.array([-3.0, 0.0, 5.0]))
    array([-1.,  0.,  1.])
    """
    return rows.sign(x)


@operation
def square(x: Operand, /) -> Any:
    """Return x · x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.square(np.array([1.0, -2.0]))
    array([1., 4.])
    """
    return rows.multiply(x, x)


@operation
def reciprocal(x: Operand, /) -> Any:
    """Return 1 / x.

    Parameters
    ----------
    x : array
        Numbers; integers become floats.

    Returns
    -------
    array
        Floats of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.reciprocal(np.array([1.0, 4.0]))
    array([1.  , 0.25])
    """
    return rows.divide(1, as_real(x))


@operation
def maximum(x: Operand, y: Operand, /) -> Any:
    """Return the larger of x and y, element by element; NaN if either is.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        Of the broadcast shape and the wider dtype.

    Notes
    -----
    The derivative goes to the larger one, and at a tie to y.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.maximum(np.array([1.0, -2.0]), 0)
    array([1., 0.])
    """
    return rows.maximum(x, y)


@operation
def minimum(x: Operand, y: Operand, /) -> Any:
    """Return the smaller of x and y, element by element; NaN if either is.

    Parameters
    ----------
    x, y : array
        Numbers of shapes that broadcast together.

    Returns
    -------
    array
        Of the broadcast shape and the wider dtype.

    Notes
    -----
    The derivative goes to the smaller one, and at a tie to y.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.minimum(np.array([1.0, -2.0]), 0)
    array([ 0., -2.])
    """
    return rows.minimum(x, y)


@operation
def clip(x: Operand, /, min: Operand = None, max: Operand = None) -> Any:
    """Return x limited to [min, max]; NaN stays NaN.

    Parameters
    ----------
    x : array
        Numbers.
    min, max : array or None, default None
        The limits; None is no limit. Where min is above max, the result is max.

    Returns
    -------
    array
        Of the broadcast shape and the wider dtype.

    Notes
    -----
    The derivative is 1 strictly between the limits and 0 elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.clip(np.array([-2.0, 0.5, 3.0]), 0, 1)
    array([0. , 0.5, 1. ])
    """
    y = as_value(x)
    if min is not None:
        y = rows.maximum(y, min)
    if max is not None:
        y = rows.minimum(y, max)
    return y


@operation
def floor(x: Operand, /) -> Any:
    """Return the largest integer that is not above x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x. No derivative flows through it: it is piecewise constant.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.floor(np.array([-1.5, 2.5]))
    array([-2.,  2.])
    """
    y = as_value(x)
    return y if y.dtype == INT32 else rows.floor(y)


@operation
def ceil(x: Operand, /) -> Any:
    """Return the smallest integer that is not below x.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array
        Of the shape and dtype of x. No derivative flows through it: it is piecewise constant.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.ceil(np.array([-1.5, 2.5]))
    array([-1.,  3.])
    """
    y = as_value(x)
    return y if y.dtype == INT32 else -rows.floor(-y)


OPERATORS["divide"] = divide
OPERATORS["power"] = pow
