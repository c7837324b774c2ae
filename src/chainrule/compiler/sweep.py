"""Fetches an array in one sweep, before a product reads it here and there.

A line that another core has written takes several times as long to come as one from the own second cache. A
tile asks for a few and waits for them; in a sweep, many are on their way at the same time.
"""

from __future__ import annotations

from chainrule.compiler.code import Code
from chainrule.compiler.table import LINE


def sweep(code: Code, start: str, length: str, rows: str, used: str) -> None:
    """Have the second cache fetch so many rows.

    Parameters
    ----------
    code : Code
        Where.
    start : str
        The address of the first row.
    length, used : str
        How many bytes later the next row begins, and how many of each are fetched.
    rows : str
        How many rows there are.
    """
    function = Code("sweep", "ptr %from, i64 %length, i64 %rows, i64 %used")

    def line(place: str, _: list[str]) -> list[str]:
        function.prefetch(
            function.value(f"getelementptr i8, ptr %from, i64 {place}"), write=False, near=False
        )
        return []

    def row(number: str, _: list[str]) -> list[str]:
        begin = function.integer("mul", number, "%length")
        function.loop(begin, function.integer("add", begin, "%used"), LINE, line)
        return []

    function.loop(0, "%rows", 1, row)
    code.define(function)
    code.do(f"call void @sweep(ptr {start}, i64 {length}, i64 {rows}, i64 {used})")
