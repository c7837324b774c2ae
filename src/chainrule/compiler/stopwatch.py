"""Time stamps in native code, for a profiling build of a program; ordinary code has none."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.access import from_table
from chainrule.compiler.code import Code


class Stopwatch:
    """Writes into a function how many ticks of the CPU's clock pass from lap to lap.

    What it fills is an array of int64: a sum for each lap, and at its end the last time stamp itself, by
    which ticks become seconds. Only the first thread writes.

    Parameters
    ----------
    code : Code
        The function, which has the table of pointers.
    slot : int
        Where in the table the array stands.
    """

    def __init__(self, code: Code, slot: int) -> None:
        self._code = code
        self._array = from_table(code, slot)
        self._last = code.value("call i64 @ticks()")
        self._laps = 0

    def lap(self) -> None:
        """Add the time since the last lap to the next place."""
        code = self._code
        now = code.value("call i64 @ticks()")
        passed = code.value(f"sub i64 {now}, {self._last}")
        place = code.value(f"getelementptr i64, ptr {self._array}, i64 {self._laps}")

        def add() -> None:
            total = code.value(f"load i64, ptr {place}")
            code.do(f"store i64 {code.value(f'add i64 {total}, {passed}')}, ptr {place}")

        self._when_first(add)
        self._last, self._laps = now, self._laps + 1

    def stop(self, place: int) -> None:
        """Leave the last time stamp at a place."""
        address = self._code.value(f"getelementptr i64, ptr {self._array}, i64 {place}")
        self._when_first(lambda: self._code.do(f"store i64 {self._last}, ptr {address}"))

    def _when_first(self, body: Callable[[], None]) -> None:
        self._code.when(self._code.value("icmp eq i64 %thread, 0"), body)
