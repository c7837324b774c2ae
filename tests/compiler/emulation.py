"""Compiled code of another CPU, linked by a cross compiler and run by an emulator in place of ours."""

import ctypes
import shutil
import subprocess
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from chainrule.compiler.buffer import SLACK
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.copies import Copies
from chainrule.compiler.executable import Executable
from chainrule.compiler.llvm import emit_object
from chainrule.compiler.native_loop import goes_in_halves
from chainrule.compiler.table import FIRST_ARRAY, LINE, address
from chainrule.graph.types import ROWS

TRIPLE = "aarch64-linux-gnu"
COMPILER = "aarch64-linux-gnu-gcc"
EMULATORS = ("qemu-aarch64", "qemu-aarch64-static")
HARNESS = Path(__file__).with_name("run_native.c")


def missing():
    """Return what is not installed, as a reason; empty if all is there."""
    found = [COMPILER if not shutil.which(COMPILER) else "", "qemu-user" if not _emulator() else ""]
    names = [name for name in found if name]
    return f"not installed: {', '.join(names)}" if names else ""


def _emulator():
    return next(filter(None, map(shutil.which, EMULATORS)), None)


class Program:
    """One function of a module as a program for AArch64.

    Parameters
    ----------
    text : str
        The module.
    function : str
        Its name.
    folder : Path
        For the files.
    cpu : str
        As LLVM names it.
    """

    def __init__(self, text, function, folder, cpu="generic"):
        code, self.path = folder / f"{function}.o", folder / function
        code.write_bytes(emit_object(text, cpu, "", TRIPLE))
        flags = ["-O1", "-static", "-no-pie", "-pthread", f"-DFUNCTION={function}"]
        subprocess.run([COMPILER, *flags, HARNESS, code, "-lm", "-o", self.path], check=True)

    def __call__(self, table, sizes, places, rows, capacity, threads):
        """Run it on the arrays, of these sizes in bytes, that a table of pointers names.

        Behind them the table has the addresses of the arrays within that are at such (slot, offset).
        """
        pointers = (ctypes.c_void_p * len(sizes)).from_address(table)
        added = [(slot, address([0] * len(sizes), slot, offset, capacity)) for slot, offset in places]
        numbers = [len(sizes), rows, capacity, threads, len(added), *sizes, *chain(*added)]
        head = np.array(numbers, "<i8")
        arrays = [  # one that no kernel reads is not there
            ctypes.string_at(at, size) if at and size else bytes(size)
            for at, size in zip(pointers, sizes, strict=True)
        ]
        ran = subprocess.run(
            [_emulator(), self.path],
            input=b"".join([head.tobytes(), *arrays]),
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, f"status {ran.returncode}: {ran.stderr.decode()}"
        assert len(ran.stdout) == sum(sizes)
        place = 0
        for at, size in zip(pointers, sizes, strict=True):
            if at and size:
                ctypes.memmove(at, ran.stdout[place : place + size], size)
            place += size


def region_sizes(sizes, scratch, capacity, threads=1, parts=0):
    """Return the bytes of the arena's regions, the words of shared work, and the threads' scratch memory."""
    regions = [size * capacity**power + SLACK for power, size in enumerate(sizes)]
    return [*regions, LINE * parts * threads, scratch.bytes(capacity, threads) + SLACK]


def emulate_executable(compiled, folder, cpu="generic"):
    """Return a compiled graph as something that the emulator runs."""
    program = Program(compiled.module.text, "graph", folder, cpu)
    executable = Executable(compiled.graph, compiled)
    values = [*compiled.graph.inputs, *compiled._simple.captured, *compiled._results]

    def call(table, rows, capacity, thread, threads, turn):
        pointers = (ctypes.c_void_p * (executable._bases + len(compiled.program.arrays))).from_address(table)
        for place, (slot, _) in enumerate(compiled.program.arrays, executable._bases):
            if slot >= FIRST_ARRAY:
                pointers[slot] = pointers[place]
        arrays = [*(_bytes(value, rows) for value in values), executable.ticks.nbytes]
        program(
            table,
            region_sizes(compiled.arena.sizes, compiled.program.scratch, capacity) + arrays,
            compiled.program.arrays,
            rows,
            capacity,
            threads,
        )

    executable._run = call
    return executable


def emulate_run(run, folder, cpu="generic"):
    """Have a compiled loop make its steps by the emulator, a whole epoch at a time."""
    plan = run._native.plan
    run._turns._copies = Copies(replace(plan, copies_size=0))  # the emulator knows nothing of this memory
    rows = len(next(iter(run.inputs.data.values())))
    in_halves = goes_in_halves(run.loop, min(run.inputs.batch_size, rows))
    text = CompiledLoop(run.loop, sorted(run.state.carried), in_halves=in_halves).module.text
    program = Program(text, "fit", folder, cpu)
    arrays = [array.nbytes for array in run.memory.arrays]

    def call():
        own = plan.sizes, plan.scratch, run.memory.capacity, run.threads, plan.parts
        sizes = region_sizes(*own) + arrays
        program(run.memory.address, sizes, plan.arrays, 0, run.memory.capacity, run.threads)

    run._turns._call = call
    run._pace.turns = 1 << 30
    return run


def _bytes(value, rows):
    size = value.dtype.itemsize
    for dim in value.shape:
        size *= rows if dim is ROWS else int(dim)
    return size
