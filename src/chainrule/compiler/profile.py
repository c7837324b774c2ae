"""The time that each kernel takes, by time stamps in a build of the program that is made for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.description import str_kernel
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.executable import Executable
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.native_loop import NativeLoop, goes_in_halves
from chainrule.compiler.reading import reads
from chainrule.graph.graph import Graph, needed
from chainrule.graph.loop import Inputs, Loop, LoopState
from chainrule.graph.lowering import Contraction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, Array, Shape
from chainrule.graph.value import Value
from chainrule.graph.words import counted

#: How long a profile is taken, at least, in seconds.
SECONDS = 0.2
#: How many rounds are timed, at least: what is shown is their median.
ROUNDS = 5
#: How many batches of the data a round has, at most.
MOST_BATCHES = 64


def profile_graph(graph: Graph, rows: int = 1) -> str:
    """Return the time of each kernel of a compiled graph, on random numbers.

    Parameters
    ----------
    graph : Graph
        What is computed.
    rows : int, default 1
        What `rows` stands for in it.
    """
    compiled = CompiledGraph(graph, profiled=True)
    executable = Executable(graph, compiled)
    arguments = [_drawn(value, rows) for value in graph.inputs]

    def rounds() -> Iterator[Array]:
        while True:
            executable.ticks[:] = 0
            executable(*arguments)
            yield executable.ticks

    return _table("a call, on random numbers", compiled.kernels, compiled.buffers, rows, _measured(rounds()))


def profile_loop(loop: Loop, state: LoopState, inputs: Inputs) -> str:
    """Return the time of each kernel of a loop's step. Nothing that was handed over is changed.

    Parameters
    ----------
    loop, state, inputs : Loop, LoopState, Inputs
        As for `CompiledRun`. Of the data a few whole batches are used.

    Raises
    ------
    NotFiniteError
        If a step's loss or weights become NaN or infinite.
    """
    total = len(next(iter(inputs.data.values())))
    batch = min(inputs.batch_size, total)
    used = min(total // batch, MOST_BATCHES)
    data = {name: array[: used * batch] for name, array in inputs.data.items()}
    in_halves = goes_in_halves(loop, batch)
    compiled = CompiledLoop(loop, state.carried, profiled=True, in_halves=in_halves)
    step, native = compiled.step, NativeLoop(loop, state.carried, compiled)
    threads = native.team(batch, inputs.n_threads).most
    run = CompiledRun(loop, state, replace(inputs, data=data, epochs=1 << 30, n_threads=threads), native)

    def rounds() -> Iterator[Array]:
        for _ in run:
            yield np.array([*run.memory.ticks[:-1] / used, run.memory.ticks[-1]])
            run.memory.ticks[:] = 0

    head = f"a training step on {counted(batch, 'row')} with {counted(threads, 'thread')}"
    head += ", without the gathering of rows"
    return _table(head, step.part.kernels, step.buffers, batch, _measured(rounds()))


def _drawn(value: Value, rows: int) -> Array:
    """Return normal numbers, or zeros of an integer's type, which are places in any array."""
    shape = tuple(rows if dim is ROWS else int(dim) for dim in value.shape)
    if value.dtype.kind != "f":
        return np.zeros(shape, value.dtype)
    return np.asarray(np.random.default_rng(0).normal(size=shape)).astype(value.dtype)


def _measured(rounds: Iterator[Array]) -> list[float]:
    """Return the seconds of each lap: the median of rounds, the first of which only warms up."""
    laps: list[Array] = []
    first = float(next(rounds)[-1])
    began = time.perf_counter()
    last, passed = first, 0.0
    while passed < SECONDS or len(laps) < ROUNDS:
        *ticks, last = next(rounds)
        passed = time.perf_counter() - began
        laps.append(np.array(ticks))
    return list(np.median(laps, axis=0) * (passed / (last - first)))


def _table(
    head: str, kernels: Sequence[Kernel], buffers: Mapping[int, Buffer], rows: int, seconds: Sequence[float]
) -> str:
    total = sum(seconds)
    known = {value.serial: value for value in needed(value for k in kernels for value in k.computed)}
    lines = [f"{total * 1e6:.2f} µs for {head}", f"{'µs':>10} {'%':>6} {'GFLOP/s':>8} {'GB/s':>8}  kernel"]

    def add(lap: float, operations: int, size: int, what: str) -> None:
        rates = [f"{number / lap / 1e9:.1f}" if number and lap else "" for number in (operations, size)]
        share = 100 * lap / total if total else 0
        lines.append(f"{lap * 1e6:>10.2f} {share:>6.1f} {rates[0]:>8} {rates[1]:>8}  {what}")

    for number, kernel in enumerate(kernels):
        touched = {*reads(kernel, set(buffers)), *(value.serial for value in kernel.stored)}
        size = sum(_bytes(known[serial], rows) for serial in touched)
        add(seconds[number], _operations(kernel, rows), size, f"{number}: {str_kernel(kernel)}")
    if copies := seconds[len(kernels)]:
        add(copies, 0, 0, "copies of what was updated")
    return "\n".join(lines)


def _operations(kernel: Kernel, rows: int) -> int:
    """Return the multiplications and additions of a kernel's product; 0 without one."""
    root = kernel.root
    if root is None or not isinstance(lowering_of(root), Contraction):
        return 0
    return 2 * _size((*root.shape, root.operands[0].shape[-1]), rows)


def _bytes(value: Value, rows: int) -> int:
    return _size(value.shape, rows) * value.dtype.itemsize


def _size(shape: Shape, rows: int) -> int:
    return math.prod(rows if dim is ROWS else int(dim) for dim in shape)
