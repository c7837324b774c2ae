"""Functions that differentiate functions: grad, value_and_grad, vjp, jacobian, hessian."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np

from chainrule.functions import reshape, stack
from chainrule.gradient.backward import backward
from chainrule.graph.structure import flatten, map_structure, unflatten
from chainrule.graph.trace import array_function, refuse_what_is_no_function, varying
from chainrule.graph.types import is_float, str_shape
from chainrule.graph.value import Value, as_value, cast_value
from chainrule.graph.words import counted
from chainrule.primitives.elementwise import identity

Function = Callable[..., Any]


def value_and_grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    r"""Return a function that computes y = f(x) and its gradient :math:`\partial y / \partial x`.

    Parameters
    ----------
    function : callable
        Returns one float. Keyword arguments are passed on to it and are not differentiated by.
    argnums : int or tuple of int, default 0
        The positions of the arguments to differentiate by: float arrays, Python floats, or dicts, lists and
        tuples of them.

    Returns
    -------
    callable
        Returns ``(y, gradient)``. The gradient has the structure, shapes and dtypes of the argument; it is a
        tuple of such, one for each argument, if `argnums` is a tuple.

    Raises
    ------
    TypeError
        If an argument to differentiate by is not of floats, or the result is not one float.
    ValueError
        If `argnums` names an argument that there is not, or one twice.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> y, gradient = cr.value_and_grad(lambda w: cr.sum(w**2))(np.array([1.0, 2.0, 3.0]))
    >>> float(y), gradient
    (14.0, array([2., 4., 6.]))
    >>> y, (dw, db) = cr.value_and_grad(lambda w, b: w * 5 + b, argnums=(0, 1))(2.0, 1.0)
    >>> float(y), float(dw), float(db)
    (11.0, 5.0, 1.0)
    """
    refuse_what_is_no_function("value_and_grad", function)

    @array_function
    def value_and_gradient(*arguments: Any, **options: Any) -> Any:
        chosen = _positions(argnums, len(arguments))
        own = list(arguments)
        with _variables([own[number] for number in chosen]) as variables:
            for number, variable in zip(chosen, variables, strict=True):
                own[number] = variable
            y = one_number(function(*own, **options))
            gradients = unflatten(variables, backward(y, flatten(variables)))
        return y, tuple(gradients) if isinstance(argnums, list | tuple) else gradients[0]

    return value_and_gradient


def grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    r"""Return a function that computes the gradient :math:`\partial f(x) / \partial x`.

    Parameters
    ----------
    function : callable
        Returns one float. Keyword arguments are passed on to it and are not differentiated by.
    argnums : int or tuple of int, default 0
        The positions of the arguments to differentiate by: float arrays, Python floats, or dicts, lists and
        tuples of them.

    Returns
    -------
    callable
        Returns the gradient, as the second result of `value_and_grad`. It can be differentiated again.

    Raises
    ------
    TypeError
        If an argument to differentiate by is not of floats, or the result is not one float.
    ValueError
        If `argnums` names an argument that there is not, or one twice.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> cr.grad(lambda w: cr.sum(w**2))(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    >>> cr.grad(lambda p: p["w"] * 3 + p["b"])({"w": np.float32(2), "b": np.float32(1)})
    {'w': array(3., dtype=float32), 'b': array(1., dtype=float32)}
    >>> cube = lambda x: x**3
    >>> float(cr.grad(cr.grad(cube))(2.0))
    12.0
    """
    refuse_what_is_no_function("grad", function)
    both = value_and_grad(function, argnums)
    return lambda *arguments, **options: both(*arguments, **options)[1]


def vjp(function: Function, *arguments: Any) -> tuple[Any, Function]:
    r"""Return y = f(x), and the function dy → dx that carries a derivative back through f.

    .. math:: dx_j = \sum_i dy_i \, \frac{\partial y_i}{\partial x_j}

    Parameters
    ----------
    function : callable
        Returns one float array of any shape.
    *arguments
        Where to differentiate: float arrays, Python floats, or dicts, lists and tuples of them.

    Returns
    -------
    y : array
        The function's result.
    pull : callable
        Takes dy, of the shape of y, and returns a tuple with dx for each argument, in its structure.

    Raises
    ------
    TypeError
        If an argument is not of floats, or the result is not a float array.
    ValueError
        When `pull` is called, if dy has not the shape of y.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> y, pull = cr.vjp(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
    >>> y
    array([1., 4., 9.])
    >>> pull(np.array([1.0, 0.0, 10.0]))
    (array([ 2.,  0., 60.]),)
    """
    refuse_what_is_no_function("vjp", function)

    @array_function
    def value(*at: Any) -> Value:
        with _variables(at) as variables:
            return _floats(function(*variables))

    @array_function
    def pull(dy: Any, *at: Any) -> Any:
        with _variables(at) as variables:
            y, dy = _floats(function(*variables)), as_value(_array_of(dy))
            if dy.shape != y.shape:
                raise ValueError(
                    f"dy has the shape {str_shape(dy.shape)}, and the function's result is {y.type}"
                )
            return unflatten(variables, backward(y, flatten(variables), cast_value(dy, y.dtype)))

    return value(*arguments), lambda dy: pull(dy, *arguments)


def jacobian(function: Function) -> Function:
    r"""Return a function that computes every derivative :math:`\partial y_i / \partial x_j` of y = f(x).

    There is one backward pass for each element of y.

    Parameters
    ----------
    function : callable
        Takes a float array first and returns a float array. Further arguments are passed on to it.

    Returns
    -------
    callable
        Returns an array of the shape of y followed by the shape of x.

    Raises
    ------
    TypeError
        If the first argument is not one array of floats, or the result is not one.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> cr.jacobian(lambda x: cr.stack([x[0] * x[1], x[0] + x[1]]))(np.array([3.0, 5.0]))
    array([[5., 3.],
           [1., 1.]])
    """
    refuse_what_is_no_function("jacobian", function)

    @array_function
    def jacobian_at(x: Any, *rest: Any) -> Any:
        if isinstance(x, dict | list | tuple):
            raise TypeError(
                "jacobian and hessian differentiate with respect to one array, "
                f"and the first argument is a {type(x).__name__}"
            )
        with _variables(x) as variable:
            y = _floats(function(variable, *rest))
            if not y.size:
                return np.zeros((*y.shape, *variable.shape), variable.dtype)
            unit = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
            rows = [backward(y, [variable], as_value(np.asarray(dy)))[0] for dy in unit]
            return reshape(stack(rows), shape=(*y.shape, *variable.shape))

    return jacobian_at


def hessian(function: Function) -> Function:
    r"""Return a function that computes every second derivative of a function that returns one number.

    .. math:: H_{ij} = \frac{\partial^2 f(x)}{\partial x_i \, \partial x_j}

    Parameters
    ----------
    function : callable
        Takes a float array first and returns one float. Further arguments are passed on to it.

    Returns
    -------
    callable
        Returns an array of the shape of x, twice: for a vector of n elements an n × n matrix, symmetric
        wherever the second derivatives are continuous.

    Raises
    ------
    TypeError
        If the first argument is not one array of floats, or the result is not one float.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    refuse_what_is_no_function("hessian", function)
    return jacobian(grad(function))


def one_number(result: Any) -> Value:
    """Return a function's result if it is one float, or say what it is."""
    y = _floats(result)
    if y.shape:
        raise TypeError(
            f"a gradient needs a function that returns one float, and it returned {y.type}; cr.sum or "
            "cr.mean makes one number of an array, and cr.jacobian differentiates arrays"
        )
    return y


def _floats(result: Any) -> Value:
    """Return a function's result if it is one array of floats, or say what it is."""
    if isinstance(result, dict | list | tuple):
        raise TypeError(f"the function should return one array, and it returned a {type(result).__name__}")
    y = as_value(result)
    if not is_float(y.dtype):
        raise TypeError(f"only floats have derivatives, and the function returned {y.type}")
    return y


def _positions(argnums: int | tuple[int, ...], count: int) -> list[int]:
    """Return the positions counted from the front, or say which does not exist."""
    given = argnums if isinstance(argnums, list | tuple) else [argnums]
    for number in given:
        if not isinstance(number, Integral) or isinstance(number, bool):
            raise TypeError(
                f"argnums are positions, such as 0 or (0, 1), not {reprlib.repr(number)}; the gradient is a "
                "function of the arguments: cr.grad(f)(x)"
            )
        if not -count <= number < count:
            raise ValueError(f"argnums = {number}: the function was called with {counted(count, 'argument')}")
    positions = [number % count for number in given]
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums = {argnums} names one argument twice")
    return positions


@contextmanager
def _variables(structure: Any) -> Iterator[Any]:
    """Give the arrays as values of their own, so that what a closure holds of them counts as constant."""

    def variable(leaf: Any) -> Value:
        value = as_value(_array_of(leaf))
        if not is_float(value.dtype):
            raise TypeError(f"only floats have derivatives, and an argument is {value.type}; cast it first")
        return identity(value)

    own = map_structure(variable, structure)
    with varying(flatten(own)):
        yield own


def _array_of(leaf: Any) -> Any:
    """Return a Python or NumPy number as an array, so that its derivatives are arrays, too."""
    return np.asarray(leaf) if isinstance(leaf, int | float | np.number) else leaf
