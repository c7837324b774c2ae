"""A training loop as native code: which rows, gather them, one step, and on; validate and decide; and on.

``fit`` finds out what the present turn is and lets the threads share it (`chainrule.compiler.sharing`).
What is done in a turn beside the stages themselves stands in functions of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.compiler.access import PROGRAM_ARGUMENTS, PROGRAM_SIZES, from_table, goes_on
from chainrule.compiler.code import Code
from chainrule.compiler.control import RESULTS_SLOT, Control
from chainrule.compiler.control_code import ControlCode, LoopLayout
from chainrule.compiler.row_code import bring_batch, bring_validation
from chainrule.compiler.sharing import Sharing

#: What a turn begins with, and how it ends, come before the parts of the stages.
OWN_ITEMS = 2
#: The functions of the stages.
STEP, VALIDATION, DECISION = "step", "validate", "decide"


def loop_functions(layout: LoopLayout) -> list[Code]:
    """Return the functions that run a loop's stages; ``fit`` is the one to be called.

    It makes turns until it has made enough, the run stops, or a loss is not finite and this is checked.

    Parameters
    ----------
    layout : LoopLayout
        Where everything lies.
    """
    codes = [
        bring_batch(layout),
        _end_step(layout),
        _conclude(layout),
        _end_epoch(layout),
        _end_check(),
    ]
    if layout.validation is not None:
        codes += [bring_validation(layout), _end_validation(layout)]
    return [*codes, _Fit(layout).write()]


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

    def _goes_on(self, _: list[str]) -> str:
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
        something = code.value(f"or i1 {self._more}, {check}")
        return code.value(f"and i1 {something}, {goes_on(code)}")

    def _free(self) -> str:
        """Return whether the run itself goes on."""
        code, now = self._code, self._now
        allowed = code.value(f"icmp slt i64 {now[Control.TURNS]}, {now[Control.MOST_TURNS]}")
        more = code.value(f"icmp slt i64 {now[Control.ENDED]}, {now[Control.MOST_EPOCHS]}")
        ends = code.value(f"or i64 {now[Control.STOPPED]}, {now[Control.FAILED]}")
        free = code.value(f"icmp eq i64 {ends}, 0")
        return code.value(f"and i1 {free}, {code.value(f'and i1 {allowed}, {more}')}")

    def _turn(self, _: list[str]) -> list[str]:
        self._code.choose(
            self._more,
            lambda: self._choose(Control.POSITION, Control.ROWS, self._step, self._after_steps),
            self._check,
        )
        return []

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
        self._items(STEP, count, begin="bring_batch", end="end_step", split=True)

    def _validate(self) -> None:
        count = self._rows(Control.VALIDATED, Control.VALIDATION_ROWS, Control.VALIDATION_BATCH)
        self._items(VALIDATION, count, begin="bring_validation", end="end_validation", split=True)

    def _end_epoch(self) -> None:
        stage = DECISION if self._layout.decided is not None else None
        self._items(stage, "0", begin="conclude", end="end_epoch")

    def _check(self) -> None:
        self._items(None, "0", begin="check", end="end_check", split=True)

    def _rows(self, done: Control, all_rows: Control, most: Control) -> str:
        """Return how many rows the turn is on."""
        left = self._code.value(f"sub i64 {self._now[all_rows]}, {self._now[done]}")
        return self._code.smaller(left, self._now[most])

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
    now = function.get(Control.TURN)
    code.do(f"store atomic i64 {code.value(f'add i64 {now}, 1')}, ptr {turn} monotonic, align 8")
    code.do("fence release")
    function.count(Control.TURNS)
    write(function)
    code.do(f"store atomic i64 {code.value(f'add i64 {now}, 2')}, ptr {turn} release, align 8")
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
