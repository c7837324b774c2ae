"""LLVM: text becomes object code for a CPU, and object code becomes functions.

What a signal's handler raises is held back meanwhile: raised within llvmlite it might leave its lock taken,
for which other threads would wait for ever.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chainrule.compiler.image import SUPPORTED
from chainrule.compiler.pool import signals_held_back

#: The last version of LLVM that was looked through: its options, and what may be called without a lock.
LAST_KNOWN = 22

#: Options by which passes are left out: cheaper loop counters, addresses and constants where they are used,
#: copies that are needless, and the order of instructions and of blocks, which is good as it is written.
_LEFT_OUT = {
    "-disable-lsr": True,
    "-disable-cgp": True,
    "-disable-constant-hoisting": True,
    "-disable-copyprop": True,
    "-enable-misched": False,
    "-disable-post-ra": True,
    "-disable-block-placement": True,
}

# How a thread has its CPU take denormal numbers for zero, and how it stops.
_FLUSHING_NOTHING = """
define internal i64 @flush_denormals() { ret i64 0 }
define internal void @keep_denormals(i64 %mode) { ret void }
"""
_FLUSHING_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal i64 @flush_denormals() {
  %place = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %mode = load i32, ptr %place
  %flushing = or i32 %mode, 32832 ; results (bit 15) and operands (bit 6)
  store i32 %flushing, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  %wide = zext i32 %mode to i64
  ret i64 %wide
}
define internal void @keep_denormals(i64 %mode) {
  %place = alloca i32, align 4
  %narrow = trunc i64 %mode to i32
  store i32 %narrow, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
"""
_FLUSHING_AARCH64 = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal i64 @flush_denormals() {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  %flushing = or i64 %mode, 16777216 ; bit 24: both
  call void @llvm.aarch64.set.fpcr(i64 %flushing)
  ret i64 %mode
}
define internal void @keep_denormals(i64 %mode) {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
"""
# What the CPU's clock says.
_TICKS = """
declare i64 @llvm.readcyclecounter()
define internal i64 @ticks() {
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}
"""
_TICKS_AARCH64 = """
declare i64 @llvm.read_volatile_register.i64(metadata)
define internal i64 @ticks() {
  %now = call i64 @llvm.read_volatile_register.i64(metadata !1) ; the counter of cycles is closed to users
  ret i64 %now
}
!1 = !{!"cntvct_el0"}
"""
#: What code may call, by name and by family of CPUs; "" is any other family.
_OWN_WORDS = {
    "@flush_denormals(": {
        "x86_64": _FLUSHING_X86,
        "aarch64": _FLUSHING_AARCH64,
        "arm64": _FLUSHING_AARCH64,
        "": _FLUSHING_NOTHING,
    },
    "@ticks(": {"aarch64": _TICKS_AARCH64, "arm64": _TICKS_AARCH64, "": _TICKS},
}


@functools.cache
@signals_held_back()
def binding() -> Any:
    """Return LLVM, ready for this machine; its import takes a fifth of chainrule's."""
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def is_known() -> bool:
    """Whether this version of LLVM was looked through."""
    return bool(binding().llvm_version_info[0] <= LAST_KNOWN)


@functools.cache
@signals_held_back()
def host() -> tuple[str, str]:
    """Return the name and the features of this machine's CPU."""
    return binding().get_host_cpu_name(), binding().get_host_cpu_features().flatten()


class Registers(NamedTuple):
    """The vector registers of a CPU: how many, and the bytes of each."""

    number: int
    width: int


def vector_registers() -> Registers:
    """Return the vector registers of this machine's CPU."""
    _, features = host()
    if "+avx512f" in features:
        return Registers(32, 64)
    if "+neon" in features:
        return Registers(32, 16)
    return Registers(16, 32 if "+avx2" in features else 16)


@functools.cache
def _machine(cpu: str, features: str, triple: str) -> Any:
    return new_machine(cpu, features, triple)


def new_machine(cpu: str, features: str, triple: str = "") -> Any:
    """Return what makes object code for a CPU."""
    llvm = binding()
    if triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple) if triple else llvm.Target.from_default_triple()
    near = {"reloc": "pic", "codemodel": "small"} if SUPPORTED and not triple else {"jit": True}
    return target.create_target_machine(cpu=cpu, features=features, opt=2, **near)


def completed(text: str, machine: Any) -> str:
    """Return a module's text with the functions that each family of CPUs has in its own words."""
    family = str(machine.triple).partition("-")[0]
    words = [texts.get(family, texts[""]) for name, texts in _OWN_WORDS.items() if name in text]
    return "".join([text, *words])


def verified(module: Any, machine: Any) -> Any:
    """Return a module as one for a machine."""
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return module


def _parsed(text: str, machine: Any) -> Any:
    return verified(binding().parse_assembly(completed(text, machine)), machine)


@signals_held_back()
def emit_object(text: str, cpu: str, features: str, triple: str = "") -> bytes:
    """Return a module's object code for a CPU.

    Parameters
    ----------
    text : str
        Of a module, with all functions that it calls.
    cpu, features : str
        As LLVM names them.
    triple : str
        The kind of machine, such as ``aarch64-linux-gnu``; empty for this one's.
    """
    machine = _machine(cpu, features, triple)
    with in_a_hurry():
        return bytes(machine.emit_object(_parsed(text, machine)))


@signals_held_back()
def emit_assembly(text: str, cpu: str, features: str, triple: str = "") -> str:
    """Return a module's assembly for a CPU, as `emit_object` would have it."""
    machine = _machine(cpu, features, triple)
    with in_a_hurry():
        return str(machine.emit_assembly(_parsed(text, machine)))


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Have LLVM leave out passes that take it a third of the time, and after which code is no faster.

    They are options of the whole process, so they are taken back; an LLVM that does not know them would exit.
    """

    def set_options(hurry: bool) -> None:
        with signals_held_back():
            for option, value in _LEFT_OUT.items() if is_known() else ():
                binding().set_option("", f"{option}={str(value is hurry).lower()}")

    try:
        set_options(hurry=True)
        yield
    finally:
        set_options(hurry=False)


class LoadedObject:
    """Object code in memory, linked by LLVM and ready to be called.

    Parameters
    ----------
    code : bytes
        What `emit_object` returned for this machine's CPU.
    """

    @signals_held_back()
    def __init__(self, code: bytes) -> None:
        llvm = binding()
        machine = new_machine(*host())  # the engine owns its machine
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Return the address of a function."""
        return int(self._engine.get_function_address(name))
