"""A graph as one native function: its kernels in order, with the threads meeting between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.compiler.access import ARGUMENTS, SIZES, first_element, from_table
from chainrule.compiler.code import Code
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.loops import KernelWriter, write_map, write_reduction, write_scatter
from chainrule.compiler.matmul import write_contraction
from chainrule.compiler.memory import Buffer
from chainrule.compiler.stopwatch import Stopwatch
from chainrule.compiler.table import BARRIER_SLOT, Scratch
from chainrule.graph.lowering import Contraction, Reduction, Scatter

#: How often a waiting thread looks before it lets others run.
_SPINS = 2000

WRITERS = {
    type(None): write_map,
    Reduction: write_reduction,
    Contraction: write_contraction,
    Scatter: write_scatter,
}

_BARRIER = f"""
declare i32 @sched_yield()
define internal void @barrier(ptr %counter, i64 %threads) #0 {{
entry:
  %single = icmp eq i64 %threads, 1
  br i1 %single, label %done, label %meet
meet:
  %old = atomicrmw add ptr %counter, i64 1 acq_rel
  %round = udiv i64 %old, %threads
  %next = add i64 %round, 1
  %goal = mul i64 %next, %threads
  br label %look
look:
  %spins = phi i64 [ 0, %meet ], [ %more, %wait ]
  %now = load atomic i64, ptr %counter acquire, align 8
  %arrived = icmp sge i64 %now, %goal
  br i1 %arrived, label %done, label %wait_or_yield
wait_or_yield:
  %patient = icmp slt i64 %spins, {_SPINS}
  br i1 %patient, label %wait, label %let_others
let_others:
  %ignored = call i32 @sched_yield()
  br label %wait
wait:
  %more = add i64 %spins, 1
  br label %look
done:
  ret void
}}
"""


#: Where the share of a thread begins: ⌊units · thread / threads⌋ units, and the end of all for the last.
_SHARE = """
define internal i64 @share(i64 %extent, i64 %unit, i64 %thread, i64 %threads) #0 {
entry:
  %last = icmp eq i64 %thread, %threads
  %first = icmp eq i64 %thread, 0
  br i1 %last, label %all, label %not_last
all:
  ret i64 %extent
not_last:
  br i1 %first, label %none, label %some
none:
  ret i64 0
some:
  %more = add i64 %extent, %unit
  %raised = sub i64 %more, 1
  %units = udiv i64 %raised, %unit
  %part = mul i64 %units, %thread
  %done = udiv i64 %part, %threads
  %place = mul i64 %done, %unit
  %below = icmp slt i64 %place, %extent
  %bounded = select i1 %below, i64 %place, i64 %extent
  ret i64 %bounded
}
"""


#: What every module begins with.
PREAMBLE = _BARRIER + _SHARE


@dataclass(frozen=True)
class Program:
    """The text of all kernels and of what runs them in order, and the memory that a thread needs."""

    functions: list[str]
    codes: list[Code]
    scratch: Scratch


def write_program(
    name: str,
    kernels: Sequence[Kernel],
    buffers: dict[int, Buffer],
    copies: Sequence[tuple[Buffer, Buffer, int]] = (),
    ticks_slot: int | None = None,
) -> Program:
    """Return a function ``name`` that runs the kernels, and theirs.

    Parameters
    ----------
    name : str
        Its symbol; the kernels' begin with it.
    kernels : sequence of Kernel
        In order.
    buffers : dict of int to Buffer
        Where arrays lie, by serial.
    copies : sequence of (from, to, bytes)
        What is copied at the end.
    ticks_slot : int, optional
        Where in the table the array stands that takes the time of each kernel, and of the copies.
    """
    writers = [
        _written(kernel, _there_by_then(kernels[number + 1 :], buffers))
        for number, kernel in enumerate(kernels)
    ]
    scratch = Scratch(*(max((writer.scratch[i] for writer in writers), default=0) for i in (0, 1)))
    main = Code(name, ARGUMENTS)
    counter = from_table(main, BARRIER_SLOT)
    own = scratch.of_thread(main)
    stopwatch = None if ticks_slot is None else Stopwatch(main, ticks_slot)
    symbols: dict[str, str] = {}
    codes = [main]
    for writer in writers:
        body = writer.code.text()
        if body not in symbols:  # equal layers share their code
            symbols[body] = f"{name}.{len(symbols)}"
            codes.append(writer.code)
        arrays = [f"ptr {first_element(main, buffer)}" for buffer in writer.access.buffers]
        more = [f"ptr {own}"] if any(writer.scratch) else []
        main.do(f"call void @{symbols[body]}({', '.join([*arrays, *more, SIZES])})")
        main.do(f"call void @barrier(ptr {counter}, i64 %threads)")
        if stopwatch:
            stopwatch.lap()
    if copies:
        _write_copies(main, copies)
        main.do(f"call void @barrier(ptr {counter}, i64 %threads)")
        if stopwatch:
            stopwatch.lap()
    if stopwatch:
        stopwatch.stop(len(kernels) + 1)
    texts = [
        body.replace("define void @kernel(", f"define internal void @{symbol}(", 1)
        for body, symbol in symbols.items()
    ]
    return Program([*texts, main.text()], codes, scratch)


def _there_by_then(later: Sequence[Kernel], buffers: Mapping[int, Buffer]) -> dict[int, Buffer]:
    """Return the buffers without those of later kernels: what these store is computed where it is read."""
    unwritten = {value.serial for kernel in later for value in kernel.stored}
    return {serial: buffer for serial, buffer in buffers.items() if serial not in unwritten}


def _written(kernel: Kernel, buffers: Mapping[int, Buffer]) -> KernelWriter:
    """Return a writer that has written a kernel."""
    writer = KernelWriter(kernel, buffers)
    root = kernel.root
    WRITERS[type(None) if root is None or root.primitive is None else type(root.primitive.lower)](writer)
    writer.code.arguments = writer.parameters
    return writer


def _write_copies(main: Code, copies: Sequence[tuple[Buffer, Buffer, int]]) -> None:
    pairs = [(first_element(main, to), first_element(main, source), size) for source, to, size in copies]

    def copy() -> None:
        for to, source, size in pairs:
            main.copy(to, source, size)

    main.when(main.value("icmp eq i64 %thread, 0"), copy)
