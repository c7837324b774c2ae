"""LLVM: text becomes object code for a CPU, and object code becomes functions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chainrule.compiler.code import Code

_ATTRIBUTES = (
    'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }\n!0 = !{}\n'
)


def module_text(functions: Sequence[str], codes: Iterable[Code], declarations: Iterable[str] = ()) -> str:
    """Return a module of these functions, with the declarations that they need."""
    needed = sorted({*declarations, *(line for code in codes for line in code.declarations)})
    return "\n".join([*needed, *functions, _ATTRIBUTES])


@functools.cache
def _llvm() -> Any:
    """Return LLVM, ready for this machine; its import takes a fifth of chainrule's."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def host() -> tuple[str, str]:
    """Return the name and the features of this machine's CPU."""
    return _llvm().get_host_cpu_name(), _llvm().get_host_cpu_features().flatten()


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
def _machine(cpu: str, features: str) -> Any:
    return _new_machine(cpu, features)


def _new_machine(cpu: str, features: str) -> Any:
    target = _llvm().Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, jit=True)


def emit_object(text: str, cpu: str, features: str) -> bytes:
    """Return a module's object code for a CPU."""
    module = _llvm().parse_assembly(text)
    module.verify()
    return bytes(_machine(cpu, features).emit_object(module))


def emit_assembly(text: str, cpu: str, features: str) -> str:
    """Return a module's assembly for a CPU."""
    return str(_machine(cpu, features).emit_assembly(_llvm().parse_assembly(text)))


class Library:
    """Object code in memory, ready to be called.

    Parameters
    ----------
    code : bytes
        What `emit_object` returned for this machine's CPU.
    """

    def __init__(self, code: bytes) -> None:
        llvm = _llvm()
        machine = _new_machine(*host())  # the engine owns its machine
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Return the address of a function."""
        return int(self._engine.get_function_address(name))
