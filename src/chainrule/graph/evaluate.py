"""A graph runs on NumPy, equation by equation: the definition of correct."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, Array, ArrayType
from chainrule.graph.value import Value, as_array
from chainrule.graph.words import counted

Observer = Callable[[Value, Array], None]


class _Step(NamedTuple):
    """One equation of a plan: what is computed, from what, and what nobody needs afterwards.

    Arrays are named by their values' serial numbers.
    """

    value: Value
    operands: list[int]
    mentions_rows: bool
    finished: list[int]


class Evaluator:
    """A graph ready to run many times.

    Every equation becomes one NumPy call; an array is let go after its last use.

    Parameters
    ----------
    graph : Graph
        What to run.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        last_use: dict[int, int] = {}
        for position, value in enumerate(graph.equations):
            for operand in value.operands:
                last_use[operand.serial] = position
        kept = {value.serial for value in (*graph.inputs, *graph.captured, *graph.outputs)}
        self._plan: list[_Step] = []
        for position, value in enumerate(graph.equations):
            operands = [operand.serial for operand in value.operands]
            finished = [serial for serial in {*operands} - kept if last_use[serial] == position]
            mentions_rows = any(map(_mentions_rows, value.attributes.values()))
            self._plan.append(_Step(value, operands, mentions_rows, finished))

    def __call__(self, *arguments: Array, observe: Observer | None = None) -> list[Array]:
        """Return the outputs for the inputs' arrays; `observe` is shown each equation's array.

        The result may share memory with the arguments; `evaluate` returns arrays of their own.
        """
        graph = self.graph
        rows = bind_rows(graph.inputs, arguments)
        known = dict(zip((value.serial for value in graph.inputs), arguments, strict=True))
        for value in graph.captured:
            assert value.data is not None
            known[value.serial] = value.data
        with np.errstate(all="ignore"):
            for value, operands, mentions_rows, finished in self._plan:
                attributes = _bind(value.attributes, rows) if mentions_rows else value.attributes
                assert value.primitive is not None
                array = np.asarray(
                    value.primitive.value(*[known[serial] for serial in operands], **attributes)
                )
                known[value.serial] = array
                if observe is not None:
                    observe(value, array)
                for serial in finished:
                    del known[serial]
        return [known[value.serial] for value in graph.outputs]


class Rerun:
    """What a graph computes from one of its inputs, ready to run many times; all else is computed once.

    Parameters
    ----------
    graph : Graph
        What to run.
    known : mapping of Value to array
        The array of each of its values in one run.
    changed : Value
        The input whose array differs from run to run.
    """

    def __init__(self, graph: Graph, known: Mapping[Value, Array], changed: Value) -> None:
        rows = bind_rows(graph.inputs, [known[value] for value in graph.inputs])
        self._changed, self._known = changed.serial, dict[int, Array]()
        self._outputs = [value.serial for value in graph.outputs]
        self._plan: list[tuple[int, Callable[..., Any], list[int], dict[str, Any]]] = []
        runs = {changed.serial}
        for value in graph.equations:
            if any(operand.serial in runs for operand in value.operands):
                assert value.primitive is not None
                runs.add(value.serial)
                operands = [operand.serial for operand in value.operands]
                attributes = _bind(value.attributes, rows)
                self._plan.append((value.serial, value.primitive.value, operands, attributes))
                self._known.update((one.serial, known[one]) for one in value.operands)
        self._known.update((value.serial, known[value]) for value in graph.outputs)

    def __call__(self, array: Array) -> list[Array]:
        """Return the outputs for an array of the input."""
        known = {**self._known, self._changed: array}
        with np.errstate(all="ignore"):
            for serial, value, operands, attributes in self._plan:
                known[serial] = np.asarray(value(*[known[one] for one in operands], **attributes))
        return [known[serial] for serial in self._outputs]


def numbers_of(graph: Graph, arrays: Sequence[Array]) -> dict[Value, Array]:
    """Return the array of every value of a graph, given those of its inputs."""
    known = dict(zip(graph.inputs, arrays, strict=True))
    known |= {value: value.data for value in graph.captured if value.data is not None}
    Evaluator(graph)(*arrays, observe=known.__setitem__)
    return known


def evaluate(graph: Graph, *arguments: object) -> list[Array]:
    """Return the outputs of a graph as arrays that share memory with nothing.

    Parameters
    ----------
    graph : Graph
        What to run.
    *arguments : array_like
        One for each input, of its shape and dtype.
    """
    given = [np.asarray(argument) for argument in arguments]
    return [np.array(array) for array in Evaluator(graph)(*map(as_array, given))]


def bind_rows(inputs: Sequence[Value], arguments: Sequence[Array]) -> int | None:
    """Return the number that `rows` stands for in these arguments; None where no input has it."""
    if len(inputs) != len(arguments):
        raise ValueError(f"the graph takes {counted(len(inputs), 'array')} and was given {len(arguments)}")
    rows: int | None = None
    for value, array in zip(inputs, arguments, strict=True):
        if array.dtype != value.dtype or array.ndim != value.ndim:
            raise ValueError(f"{value.name} is {value.type}, and was given {_describe(array)}")
        for dim, size in zip(value.shape, array.shape, strict=True):
            if dim is ROWS and rows is None:
                rows = size
            if size != (rows if dim is ROWS else dim):
                more = f" where rows = {rows}" if rows is not None else ""
                raise ValueError(f"{value.name} is {value.type}{more}, and was given {_describe(array)}")
    return rows


def _describe(array: Array) -> str:
    return str(ArrayType(array.shape, array.dtype))


def _mentions_rows(item: Any) -> bool:
    return item is ROWS or (isinstance(item, tuple) and any(map(_mentions_rows, item)))


def _bind(attributes: Mapping[str, Any], rows: int | None) -> dict[str, Any]:
    def bind(item: Any) -> Any:
        if isinstance(item, tuple):
            return tuple(map(bind, item))
        if item is not ROWS:
            return item
        if rows is None:
            raise ValueError("the graph uses the number of rows, and no input of it has rows")
        return rows

    return {name: bind(item) for name, item in attributes.items()}
