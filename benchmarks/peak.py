"""How many operations a second the machine can do at most: fused ones, in registers alone."""

from __future__ import annotations

import ctypes
import functools
import time
from concurrent.futures import ThreadPoolExecutor

from llvmlite import binding as llvm

BYTES = 64
"""Of a vector: a register of AVX-512, or two or four of narrower ones."""
CHAINS = 12
"""Sums that don't wait for each other: more than the units that add take steps."""
SECONDS = 0.05
TURNS = 40


@functools.cache
def peak_flops(dtype: str, threads: int) -> float:
    """Return the most that were seen in a few turns, a multiplication and an addition as two."""
    lanes = BYTES // {"float32": 4, "float64": 8}[dtype]
    engine, function = _compiled(dtype, lanes)
    rounds = 1 << 16
    with ThreadPoolExecutor(threads) as pool:

        def seconds(count: int) -> float:
            started = time.perf_counter()
            list(pool.map(function, [count] * threads))
            return time.perf_counter() - started

        while seconds(rounds) < SECONDS:
            rounds *= 2
        fastest = min(seconds(rounds) for _ in range(TURNS))
    assert engine  # is kept as long as its code runs
    return 2 * lanes * CHAINS * rounds * threads / fastest


def _compiled(dtype: str, lanes: int) -> tuple[object, object]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_text(dtype, lanes)), machine)
    engine.finalize_object()
    address = engine.get_function_address("run")
    return engine, ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(address)


def _text(dtype: str, lanes: int) -> str:
    scalar, suffix = {"float32": ("float", "f32"), "float64": ("double", "f64")}[dtype]
    kind = f"<{lanes} x {scalar}>"
    starts = [f"splat ({scalar} {number}.0)" for number in range(1, CHAINS + 1)]
    phis = [f"  %x{i} = phi {kind} [ {start}, %entry ], [ %y{i}, %loop ]" for i, start in enumerate(starts)]
    factor, addend = f"splat ({scalar} 0.5)", f"splat ({scalar} 1.0)"
    steps = [
        f"  %y{i} = call {kind} @llvm.fma.v{lanes}{suffix}({kind} %x{i}, {kind} {factor}, {kind} {addend})"
        for i in range(CHAINS)
    ]
    sums = [f"  %s{i} = fadd {kind} {f'%s{i - 1}' if i else f'%y{CHAINS - 1}'}, %y{i}" for i in range(CHAINS)]
    lines = [
        f"declare {kind} @llvm.fma.v{lanes}{suffix}({kind}, {kind}, {kind})",
        'define double @run(i64 %rounds) "prefer-vector-width"="512" "min-legal-vector-width"="512" {',
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        *phis,
        *steps,
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %rounds",
        "  br i1 %more, label %loop, label %done",
        "done:",
        *sums,
        f"  %one = extractelement {kind} %s{CHAINS - 1}, i64 0",
        "  %wide = fpext float %one to double" if scalar == "float" else "  %wide = fadd double %one, 0.0",
        "  ret double %wide",
        "}",
    ]
    return "\n".join(lines)
