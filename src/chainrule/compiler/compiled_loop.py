"""A loop compiled: its stages as kernels, one plan of memory for all of them, and their native code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.compiled_graph import unique
from chainrule.compiler.control import FIRST_TABLE
from chainrule.compiler.control_code import LoopLayout, TablePlace
from chainrule.compiler.finite import places_of_copies, write_check
from chainrule.compiler.local import plan_local
from chainrule.compiler.loop_code import OWN_ITEMS, loop_functions
from chainrule.compiler.memory import in_place, plan_arena, user_buffer
from chainrule.compiler.module import Module
from chainrule.compiler.panels import panels, read_by_panels
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.plan import LoopPlan, work_of
from chainrule.compiler.program import Program, write_program
from chainrule.compiler.schedule import grouped, scheduled
from chainrule.compiler.table import LINE, Scratch
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Loop, Stage
from chainrule.graph.types import ArrayType, static_size
from chainrule.graph.value import Value, call


class Part:
    """A stage of a loop: its kernels, and where its arrays lie beside those that the loop keeps.

    Parameters
    ----------
    name : str
        Of its function.
    stage : Stage
        What it computes.
    data : sequence of str
        The inputs that hold a batch of rows.
    carried : container of str
        The arrays that a result of the same name replaces.
    sparse : sequence of str
        Those of the data that are given as `SparseRows`.
    profiled : bool, default False
        Whether each kernel runs by itself, so that its time can be taken.
    in_halves : bool, default False
        Whether small sums over rows are made of two halves.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        data: Sequence[str],
        carried: frozenset[str],
        sparse: Sequence[str] = (),
        *,
        profiled: bool = False,
        in_halves: bool = False,
    ) -> None:
        self.name = name
        self.graph = graph = _own_outputs(run_passes(stage.graph))
        self.inputs = {value.name: value for value in graph.inputs}
        self.outputs = dict(zip(stage.outputs, graph.outputs, strict=True))
        self.data = tuple(one for one in data if one in self.inputs)
        self._sparse = {one for one in self.data if one in sparse}
        self.slots = len(self.data) + 2 * len(self._sparse)
        self.replaced = {one: out for one, out in self.outputs.items() if one in carried}
        self.kernels = scheduled(graph, in_halves)
        self.groups = [[kernel] for kernel in self.kernels] if profiled else grouped(self.kernels)
        place = {value.serial: number for number, value in enumerate(stage.graph.captured)}
        self.captured = [place[value.serial] for value in graph.captured]

    @property
    def kept(self) -> dict[str, Value]:
        """What must be there before it runs, or is replaced by it, by name."""
        given = {name: value for name, value in self.inputs.items() if name not in self.data}
        return {**self.replaced, **given}

    def place(
        self, home: Mapping[str, Buffer], size: int, captured_slot: int, widths: Mapping[ArrayType, int]
    ) -> None:
        """Plan its memory behind that of the loop, of this size; results lie over old arrays if they may."""
        given = {value.serial: home[name] for name, value in self.inputs.items() if name not in self.data}
        fixed = {
            value.serial: user_buffer(captured_slot + place, value)
            for place, value in enumerate(self.graph.captured)
        }
        old = {out.serial: self.inputs[name] for name, out in self.replaced.items() if name in self.inputs}
        over = {serial: given[value.serial] for serial, value in in_place(self.groups, old).items()}
        there = {**given, **fixed, **over}
        tables = [self.inputs[name] for name in self.data]
        results = [value for value in unique(self.graph.outputs) if value.serial not in over]
        packed = {value.serial for value in tables if value.ndim > 2}
        self.local = plan_local(self.groups, {*there, *(value.serial for value in results)})
        elsewhere = {**there, **self.local.buffers}
        scattered = read_by_panels(self.kernels, widths)
        scattered &= {self.inputs[name].serial for name in self.data if name not in self._sparse}
        arena = plan_arena(
            self.groups,
            elsewhere,
            [*tables, *results],
            packed=packed,
            panels=widths,
            scattered=scattered,
        )
        self.buffers = {**_moved(arena.buffers, size), **elsewhere}
        self.sizes = (size + arena.sizes[0], *arena.sizes[1:])
        self._copies = [
            (self.buffers[out.serial], home[name], arena.lengths[out.serial])
            for name, out in self.replaced.items()
            if out.serial not in over
        ]

    def write(self, module: Module, ticks_slot: int | None = None) -> Program:
        """Write its function."""
        return write_program(
            module,
            self.name,
            self.groups,
            self.buffers,
            local=self.local.size,
            copies=self._copies,
            ticks_slot=ticks_slot,
            first_part=OWN_ITEMS,
        )

    def tables(self, slot: int) -> list[TablePlace]:
        """Return where its data stand, whose first is at a slot of the table of pointers."""
        tables = []
        for name in self.data:
            value, sparse = self.inputs[name], name in self._sparse
            tables.append(TablePlace(slot, self.buffers[value.serial], static_size(value.shape[1:]), sparse))
            slot += 3 if sparse else 1
        return tables

    def results(self) -> dict[str, Buffer]:
        """Return where those results lie that replace nothing."""
        return {
            name: self.buffers[out.serial] for name, out in self.outputs.items() if name not in self.replaced
        }


class CompiledLoop:
    """What is made of a loop: its native code's text, and the plan of its memory.

    Parameters
    ----------
    loop : Loop
        What is repeated.
    carried : iterable of str
        The names of the arrays that a run carries.
    profiled : bool, default False
        Whether its code takes the time of each of the step's kernels: see `chainrule.compiler.profile`.
    in_halves : bool, default False
        Whether its steps are so long that threads share them: see `chainrule.compiler.halves`.
    module : Module, optional
        Where its functions are written.

    Attributes
    ----------
    step, validation, decision : Part
        Its stages; the last two may be None.
    home : dict of str to (Value, Buffer)
        The type and the place of each array that is kept from turn to turn, by name.
    replaced : list of str
        Those that stages replace.
    sizes, scratch, parts_of_thread
        How much memory a run needs: see `chainrule.compiler.table.allocate`.
    """

    def __init__(
        self,
        loop: Loop,
        carried: Iterable[str],
        profiled: bool = False,
        in_halves: bool = False,
        module: Module | None = None,
    ) -> None:
        self.module = module or Module()
        names = frozenset(carried)
        options = {"profiled": profiled, "in_halves": in_halves}
        self.step = Part("step", loop.step, loop.data, names, loop.sparse, **options)
        validation, decides = loop.validation, loop.epoch_end
        self.validation = self.decision = None
        if validation is not None:
            held, sparse = loop.validation_data, loop.sparse_validation
            self.validation = Part("validate", validation, held, frozenset(), sparse)
        if decides is not None:
            self.decision = Part("decide", decides, (), names)
        self.parts = [part for part in (self.step, self.validation, self.decision) if part is not None]
        kept: dict[str, Value] = {}
        for part in self.parts:
            kept = {**part.kept, **kept}
        widths = panels(kernel for part in self.parts for kernel in part.kernels)
        plan = plan_arena([], (), kept.values(), panels=widths)
        self.home = {name: (value, plan.buffers[value.serial]) for name, value in kept.items()}
        self.replaced = sorted({name for part in self.parts for name in part.replaced})
        slots = self._place(plan.sizes[0], widths)
        self._write(ticks_slot=FIRST_TABLE + slots if profiled else None)

    def _place(self, size: int, widths: Mapping[ArrayType, int]) -> int:
        """Plan every stage's memory; return how many slots the user's tables and captured arrays take."""
        home = {name: buffer for name, (_, buffer) in self.home.items()}
        self.finite = Buffer(0, size, 0, "float64", (), padded=False)
        slot = FIRST_TABLE + sum(part.slots for part in self.parts)
        for part in self.parts:
            part.place(home, size + LINE, slot, widths)
            slot += len(part.graph.captured)
        return slot - FIRST_TABLE

    def _write(self, ticks_slot: int | None) -> None:
        """Write all functions."""
        programs = [part.write(self.module, ticks_slot if part is self.step else None) for part in self.parts]
        told = {"step", "last", "loss", *(name for name in self.home if name.startswith("validation_"))}
        slot = FIRST_TABLE + self.step.slots
        self.layout = LoopLayout(
            data=self.step.tables(FIRST_TABLE),
            validation_data=self.validation.tables(slot) if self.validation else [],
            told={name: buffer for name, (_, buffer) in self.home.items() if name in told},
            step=self.step.results(),
            validation=self.validation.results() if self.validation else None,
            decided=self.decision.results() if self.decision else None,
        )
        looked_at = {name: self.home[name] for name in self.step.replaced}
        self.copies, self.copies_size = places_of_copies(looked_at)
        check = write_check([(*looked_at[name], place) for name, place in self.copies.items()], self.finite)
        self.module.add_functions([*check, *loop_functions(self.layout)], linkage="dso_local")
        self.parts_of_thread = max(program.parts for program in programs)
        self.scratch = Scratch(
            max(program.scratch.size for program in programs),
            max(program.scratch.per_row for program in programs),
        )
        sizes = [part.sizes for part in self.parts]
        self.sizes = tuple(max(power) for power in zip(*sizes, strict=True))

    @property
    def plan(self) -> LoopPlan:
        """How its code is called."""
        return LoopPlan(
            home={name: (value.type, buffer) for name, (value, buffer) in self.home.items()},
            replaced=self.replaced,
            data=self.step.data,
            validation_data=self.validation.data if self.validation else (),
            captured=[part.captured for part in self.parts],
            results=self.layout.results,
            control_size=self.layout.control_size,
            loss=self.layout.step["batch_loss"],
            finite=self.finite,
            copies=self.copies,
            copies_size=self.copies_size,
            sizes=self.sizes,
            scratch=self.scratch,
            parts=self.parts_of_thread,
            work=work_of(self.step.graph.equations),
            kernels=len(self.step.kernels),
        )


def _moved(buffers: Mapping[int, Buffer], size: int) -> dict[int, Buffer]:
    """Return buffers of fixed size so many bytes later."""
    return {
        serial: buffer if buffer.power else replace(buffer, offset=buffer.offset + size)
        for serial, buffer in buffers.items()
    }


def _own_outputs(graph: Graph) -> Graph:
    """Return the graph with every output computed: an input that is handed on gets a place of its own."""
    outputs = [value if value.primitive is not None else call("identity", value) for value in graph.outputs]
    return Graph(graph.inputs, outputs)
