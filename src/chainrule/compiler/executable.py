"""A graph compiled: called on arrays, it gives arrays."""

from __future__ import annotations

import ctypes
import functools
import threading
import weakref
from collections.abc import Sequence

import numpy as np

from chainrule.compiler.cache import ObjectCache, cache_key
from chainrule.compiler.llvm import Library, emit_object, host, module_text
from chainrule.compiler.memory import Arena, plan_arena, user_buffer
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.program import PREAMBLE, write_program
from chainrule.compiler.schedule import grouped, scheduled
from chainrule.compiler.table import FIRST_ARRAY, allocate
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value

#: Changes whenever the code that is generated does.
GENERATION = "2"
NATIVE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 5)


class Executable:
    """A graph as native code.

    Parameters
    ----------
    graph : Graph
        What to compute.
    profiled : bool, default False
        Whether its code takes the time of each kernel: see `chainrule.compiler.profile`.

    Notes
    -----
    It may be called from several threads at once: each call has memory of its own.
    """

    def __init__(self, graph: Graph, profiled: bool = False) -> None:
        self.graph = graph
        self._simple = run_passes(graph)
        self.kernels = scheduled(self._simple)
        groups = grouped(self.kernels)
        own = {value.serial: value for kernel in self.kernels for value in kernel.stored}
        self._results = [value for value in unique(self._simple.outputs) if value.serial in own]
        given = [*graph.inputs, *self._simple.captured]
        buffers = {
            value.serial: user_buffer(FIRST_ARRAY + place, value)
            for place, value in enumerate([*given, *self._results])
        }
        self.arena: Arena = plan_arena(groups, buffers, [])
        self.buffers = {**self.arena.buffers, **buffers}
        self.ticks = np.zeros(len(self.kernels) + 2, np.int64)
        ticks_slot = FIRST_ARRAY + len(buffers) if profiled else None
        program = write_program("graph", groups, self.buffers, ticks_slot=ticks_slot)
        self.scratch = program.scratch
        self.text = PREAMBLE + module_text(program.functions, program.codes)
        self._library = library_for(self.text)
        self._call = NATIVE(self._library.address("graph"))
        self._captured = [np.ascontiguousarray(value.data) for value in self._simple.captured]
        self._scratch = threading.local()

    def __call__(self, *arguments: Array) -> list[Array]:
        """Return the outputs for the inputs' arrays; what is returned shares memory with nothing."""
        given = [np.ascontiguousarray(argument).reshape(argument.shape) for argument in arguments]
        rows = bind_rows(self.graph.inputs, given)
        results = [np.empty(_bound(value, rows), value.dtype) for value in self._results]
        capacity = -(-(rows or 1) // 16) * 16
        _, places = self._memory(capacity)
        arrays = [*given, *self._captured, *results, self.ticks]
        table = (ctypes.c_void_p * (FIRST_ARRAY + len(arrays)))(
            *places, *[array.ctypes.data for array in arrays]
        )
        self._call(ctypes.addressof(table), rows or 0, capacity, 0, 1, 0)
        found = dict(zip((value.serial for value in self._results), results, strict=True))
        known = {value.serial: array for value, array in zip(self.graph.inputs, given, strict=True)}
        known |= {value.serial: value.data for value in self._simple.captured if value.data is not None}
        return [
            found[value.serial] if value.serial in found else known[value.serial].copy()
            for value in self._simple.outputs
        ]

    def _memory(self, capacity: int) -> tuple[Array, list[int]]:
        """Return this thread's arena for so many rows, and the table's first entries."""
        held = getattr(self._scratch, "held", None)
        if held is None or held[0] < capacity:
            held = (capacity, *allocate(self.arena.sizes, self.scratch, capacity))
            self._scratch.held = held
        return held[1], held[2]


_executables: weakref.WeakKeyDictionary[Graph, Executable] = weakref.WeakKeyDictionary()


def executable_of(graph: Graph) -> Executable:
    """Return a graph as native code, compiled at its first use."""
    if graph not in _executables:
        _executables[graph] = Executable(graph)
    return _executables[graph]


def unique(values: Sequence[Value]) -> list[Value]:
    """Return the values without repetition, in order."""
    return list({value.serial: value for value in values}.values())


def _bound(value: Value, rows: int | None) -> tuple[int, ...]:
    return tuple((rows or 0) if dim is ROWS else int(dim) for dim in value.shape)


@functools.cache
def _cache() -> ObjectCache:
    return ObjectCache()


def library_for(text: str) -> Library:
    """Return a module's functions, its object code from the cache or made anew."""
    cpu, features = host()
    key = cache_key(GENERATION, text, cpu, features)
    code = _cache().get(key)
    if code is not None:
        try:
            return Library(code)
        except RuntimeError:
            pass  # what lies in the cache is no object code of this CPU
    code = emit_object(text, cpu, features)
    _cache().put(key, code)
    return Library(code)
