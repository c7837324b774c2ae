"""Time stamps in native code, for a profiling build of a program; ordinary code has none."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.access import from_table
from chainrule.compiler.code import Code
from chainrule.compiler.sharing import PART_ARGUMENTS, Sharing


class Stopwatch:
    """Writes into a program how many ticks of the CPU's clock pass from lap to lap.

    What it fills is an array of int64: a sum for each lap, and at its end the last time stamp itself, by
    which ticks become seconds. A lap ends when all threads are done with it.

    Parameters
    ----------
    name : str
        What the names of its functions begin with.
    sharing : Sharing
        Writes the program's items.
    slot : int
        Where in the table of pointers the array stands.
    last : int
        Where in the array the last time stamp stands.

    Attributes
    ----------
    codes : list of Code
        Its functions.
    """

    def __init__(self, name: str, sharing: Sharing, slot: int, last: int) -> None:
        self.codes: list[Code] = []
        self._name, self._sharing, self._slot, self._last = name, sharing, slot, last
        self._stamp(lambda code, now, place: None)
        self._laps = 0

    def lap(self) -> None:
        """Add the time since the last lap to the next place."""
        number = self._laps
        self._laps += 1

        def add(code: Code, now: str, place: Callable[[int], str]) -> None:
            last = code.value(f"load i64, ptr {place(self._last)}")
            total = code.value(f"load i64, ptr {place(number)}")
            more = code.value(f"sub i64 {now}, {last}")
            code.do(f"store i64 {code.value(f'add i64 {total}, {more}')}, ptr {place(number)}")

        self._stamp(add)

    def _stamp(self, write: Callable[[Code, str, Callable[[int], str]], None]) -> None:
        """Have one of the threads look at the clock, and do something with it."""
        code = Code(f"{self._name}.lap{len(self.codes)}", PART_ARGUMENTS)
        array, now = from_table(code, self._slot), code.value("call i64 @ticks()")

        def place(number: int) -> str:
            return code.value(f"getelementptr i64, ptr {array}, i64 {number}")

        write(code, now, place)
        code.do(f"store i64 {now}, ptr {place(self._last)}")
        self.codes.append(code)
        self._sharing.single(code.name)
