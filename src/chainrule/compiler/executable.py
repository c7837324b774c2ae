"""A graph as native code: called on arrays, it gives arrays."""

from __future__ import annotations

import ctypes
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.compiler.native import native
from chainrule.compiler.plan import GraphPlan, multiplications
from chainrule.compiler.pool import deferred_interrupt, helpers, run_together
from chainrule.compiler.table import FIRST_ARRAY, allocate
from chainrule.compiler.threads import WORTH_WAKING, thread_count
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, Array, ArrayType

if TYPE_CHECKING:
    from chainrule.compiler.compiled_graph import CompiledGraph


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
        self.plan, self._call, self._library = native(
            "graph", GraphPlan, parts, lambda: compiled or _compiled(graph)
        )
        captured = [graph.captured[number].data for number in self.plan.captured]
        self._captured = [np.ascontiguousarray(array) for array in captured]
        self.ticks = np.zeros(0 if compiled is None else len(compiled.kernels) + 2, np.int64)
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
        given = [np.ascontiguousarray(argument).reshape(argument.shape) for argument in arguments]
        rows = bind_rows(self.graph.inputs, given)
        results = [np.empty(_bound(result, rows), result.dtype) for result in self.plan.results]
        capacity = -(-(rows or 1) // 16) * 16
        threads = self._threads(rows or 0, n_threads)
        held = self._memory(capacity, threads)
        arrays = [*given, *self._captured, *results, self.ticks]
        table = (ctypes.c_void_p * (FIRST_ARRAY + len(arrays)))(
            *held.places, *[array.ctypes.data for array in arrays]
        )
        given_to_all = ctypes.addressof(table), rows or 0, capacity
        held.turn += 1
        if threads == 1:
            self._call(*given_to_all, 0, 1, held.turn)
        else:
            with deferred_interrupt():
                run_together(
                    lambda thread: self._call(*given_to_all, thread, threads, held.turn),
                    threads,
                    helpers.at_least(threads - 1),
                )
        return [self._output(kind, number, results, given) for kind, number in self.plan.outputs]

    def _output(self, kind: str, number: int, results: list[Array], given: list[Array]) -> Array:
        if kind == "result":
            return results[number]
        known = given[number] if kind == "input" else self.graph.captured[number].data
        assert known is not None
        return known.copy()

    def _threads(self, rows: int, asked: int | None) -> int:
        work = multiplications(self.plan.work, rows)
        if work < WORTH_WAKING or self.ticks.size:
            return 1
        return thread_count(work, asked)

    def _memory(self, capacity: int, threads: int) -> _Held:
        """Return this thread's memory for so many rows and helping threads."""
        held: _Held | None = getattr(self._scratch, "held", None)
        if held is None or held.capacity < capacity or held.threads < threads:
            plan = self.plan
            memory, places = allocate(plan.sizes, plan.scratch, capacity, threads, plan.parts)
            self._scratch.held = held = _Held(capacity, threads, memory, places)
        return held


@dataclass
class _Held:
    """Memory that is kept from call to call: for how much, the table's first entries, and the last turn."""

    capacity: int
    threads: int
    memory: Array
    places: list[int]
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


def _bound(result: ArrayType, rows: int | None) -> tuple[int, ...]:
    return tuple((rows or 0) if dim is ROWS else int(dim) for dim in result.shape)
