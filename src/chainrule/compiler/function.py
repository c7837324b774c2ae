"""Any Python function of arrays as native code."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from operator import is_
from typing import Any, Final

import numpy as np

import chainrule.functions  # noqa: F401, its operators are what a value is computed with
from chainrule.compiler.executable import Executable
from chainrule.graph.graph import Graph
from chainrule.graph.structure import flatten, unflatten
from chainrule.graph.trace import depends_on_others, is_symbolic, refuse_what_is_no_function
from chainrule.graph.types import Array, ArrayType
from chainrule.graph.value import Value, as_array, as_value, input_like

#: For how many combinations of types a function has code; the oldest goes first.
MOST_KEPT: Final = 64


class Compiled:
    """A function that is native code once it has been called; it has one for each combination of types.

    Parameters
    ----------
    function : callable
        Takes values (and dicts, lists, tuples of them) and returns values.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._made: dict[Hashable, tuple[Executable, Any]] = {}
        self._plain: dict[Hashable, tuple[Executable, Any]] = {}
        self._last: Executable | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return the function's result, a symbolic one where it depends on what is traced or varied."""
        if named:
            arguments = self._in_order(arguments, named)
        types = _types_of(arguments)
        executable, structure = self._plain.get(types, _UNKNOWN)
        if executable is None:
            return self._look_up(arguments, types)
        self._last = executable
        return _result(structure, executable(*arguments))

    def _in_order(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Return the arguments by position."""
        bound = inspect.signature(self._function).bind(*arguments, **named)
        bound.apply_defaults()
        if bound.kwargs:
            names = ", ".join(bound.kwargs)
            raise TypeError(f"a compiled function takes its arguments by position, and {names} has none")
        return bound.args

    def _look_up(self, arguments: tuple[Any, ...], types: Hashable) -> Any:
        """Call the code for any arguments; it is made if there is none for these types."""
        if is_symbolic(list(arguments)):
            return self._function(*arguments)
        leaves = flatten(list(arguments))
        arrays = [as_array(leaf) for leaf in leaves]
        key = (_shape_of(list(arguments)), tuple(map(_type_of, leaves, arrays)))
        made = self._made.get(key)
        if made is None:
            inputs, results, structure = self._trace(list(arguments), leaves, arrays)
            if depends_on_others(results, inputs):
                return self._function(*arguments)
            made = self._made[key] = Executable(Graph(inputs, results)), structure
            self._drop_oldest()
        executable, structure = made
        if types is not None and all(map(is_, arrays, arguments)):
            self._plain[types] = executable, structure
        self._last = executable
        return _result(structure, executable(*arrays))

    def _drop_oldest(self) -> None:
        """Keep no more code than `MOST_KEPT` says."""
        for key in list(self._made)[:-MOST_KEPT]:
            self._made.pop(key, None)  # another thread may have done so
            self._plain.clear()  # it may be in there

    def explain(self, *, profile: bool = False) -> str:
        """Return how the last call is computed.

        It shows the graph, the graph after each pass, the kernels, the memory plan, the LLVM IR and the
        assembly.

        Parameters
        ----------
        profile : bool, default False
            Whether to show first how long each kernel takes, on random numbers and in a build made for it:
            microseconds (the median of some calls), its share, for a matrix product the multiplications and
            additions a second, and the bytes a second of the arrays that it reads and writes.

        Raises
        ------
        ValueError
            If the function has not been called, so that nothing is known of its arguments.
        """
        if self._last is None:
            raise ValueError("nothing is compiled yet: call the function once, then explain it")
        from chainrule.compiler.description import describe  # what runs does without them
        from chainrule.compiler.profile import profile_graph

        text = describe(self._last.graph)
        return f"==== profile ====\n{profile_graph(self._last.graph)}\n\n{text}" if profile else text

    def _trace(
        self, arguments: list[Any], leaves: list[Any], arrays: list[Array]
    ) -> tuple[list[Value], list[Value], Any]:
        """Return the inputs, the results, and the structure that these are of."""
        inputs = [
            input_like(f"x{i}", array, weak=isinstance(leaf, int | float))
            for i, (leaf, array) in enumerate(zip(leaves, arrays, strict=True))
        ]
        result = self._function(*unflatten(arguments, inputs))
        return inputs, [as_value(leaf) for leaf in flatten(result)], result


def compile(function: Callable[..., Any]) -> Compiled:
    """Return the function as native code.

    It is traced and compiled at the first call with arguments of these shapes and dtypes; later calls run the
    code alone. Code is kept for the 64 latest combinations of these. What it returns shares memory with
    nothing.

    Parameters
    ----------
    function : callable
        Takes arrays, Python numbers, or dicts, lists and tuples of them, and returns such. Python's own `if`
        and `while` on arrays are not seen: use `where`. What it finds outside (variables, arrays) stands for
        what it is at the first call, and arrays of these may not be changed in place after it: hand over as
        an argument what changes.

    Returns
    -------
    Compiled
        Called like the function.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> slope = cr.compile(cr.grad(lambda w: cr.sum(w**2)))
    >>> slope(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    >>> print(slope.explain().split("==== kernels ====")[1].split("====")[0].strip())
    0: loop (3,); then add; stores 1
    """
    refuse_what_is_no_function("compile", function)
    return Compiled(function)


_UNKNOWN = None, None


def _types_of(arguments: tuple[Any, ...]) -> Hashable:
    """Return the types of arguments that are all arrays; None for others."""
    if not all(type(argument) is np.ndarray for argument in arguments):
        return None
    return tuple([(array.shape, array.dtype) for array in arguments])


def _result(structure: Any, results: list[Array]) -> Any:
    return unflatten(structure, results) if isinstance(structure, dict | list | tuple) else results[0]


def _type_of(leaf: Any, array: Array) -> Hashable:
    return ArrayType(array.shape, np.dtype(array.dtype)), isinstance(leaf, int | float)


def _shape_of(structure: Any) -> Hashable:
    """Return the structure without its leaves."""
    if isinstance(structure, dict):
        return tuple((key, _shape_of(item)) for key, item in structure.items())
    if isinstance(structure, list | tuple):
        return (type(structure), *map(_shape_of, structure))
    return None
