"""A graph as one native function: its kernels in order, each in parts that threads share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from chainrule.compiler.access import PROGRAM_ARGUMENTS, first_element, from_table
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import LANES, Code
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.loops import KernelWriter, write_map, write_reduction, write_scatter
from chainrule.compiler.matmul import write_contraction
from chainrule.compiler.schedule import is_chain, row_bytes
from chainrule.compiler.sharing import SHARING, Body, Sharing
from chainrule.compiler.stopwatch import Stopwatch
from chainrule.compiler.table import SCRATCH_SLOT, Scratch
from chainrule.graph.lowering import Contraction, Reduction, Scatter

#: Bytes that some rows may take in all arrays of a chain, how many rows these are at least, and into how many
#: parts for each thread all rows are divided at most.
CHAIN_BYTES = 1 << 19
LEAST_ROWS = 256
MOST_PARTS = 32

WRITERS = {
    type(None): write_map,
    Reduction: write_reduction,
    Contraction: write_contraction,
    Scatter: write_scatter,
}

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
PREAMBLE = SHARING + _SHARE


@dataclass(frozen=True)
class Program:
    """The text of all kernels and of what runs them in order, and the memory that a thread needs.

    `parts` is how many parts a thread has in a turn.
    """

    functions: list[str]
    codes: list[Code]
    scratch: Scratch
    parts: int


def write_program(
    name: str,
    groups: Sequence[Sequence[Kernel]],
    buffers: dict[int, Buffer],
    copies: Sequence[tuple[Buffer, Buffer, int]] = (),
    *,
    ticks_slot: int | None = None,
    first_part: int = 0,
) -> Program:
    """Return a function ``name`` that runs the kernels, and theirs.

    Parameters
    ----------
    name : str
        Its symbol; the kernels' begin with it.
    groups : sequence of sequences of Kernel
        In order: see `chainrule.compiler.schedule`.
    buffers : dict of int to Buffer
        Where arrays lie, by serial.
    copies : sequence of (from, to, bytes)
        What is copied at the end.
    ticks_slot : int, optional
        Where in the table the array stands that takes the time of each kernel, and of the copies.
    first_part : int, default 0
        How many parts a thread has in items of the turn that are no kernels: see `Sharing`.
    """
    kernels = [kernel for group in groups for kernel in group]
    written = [
        _written(kernel, _there_by_then(kernels[number + 1 :], buffers))
        for number, kernel in enumerate(kernels)
    ]
    scratch = Scratch(*(max((writer.scratch[i] for writer in written), default=0) for i in (0, 1)))
    main = Code(name, PROGRAM_ARGUMENTS)
    own = _scratch_of_thread(main, scratch)
    sharing = Sharing(main, first_part)
    stopwatch = None if ticks_slot is None else Stopwatch(main, sharing, ticks_slot, len(kernels) + 1)
    symbols: dict[str, str] = {}
    codes = [main]
    calls: dict[int, Call] = {}
    for writer in written:
        body = writer.code.text()
        if body not in symbols:  # equal layers share their code
            symbols[body] = f"{name}.{len(symbols)}"
            codes.append(writer.code)
        calls[id(writer.kernel)] = _call_of(main, writer, symbols[body], own)
    for group in groups if stopwatch is None else [[kernel] for kernel in kernels]:
        _write_group(main, sharing, group, [calls[id(kernel)] for kernel in group])
        if stopwatch:
            stopwatch.lap()
    if copies:
        sharing.single(lambda: _write_copies(main, copies))
        if stopwatch:
            stopwatch.lap()
    texts = [
        body.replace("define void @kernel(", f"define internal void @{symbol}(", 1)
        for body, symbol in symbols.items()
    ]
    return Program([*texts, main.text()], codes, scratch, sharing.used)


def _scratch_of_thread(main: Code, scratch: Scratch) -> str:
    """Return where the memory of the thread begins."""
    size = main.value(f"add i64 {main.value(f'mul i64 %capacity, {scratch.per_row}')}, {scratch.size}")
    before = main.value(f"mul i64 %thread, {size}")
    return main.value(f"getelementptr i8, ptr {from_table(main, SCRATCH_SLOT)}, i64 {before}")


class Call(NamedTuple):
    """How a kernel's function is called for a part: in a chain, or alone, with columns in groups too."""

    in_chain: Body
    alone: Body
    groups: int


def _call_of(main: Code, writer: KernelWriter, symbol: str, scratch: str) -> Call:
    """Return how a kernel's function is called for a part of its work."""
    arrays = [f"ptr {first_element(main, buffer)}" for buffer in writer.access.buffers]
    arrays += [f"ptr {scratch}"] if any(writer.scratch) else []

    def call(part: str, parts: str, group: str = "0", groups: str = "1") -> None:
        given = [*arrays, f"i64 {group}, i64 {groups}"] if writer.groups > 1 else arrays
        main.do(f"call void @{symbol}({', '.join(given)}, i64 %rows, i64 %capacity, i64 {part}, i64 {parts})")

    def in_groups(part: str, parts: str) -> None:
        alone = main.value(f"icmp eq i64 {parts}, 1")
        groups = main.value(f"select i1 {alone}, i64 1, i64 {writer.groups}")
        rows = [main.value(f"udiv i64 {number}, {groups}") for number in (part, parts)]
        call(rows[0], rows[1], main.value(f"urem i64 {part}, {groups}"), groups)

    return Call(call, in_groups if writer.groups > 1 else call, writer.groups)


def _write_group(main: Code, sharing: Sharing, group: Sequence[Kernel], calls: Sequence[Call]) -> None:
    """Write the calls of kernels that run at the same time, or that of a single one."""
    if len(group) == 1:
        sharing.item(calls[0].alone, calls[0].groups)
    elif is_chain(group):
        _write_chain(main, sharing, row_bytes(group), calls)
    else:
        sharing.bundle([partial(call.in_chain, "0", "1") for call in calls])


def _write_chain(main: Code, sharing: Sharing, size: int, calls: Sequence[Call]) -> None:
    """Write the calls of a chain's kernels, for some rows after the other; `size` is the bytes of a row."""
    rows = max(LEAST_ROWS, CHAIN_BYTES // max(size, 1) // LANES * LANES)
    each = main.value(f"mul i64 %threads, {rows}")
    more = main.value(f"sub i64 {each}, 1")
    some = main.value(f"udiv i64 {main.value(f'add i64 %rows, {more}')}, {each}")
    least = main.call("i64", "llvm.smax.i64", f"i64 {some}, i64 1")
    groups = main.call("i64", "llvm.smin.i64", f"i64 {least}, i64 {MOST_PARTS}")

    def part(place: str, parts: str) -> None:
        for call in calls:
            call.in_chain(place, parts)

    sharing.chain(part, MOST_PARTS, groups)


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
    for source, to, size in copies:
        main.copy(first_element(main, to), first_element(main, source), size)
