"""Time stamps in native code, for a profiling build of a program; ordinary code has none."""

from __future__ import annotations

from chainrule.compiler.access import from_table
from chainrule.compiler.code import Code
from chainrule.compiler.sharing import Sharing


class Stopwatch:
    """Writes into a function how many ticks of the CPU's clock pass from lap to lap.

    What it fills is an array of int64: a sum for each lap, and at its end the last time stamp itself, by
    which ticks become seconds. A lap ends when all threads are done with it.

    Parameters
    ----------
    code : Code
        The function, which has the table of pointers.
    sharing : Sharing
        Writes the function's items.
    slot : int
        Where in the table the array stands.
    last : int
        Where in the array the last time stamp stands.
    """

    def __init__(self, code: Code, sharing: Sharing, slot: int, last: int) -> None:
        self._code, self._sharing = code, sharing
        array = from_table(code, slot)
        self._array = array
        self._last = code.value(f"getelementptr i64, ptr {array}, i64 {last}")
        self._laps = 0
        sharing.single(lambda: code.do(f"store i64 {self._now()}, ptr {self._last}"))

    def _now(self) -> str:
        return self._code.value("call i64 @ticks()")

    def lap(self) -> None:
        """Add the time since the last lap to the next place."""
        code = self._code
        place = code.value(f"getelementptr i64, ptr {self._array}, i64 {self._laps}")

        def add() -> None:
            now, last = self._now(), code.value(f"load i64, ptr {self._last}")
            total = code.value(f"load i64, ptr {place}")
            more = code.value(f"sub i64 {now}, {last}")
            code.do(f"store i64 {code.value(f'add i64 {total}, {more}')}, ptr {place}")
            code.do(f"store i64 {now}, ptr {self._last}")

        self._sharing.single(add)
        self._laps += 1
