"""A graph as native code: called on arrays, it gives arrays."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import compress, count
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.native import native
from chainrule.compiler.plan import GraphPlan, multiplications
from chainrule.compiler.pool import is_interrupted, run_apart, run_together, signals_held_back
from chainrule.compiler.table import FIRST_ARRAY, address, address_of, allocate, given_up
from chainrule.compiler.threads import WORTH_GIVING_UP, WORTH_WAKING, thread_count
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, Array, ArrayType, DType

if TYPE_CHECKING:
    from chainrule.compiler.compiled_graph import CompiledGraph
    from chainrule.compiler.module import Module

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
            "graph", GraphPlan, parts, lambda module: compiled or _compiled(graph, module)
        )
        captured = [graph.captured[number].data for number in self.plan.captured]
        self._captured = [np.ascontiguousarray(array) for array in captured]
        self.ticks = np.zeros(0 if compiled is None else len(compiled.kernels) + 2, np.int64)
        self._calls: dict[Hashable, dict[Hashable, _Call]] = {}
        self._scratch = threading.local()
        self._constants: _Constants | None = None
        self._place_arrays()

    def _place_arrays(self) -> None:
        """Find out where in the table users' arrays belong, and which of them change from call to call.

        Where some inputs have rows, the others, such as weights, are mostly those of the last call.
        """
        inputs = self.graph.inputs
        has_rows = [ROWS in value.shape for value in inputs]
        self._moves = has_rows if any(has_rows) else [True] * len(inputs)
        self._stays = [not moves for moves in self._moves]
        results = FIRST_ARRAY + len(inputs) + len(self._captured)
        self._bases = results + len(self.plan.results) + 1
        moving = [*compress(count(FIRST_ARRAY), self._moves), *range(results, self._bases - 1)]
        staying = sorted({*range(FIRST_ARRAY, self._bases - 1)} - {*moving})
        self._moving_places, self._staying_places = self._places_of(moving), self._places_of(staying)

    def _places_of(self, slots: list[int]) -> list[tuple[int, int]]:
        """Return the places of the table where addresses of arrays in some slots belong, and whose."""
        numbers = {slot: number for number, slot in enumerate(slots)}
        arrays = enumerate(self.plan.arrays, self._bases)
        return [(place, numbers[slot]) for place, (slot, _) in arrays if slot in numbers]

    def __reduce__(self) -> tuple[Any, ...]:
        return Executable, (self.graph,)

    def __call__(self, *arguments: Array, n_threads: int | None = None) -> list[Array]:
        """Return the outputs for the inputs' arrays; what is returned shares memory with nothing.

        Parameters
        ----------
        *arguments : array
            The inputs.
        n_threads : int, optional
            How many threads share the work if there is much; see `chainrule.compiler.threads`.
        """
        staying = list(compress(arguments, self._stays))
        constants = self._constants
        if constants is None or not constants.are(staying):
            staying = list(map(_contiguous, staying))
            constants = _Constants(staying, self._calls.setdefault(_types(staying), {}))
            self._constants = constants
        moving = [_contiguous(argument) for argument in compress(arguments, self._moves)]
        call = self._call_for(arguments, constants, moving)
        results = [np.empty(shape, dtype) for shape, dtype in call.results]
        threads = self._threads(call, n_threads)
        held = self._take_memory(call.capacity, threads)
        if held.constants is not constants:
            held.constants = constants
            self._enter_constants(held, constants)
        held.enter([address_of(array) for array in (*moving, *results)], self._moving_places)
        long = call.work >= WORTH_GIVING_UP and is_interrupted()
        if threads == 1 and not long:
            held.turn += 1
            self._run(held.address, call.rows, held.capacity, 0, 1, held.turn)
        else:
            self._run_in_threads(held, call, threads, long)
        self._scratch.held = held
        return [self._output(kind, number, results, arguments) for kind, number in self.plan.outputs]

    def _run_in_threads(self, held: _Held, call: _Call, threads: int, long: bool) -> None:
        """Let threads do the work; Ctrl-C ends it if it is long."""

        def work(thread: int) -> None:
            self._run(held.address, call.rows, held.capacity, thread, threads, held.turn)

        held.turn += 1
        held.given_up.value = 0
        with signals_held_back(held.give_up if long else None):
            run = run_apart if long else run_together
            run(work, threads)

    def _output(self, kind: str, number: int, results: list[Array], given: Sequence[Array]) -> Array:
        if kind == "result":
            return results[number]
        known = given[number] if kind == "input" else self.graph.captured[number].data
        assert known is not None
        return np.array(known, order="C")

    def _enter_constants(self, held: _Held, constants: _Constants) -> None:
        """Leave in the table where arrays lie that stay the same from call to call."""
        captured = [address_of(array) for array in self._captured]
        held.enter([*constants.addresses, *captured], self._staying_places)
        held.table[self._bases - 1] = address_of(self.ticks)

    def _call_for(self, given: Sequence[Array], constants: _Constants, moving: list[Array]) -> _Call:
        """Return what a call on arrays of these types needs; it is found out at the first such call."""
        types = _types(moving)
        call = constants.calls.get(types)
        if call is None or len(given) != len(self._moves):
            rows = bind_rows(self.graph.inputs, [np.asarray(array) for array in given]) or 0
            results = [(_bound(result, rows), result.dtype) for result in self.plan.results]
            call = _Call(rows, -(-max(rows, 1) // 16) * 16, results, multiplications(self.plan.work, rows))
            if len(constants.calls) == MOST_CALLS:
                constants.calls.clear()
            constants.calls[types] = call
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
            table = (ctypes.c_void_p * (self._bases + len(plan.arrays)))(*places)
            for place, (slot, offset) in enumerate(plan.arrays, self._bases):
                if slot < len(places):
                    table[place] = address(places, slot, offset, capacity)
            held = _Held(capacity, threads, memory, table, ctypes.addressof(table), given_up(places))
        return held


@dataclass(frozen=True)
class _Call:
    """What is the same for all calls on arrays of the same types: rows, results, multiplications."""

    rows: int
    capacity: int
    results: list[tuple[tuple[int, ...], DType]]
    work: int


class _Constants:
    """The inputs that stay the same from call to call: where they lie, and the calls made with such.

    NumPy leaves the memory of an array where it is as long as there is a weak reference to it.
    """

    def __init__(self, arrays: list[Array], calls: dict[Hashable, _Call]) -> None:
        self._arrays = list(map(weakref.ref, arrays))  # they live as long as their owner wants
        self.addresses = list(map(address_of, arrays))
        self._forms = _forms(arrays)
        self.calls = calls

    def are(self, arrays: list[Array]) -> bool:
        """Whether these are the same arrays, and nobody has given one another form in its place."""
        known = self._arrays
        return (
            len(known) == len(arrays)
            and all(map(is_, [array() for array in known], arrays))
            and self._forms == _forms(arrays)
        )


def _forms(arrays: list[Array]) -> list[tuple[object, ...]]:
    return [(array.shape, array.strides, array.dtype) for array in arrays]


@dataclass
class _Held:
    """Memory that is kept from call to call: for how much, the table of pointers, and the last turn."""

    capacity: int
    threads: int
    memory: Array
    table: ctypes.Array[ctypes.c_void_p]
    address: int
    given_up: ctypes.c_int64
    constants: _Constants | None = None
    turn: int = 0

    def enter(self, addresses: Sequence[int], places: Sequence[tuple[int, int]]) -> None:
        """Leave at places of the table the addresses of these numbers."""
        table = self.table
        for place, number in places:
            table[place] = addresses[number]

    def give_up(self) -> None:
        """Have the call end soon, without a result."""
        self.given_up.value = 1


def _compiled(graph: Graph, module: Module) -> CompiledGraph:
    from chainrule.compiler.compiled_graph import CompiledGraph  # not loaded for code that lies in the cache

    return CompiledGraph(graph, module=module)


def executable_of(graph: Graph) -> Executable:
    """Return a graph as native code, compiled at its first use, which goes with the graph."""
    executable: Executable | None = graph.made.get("executable")
    if executable is None:
        executable = graph.made["executable"] = Executable(graph)
    return executable


def _types(arrays: list[Array]) -> Hashable:
    return tuple([(array.shape, array.dtype) for array in arrays])


def _contiguous(array: Array) -> Array:
    """Return an array whose elements follow each other; the same one if they do."""
    array = np.asarray(array)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _bound(result: ArrayType, rows: int) -> tuple[int, ...]:
    return tuple(rows if dim is ROWS else int(dim) for dim in result.shape)
