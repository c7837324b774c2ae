"""Comparisons, logic, choice and conversion, element by element.

What gives bools has no derivative, and none flows through it.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.arguments import as_real
from chainrule.graph.trace import operation
from chainrule.graph.types import as_dtype
from chainrule.graph.value import Operand, as_value
from chainrule.primitives import elementwise as rows


@operation
def equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x = y. NaN equals nothing.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.equal(np.array([1, 2, 3]), 2)
    array([False,  True, False])
    """
    return rows.equal(x, y)


@operation
def not_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≠ y.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.not_equal(np.array([1, 2, 3]), 2)
    array([ True, False,  True])
    """
    return rows.not_equal(x, y)


@operation
def less(x: Operand, y: Operand, /) -> Any:
    """Return whether x < y.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.less(np.array([1, 2, 3]), 2)
    array([ True, False, False])
    """
    return rows.less(x, y)


@operation
def less_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≤ y.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.less_equal(np.array([1, 2, 3]), 2)
    array([ True,  True, False])
    """
    return rows.less_equal(x, y)


@operation
def greater(x: Operand, y: Operand, /) -> Any:
    """Return whether x > y.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.greater(np.array([1, 2, 3]), 2)
    array([False, False,  True])
    """
    return rows.greater(x, y)


@operation
def greater_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≥ y.

    Parameters
    ----------
    x, y : array
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.greater_equal(np.array([1, 2, 3]), 2)
    array([False,  True,  True])
    """
    return rows.greater_equal(x, y)


@operation
def logical_and(x: Operand, y: Operand, /) -> Any:
    """Return whether x and y are both true.

    Parameters
    ----------
    x, y : array of bool
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.logical_and(np.array([False, True]), np.array([True, True]))
    array([False,  True])
    """
    return rows.logical_and(x, y)


@operation
def logical_or(x: Operand, y: Operand, /) -> Any:
    """Return whether x or y is true.

    Parameters
    ----------
    x, y : array of bool
        Of shapes that broadcast together.

    Returns
    -------
    array of bool
        Of the broadcast shape.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.logical_or(np.array([False, True]), np.array([False, True]))
    array([False,  True])
    """
    return rows.logical_or(x, y)


@operation
def logical_not(x: Operand, /) -> Any:
    """Return whether x is false.

    Parameters
    ----------
    x : array of bool
        Of any shape.

    Returns
    -------
    array of bool
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.logical_not(np.array([False, True]))
    array([ True, False])
    """
    return rows.logical_not(x)


@operation
def isfinite(x: Operand, /) -> Any:
    """Return whether x is neither infinite nor NaN.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array of bool
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.isfinite(np.array([1.0, np.inf, np.nan]))
    array([ True, False, False])
    """
    return rows.is_finite(as_real(x))


@operation
def isinf(x: Operand, /) -> Any:
    """Return whether x is infinite, of either sign.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array of bool
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.isinf(np.array([1.0, -np.inf, np.nan]))
    array([False,  True, False])
    """
    return rows.equal(rows.absolute(as_real(x)), math.inf)


@operation
def isnan(x: Operand, /) -> Any:
    """Return whether x is NaN, not a number.

    Parameters
    ----------
    x : array
        Numbers.

    Returns
    -------
    array of bool
        Of the shape of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.isnan(np.array([1.0, np.inf, np.nan]))
    array([False, False,  True])
    """
    return rows.not_equal(x, x)  # NaN is the one value that differs from itself


@operation
def where(condition: Operand, x: Operand, y: Operand, /) -> Any:
    """Return x where the condition holds, otherwise y.

    Parameters
    ----------
    condition : array of bool
        What chooses.
    x, y : array
        What is chosen from. All three have shapes that broadcast together.

    Returns
    -------
    array
        Of the broadcast shape, and the wider dtype of x and y.

    Notes
    -----
    The derivative goes to what was chosen; the other one gets 0. Both are computed, so an infinite derivative
    on the way to the other one makes 0 · ∞ = NaN: choose a harmless argument first, as in
    ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.array([-1.0, 2.0])
    >>> cr.where(x > 0, x, 0)
    array([0., 2.])
    """
    a, b = as_value(x), as_value(y)
    chosen = rows.where(condition, a, b)
    chosen.weak = a.weak and b.weak  # the condition has no say in the dtype
    return chosen


@operation
def astype(x: Operand, dtype: object, /) -> Any:
    """Return x converted to another dtype.

    Parameters
    ----------
    x : array
        Of any dtype.
    dtype : str or dtype
        ``"float32"``, ``"float64"``, ``"int32"``, ``"uint32"`` or ``"bool"``. Floats go to integers toward
        zero; to bools, everything but 0 is true.

    Returns
    -------
    array
        Of the shape of x. The derivative flows between floats.

    Raises
    ------
    ValueError
        If there is no such dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.astype(np.array([-1.5, 2.5]), "int32")
    array([-1,  2], dtype=int32)
    """
    y = rows.cast(x, dtype=as_dtype(dtype).name)
    y.weak = False  # a dtype that was asked for yields to no other
    return y


@operation
def stop_gradient(x: Operand, /) -> Any:
    """Return x as a constant: no derivative flows through it.

    Parameters
    ----------
    x : array
        Of any dtype.

    Returns
    -------
    array
        x, of the same shape and dtype.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0)
    array(3.)
    """
    return rows.stop_gradient(x)
