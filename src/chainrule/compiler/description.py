"""What the compiler made of a graph, as text that a person can read."""

from __future__ import annotations

from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.llvm import emit_assembly, host
from chainrule.compiler.local import Local
from chainrule.compiler.memory import Arena
from chainrule.compiler.pipeline import run_passes
from chainrule.graph.graph import Graph
from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import str_shape
from chainrule.graph.words import counted


def describe(graph: Graph) -> str:
    """Return the graph, the graph after each pass, the kernels, the memory, the LLVM IR and the assembly."""
    compiled = CompiledGraph(graph)
    sections = [("graph", str(graph))]
    run_passes(graph, lambda name, graph: sections.append((f"after {name}", str(graph))))
    sections += [
        ("kernels", "\n".join(f"{i}: {str_kernel(kernel)}" for i, kernel in enumerate(compiled.kernels))),
        ("memory", _memory(compiled.arena, compiled.local)),
        ("LLVM IR", compiled.module.text),
        ("assembly", emit_assembly(compiled.module.text, *host())),
    ]
    return "\n\n".join(f"==== {title} ====\n{text}" for title, text in sections)


def str_kernel(kernel: Kernel) -> str:
    """Return what a kernel does, on one line."""
    root = "loop" if kernel.root is None else primitive_name(kernel.root)
    members = ", ".join(map(primitive_name, kernel.members))
    absorbed = (
        f", over {counted(len(kernel.absorbed), 'operation')} on its operand" if kernel.absorbed else ""
    )
    then = members or "nothing"
    return f"{root} {str_shape(kernel.shape)}{absorbed}; then {then}; stores {len(kernel.stored)}"


def _memory(arena: Arena, local: Local) -> str:
    names = ("fixed", "by rows", "by rows squared")
    sizes = "\n".join(f"{name}: {size} bytes" for name, size in zip(names, arena.sizes, strict=True))
    places = "\n".join(
        f"  {names[buffer.power]} + {buffer.offset}: {buffer.dtype}, {arena.lengths[serial]} bytes"
        for serial, buffer in sorted(arena.buffers.items(), key=lambda item: (item[1].power, item[1].offset))
    )
    blocks = "\n".join(
        f"  of a chain + {buffer.offset + local.size}: {buffer.dtype}, {local.lengths[serial]} bytes"
        for serial, buffer in sorted(local.buffers.items(), key=lambda item: item[1].offset)
    )
    sizes += f"\nof a chain, for each thread: {local.size} bytes"
    return "\n".join(filter(None, [sizes, places, blocks]))
