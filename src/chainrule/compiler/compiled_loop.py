"""A loop compiled: its stages as kernels, one plan of memory for all of them, and their native code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.compiled_graph import unique
from chainrule.compiler.control import FIRST_TABLE
from chainrule.compiler.control_code import LoopLayout, TablePlace
from chainrule.compiler.finite import places_of_copies, write_check
from chainrule.compiler.local import plan_local
from chainrule.compiler.loop_code import DECISION, OWN_ITEMS, STEP, VALIDATION, loop_functions
from chainrule.compiler.memory import plan_arena, user_buffer
from chainrule.compiler.module import Module
from chainrule.compiler.panels import panels, read_by_panels
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.plan import LoopPlan, work_of
from chainrule.compiler.program import Program, write_program
from chainrule.compiler.reading import in_place
from chainrule.compiler.schedule import grouped, scheduled
from chainrule.compiler.table import LINE, Scratch
from chainrule.graph.graph import Graph
from chainrule.graph.loop import Loop, Stage
from chainrule.graph.types import ArrayType, static_size
from chainrule.graph.value import Value, call


class Part:
    """A stage of a loop: its kernels, and what they read and make. `placed` finds places for its arrays.

    Parameters
    ----------
    name : str
        Of its function.
    stage : Stage
        What it computes.
    data : sequence of str
        The inputs that hold a batch of rows.
    carried : frozenset of str
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
        self.sparse = {one for one in self.data if one in sparse}
        self.slots = len(self.data) + 2 * len(self.sparse)
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

    def placed(
        self, home: Mapping[str, Buffer], size: int, captured_slot: int, widths: Mapping[ArrayType, int]
    ) -> PlacedPart:
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
        local = plan_local(self.groups, {*there, *(value.serial for value in results)})
        elsewhere = {**there, **local.buffers}
        scattered = read_by_panels(self.kernels, widths)
        scattered &= {self.inputs[name].serial for name in self.data if name not in self.sparse}
        arena = plan_arena(
            self.groups,
            elsewhere,
            [*tables, *results],
            packed={value.serial for value in tables if value.ndim > 2},
            panels=widths,
            scattered=scattered,
        )
        buffers = {**_moved(arena.buffers, size), **elsewhere}
        copies = [
            (buffers[out.serial], home[name], arena.lengths[out.serial])
            for name, out in self.replaced.items()
            if out.serial not in over
        ]
        return PlacedPart(self, buffers, local.size, copies, (size + arena.sizes[0], *arena.sizes[1:]))


@dataclass(frozen=True)
class PlacedPart:
    """A stage of a loop whose arrays have their places, so that its function can be written.

    Attributes
    ----------
    part : Part
        The stage.
    buffers : dict of int to Buffer
        Where each array lies, by its value's serial.
    local : int
        The bytes of arrays that belong to chains: see `chainrule.compiler.local`.
    copies : list of (from, to, bytes)
        The results that could not be written over what they replace.
    sizes : tuple of int
        The bytes of the arena's regions, those before the stage's own arrays included.
    """

    part: Part
    buffers: dict[int, Buffer]
    local: int
    copies: list[tuple[Buffer, Buffer, int]]
    sizes: tuple[int, ...]

    def write(self, module: Module, first_array: int, ticks_slot: int | None = None) -> Program:
        """Write its function, whose arrays' addresses begin somewhere in the table."""
        return write_program(
            module,
            self.part.name,
            self.part.groups,
            self.buffers,
            first_array,
            local=self.local,
            copies=self.copies,
            ticks_slot=ticks_slot,
            first_part=OWN_ITEMS,
        )

    def tables(self, slot: int) -> list[TablePlace]:
        """Return where its data stand, whose first is at a slot of the table of pointers."""
        tables = []
        for name in self.part.data:
            value, sparse = self.part.inputs[name], name in self.part.sparse
            tables.append(TablePlace(slot, self.buffers[value.serial], static_size(value.shape[1:]), sparse))
            slot += 3 if sparse else 1
        return tables

    def results(self) -> dict[str, Buffer]:
        """Return where those results lie that replace nothing."""
        outputs, replaced = self.part.outputs, self.part.replaced
        return {name: self.buffers[out.serial] for name, out in outputs.items() if name not in replaced}


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
    module : Module
        Its functions.
    step : PlacedPart
        The stage that steps repeat.
    layout : LoopLayout
        Where its code finds what it moves between the stages.
    plan : LoopPlan
        How its code is called.
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
        parts = _parts(loop, frozenset(carried), profiled, in_halves)
        kept: dict[str, Value] = {}
        for part in parts:
            kept = {**part.kept, **kept}
        widths = panels(kernel for part in parts for kernel in part.kernels)
        arena = plan_arena([], (), kept.values(), panels=widths)
        home = {name: arena.buffers[value.serial] for name, value in kept.items()}
        finite = Buffer(0, arena.sizes[0], 0, "float64", (), padded=False)
        placed, slot = dict[str, PlacedPart](), FIRST_TABLE + sum(part.slots for part in parts)
        for part in parts:
            placed[part.name] = part.placed(home, arena.sizes[0] + LINE, slot, widths)
            slot += len(part.graph.captured)
        self.step = step = placed[STEP]
        self.layout = _layout(home, placed)
        programs = _written(placed, self.module, slot, profiled)
        looked_at = {name: (kept[name], home[name]) for name in step.part.replaced}
        copies, copies_size = places_of_copies(looked_at)
        check = write_check([(*looked_at[name], place) for name, place in copies.items()], finite)
        self.module.add_functions([*check, *loop_functions(self.layout)], linkage="dso_local")
        self.plan = LoopPlan(
            home={name: (value.type, home[name]) for name, value in kept.items()},
            replaced=sorted({name for part in parts for name in part.replaced}),
            data=step.part.data,
            validation_data=placed[VALIDATION].part.data if VALIDATION in placed else (),
            captured=[part.captured for part in parts],
            results=self.layout.results,
            control_size=self.layout.control_size,
            loss=self.layout.step["batch_loss"],
            finite=finite,
            copies=copies,
            copies_size=copies_size,
            sizes=_largest(one.sizes for one in placed.values()),
            scratch=Scratch(*_largest((one.scratch.size, one.scratch.per_row) for one in programs)),
            parts=max(program.parts for program in programs),
            arrays=[place for program in programs for place in program.arrays],
            work=work_of(step.part.graph.equations),
            kernels=len(step.part.kernels),
        )


def _parts(loop: Loop, carried: frozenset[str], profiled: bool, in_halves: bool) -> list[Part]:
    """Return the stages of a loop, each with the name of its function; the step comes first."""
    options = {"profiled": profiled, "in_halves": in_halves}
    parts = [Part(STEP, loop.step, loop.data, carried, loop.sparse, **options)]
    if loop.validation is not None:
        held, sparse = loop.validation_data, loop.sparse_validation
        parts.append(Part(VALIDATION, loop.validation, held, frozenset(), sparse))
    if loop.epoch_end is not None:
        parts.append(Part(DECISION, loop.epoch_end, (), carried))
    return parts


def _written(
    placed: Mapping[str, PlacedPart], module: Module, ticks_slot: int, profiled: bool
) -> list[Program]:
    """Write the stages' functions; the addresses of their arrays stand in the table behind the ticks."""
    programs: list[Program] = []
    for name, one in placed.items():
        first_array = ticks_slot + 1 + sum(len(program.arrays) for program in programs)
        programs.append(one.write(module, first_array, ticks_slot if profiled and name == STEP else None))
    return programs


def _layout(home: Mapping[str, Buffer], placed: Mapping[str, PlacedPart]) -> LoopLayout:
    step, validation, decision = (placed.get(name) for name in (STEP, VALIDATION, DECISION))
    assert step is not None
    told = {"step", "last", "loss", *(name for name in home if name.startswith("validation_"))}
    return LoopLayout(
        data=step.tables(FIRST_TABLE),
        validation_data=validation.tables(FIRST_TABLE + step.part.slots) if validation else [],
        told={name: buffer for name, buffer in home.items() if name in told},
        step=step.results(),
        validation=validation.results() if validation else None,
        decided=decision.results() if decision else None,
    )


def _largest(sizes: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the largest first number, the largest second one, and so on."""
    return tuple(map(max, zip(*sizes, strict=True)))


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
