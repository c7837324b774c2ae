"""A training loop compiled: Python comes in at the end of an epoch, or every few hundredths of a second."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np

from chainrule.compiler.cache import cache_key
from chainrule.compiler.executable import NATIVE, library_for, unique
from chainrule.compiler.fuse import Kernel, kernels_of
from chainrule.compiler.llvm import module_text
from chainrule.compiler.loop_code import Control, EpochCode
from chainrule.compiler.memory import Buffer, in_place, plan_arena, user_buffer
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.program import PREAMBLE, write_program
from chainrule.compiler.table import FIRST_ARRAY, allocate
from chainrule.compiler.threads import thread_count
from chainrule.graph.graph import Graph
from chainrule.graph.loop import EvaluatedRun, Inputs, Loop, LoopState, Stage
from chainrule.graph.lowering import Contraction
from chainrule.graph.shuffle import bits_for, round_keys, shift_for
from chainrule.graph.types import ROWS, Array, DType, Shape
from chainrule.graph.value import Value, call, input_value

CONTROL_SLOT = FIRST_ARRAY
FIRST_TABLE = FIRST_ARRAY + 1
#: Seconds that native code runs before Python may look.
LOOK_EVERY = 0.05
#: Seconds after which weights are checked, and copied to go back to. A loss is checked in each step; weights
#: are besides wherever somebody looks at them.
SAVE_EVERY = 0.25


class CompiledStep:
    """The native code of a loop's step, and the plan of its memory. It holds no numbers.

    Parameters
    ----------
    step : Stage
        One weight update.
    data : tuple of str
        The inputs that hold a batch of rows.
    profiled : bool, default False
        Whether its code takes the time of each kernel: see `chainrule.compiler.profile`.
    """

    def __init__(self, step: Stage, data: tuple[str, ...], profiled: bool = False) -> None:
        graph = _own_outputs(run_passes(step.graph))
        self.inputs = {value.name: value for value in graph.inputs}
        self.outputs = dict(zip(step.outputs, graph.outputs, strict=True))
        self.data = tuple(name for name in data if name in self.inputs)
        self.replaced = {
            name: out for name, out in self.outputs.items() if name not in ("batch_loss", "batch_weight")
        }
        self.kernels = kernels = kernels_of(graph)
        self.multiplications = [_multiplications(kernel) for kernel in kernels]
        self._place(graph, kernels)
        ticks_slot = FIRST_TABLE + len(self.data) + len(graph.captured) if profiled else None
        program = write_program("step", kernels, self.buffers, self._copies(), ticks_slot)
        self.scratch = program.scratch
        finite = write_program("check", self._check_kernels(), self.buffers)
        epoch = EpochCode(
            [
                (FIRST_TABLE + i, self.buffers[self.inputs[name].serial], _row_size(self.inputs[name]))
                for i, name in enumerate(self.data)
            ],
            {
                "step": self._buffer("step"),
                "batch_loss": self.buffers[self.outputs["batch_loss"].serial],
                "batch_weight": self.buffers[self.outputs["batch_weight"].serial],
            },
            CONTROL_SLOT,
        ).write()
        texts = [*program.functions, *finite.functions, epoch.text()]
        self.text = PREAMBLE + module_text(texts, [*program.codes, *finite.codes, epoch])
        self.library = library_for(self.text)
        self.run = NATIVE(self.library.address("epoch"))
        self.check = NATIVE(self.library.address("check"))

    def _buffer(self, name: str) -> Buffer | None:
        value = self.inputs.get(name)
        return None if value is None else self.buffers[value.serial]

    def _place(self, graph: Graph, kernels: list[Kernel]) -> None:
        """Plan the arena: what the loop keeps stays, and updated arrays lie over the old ones if they may."""
        first_captured = FIRST_TABLE + len(self.data)
        fixed = {
            value.serial: user_buffer(first_captured + i, value) for i, value in enumerate(graph.captured)
        }
        self.over = in_place(kernels, self._pairs())
        kept = list(graph.inputs)
        results = [value for value in unique(graph.outputs) if value.serial not in self.over]
        packed = {self.inputs[name].serial for name in self.data if self.inputs[name].ndim > 2}
        arena = plan_arena(kernels, {*fixed, *self.over}, [*kept, *results], packed)
        over = {serial: arena.buffers[old.serial] for serial, old in self.over.items()}
        self.arena = arena
        self.buffers = {**arena.buffers, **fixed, **over}

    def _pairs(self) -> dict[int, Value]:
        """Return for the serial of a result the input that it replaces."""
        return {out.serial: self.inputs[name] for name, out in self.replaced.items() if name in self.inputs}

    def buffer(self, name: str) -> tuple[Value, Buffer]:
        """Return where a carried array lies, and its type: an array that is not read has only a result."""
        value = self.inputs.get(name)
        value = self.replaced[name] if value is None else value
        return value, self.buffers[value.serial]

    def _copies(self) -> list[tuple[Buffer, Buffer, int]]:
        """Return what is copied after a step: (from, to, bytes)."""
        return [
            (self.buffers[out.serial], self.buffers[self.inputs[name].serial], self.arena.lengths[out.serial])
            for name, out in self.replaced.items()
            if out.serial not in self.over and name in self.inputs
        ]

    def _check_kernels(self) -> list[Kernel]:
        """Return the kernels that add 0 · x over all arrays that steps replace: NaN if one is not finite."""
        total = None
        carried = [self.buffer(name)[0] for name in self.replaced]
        inputs = {
            value.serial: input_value(f"x{i}", value.shape, value.dtype) for i, value in enumerate(carried)
        }
        for serial, value in inputs.items():
            self.buffers[value.serial] = self.buffers[serial]
            if value.dtype.kind != "f":
                continue
            part = call("sum", value * 0.0, axes=tuple(range(value.ndim))) if value.ndim else value * 0.0
            part = call("cast", part, dtype="float64")
            total = part if total is None else total + part
        assert total is not None
        kernels = kernels_of(Graph(list(inputs.values()), [total]))
        own = plan_arena(kernels, set(self.buffers), [])
        base = self.arena.sizes[0]
        for serial, buffer in own.buffers.items():
            self.buffers[serial] = replace(buffer, offset=buffer.offset + base)
        self.sizes = (base + own.sizes[0], *self.arena.sizes[1:])
        self.finite = self.buffers[total.serial]
        return kernels

    def work(self, rows: int) -> int:
        """Return the multiplications of a step's products on so many rows."""
        return sum(fixed * rows**power for fixed, power in self.multiplications)


_steps: weakref.WeakKeyDictionary[Graph, CompiledStep] = weakref.WeakKeyDictionary()
#: Steps that were traced anew and are the same, as in a search over learning rates, share their code.
_by_text: dict[str, CompiledStep] = {}
MOST_KEPT = 64


def compiled_step(step: Stage, data: tuple[str, ...]) -> CompiledStep:
    """Return a step's native code, compiled at its first use."""
    if step.graph not in _steps:
        key = cache_key(str(step.graph), *step.outputs, "", *data)
        made = _by_text.pop(key, None) or CompiledStep(step, data)
        _by_text[key] = _steps[step.graph] = made
        if len(_by_text) > MOST_KEPT:
            del _by_text[next(iter(_by_text))]
    return _steps[step.graph]


class CompiledRun:
    """A loop run as native code; it does what `EvaluatedRun` does, up to rounding.

    Parameters
    ----------
    loop : Loop
        What to do.
    state : LoopState
        Where to start.
    inputs : Inputs
        What to do it on.
    step : CompiledStep, optional
        The loop's step if it is compiled already.
    """

    def __init__(
        self, loop: Loop, state: LoopState, inputs: Inputs, step: CompiledStep | None = None
    ) -> None:
        self.loop = loop
        self.inputs = inputs
        self.results: list[dict[str, float]] = []
        self.look: Callable[[], object] = lambda: None
        self._step = step or compiled_step(loop.step, loop.data)
        self.ticks = np.zeros(len(self._step.kernels) + 2, np.int64)
        self.rows = len(next(iter(inputs.data.values())))
        batch = min(inputs.batch_size, self.rows)
        self._capacity = -(-batch // 16) * 16
        self.threads = thread_count(self._step.work(batch), inputs.n_threads)
        self._memory, self._places = allocate(
            self._step.sizes, self._step.scratch, self._capacity, self.threads
        )
        self._control = np.zeros(Control.SIZE, np.int64)
        self._tables = [np.ascontiguousarray(inputs.data[name]) for name in self._step.data]
        captured = [np.ascontiguousarray(value.data) for value in loop.step.graph.captured]
        self._held = captured
        addresses = [
            *self._places,
            self._control.ctypes.data,
            *[array.ctypes.data for array in (*self._tables, *captured, self.ticks)],
        ]
        self._table = (ctypes.c_void_p * len(addresses))(*addresses)
        self._pace = 1
        names = {**self._step.inputs, **self._step.replaced}
        self._views = {name: self._view(name) for name in names if name not in loop.data}
        self._copies = {name: np.empty_like(self._views[name]) for name in self._step.replaced}
        self._finite = self._view_of(self._step.finite, (), np.dtype("float64"))
        self._rest = dict(state.carried)
        self._decides = loop.validation is not None or loop.epoch_end is not None
        self._watched = True
        for name, number in {**inputs.arguments, "key": inputs.key}.items():
            if name in self._views:
                self._views[name][...] = number
        self._load(state)

    # State ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> LoopState:
        """Where the run stands, after its last whole step."""
        self._watched = True
        carried = {
            name: self._views[name].copy() if name in self._step.replaced else array
            for name, array in self._rest.items()
        }
        return replace(self._position, carried=carried)

    @state.setter
    def state(self, state: LoopState) -> None:
        self._load(state)

    def _load(self, state: LoopState) -> None:
        self._rest = dict(state.carried)
        for name, array in state.carried.items():
            if name in self._views:
                self._views[name][...] = array
        self._position = replace(state, carried={})

    def _view(self, name: str) -> Array:
        value, buffer = self._step.buffer(name)
        return self._view_of(buffer, value.shape, value.dtype)

    def _view_of(self, buffer: Buffer, shape: Shape, dtype: DType) -> Array:
        """Return an array of the arena as NumPy sees it."""
        start = self._places[buffer.slot] + buffer.offset - self._memory.ctypes.data
        raw = self._memory.view(np.uint8)[start:]
        size = dtype.itemsize
        strides = tuple(stride.elements * size for stride in buffer.strides)
        return np.ndarray(tuple(map(int, shape)), dtype, raw.data, 0, strides)

    @cached_property
    def _evaluated(self) -> EvaluatedRun:
        return EvaluatedRun(self.loop, self.state, self.inputs)

    # Running -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[dict[str, float]]:
        with ThreadPoolExecutor(max(self.threads - 1, 1)) as pool:
            self._save(time.perf_counter())
            for remaining in reversed(range(self.inputs.epochs)):
                self._begin_epoch()
                while self._position.position < self.rows:
                    self._go_on(pool, last=remaining == 0)
                results = self._end_epoch(last=remaining == 0)
                self._watched = self._decides  # until somebody looks at the state
                yield results
                if self._position.stopped:
                    return

    def _begin_epoch(self) -> None:
        control, bits = self._control, bits_for(self.rows)
        control[Control.ROWS] = self.rows
        control[Control.BATCH] = min(self.inputs.batch_size, self.rows)
        control[Control.SHUFFLE] = self.loop.shuffle
        control[Control.MASK] = (1 << bits) - 1
        control[Control.SHIFT] = shift_for(bits)
        keys = [word for pair in round_keys(self.inputs.key, self._position.epoch) for word in pair]
        control[Control.KEYS : Control.SIZE] = np.array(keys, np.uint64).view(np.int64)

    def _go_on(self, pool: ThreadPoolExecutor, last: bool) -> None:
        """Make steps for a short while; where one fails, go back and find out which."""
        began = time.perf_counter()
        with deferred_interrupt() as pressed:
            made = self._make_steps(self._pace, pool)
            now = time.perf_counter()
            suspect = self._control[Control.FAILED] or pressed or last or self._watched
            due = now - self._saved >= SAVE_EVERY
            if (suspect or due) and not self._is_sound(pool):
                self._find_failure(pool)
            if due:
                self._save(now)
        seconds = now - began
        if seconds < LOOK_EVERY / 2 and made == self._pace:
            self._pace = min(self._pace * 4, 1 << 40)
        elif seconds > LOOK_EVERY * 1.5:
            self._pace = max(1, int(made * LOOK_EVERY / seconds))
        self.look()

    def _make_steps(self, steps: int, pool: ThreadPoolExecutor) -> int:
        """Make at most so many steps of the epoch natively; return how many were made."""
        control, floats = self._control, self._control.view(np.float64)
        position = self._position
        control[Control.POSITION], control[Control.STEP] = position.position, position.step
        control[Control.STEPS] = steps
        floats[Control.LOSS], floats[Control.WEIGHT] = position.loss, position.weight
        self._call(self._step.run, pool)
        self._position = replace(
            position,
            step=int(control[Control.STEP]),
            position=int(control[Control.POSITION]),
            loss=float(floats[Control.LOSS]),
            weight=float(floats[Control.WEIGHT]),
        )
        return int(control[Control.STEPS])

    def _is_sound(self, pool: ThreadPoolExecutor) -> bool:
        """Whether the last loss, and all that steps replace, are finite."""
        self._call(self._step.check, pool)
        return not self._control[Control.FAILED] and bool(np.isfinite(self._finite[()]))

    def _save(self, now: float) -> None:
        """Copy all that steps replace, which is finite at this time."""
        for name, array in self._copies.items():
            np.copyto(array, self._views[name])
        self._saved, self._saved_position = now, self._position

    def _restore(self) -> None:
        for name, array in self._copies.items():
            self._views[name][...] = array
        self._position = self._saved_position
        self._begin_epoch()

    def _find_failure(self, pool: ThreadPoolExecutor) -> None:
        """Make the steps one by one; the evaluator repeats the one that fails, and raises what is wrong."""
        end = self._position.step
        self._restore()
        while self._position.step < end:
            if self._position.position == self.rows:
                self._position = LoopState({}, self._position.step, self._position.epoch + 1)
                self._begin_epoch()
            self._save(self._saved)
            self._make_steps(1, pool)
            if not self._is_sound(pool):
                self._restore()
                self._evaluated.state = self.state
                self.state = self._evaluated.next_step()

    def _call(self, function: Callable[..., None], pool: ThreadPoolExecutor) -> None:
        table, capacity, threads = ctypes.addressof(self._table), self._capacity, self.threads
        others = [pool.submit(function, table, 0, capacity, thread, threads) for thread in range(1, threads)]
        function(table, 0, capacity, 0, threads)
        for other in others:
            other.result()

    def _end_epoch(self, last: bool) -> dict[str, float]:
        """Close the epoch: without validation and decisions it needs no copy of the weights."""
        if self.loop.validation is None and self.loop.epoch_end is None:
            position = self._position
            loss = position.loss / position.weight if position.weight else 0.0
            self.results.append({"loss": loss})
            self._position = LoopState({}, position.step, position.epoch + 1)
            return self.results[-1]
        self._evaluated.state = self.state
        results = self._evaluated.end_epoch(last)
        with deferred_interrupt():  # or the arrays would be those of another epoch than the counters
            self.results.append(results)
            self._load(self._evaluated.state)
            self._save(time.perf_counter())
        return results


@contextmanager
def deferred_interrupt() -> Iterator[list[int]]:
    """Hold back Ctrl-C until the block is done: threads that meet in native code must all arrive.

    The block is given a list that is not empty once Ctrl-C was pressed.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield []  # only the main thread is interrupted, and only by a handler that Python knows
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _own_outputs(graph: Graph) -> Graph:
    """Return the graph with every output computed: an input that is handed on gets a place of its own."""
    outputs = [value if value.primitive is not None else call("identity", value) for value in graph.outputs]
    return Graph(graph.inputs, outputs)


def _row_size(value: Value) -> int:
    size = 1
    for dim in value.shape[1:]:
        size *= int(dim)
    return size


def _multiplications(kernel: Kernel) -> tuple[int, int]:
    """Return the multiplications of a product as (number, power of rows that it is times)."""
    root = kernel.root
    if root is None or root.primitive is None or not isinstance(root.primitive.lower, Contraction):
        return 0, 0
    number, power = 1, 0
    for dim in (*root.shape, root.operands[0].shape[-1]):
        if dim is ROWS:
            power += 1
        else:
            number *= int(dim)
    return number, power
