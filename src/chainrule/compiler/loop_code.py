"""A training loop as native code: which rows, gather them, one step, and on; validate and decide; and on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chainrule.compiler.access import ARGUMENTS, SIZES, first_element, from_table
from chainrule.compiler.code import BYTES, SCALARS, Code
from chainrule.compiler.memory import Buffer
from chainrule.compiler.table import BARRIER_SLOT, FIRST_ARRAY
from chainrule.graph.shuffle import FACTORS, GOLDEN, ROUNDS, SHIFTS

CONTROL_SLOT: Final = FIRST_ARRAY
RESULTS_SLOT: Final = FIRST_ARRAY + 1
#: Where in the table of pointers the data's arrays begin.
FIRST_TABLE: Final = FIRST_ARRAY + 2


class Control(IntEnum):
    """The places in the table of 64-bit numbers by which Python steers a run and learns where it stands.

    A turn is a step, a batch of the validation, or the end of an epoch. After these numbers follow the sums
    of the validation so far, as float64.
    """

    TURNS = 0  # how many were made
    MOST_TURNS = 1  # how many to make at most
    ENDED = 2  # epochs that were ended
    MOST_EPOCHS = 3  # how many to end at most
    EPOCHS_LEFT = 4  # until the last epoch that was asked for
    STOPPED = 5  # whether the end of an epoch decided to stop
    FAILED = 6  # whether the last step's loss was not finite
    STEP = 7  # counted since the model was built
    EPOCH = 8  # counted since the model was built
    POSITION = 9  # rows of the epoch that are done
    ROWS = 10  # of the whole table
    BATCH = 11
    LOSS = 12  # sum over the epoch, float64
    WEIGHT = 13  # sum over the epoch, float64
    VALIDATED = 14  # rows of the validation data that are done
    VALIDATION_ROWS = 15
    VALIDATION_BATCH = 16
    SHUFFLE = 17  # whether rows are visited out of order
    MASK = 18
    SHIFT = 19
    KEY = 20
    ORDER = 21  # factors and addends of the rounds that shuffle, made of the key and the epoch
    SIZE = 21 + 2 * ROUNDS


@dataclass(frozen=True)
class Table:
    """Where a user's table stands in the table of pointers, and where a batch of it is put.

    Attributes
    ----------
    slot : int
        Of the user's table.
    batch : Buffer
        What a batch of it is put into.
    size : int
        Elements of a row.
    """

    slot: int
    batch: Buffer
    size: int


@dataclass(frozen=True)
class LoopLayout:
    """Where a loop's code finds what it moves between the stages.

    Attributes
    ----------
    data, validation_data : sequence of Table
        What steps and the validation read.
    kept : mapping of str to Buffer
        What all stages share, by name; of these ``step``, ``last``, ``loss`` and ``validation_...``, where a
        stage reads them, are written here.
    step : mapping of str to Buffer
        ``batch_loss`` and ``batch_weight`` of a step.
    validation : mapping of str to Buffer or None
        The sums over a batch of the validation.
    decided : mapping of str to Buffer or None
        The results of the end of an epoch, and ``stop``.
    """

    data: Sequence[Table]
    validation_data: Sequence[Table]
    kept: Mapping[str, Buffer]
    step: Mapping[str, Buffer]
    validation: Mapping[str, Buffer] | None
    decided: Mapping[str, Buffer] | None

    @property
    def measured(self) -> list[str]:
        """The sums that the validation gives, the weight left out."""
        return [name for name in self.validation or {} if name != "weight"]

    @property
    def results(self) -> list[str]:
        """The names of the numbers that an epoch leaves, in their order."""
        decided = [name for name in self.decided or {} if name != "stop"]
        return ["loss", *(f"validation_{name}" for name in self.measured), *decided]

    @property
    def control_size(self) -> int:
        """How many numbers the control table has."""
        return Control.SIZE + len(self.validation or {})


class LoopCode:
    """Writes the function that makes turns until it has made enough, the run stops, or a loss is not finite.

    Each thread keeps the control numbers on its own stack, and all of them count alike.

    Parameters
    ----------
    layout : LoopLayout
        Where everything lies.
    """

    def __init__(self, layout: LoopLayout) -> None:
        self.code = code = Code("fit", ARGUMENTS)
        self._layout = layout
        self._shared = from_table(code, CONTROL_SLOT)
        self._counter = from_table(code, BARRIER_SLOT)
        self._results = from_table(code, RESULTS_SLOT)
        code.reserve("%control", f"[{layout.control_size} x i64]")
        self._first = code.value("icmp eq i64 %thread, 0")
        self._places: dict[Buffer, str] = {}
        self._tables: dict[int, str] = {}
        groups = (layout.step, layout.validation or {}, layout.decided or {})
        for buffer in (*layout.kept.values(), *(one for group in groups for one in group.values())):
            self._places[buffer] = first_element(code, buffer)
        for table in (*layout.data, *layout.validation_data):
            self._tables[table.slot] = from_table(code, table.slot)
            self._places[table.batch] = first_element(code, table.batch)

    def write(self) -> Code:
        """Write the function."""
        code, size = self.code, 8 * self._layout.control_size
        mode = code.value("call i64 @flush_denormals()")
        code.copy("%control", self._shared, size)
        self._meet()  # or the first thread might be done before another has read where to begin
        self._find_order()
        code.repeat(self._goes_on, self._turn)
        code.when(self._first, lambda: code.copy(self._shared, "%control", size))
        code.do(f"call void @keep_denormals(i64 {mode})")
        return code

    # Numbers -----------------------------------------------------------------------------------------

    def _get(self, name: int, kind: str = "i64") -> str:
        return self.code.value(f"load {kind}, ptr {self._control(name)}")

    def _set(self, name: int, number: object, kind: str = "i64") -> None:
        self.code.do(f"store {kind} {number}, ptr {self._control(name)}")

    def _count(self, name: int, more: object = 1) -> None:
        self._set(name, self.code.value(f"add i64 {self._get(name)}, {more}"))

    def _add(self, name: int, number: str) -> None:
        self._set(name, self.code.value(f"fadd double {self._get(name, 'double')}, {number}"), "double")

    def _control(self, name: int) -> str:
        return self.code.value(f"getelementptr i64, ptr %control, i64 {int(name)}")

    def _scalar(self, buffer: Buffer) -> str:
        """Return a number that a stage has left, as float64."""
        kind = "i8" if buffer.dtype == "bool" else SCALARS[buffer.dtype]
        text = self.code.value(f"load {kind}, ptr {self._places[buffer]}")
        if kind == "double":
            return text
        convert = "fpext" if kind == "float" else "uitofp" if kind == "i8" else "sitofp"
        return self.code.value(f"{convert} {kind} {text} to double")

    def _tell(self, name: str, number: str, kind: str) -> None:
        """Write a number where the stages read it, if one does."""
        if name in self._layout.kept:
            self.code.do(f"store {kind} {number}, ptr {self._places[self._layout.kept[name]]}")

    def _meet(self) -> None:
        self.code.do(f"call void @barrier(ptr {self._counter}, i64 %threads)")

    def _run(self, function: str, rows: str) -> None:
        sizes = SIZES.replace("%rows", rows)
        self.code.do(f"call void @{function}(ptr %table, {sizes})")

    # Turns -------------------------------------------------------------------------------------------

    def _goes_on(self) -> str:
        code = self.code
        allowed = code.value(f"icmp slt i64 {self._get(Control.TURNS)}, {self._get(Control.MOST_TURNS)}")
        more = code.value(f"icmp slt i64 {self._get(Control.ENDED)}, {self._get(Control.MOST_EPOCHS)}")
        ends = code.value(f"or i64 {self._get(Control.STOPPED)}, {self._get(Control.FAILED)}")
        free = code.value(f"icmp eq i64 {ends}, 0")
        return code.value(f"and i1 {free}, {code.value(f'and i1 {allowed}, {more}')}")

    def _turn(self) -> None:
        self._count(Control.TURNS)
        self._choose(Control.POSITION, Control.ROWS, self._step, self._after_steps)

    def _after_steps(self) -> None:
        if self._layout.validation is None:
            self._end_epoch()
        else:
            self._choose(Control.VALIDATED, Control.VALIDATION_ROWS, self._validate, self._end_epoch)

    def _choose(
        self, done: Control, all_rows: Control, more: Callable[[], None], after: Callable[[], None]
    ) -> None:
        left = self.code.value(f"icmp slt i64 {self._get(done)}, {self._get(all_rows)}")
        self.code.choose(left, more, after)

    def _step(self) -> None:
        code = self.code
        count = self._batch(Control.POSITION, Control.ROWS, Control.BATCH, self._layout.data, self._row_at)
        self._run("step", count)
        loss, weight = (self._scalar(self._layout.step[name]) for name in ("batch_loss", "batch_weight"))
        self._add(Control.LOSS, code.value(f"fmul double {loss}, {weight}"))
        self._add(Control.WEIGHT, weight)
        zero = code.value(f"fsub double {loss}, {loss}")
        failed = code.value(f"fcmp une double {zero}, 0.0")
        self._set(Control.FAILED, code.value(f"zext i1 {failed} to i64"))
        self._count(Control.STEP)

    def _validate(self) -> None:
        count = self._batch(
            Control.VALIDATED,
            Control.VALIDATION_ROWS,
            Control.VALIDATION_BATCH,
            self._layout.validation_data,
            lambda position: position,
        )
        self._run("validate", count)
        for place, buffer in enumerate((self._layout.validation or {}).values()):
            self._add(Control.SIZE + place, self._scalar(buffer))

    def _batch(
        self,
        done: Control,
        all_rows: Control,
        most: Control,
        tables: Sequence[Table],
        row_at: Callable[[str], str],
    ) -> str:
        """Put the next rows where a stage reads them; return how many."""
        code, position = self.code, self._get(done)
        left = code.value(f"sub i64 {self._get(all_rows)}, {position}")
        count = code.call("i64", "llvm.smin.i64", f"i64 {left}, i64 {self._get(most)}")
        self._gather(tables, position, count, row_at)
        number = code.value(f"trunc i64 {self._get(Control.STEP)} to i32")
        code.when(self._first, lambda: self._tell("step", number, "i32"))
        self._meet()
        self._count(done, count)
        return count

    def _end_epoch(self) -> None:
        code, layout = self.code, self._layout
        code.when(self._first, self._conclude)
        self._count(Control.ENDED)
        if layout.decided is not None:
            self._meet()
            self._run("decide", "0")
            decided = {name: self._scalar(buffer) for name, buffer in layout.decided.items()}
            if "stop" in decided:
                stop = code.value(f"fcmp une double {decided.pop('stop')}, 0.0")
                self._set(Control.STOPPED, code.value(f"zext i1 {stop} to i64"))
            code.when(self._first, lambda: self._leave(decided, at=-1))
        for name in (Control.POSITION, Control.VALIDATED):
            self._set(name, 0)
        for place in (Control.LOSS, Control.WEIGHT, *range(Control.SIZE, layout.control_size)):
            self._set(place, "0.0", "double")
        self._count(Control.EPOCH)
        self._find_order()

    def _conclude(self) -> None:
        """Leave what the epoch has measured, and tell it to the stage that decides."""
        code, layout = self.code, self._layout
        means = {"loss": self._mean(Control.LOSS, Control.WEIGHT)}
        sums = {name: Control.SIZE + place for place, name in enumerate(layout.validation or {})}
        for name in layout.measured:
            means[f"validation_{name}"] = self._mean(sums[name], sums["weight"])
        self._leave(means)
        for name, mean in means.items():
            self._tell(name, mean, "double")
        ended = code.value(f"add i64 {self._get(Control.ENDED)}, 1")
        last = code.value(f"icmp eq i64 {ended}, {self._get(Control.EPOCHS_LEFT)}")
        self._tell("last", code.value(f"zext i1 {last} to i8"), "i8")

    def _mean(self, total: int, weight: int) -> str:
        """Return a sum divided by a weight; 0 if nothing weighs anything."""
        code, divisor = self.code, self._get(weight, "double")
        mean = code.value(f"fdiv double {self._get(total, 'double')}, {divisor}")
        nothing = code.value(f"fcmp oeq double {divisor}, 0.0")
        return code.value(f"select i1 {nothing}, double 0.0, double {mean}")

    def _leave(self, numbers: Mapping[str, str], at: int = 0) -> None:
        """Write results of the epoch, which is so many after the last that has ended, for Python."""
        code, names = self.code, self._layout.results
        epoch = code.value(f"add i64 {self._get(Control.ENDED)}, {at}")
        row = code.value(f"mul i64 {epoch}, {len(names)}")
        for name, number in numbers.items():
            place = code.value(f"add i64 {row}, {names.index(name)}")
            address = code.value(f"getelementptr double, ptr {self._results}, i64 {place}")
            code.do(f"store double {number}, ptr {address}")

    # Rows --------------------------------------------------------------------------------------------

    def _gather(
        self, tables: Sequence[Table], position: str, count: str, row_at: Callable[[str], str]
    ) -> None:
        """Copy the rows of a batch to where a stage reads them; threads share the rows."""
        code = self.code
        bounds = []
        for thread in ("%thread", code.value("add i64 %thread, 1")):
            bounds.append(code.value(f"udiv i64 {code.value(f'mul i64 {count}, {thread}')}, %threads"))

        def row(number: str, _: list[str]) -> list[str]:
            source = row_at(code.value(f"add i64 {position}, {number}"))
            for table in tables:
                width = BYTES[table.batch.dtype]
                to = self._moved(self._places[table.batch], number, table.batch.strides[0].elements * width)
                size = table.size * width
                code.copy(to, self._moved(self._tables[table.slot], source, size), size)
            return []

        code.loop(bounds[0], bounds[1], 1, row)

    def _moved(self, pointer: str, rows: str, stride: int) -> str:
        offset = self.code.value(f"mul i64 {rows}, {stride}")
        return self.code.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def _row_at(self, position: str) -> str:
        """Return the row at a position of the epoch: `chainrule.graph.shuffle.shuffled`."""
        code, rows = self.code, self._get(Control.ROWS)
        mask, shift = self._get(Control.MASK), self._get(Control.SHIFT)
        before, mix, again, after = (code.label() for _ in range(4))
        code.jump(before)
        code.place(before)
        shuffles = code.value(f"icmp ne i64 {self._get(Control.SHUFFLE)}, 0")
        code.branch(shuffles, mix, after)
        code.place(mix)
        (number,) = code.join([("i64", position)], before)
        for turn in range(ROUNDS):
            factor, addend = (self._get(Control.ORDER + 2 * turn + i) for i in range(2))
            total = code.value(f"add i64 {code.value(f'mul i64 {number}, {factor}')}, {addend}")
            kept = code.value(f"and i64 {total}, {mask}")
            high = code.value(f"lshr i64 {kept}, {shift}")
            number = code.value(f"xor i64 {kept}, {high}")
        outside = code.value(f"icmp uge i64 {number}, {rows}")
        code.branch(outside, again, after)
        code.place(again)
        code.close(mix, [number])
        code.place(after)
        return code.value(f"phi i64 [ {position}, %{before} ], [ {number}, %{mix} ]")

    def _find_order(self) -> None:
        """Fix the order of the epoch's rows: `chainrule.graph.shuffle.round_keys`."""
        code = self.code
        key = code.value(f"add i64 {self._get(Control.KEY)}, {self._mixed(self._get(Control.EPOCH))}")
        seed = self._mixed(key)
        for number in range(2 * ROUNDS):
            added = (number + 1) * GOLDEN & 0xFFFFFFFFFFFFFFFF
            word = self._mixed(code.value(f"add i64 {seed}, {added}"))
            word = code.value(f"or i64 {word}, 1") if number % 2 == 0 else word
            self._set(Control.ORDER + number, word)

    def _mixed(self, number: str) -> str:
        code = self.code
        number = code.value(f"add i64 {number}, {GOLDEN}")
        for shift, factor in zip(SHIFTS, (*FACTORS, None), strict=True):
            number = code.value(f"xor i64 {number}, {code.value(f'lshr i64 {number}, {shift}')}")
            number = number if factor is None else code.value(f"mul i64 {number}, {factor}")
        return number
