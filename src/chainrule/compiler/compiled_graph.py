"""A graph compiled: its kernels, the plan of their memory, and their native code's text."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.local import plan_local
from chainrule.compiler.memory import Arena, plan_arena, user_buffer
from chainrule.compiler.module import Module
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.plan import GraphPlan, work_of
from chainrule.compiler.program import write_program
from chainrule.compiler.schedule import grouped, scheduled
from chainrule.compiler.table import FIRST_ARRAY
from chainrule.graph.graph import Graph
from chainrule.graph.value import Value


class CompiledGraph:
    """What is made of a graph.

    Parameters
    ----------
    graph : Graph
        What to compute.
    profiled : bool, default False
        Whether its code takes the time of each kernel: see `chainrule.compiler.profile`.
    module : Module, optional
        Where its functions are written.
    """

    def __init__(self, graph: Graph, profiled: bool = False, module: Module | None = None) -> None:
        self.graph = graph
        self.module = module = module or Module()
        self._simple = run_passes(graph)
        self.kernels = scheduled(self._simple)
        own = {value.serial: value for kernel in self.kernels for value in kernel.stored}
        self._results = [value for value in unique(self._simple.outputs) if value.serial in own]
        given = [*graph.inputs, *self._simple.captured, *self._results]
        buffers = {value.serial: user_buffer(FIRST_ARRAY + place, value) for place, value in enumerate(given)}
        groups = [[kernel] for kernel in self.kernels] if profiled else grouped(self.kernels)
        self.local = plan_local(groups, buffers)
        elsewhere = {**buffers, **self.local.buffers}
        self.arena: Arena = plan_arena(groups, elsewhere, [])
        self.buffers = {**self.arena.buffers, **elsewhere}
        ticks_slot = FIRST_ARRAY + len(buffers)
        self.program = write_program(
            module,
            "graph",
            groups,
            self.buffers,
            ticks_slot + 1,
            local=self.local.size,
            ticks_slot=ticks_slot if profiled else None,
        )

    @property
    def plan(self) -> GraphPlan:
        """How its code is called."""
        places = {value.serial: ("result", number) for number, value in enumerate(self._results)}
        places |= {value.serial: ("input", number) for number, value in enumerate(self.graph.inputs)}
        captured = {value.serial: number for number, value in enumerate(self.graph.captured)}
        places |= {serial: ("captured", number) for serial, number in captured.items()}
        return GraphPlan(
            results=[value.type for value in self._results],
            outputs=[places[value.serial] for value in self._simple.outputs],
            captured=[captured[value.serial] for value in self._simple.captured],
            sizes=self.arena.sizes,
            scratch=self.program.scratch,
            parts=self.program.parts,
            arrays=self.program.arrays,
            work=work_of(self._simple.equations),
        )


def unique(values: Sequence[Value]) -> list[Value]:
    """Return the values without repetition, in order."""
    return list({value.serial: value for value in values}.values())
