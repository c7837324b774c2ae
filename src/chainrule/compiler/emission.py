"""A module as several pieces of object code, of which LLVM makes each in a thread of its own.

LLVM takes most of the time that it takes to compile, and llvmlite lets one thread at a time call it. What is
called here beside it touches nothing but the caller's own module, in a context of its own.
"""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Any, Final

from chainrule.compiler.llvm import binding, emit_object, is_known, loops_as_they_are, new_machine, parsed
from chainrule.compiler.pool import helpers, run_together

#: So many lines are worth a piece of their own, for which a thread and LLVM's passes have to be set up.
WORTH_A_PIECE: Final = 800
_NAME: Final = re.compile(r"@([\w.]+)")


def emit_objects(text: str, cpu: str, features: str, threads: int) -> list[bytes]:
    """Return a module's object code in pieces, one for each thread that is worth it.

    They are to be linked to one: see `chainrule.compiler.image.link`.

    Parameters
    ----------
    text, cpu, features : str
        As `emit_object` takes them.
    threads : int
        How many there may be.
    """
    pieces = max(1, min(threads, text.count("\n") // WORTH_A_PIECE))
    if pieces == 1 or not is_known():
        return [emit_object(text, cpu, features)]
    texts = divided(text, pieces)
    codes = [b""] * pieces

    def emit(number: int) -> None:
        codes[number] = _emitted(texts[number], cpu, features)

    with loops_as_they_are():
        run_together(emit, pieces, helpers.at_least(pieces - 1))
    # What another thread has not begun by the time that this one is through is left to it.
    return [code or _emitted(text, cpu, features) for text, code in zip(texts, codes, strict=True)]


def divided(text: str, pieces: int) -> list[str]:
    """Return a module as several of about the same length, each of which knows of the others' functions."""
    functions, others = list[str](), list[str]()
    for part in text.split("\n}\n"):
        before, begin, function = f"\n{part}".partition("\ndefine ")
        others += before.splitlines()
        functions += [f"define {function}\n}}\n"] if begin else []
    shares: list[list[str]] = [[] for _ in range(pieces)]
    lengths = [0] * pieces
    for function in sorted(functions, key=len, reverse=True):
        shortest = lengths.index(min(lengths))
        shares[shortest].append(function)
        lengths[shortest] += len(function)
    return [_piece(share, functions, others) for share in shares]


def _piece(own: list[str], functions: list[str], others: list[str]) -> str:
    """Return a module of some functions, with what they need of the other functions and lines."""
    texts = [_shared(function) for function in own]
    used = {name for function in own for name in _NAME.findall(function)}
    mine = set(own)
    heads = [_shared(function.partition(" {\n")[0]) for function in functions if function not in mine]
    declared = ["declare" + head.removeprefix("define") for head in heads if _NAME.findall(head)[0] in used]
    needed = [line for line in others if line[:1] != "@" or _NAME.findall(line)[0] in used]
    return "\n".join([*needed, *declared, *texts])


def _shared(function: str) -> str:
    """Return a function that other pieces find, and nobody else does."""
    return re.sub("^define (internal|hidden)", "define hidden", function)


def _emitted(text: str, cpu: str, features: str) -> bytes:
    """Return a module's object code; other threads may do the same."""
    machine, free = new_machine(cpu, features), _unlocked()
    module = parsed(text, machine, free.parse, binding().create_context())
    return free.emit(machine, module)


class _Unlocked:
    """LLVM without llvmlite's lock."""

    def __init__(self) -> None:
        from llvmlite.binding import ffi

        self._message = ffi.OutputString
        self._library = library = ctypes.CDLL(ffi.lib._name, handle=ffi.lib._handle)
        library.LLVMPY_ParseAssembly.restype = ffi.LLVMModuleRef
        library.LLVMPY_TargetMachineEmitToMemory.restype = ctypes.c_void_p
        library.LLVMPY_GetBufferStart.restype = ctypes.c_void_p
        library.LLVMPY_GetBufferSize.restype = ctypes.c_size_t

    def parse(self, text: str, context: Any) -> Any:
        """Return a text's module."""
        with self._message() as problem:
            module = self._library.LLVMPY_ParseAssembly(context, text.encode(), problem)
            if not module:
                raise RuntimeError(str(problem))
        return binding().ModuleRef(module, context)

    def emit(self, machine: Any, module: Any) -> bytes:
        """Return a module's object code."""
        library = self._library
        with self._message() as problem:
            buffer = ctypes.c_void_p(library.LLVMPY_TargetMachineEmitToMemory(machine, module, 1, problem))
            if not buffer:
                raise RuntimeError(str(problem))
        try:
            return ctypes.string_at(
                library.LLVMPY_GetBufferStart(buffer), library.LLVMPY_GetBufferSize(buffer)
            )
        finally:
            library.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _unlocked() -> _Unlocked:
    return _Unlocked()
