"""Object code that is made while its module is still being written, in pieces, by threads of their own.

LLVM takes most of the time that it takes to compile, and llvmlite lets one thread at a time call it. What is
called here beside it touches nothing but the caller's own module, in a context of its own.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from chainrule.compiler.image import SUPPORTED
from chainrule.compiler.llvm import (
    binding,
    completed,
    emit_object,
    host,
    in_a_hurry,
    is_known,
    new_machine,
    verified,
)
from chainrule.compiler.module import Module
from chainrule.compiler.pool import signals_held_back
from chainrule.compiler.undisturbed import undisturbed

#: So many lines are worth a piece of their own, for which LLVM's passes have to be set up.
WORTH_A_PIECE: Final = 500
_NAME: Final = re.compile(r"@([\w.]+)")
#: The threads, by their numbers, that have code made.
_at_work: Final = set[int]()


class _Piece(NamedTuple):
    """Some functions as a module of their own, and its object code if another thread was asked for it."""

    text: str
    theirs: Future[bytes] | None


class Emission(Module):
    """A module whose object code is made while it is written: see `emission`."""

    def __init__(self, machines: list[Any], pool: ThreadPoolExecutor | None) -> None:
        self._machines, self._pool = machines, pool
        self._pieces: list[_Piece] = []
        self._own = list[str]()
        self._heads = dict[str, str]()
        self._others = list[str]()
        super().__init__()
        if self._own and pool:  # what every module begins with, while the first kernels are planned
            self._begin_piece()

    def _enter(self, part: str) -> None:
        super()._enter(part)
        for section in part.split("\n}\n"):
            before, begin, function = f"\n{section}".partition("\ndefine ")
            self._others += before.splitlines()
            self._own += [_shared(f"define {function}\n}}\n")] if begin else []
        if sum(function.count("\n") for function in self._own) >= WORTH_A_PIECE:
            self._begin_piece()

    def _begin_piece(self) -> None:
        """Have what was written since the last piece made, as soon as a thread is free."""
        used = {name for function in self._own for name in _NAME.findall(function)}
        declared = [head for name, head in self._heads.items() if name in used]
        needed = [line for line in self._others if line[:1] != "@" or _NAME.findall(line)[0] in used]
        text = "\n".join([*needed, *declared, *self._own])
        for function in self._own:
            head = function.partition(" {\n")[0]
            self._heads[_NAME.findall(head)[0]] = "declare" + head.removeprefix("define")
        self._own = []
        self._pieces.append(_Piece(text, self._asked_for(text)))

    def _asked_for(self, text: str) -> Future[bytes] | None:
        """Ask another thread for a piece's object code; there may be none."""
        if self._pool is None:
            return None
        with signals_held_back():  # a pool would forget a thread within whose start something is raised
            try:
                return self._pool.submit(self._emitted, text)
            except RuntimeError:  # none can be begun, as when the main thread has ended: this one makes it
                return None

    def codes(self) -> list[bytes]:
        """Return the object code, in pieces that are to be linked, now that all is written."""
        if self._own:
            self._begin_piece()
        own = dict[int, bytes]()
        largest_first = sorted(enumerate(self._pieces), key=lambda piece: -len(piece[1].text))
        for number, (text, theirs) in largest_first:  # so that all threads end at about the same time
            if theirs is None or theirs.cancel():
                with signals_held_back():
                    own[number] = self._emitted(text)
        return [
            theirs.result() if theirs is not None and number not in own else own[number]
            for number, (_, theirs) in enumerate(self._pieces)
        ]

    def _emitted(self, text: str) -> bytes:
        """Return a piece's object code; other threads may do the same."""
        machine, free = self._machines.pop(), _unlocked()
        try:
            # Python may forget things in any order; LLVM's module has to go before its context
            with (
                binding().create_context() as context,
                free.parse(completed(text, machine), context) as module,
            ):
                return free.emit(machine, verified(module, machine))
        finally:
            self._machines.append(machine)


class _AtOnce(Module):
    """A module whose object code is made in one piece, where pieces cannot be linked or LLVM is not known."""

    def codes(self) -> list[bytes]:
        return [emit_object(self.text, *host())]


@contextmanager
def emission(threads: int) -> Iterator[Emission | _AtOnce]:
    """Give a module whose object code for this CPU is made by so many threads, this one among them.

    At the end of the block no other one is at work. Ctrl-C comes between two pieces.
    """
    if not (SUPPORTED and is_known()):
        with undisturbed():
            yield _AtOnce()
        return
    with _helped(threads) as number:
        with signals_held_back():
            machines = [new_machine(*host()) for _ in range(number)]
        pool = ThreadPoolExecutor(number - 1) if number > 1 else None
        with in_a_hurry(), undisturbed():
            try:
                yield Emission(machines, pool)
            finally:
                with signals_held_back():
                    if pool is not None:
                        pool.shutdown(cancel_futures=True)
                    for machine in machines:
                        machine.close()


@contextmanager
def _helped(threads: int) -> Iterator[int]:
    """Give how many threads make code: of so many this one alone, if it has code made already.

    That is so where a signal's handler comes in between. This thread may hold a lock then, such as
    llvmlite's, for which others would wait until the handler is through.
    """
    here = threading.get_ident()
    if here in _at_work:
        yield 1
        return
    try:
        _at_work.add(here)
        yield threads
    finally:
        _at_work.discard(here)


def _shared(function: str) -> str:
    """Return a function that other pieces find, and nobody else does."""
    return re.sub("^define (internal|hidden)", "define hidden", function)


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
