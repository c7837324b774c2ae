"""A training loop as native code: which rows, gather them, one step, and on; validate and decide; and on.

``fit`` finds out what the present turn is and lets the threads share it (`chainrule.compiler.sharing`).
What is done in a turn beside the stages themselves stands in functions of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chainrule.compiler.access import PROGRAM_ARGUMENTS, PROGRAM_SIZES, first_element, from_table
from chainrule.compiler.code import BYTES, SCALARS, Code
from chainrule.compiler.control import RESULTS_SLOT, Control
from chainrule.compiler.control_code import ControlCode, LoopLayout, Table
from chainrule.compiler.sharing import Sharing
from chainrule.graph.shuffle import FACTORS, GOLDEN, ROUNDS, SHIFTS

#: What a turn begins with, and how it ends, come before the parts of the stages.
OWN_ITEMS = 2
_WORD = 0xFFFFFFFFFFFFFFFF


def loop_functions(layout: LoopLayout) -> list[Code]:
    """Return the functions that run a loop's stages; ``fit`` is the one to be called.

    It makes turns until it has made enough, the run stops, or a loss is not finite and this is checked.

    Parameters
    ----------
    layout : LoopLayout
        Where everything lies.
    """
    codes = [
        _bring("bring_batch", layout.data, layout, _row_at),
        _end_step(layout),
        _conclude(layout),
        _end_epoch(layout),
        _end_check(),
        _Fit(layout).write(),
    ]
    if layout.validation is not None:
        codes += [
            _bring("bring_validation", layout.validation_data, layout, _in_order),
            _end_validation(layout),
        ]
    return codes


class _Fit:
    """Writes the function that goes from turn to turn."""

    def __init__(self, layout: LoopLayout) -> None:
        self._function = ControlCode("fit", PROGRAM_ARGUMENTS)
        self._code = self._function.code
        self._layout = layout
        self._now: dict[Control, str] = {}

    def write(self) -> Code:
        """Write it."""
        code = self._code
        mode = code.value("call i64 @flush_denormals()")
        code.repeat(self._goes_on, self._turn)
        code.do(f"call void @keep_denormals(i64 {mode})")
        return code

    def _goes_on(self) -> str:
        """Write how all numbers are read as they are in one turn; return whether there is something to do."""
        code, turn = self._code, self._function.address(Control.TURN)
        head, after = code.label(), code.label()
        code.jump(head)
        code.place(head)
        before = code.value(f"load atomic i64, ptr {turn} acquire, align 8")
        for name in Control:
            if name < Control.SHUFFLE:
                place = self._function.address(name)
                self._now[name] = code.value(f"load atomic i64, ptr {place} monotonic, align 8")
        code.do("fence acquire")
        again = code.value(f"load atomic i64, ptr {turn} monotonic, align 8")
        same = code.value(f"icmp eq i64 {before}, {again}")
        even = code.value(f"icmp eq i64 {code.value(f'and i64 {before}, 1')}, 0")
        code.branch(code.value(f"and i1 {same}, {even}"), after, head)
        code.place(after)
        self._now[Control.TURN] = before
        self._more = self._free()
        check = code.value(f"icmp ne i64 {self._now[Control.CHECK]}, 0")
        return code.value(f"or i1 {self._more}, {check}")

    def _free(self) -> str:
        """Return whether the run itself goes on."""
        code, now = self._code, self._now
        allowed = code.value(f"icmp slt i64 {now[Control.TURNS]}, {now[Control.MOST_TURNS]}")
        more = code.value(f"icmp slt i64 {now[Control.ENDED]}, {now[Control.MOST_EPOCHS]}")
        ends = code.value(f"or i64 {now[Control.STOPPED]}, {now[Control.FAILED]}")
        free = code.value(f"icmp eq i64 {ends}, 0")
        return code.value(f"and i1 {free}, {code.value(f'and i1 {allowed}, {more}')}")

    def _turn(self) -> None:
        self._code.choose(
            self._more,
            lambda: self._choose(Control.POSITION, Control.ROWS, self._step, self._after_steps),
            self._check,
        )

    def _after_steps(self) -> None:
        if self._layout.validation is None:
            self._end_epoch()
        else:
            self._choose(Control.VALIDATED, Control.VALIDATION_ROWS, self._validate, self._end_epoch)

    def _choose(
        self, done: Control, all_rows: Control, more: Callable[[], None], after: Callable[[], None]
    ) -> None:
        left = self._code.value(f"icmp slt i64 {self._now[done]}, {self._now[all_rows]}")
        self._code.choose(left, more, after)

    def _step(self) -> None:
        count = self._rows(Control.POSITION, Control.ROWS, Control.BATCH)
        self._items("step", count, begin="bring_batch", end="end_step", split=True)

    def _validate(self) -> None:
        count = self._rows(Control.VALIDATED, Control.VALIDATION_ROWS, Control.VALIDATION_BATCH)
        self._items("validate", count, begin="bring_validation", end="end_validation", split=True)

    def _end_epoch(self) -> None:
        stage = "decide" if self._layout.decided is not None else None
        self._items(stage, "0", begin="conclude", end="end_epoch")

    def _check(self) -> None:
        self._items(None, "0", begin="check", end="end_check")

    def _rows(self, done: Control, all_rows: Control, most: Control) -> str:
        """Return how many rows the turn is on."""
        left = self._code.value(f"sub i64 {self._now[all_rows]}, {self._now[done]}")
        return self._code.call("i64", "llvm.smin.i64", f"i64 {left}, i64 {self._now[most]}")

    def _items(self, stage: str | None, rows: str, begin: str, end: str, split: bool = False) -> None:
        """Write a turn: how it begins, by one thread or in parts, a stage, and how one thread ends it."""
        code, turn = self._code, self._now[Control.TURN]
        sizes = PROGRAM_SIZES.replace("%rows", rows).replace("%turn", turn)
        sharing = Sharing(code, 0, sizes)
        (sharing.item if split else sharing.single)(begin)
        if stage is not None:
            code.do(f"call void @{stage}(ptr %table, {sizes})")
        sharing.used = 1
        sharing.single(end)


# What else is done in a turn -------------------------------------------------------------------------


def _changing(name: str, write: Callable[[ControlCode], None]) -> Code:
    """Return a function that changes the control numbers, and so begins the next turn."""
    function = ControlCode(name)
    code, turn = function.code, function.address(Control.TURN)
    code.do(f"store atomic i64 {code.value('add i64 %turn, 1')}, ptr {turn} monotonic, align 8")
    code.do("fence release")
    function.count(Control.TURNS)
    write(function)
    code.do(f"store atomic i64 {code.value('add i64 %turn, 2')}, ptr {turn} release, align 8")
    return code


def _end_step(layout: LoopLayout) -> Code:
    def write(f: ControlCode) -> None:
        code = f.code
        loss, weight = (f.scalar(layout.step[name]) for name in ("batch_loss", "batch_weight"))
        f.add(Control.LOSS, code.value(f"fmul double {loss}, {weight}"))
        f.add(Control.WEIGHT, weight)
        zero = code.value(f"fsub double {loss}, {loss}")
        failed = code.value(f"fcmp une double {zero}, 0.0")
        failed = code.value(f"zext i1 {failed} to i64")
        f.set(Control.FAILED, code.value(f"and i64 {failed}, {f.get(Control.CHECKED)}"))
        f.count(Control.STEP)
        f.count(Control.POSITION, "%rows")

    return _changing("end_step", write)


def _end_validation(layout: LoopLayout) -> Code:
    def write(f: ControlCode) -> None:
        for place, buffer in enumerate((layout.validation or {}).values()):
            f.add(Control.SIZE + place, f.scalar(buffer))
        f.count(Control.VALIDATED, "%rows")

    return _changing("end_validation", write)


def _end_epoch(layout: LoopLayout) -> Code:
    def write(f: ControlCode) -> None:
        code = f.code
        decided = {name: f.scalar(buffer) for name, buffer in (layout.decided or {}).items()}
        if "stop" in decided:
            stop = code.value(f"fcmp une double {decided.pop('stop')}, 0.0")
            f.set(Control.STOPPED, code.value(f"zext i1 {stop} to i64"))
        _leave(f, layout, decided)
        for name in (Control.POSITION, Control.VALIDATED):
            f.set(name, 0)
        for place in (Control.LOSS, Control.WEIGHT, *range(Control.SIZE, layout.control_size)):
            f.set(place, "0.0", "double")
        f.count(Control.ENDED)
        f.count(Control.EPOCH)

    return _changing("end_epoch", write)


def _end_check() -> Code:
    return _changing("end_check", lambda f: f.set(Control.CHECK, 0))


def _conclude(layout: LoopLayout) -> Code:
    """Return the function that leaves what an epoch has measured, and tells it to the stage that decides."""
    f = ControlCode("conclude")
    code = f.code

    def mean(total: int, weight: int) -> str:
        divisor = f.get(weight, "double")
        quotient = code.value(f"fdiv double {f.get(total, 'double')}, {divisor}")
        nothing = code.value(f"fcmp oeq double {divisor}, 0.0")
        return code.value(f"select i1 {nothing}, double 0.0, double {quotient}")

    means = {"loss": mean(Control.LOSS, Control.WEIGHT)}
    sums = {name: Control.SIZE + place for place, name in enumerate(layout.validation or {})}
    for name in layout.measured:
        means[f"validation_{name}"] = mean(sums[name], sums["weight"])
    _leave(f, layout, means)
    for name, number in means.items():
        f.tell(layout.told, name, number, "double")
    ended = code.value(f"add i64 {f.get(Control.ENDED)}, 1")
    last = code.value(f"icmp eq i64 {ended}, {f.get(Control.EPOCHS_LEFT)}")
    f.tell(layout.told, "last", code.value(f"zext i1 {last} to i8"), "i8")
    return code


def _leave(f: ControlCode, layout: LoopLayout, numbers: Mapping[str, str]) -> None:
    """Write results of the epoch that ends for Python."""
    code, names = f.code, layout.results
    row = code.value(f"mul i64 {f.get(Control.ENDED)}, {len(names)}")
    results = from_table(code, RESULTS_SLOT)
    for name, number in numbers.items():
        place = code.value(f"add i64 {row}, {names.index(name)}")
        code.do(
            f"store double {number}, ptr {code.value(f'getelementptr double, ptr {results}, i64 {place}')}"
        )


# Rows ------------------------------------------------------------------------------------------------

RowAt = Callable[[ControlCode], tuple[str, Callable[[str], str]]]


def _bring(name: str, tables: Sequence[Table], layout: LoopLayout, order: RowAt) -> Code:
    """Return the function that puts the next rows where a stage reads them, and tells it the step."""
    f = ControlCode(name)
    code = f.code
    sources = [
        [from_table(code, table.slot + i) for i in range(3 if table.sparse else 1)] for table in tables
    ]
    batches = [first_element(code, table.batch) for table in tables]
    done, row_at = order(f)
    bounds = [
        code.value(f"udiv i64 {code.value(f'mul i64 %rows, {part}')}, %parts")
        for part in ("%part", code.value("add i64 %part, 1"))
    ]

    def row(number: str, _: list[str]) -> list[str]:
        source = row_at(code.value(f"add i64 {done}, {number}"))
        for table, given, batch in zip(tables, sources, batches, strict=True):
            width = BYTES[table.batch.dtype]
            to = _moved(code, batch, number, table.batch.strides[0].elements * width)
            if table.sparse:
                code.run("llvm.memset.p0.i64", f"ptr {to}, i8 0, i64 {table.size * width}, i1 false")
                _spread(code, table, given, source, to)
            else:
                code.copy(to, _moved(code, given[0], source, table.size * width), table.size * width)
        return []

    code.loop(bounds[0], bounds[1], 1, row)
    number = code.value(f"trunc i64 {f.get(Control.STEP)} to i32")
    code.when(code.value("icmp eq i64 %part, 0"), lambda: f.tell(layout.told, "step", number, "i32"))
    return code


def _moved(code: Code, pointer: str, number: str, stride: int) -> str:
    """Return an address so many strides of bytes after another."""
    offset = code.value(f"mul i64 {number}, {stride}")
    return code.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")


def _spread(code: Code, table: Table, given: Sequence[str], row: str, to: str) -> None:
    """Write the numbers of a row that are kept to their places in a dense one."""
    values, columns, starts = given
    width = BYTES[table.batch.dtype]
    kind = SCALARS[table.batch.dtype]
    begin, end = (
        code.value(f"load i64, ptr {_moved(code, starts, place, 8)}")
        for place in (row, code.value(f"add i64 {row}, 1"))
    )

    def number(place: str, _: list[str]) -> list[str]:
        column = code.value(f"load i32, ptr {_moved(code, columns, place, 4)}")
        value = code.value(f"load {kind}, ptr {_moved(code, values, place, width)}")
        wide = code.value(f"zext i32 {column} to i64")
        code.do(f"store {kind} {value}, ptr {_moved(code, to, wide, width)}")
        return []

    code.loop(begin, end, 1, number)


def _in_order(f: ControlCode) -> tuple[str, Callable[[str], str]]:
    return f.get(Control.VALIDATED), lambda position: position


def _row_at(f: ControlCode) -> tuple[str, Callable[[str], str]]:
    """Return where the epoch stands, and how the row at a position is found: `graph.shuffle.shuffled`."""
    code, rows = f.code, f.get(Control.ROWS)
    mask, shift = f.get(Control.MASK), f.get(Control.SHIFT)
    shuffles = code.value(f"icmp ne i64 {f.get(Control.SHUFFLE)}, 0")
    keys = _round_keys(f)

    def row_at(position: str) -> str:
        before, mix, again, after = (code.label() for _ in range(4))
        code.jump(before)
        code.place(before)
        code.branch(shuffles, mix, after)
        code.place(mix)
        (number,) = code.join([("i64", position)], before)
        for factor, addend in keys:
            total = code.value(f"add i64 {code.value(f'mul i64 {number}, {factor}')}, {addend}")
            kept = code.value(f"and i64 {total}, {mask}")
            number = code.value(f"xor i64 {kept}, {code.value(f'lshr i64 {kept}, {shift}')}")
        outside = code.value(f"icmp uge i64 {number}, {rows}")
        code.branch(outside, again, after)
        code.place(again)
        code.close(mix, [number])
        code.place(after)
        return code.value(f"phi i64 [ {position}, %{before} ], [ {number}, %{mix} ]")

    return f.get(Control.POSITION), row_at


def _round_keys(f: ControlCode) -> list[tuple[str, str]]:
    """Return what fixes the order of the epoch's rows: `graph.shuffle.round_keys`."""
    code = f.code
    seed = _mixed(code, code.value(f"add i64 {f.get(Control.KEY)}, {_mixed(code, f.get(Control.EPOCH))}"))
    words = [
        _mixed(code, code.value(f"add i64 {seed}, {(number + 1) * GOLDEN & _WORD}"))
        for number in range(2 * ROUNDS)
    ]
    return [(code.value(f"or i64 {words[2 * turn]}, 1"), words[2 * turn + 1]) for turn in range(ROUNDS)]


def _mixed(code: Code, number: str) -> str:
    number = code.value(f"add i64 {number}, {GOLDEN}")
    for shift, factor in zip(SHIFTS, (*FACTORS, None), strict=True):
        number = code.value(f"xor i64 {number}, {code.value(f'lshr i64 {number}, {shift}')}")
        number = number if factor is None else code.value(f"mul i64 {number}, {factor}")
    return number
