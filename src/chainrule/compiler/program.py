"""A graph as one native function: its kernels in order, each in parts that threads share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from chainrule.compiler.access import PROGRAM_ARGUMENTS, first_element, from_table
from chainrule.compiler.buffer import LOCAL, Buffer
from chainrule.compiler.code import BYTES, LANES, Code
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.local import block_rows
from chainrule.compiler.loops import KernelWriter, write_map, write_scatter
from chainrule.compiler.matmul import write_contraction
from chainrule.compiler.module import Module
from chainrule.compiler.reading import operands_in_memory
from chainrule.compiler.reduction import write_reduction
from chainrule.compiler.schedule import is_chain
from chainrule.compiler.sharing import PART_ARGUMENTS, Sharing
from chainrule.compiler.signature import signature_of
from chainrule.compiler.stopwatch import Stopwatch
from chainrule.compiler.table import SCRATCH_SLOT, Scratch
from chainrule.graph.lowering import Contraction, Reduction, Scatter
from chainrule.graph.types import ROWS

#: Into how many parts for each thread all rows that pass a chain are divided at most.
MOST_PARTS = 64

WRITERS = {
    type(None): write_map,
    Reduction: write_reduction,
    Contraction: write_contraction,
    Scatter: write_scatter,
}


@dataclass(frozen=True)
class Program:
    """What a program needs.

    Attributes
    ----------
    scratch : Scratch
        Memory of each thread.
    parts : int
        How many parts of its own a thread has in a turn.
    arrays : list of (slot, offset)
        Where the arrays lie whose addresses it finds in the table.
    """

    scratch: Scratch
    parts: int
    arrays: list[tuple[int, int]]


def write_program(
    module: Module,
    name: str,
    groups: Sequence[Sequence[Kernel]],
    buffers: dict[int, Buffer],
    first_array: int,
    *,
    local: int = 0,
    copies: Sequence[tuple[Buffer, Buffer, int]] = (),
    ticks_slot: int | None = None,
    first_part: int = 0,
) -> Program:
    """Write a function ``name`` that runs the kernels, and theirs.

    Parameters
    ----------
    module : Module
        Where they belong.
    name : str
        Its symbol; the kernels' begin with it.
    groups : sequence of sequences of Kernel
        In order: see `chainrule.compiler.schedule`.
    buffers : dict of int to Buffer
        Where arrays lie, by serial.
    first_array : int
        Where in the table the addresses of its arrays begin.
    local : int, default 0
        The bytes of arrays that belong to chains: see `chainrule.compiler.local`.
    copies : sequence of (from, to, bytes)
        What is copied at the end.
    ticks_slot : int, optional
        Where in the table the array stands that takes the time of each kernel, and of the copies.
    first_part : int, default 0
        How many parts a thread has in items of the turn that are no kernels: see `Sharing`.
    """
    kernels = [kernel for group in groups for kernel in group]
    written = _Written(module, name, kernels, buffers, first_array=first_array, local=local)
    main = Code(name, PROGRAM_ARGUMENTS)
    sharing = Sharing(main, first_part, scratch=_scratch_of_thread(main, written.scratch))
    stopwatch = None if ticks_slot is None else Stopwatch(name, sharing, ticks_slot, len(kernels) + 1)
    codes: list[Code] = []
    for group in groups:
        _write_group(main, sharing, group, written)
        if stopwatch:
            stopwatch.lap()
    if copies:
        code = Code(f"{name}.copies", PART_ARGUMENTS)
        _write_copies(code, copies)
        sharing.single(code.name)
        codes.append(code)
        if stopwatch:
            stopwatch.lap()
    module.add_functions([*codes, *(stopwatch.codes if stopwatch else [])])
    module.add_functions([main], linkage="dso_local")
    return Program(written.scratch, sharing.used, written.arrays)


class _Written:
    """The functions of kernels and groups; equal layers share theirs, and are told where their arrays are.

    Parameters
    ----------
    module : Module
        Where they are written.
    name : str
        What the names of functions begin with.
    kernels : sequence of Kernel
        In order.
    buffers : mapping of int to Buffer
        Where arrays lie, by serial.
    first_array : int
        Where in the table the addresses of their arrays begin.
    local : int
        The bytes before the scratch memory of kernels in which arrays of chains lie.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        kernels: Sequence[Kernel],
        buffers: Mapping[int, Buffer],
        *,
        first_array: int,
        local: int,
    ) -> None:
        self.local = local
        self.arrays: list[tuple[int, int]] = []
        self._first_array = first_array
        self._module, self._name = module, name
        self._bodies: dict[str, str] = {}
        writers: dict[Hashable, tuple[KernelWriter, str]] = {}
        self._of_kernel: dict[int, tuple[KernelWriter, str, list[list[Buffer]]]] = {}
        for kernel, there in _with_buffers(kernels, buffers):
            turns = _turns(kernel, there)
            (key, arrays), *_ = signatures = [signature_of(kernel, turn) for turn in turns]
            if key not in writers:
                writer = _written(kernel, turns[0])
                assert writer.access.buffers == arrays
                writers[key] = writer, self.enter(writer.code)  # its text may still be that of another
            self._of_kernel[id(kernel)] = (*writers[key], [signature.arrays for signature in signatures])
        sizes = [[writer.scratch[i] for writer, _ in writers.values()] for i in (0, 1)]
        size, per_row = (max(own, default=0) for own in sizes)
        self.scratch = Scratch(local + size, per_row)

    def enter(self, code: Code) -> str:
        """Return the symbol of a function, which is that of another one if they are equal."""
        body = code.text(linkage="internal").replace(f"@{code.name}(", "@(", 1)
        if body not in self._bodies:
            symbol = self._bodies[body] = f"{self._name}.{len(self._bodies)}"
            self._module.add(body.replace("@(", f"@{symbol}(", 1), code.declarations)
        return self._bodies[body]

    def call(self, kernel: Kernel, alone: bool) -> tuple[str, int, list[int]]:
        """Return a kernel's function, how many groups of columns it has, and the numbers that it takes.

        Its columns are done in groups only if it runs `alone`. The numbers are how many groups there are, and
        where in the table its arrays' addresses begin; for each half of the rows, if it takes them apart, and
        then which half it is as well.
        """
        writer, symbol, turns = self._of_kernel[id(kernel)]
        groups = writer.groups if alone else 1
        where = list[int]()
        for half, buffers in enumerate(turns):
            where += [groups, self._first_array + len(self.arrays), *([half] if kernel.halved else [])]
            self.arrays += [(buffer.slot, buffer.offset) for buffer in buffers]
        return symbol, groups, where


def _scratch_of_thread(code: Code, scratch: Scratch) -> str:
    """Return where the memory of the thread begins."""
    size = code.value(f"add i64 {code.value(f'mul i64 %capacity, {scratch.per_row}')}, {scratch.size}")
    before = code.value(f"mul i64 %thread, {size}")
    return code.value(f"getelementptr i8, ptr {from_table(code, SCRATCH_SLOT)}, i64 {before}")


def _write_group(main: Code, sharing: Sharing, group: Sequence[Kernel], written: _Written) -> None:
    """Write the item of kernels that run at the same time, or of a single one."""
    if len(group) == 1 and not group[0].halved:
        sharing.item(*written.call(group[0], alone=True))
        return
    code, where = Code("group", PART_ARGUMENTS), list[int]()

    def call(kernel: Kernel, part: str, parts: str, scratch: str = "%scratch") -> None:
        symbol, _, own = written.call(kernel, alone=False)
        first = len(where)
        where.extend(own)

        def turn(part: str, parts: str, half: str = "0") -> None:
            place = code.integer("add", code.integer("mul", half, len(own) // 2), first)
            own_where = code.value(f"getelementptr i64, ptr %where, i64 {place}")
            given = f"i64 {part}, i64 {parts}, ptr {own_where}, ptr {scratch}"
            code.do(f"call void @{symbol}(ptr %table, i64 %rows, i64 %capacity, {given})")

        if kernel.halved:
            _write_halves(code, part, parts, turn)
        else:
            turn(part, parts)

    if is_chain(group):
        rows = block_rows(group)
        scratch = code.value(f"getelementptr i8, ptr %scratch, i64 {written.local}")

        def block(part: str, parts: str) -> None:
            for kernel in group:
                call(kernel, part, parts, scratch)

        _write_blocks(code, rows, block)
        sharing.chain(written.enter(code), MOST_PARTS, _parts_of_chain(main, rows), where)
    else:
        number = len(group)
        which = code.value(f"urem i64 %part, {number}")
        thread, threads = (code.value(f"udiv i64 %{all_parts}, {number}") for all_parts in ("part", "parts"))
        code.switch(which, [partial(call, kernel, thread, threads) for kernel in group])
        sharing.bundle(written.enter(code), number, where)


def _write_halves(code: Code, part: str, parts: str, write: Callable[[str, str, str], None]) -> None:
    """Write which halves of the rows a part of the work does: one of them, or both if it is the only one.

    The first parts do the first half: they had these rows before.
    """
    of_first = code.value(f"lshr i64 {parts}, 1")
    first = code.value(f"icmp slt i64 {part}, {of_first}")
    others = code.value(f"sub i64 {parts}, {of_first}")
    own_parts = code.value(f"select i1 {first}, i64 {of_first}, i64 {others}")
    own = code.value(f"urem i64 {part}, {own_parts}")
    half = code.value(f"select i1 {first}, i64 0, i64 1")
    begin = code.value(f"select i1 {code.value(f'icmp eq i64 {parts}, 1')}, i64 0, i64 {half}")

    def turn(number: str, _: list[str]) -> list[str]:
        write(own, own_parts, number)
        return []

    code.loop(begin, code.value(f"add i64 {half}, 1"), 1, turn)


def _write_blocks(code: Code, rows: int, write: Callable[[str, str], None]) -> None:
    """Write the loop over blocks of the rows of a part, which are `rows` at most."""
    several = _at_least_one(code, _quotient(code, "%rows", code.value(f"mul i64 %parts, {rows}")))
    blocks = code.value(f"mul i64 %parts, {several}")
    first = code.value(f"mul i64 %part, {several}")

    def block(number: str, _: list[str]) -> list[str]:
        write(number, blocks)
        return []

    code.loop(first, code.value(f"add i64 {first}, {several}"), 1, block)


def _parts_of_chain(main: Code, rows: int) -> str:
    """Return in how many parts the rows of a thread go through a chain, `rows` of them at a time."""
    some = _at_least_one(main, _quotient(main, "%rows", main.value(f"mul i64 %threads, {rows}")))
    return main.smaller(some, MOST_PARTS)


def _quotient(code: Code, x: str, y: str) -> str:
    """Return x / y, rounded up."""
    raised = code.value(f"add i64 {x}, {code.value(f'sub i64 {y}, 1')}")
    return code.value(f"udiv i64 {raised}, {y}")


def _at_least_one(code: Code, x: str) -> str:
    return code.call("i64", "llvm.smax.i64", f"i64 {x}, i64 1")


def _with_buffers(
    kernels: Sequence[Kernel], buffers: Mapping[int, Buffer]
) -> Iterator[tuple[Kernel, Mapping[int, Buffer]]]:
    """Yield each kernel with the buffers that are there when it runs; they are one dict, which grows.

    What later kernels store is not there: it is computed where it is read.
    """
    later = {value.serial for kernel in kernels for value in kernel.stored}
    there = {serial: buffer for serial, buffer in buffers.items() if serial not in later}
    for kernel in kernels:
        there.update((value.serial, buffers[value.serial]) for value in kernel.stored)
        yield kernel, there


def _turns(kernel: Kernel, buffers: Mapping[int, Buffer]) -> list[Mapping[int, Buffer]]:
    """Return the buffers of each turn of a kernel: one, or one for each half of the rows."""
    if not kernel.halved:
        return [buffers]
    (value,) = kernel.stored
    return [{**buffers, value.serial: half} for half in buffers[value.serial].halves]


def _written(kernel: Kernel, buffers: Mapping[int, Buffer]) -> KernelWriter:
    """Return a writer that has written a kernel."""
    writer = KernelWriter(kernel, buffers)
    root = kernel.root
    WRITERS[type(None) if root is None or root.primitive is None else type(root.primitive.lower)](writer)
    writer.code.arguments = PART_ARGUMENTS.replace("%rows", "%all_rows") if kernel.halved else PART_ARGUMENTS
    writer.code.begin(_prologue(writer))
    return writer


def _prologue(writer: KernelWriter) -> list[str]:
    """Return what a kernel's function begins with: its share of rows and columns, and its arrays."""
    if writer.groups == 1:
        lines = ["%thread = add i64 %part, 0", "%threads = add i64 %parts, 0"]
    else:
        lines = [
            "%columns = load i64, ptr %where",
            "%alone = icmp eq i64 %parts, 1",
            "%groups = select i1 %alone, i64 1, i64 %columns",
            "%group = urem i64 %part, %groups",
            "%thread = udiv i64 %part, %groups",
            "%threads = udiv i64 %parts, %groups",
        ]
    buffers = writer.access.buffers
    lines += _half() if writer.kernel.halved else []
    apart = _row_strides(writer)
    if any(buffer.slot == LOCAL for buffer in buffers):
        lines += [f"%first = call i64 @share(i64 %rows, i64 {LANES}, i64 %thread, i64 %threads)"]
    lines += [
        "%first_array.at = getelementptr i64, ptr %where, i64 1",
        "%first_array = load i64, ptr %first_array.at",
        "%arrays = getelementptr ptr, ptr %table, i64 %first_array",
    ]
    for number, buffer in enumerate(buffers):
        own = f"%array{number}"
        lines += [f"{own}.at = getelementptr ptr, ptr %arrays, i64 {number}"]
        lines += _local_array(own, buffer) if buffer.slot == LOCAL else _array(own, apart.get(buffer.start))
    return lines


def _half() -> list[str]:
    """Return which rows a half has: the first, and how many."""
    share = f"call i64 @share(i64 %all_rows, i64 {LANES}, i64 %half"
    return [
        "%half.at = getelementptr i64, ptr %where, i64 2",
        "%half = load i64, ptr %half.at",
        "%half.next = add i64 %half, 1",
        f"%before = {share}, i64 2)",
        f"%until = {share}.next, i64 2)",
        "%rows = sub i64 %until, %before",
    ]


def _row_strides(writer: KernelWriter) -> dict[tuple[int, int, int], int]:
    """Return for each array of a halved kernel that has rows how many bytes later the next row lies."""
    kernel, found = writer.kernel, dict[tuple[int, int, int], int]()
    if kernel.halved and kernel.root is not None:
        for value in operands_in_memory(kernel.root, writer.buffers):
            if ROWS in value.shape:
                buffer = writer.buffers[value.serial]
                stride = buffer.strides[value.shape.index(ROWS)]
                found[buffer.start] = stride.elements * BYTES[buffer.dtype]
    return found


def _array(own: str, apart: int | None) -> list[str]:
    """Load the address of an array: of its first row or, where rows lie so far apart, of the half's first."""
    if apart is None:
        return [f"{own} = load ptr, ptr {own}.at"]
    return [
        f"{own}.first = load ptr, ptr {own}.at",
        f"{own}.before = mul i64 %before, {apart}",
        f"{own} = getelementptr i8, ptr {own}.first, i64 {own}.before",
    ]


def _local_array(own: str, buffer: Buffer) -> list[str]:
    """Address an array that holds the rows of a block as if those before it were there, too."""
    return [
        f"{own}.place = load i64, ptr {own}.at",
        f"{own}.before = mul i64 %first, {buffer.strides[0].elements * BYTES[buffer.dtype]}",
        f"{own}.offset = sub i64 {own}.place, {own}.before",
        f"{own} = getelementptr i8, ptr %scratch, i64 {own}.offset",
    ]


def _write_copies(code: Code, copies: Sequence[tuple[Buffer, Buffer, int]]) -> None:
    for source, to, size in copies:
        code.copy(first_element(code, to), first_element(code, source), size)
