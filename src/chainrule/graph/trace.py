"""A Python function becomes a graph; called on plain arrays, it evaluates at once."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph, needed
from chainrule.graph.structure import flatten, unflatten
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import Operand, Value, as_array, as_value, input_like

P = ParamSpec("P")
R = TypeVar("R")

#: The variables of the differentiations that are under way.
_varying: ContextVar[tuple[Value, ...]] = ContextVar("varying", default=())


def trace(function: Callable[..., Any], *examples: Any) -> Graph:
    """Return the graph of what `function` computes.

    Parameters
    ----------
    function : callable
        Takes values (and dicts, lists, tuples of them) and returns values.
    *examples
        For each argument an ArrayType, an array, or a structure of them; only shapes and dtypes are used.

    Returns
    -------
    Graph
        Its inputs are the leaves of the arguments in order, its outputs the leaves of the result. Arrays that
        the function captures become the graph's captured values.
    """
    types = map(type_of, flatten(list(examples)))
    inputs = [input_like(f"x{i}", type_) for i, type_ in enumerate(types)]
    result = function(*unflatten(list(examples), inputs))
    return Graph(inputs, [as_value(leaf) for leaf in flatten(result)])


def refuse_what_is_no_function(owner: str, given: object) -> None:
    """Raise a TypeError if a function's argument is none, as where its result was given."""
    if not callable(given):
        said = " ".join(reprlib.repr(given).split())
        raise TypeError(f"{owner} takes a function, such as lambda w: cr.sum(w**2), and was given {said}")


def type_of(example: Any) -> ArrayType:
    """Return the type of an array, a Value, or a type itself."""
    if isinstance(example, ArrayType):
        return example
    if isinstance(example, Value):
        return example.type
    array = as_array(example)
    return ArrayType(array.shape, array.dtype)


def is_symbolic(*arguments: Any) -> bool:
    """Whether a Value is among the arguments, however deep."""
    return any(isinstance(leaf, Value) for leaf in flatten(list(arguments)))


@contextmanager
def varying(variables: Sequence[Value]) -> Iterator[None]:
    """While this lasts, values are the variables of a differentiation: what depends on them is no number."""
    token = _varying.set((*_varying.get(), *variables))
    try:
        yield
    finally:
        _varying.reset(token)


def depends_on_others(leaves: Sequence[Value], inputs: Sequence[Value] = ()) -> bool:
    """Whether values depend on more than these inputs and on numbers: on what is traced or differentiated.

    A closure may hold that, so the arguments of a function alone do not tell.
    """
    own = {value.serial for value in inputs}
    varied = {value.serial for value in _varying.get()}
    return any(
        value.serial in varied or (bool(value.name) and value.serial not in own) for value in needed(leaves)
    )


def evaluate_now(result: Any) -> Any:
    """Return the numbers of a structure of values that were computed from arrays alone.

    A value made of Python numbers only becomes a Python number again, so that it stays weak; what depends on
    a graph's inputs, on a variable of a differentiation, or on the number of rows stays symbolic.
    """
    leaves = [as_value(leaf) for leaf in flatten(result)]
    if depends_on_others(leaves) or any(ROWS in value.shape for value in needed(leaves)):
        return result
    arrays = evaluate(Graph((), leaves))
    numbers = [
        array.item() if leaf.weak and not leaf.shape else array
        for leaf, array in zip(leaves, arrays, strict=True)
    ]
    return unflatten(result, numbers) if isinstance(result, dict | list | tuple) else numbers[0]


def array_function(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of values work on plain arrays too, where it evaluates at once."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        result = function(*args, **kwargs)
        symbolic = is_symbolic(list(args), list(kwargs.values()))
        return result if symbolic else cast(R, evaluate_now(result))

    return wrapper


class Operation(Protocol[P]):
    """What is a Value for a Value, and for plain arrays an array or a number."""

    @overload
    def __call__(self, x: Value | Sequence[Value], /, *args: P.args, **kwargs: P.kwargs) -> Value: ...
    @overload
    def __call__(self, x: Operand, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...


def operation(function: Callable[Concatenate[Operand, P], Any]) -> Operation[P]:
    """Make an `array_function` whose first argument says what type it returns."""
    return array_function(function)
