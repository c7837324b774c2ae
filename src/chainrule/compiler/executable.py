"""A graph as native code: called on arrays, it gives arrays."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.native import native
from chainrule.compiler.plan import GraphPlan, multiplications
from chainrule.compiler.pool import deferred_interrupt, helpers, run_together
from chainrule.compiler.table import allocate
from chainrule.compiler.threads import WORTH_WAKING, thread_count
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, Array, ArrayType, DType

if TYPE_CHECKING:
    from chainrule.compiler.compiled_graph import CompiledGraph

#: Of how many combinations of types a graph remembers what a call needs: one for each number of rows.
MOST_CALLS = 64


class Executable:
    """A graph as native code.

    Parameters
    ----------
    graph : Graph
        What to compute.
    compiled : CompiledGraph, optional
        What was made of it, if its code is not to be kept.

    Notes
    -----
    It may be called from several threads at once: each call has memory of its own.
    """

    def __init__(self, graph: Graph, compiled: CompiledGraph | None = None) -> None:
        self.graph = graph
        parts = (str(graph),) if compiled is None else None
        self.plan, self._run, self._library = native(
            "graph", GraphPlan, parts, lambda: compiled or _compiled(graph)
        )
        captured = [graph.captured[number].data for number in self.plan.captured]
        self._captured = [np.ascontiguousarray(array) for array in captured]
        self.ticks = np.zeros(0 if compiled is None else len(compiled.kernels) + 2, np.int64)
        self._calls: dict[Hashable, _Call] = {}
        self._scratch = threading.local()

    def __call__(self, *arguments: Array, n_threads: int | None = None) -> list[Array]:
        """Return the outputs for the inputs' arrays; what is returned shares memory with nothing.

        Parameters
        ----------
        *arguments : array
            The inputs.
        n_threads : int, optional
            How many threads share the work if there is much; see `chainrule.compiler.threads`.
        """
        given = [_contiguous(argument) for argument in arguments]
        call = self._call_for(given)
        results = [np.empty(shape, dtype) for shape, dtype in call.results]
        threads = self._threads(call, n_threads)
        held = self._take_memory(call.capacity, threads)
        for place, array in enumerate((*given, *self._captured, *results, self.ticks), len(held.places)):
            held.table[place] = _address(array)
        given_to_all = held.address, call.rows, call.capacity
        held.turn += 1
        if threads == 1:
            self._run(*given_to_all, 0, 1, held.turn)
        else:
            with deferred_interrupt():
                run_together(
                    lambda thread: self._run(*given_to_all, thread, threads, held.turn),
                    threads,
                    helpers.at_least(threads - 1),
                )
        self._scratch.held = held
        return [self._output(kind, number, results, given) for kind, number in self.plan.outputs]

    def _output(self, kind: str, number: int, results: list[Array], given: list[Array]) -> Array:
        if kind == "result":
            return results[number]
        known = given[number] if kind == "input" else self.graph.captured[number].data
        assert known is not None
        return known.copy()

    def _call_for(self, given: list[Array]) -> _Call:
        """Return what a call on arrays of these types needs; it is found out at the first such call."""
        types = tuple([(array.shape, array.dtype) for array in given])
        call = self._calls.get(types)
        if call is None:
            rows = bind_rows(self.graph.inputs, given) or 0
            results = [(_bound(result, rows), result.dtype) for result in self.plan.results]
            call = _Call(rows, -(-max(rows, 1) // 16) * 16, results, multiplications(self.plan.work, rows))
            if len(self._calls) == MOST_CALLS:
                self._calls.clear()
            self._calls[types] = call
        return call

    def _threads(self, call: _Call, asked: int | None) -> int:
        if call.work < WORTH_WAKING or self.ticks.size:
            return 1
        return thread_count(call.work, asked)

    def _take_memory(self, capacity: int, threads: int) -> _Held:
        """Return this thread's memory for so many rows and helping threads, to be given back after the call.

        A call that comes in between, from a signal's handler, has its own.
        """
        held: _Held | None = self._scratch.__dict__.pop("held", None)
        if held is None or held.capacity < capacity or held.threads < threads:
            plan = self.plan
            memory, places = allocate(plan.sizes, plan.scratch, capacity, threads, plan.parts)
            others = len(self.graph.inputs) + len(self._captured) + len(plan.results) + 1
            table = (ctypes.c_void_p * (len(places) + others))(*places)
            held = _Held(capacity, threads, memory, places, table, ctypes.addressof(table))
        return held


@dataclass(frozen=True)
class _Call:
    """What is the same for all calls on arrays of the same types: rows, results, multiplications."""

    rows: int
    capacity: int
    results: list[tuple[tuple[int, ...], DType]]
    work: int


@dataclass
class _Held:
    """Memory that is kept from call to call: for how much, the table of pointers, and the last turn."""

    capacity: int
    threads: int
    memory: Array
    places: list[int]
    table: ctypes.Array[ctypes.c_void_p]
    address: int
    turn: int = 0


def _compiled(graph: Graph) -> CompiledGraph:
    from chainrule.compiler.compiled_graph import CompiledGraph  # not loaded for code that lies in the cache

    return CompiledGraph(graph)


_executables: weakref.WeakKeyDictionary[Graph, Executable] = weakref.WeakKeyDictionary()


def executable_of(graph: Graph) -> Executable:
    """Return a graph as native code, compiled at its first use."""
    if graph not in _executables:
        _executables[graph] = Executable(graph)
    return _executables[graph]


def _contiguous(array: Array) -> Array:
    """Return an array whose elements follow each other; the same one if they do."""
    array = np.asarray(array)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _address(array: Any) -> int:
    """Return where an array lies; NumPy itself takes three times as long to tell."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # it may only be read, or has no elements
        return int(array.ctypes.data)


def _bound(result: ArrayType, rows: int) -> tuple[int, ...]:
    return tuple(rows if dim is ROWS else int(dim) for dim in result.shape)
