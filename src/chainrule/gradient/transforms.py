"""Functions that differentiate functions: grad, value_and_grad, vjp, jacobian, hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.functions.shaping import reshape, stack
from chainrule.gradient.backward import backward
from chainrule.graph.structure import flatten, map_structure, unflatten
from chainrule.graph.trace import array_function
from chainrule.graph.types import is_float, str_shape
from chainrule.graph.value import Value, as_value
from chainrule.primitives.elementwise import identity

Function = Callable[..., Any]


def value_and_grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that computes `function` and its gradient."""

    @array_function
    def value_and_gradient(*arguments: Any, **options: Any) -> Any:
        chosen = [argnums] if isinstance(argnums, int) else list(argnums)
        own = list(arguments)
        for number in chosen:
            if not -len(own) <= number < len(own):
                raise ValueError(f"argnums = {number}: the function was called with {len(own)} arguments")
            own[number] = _variables(own[number])
        y = _scalar(function(*own, **options))
        leaves = [leaf for number in chosen for leaf in flatten(own[number])]
        gradients = unflatten([own[number] for number in chosen], backward(y, leaves))
        return y, gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return value_and_gradient


def grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that computes the gradient of `function`, which returns one number."""
    both = value_and_grad(function, argnums)
    return lambda *arguments, **options: both(*arguments, **options)[1]


def vjp(function: Function, *arguments: Any) -> tuple[Any, Function]:
    """Return y = function(x) and the function dy → dx that carries a derivative back through it."""

    @array_function
    def pull(dy: Any, *at: Any) -> Any:
        own = [_variables(argument) for argument in at]
        y = as_value(function(*own))
        dy = as_value(dy)
        if dy.shape != y.shape:
            raise ValueError(f"dy has the shape {str_shape(dy.shape)}, and the function's result {y.type}")
        return unflatten(tuple(own), backward(y, flatten(own), dy))

    value = array_function(lambda *at: as_value(function(*map(_variables, at))))
    return value(*arguments), lambda dy: pull(dy, *arguments)


def jacobian(function: Function) -> Function:
    """Return a function that computes every derivative of an array's elements by an array's elements."""

    @array_function
    def jacobian_at(x: Any, *rest: Any) -> Any:
        x = _variables(x)
        if not isinstance(x, Value):
            raise TypeError(
                "jacobian and hessian differentiate with respect to one array, not a dict or list"
            )
        y = as_value(function(x, *rest))
        if not is_float(y.dtype):
            raise TypeError(f"the function returns {y.type}; only floats have derivatives")
        if not y.size:
            return np.zeros((*y.shape, *x.shape), x.dtype)
        unit = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        rows = [backward(y, [x], as_value(unit[i]))[0] for i in range(y.size)]
        return reshape(stack(rows), shape=(*y.shape, *x.shape))

    return jacobian_at


def hessian(function: Function) -> Function:
    """Return a function that computes the second derivatives of `function`, which returns one number."""
    return jacobian(grad(function))


def _variables(structure: Any) -> Any:
    """Return the arrays as values of their own, so that what a closure holds of them counts as constant."""

    def variable(leaf: Any) -> Value:
        value = as_value(np.asarray(leaf) if isinstance(leaf, int | float) else leaf)
        if not is_float(value.dtype):
            raise TypeError(f"only floats have derivatives, and an argument is {value.type}; cast it first")
        return identity(value)

    return map_structure(variable, structure)


def _scalar(result: Any) -> Value:
    """Return the result if it is one float, or say what it is."""
    if isinstance(result, dict | list | tuple):
        raise TypeError(
            f"grad needs a function that returns one number, and it returned a {type(result).__name__}"
        )
    y = as_value(result)
    if y.shape or not is_float(y.dtype):
        raise TypeError(
            f"grad needs a function that returns one float, and it returned {y.type}; cr.sum or cr.mean makes "
            "one number of an array, and jacobian differentiates arrays"
        )
    return y
