"""How threads share work: in parts that any of them may take, so that none waits for one that is not running.

Work comes in *turns*, which are numbered, and a turn in *items*: a kernel, or something that only one thread
does. Each part of an item has two words in memory: the last turn in which it was taken, and the last in which
it was done. A thread takes its own parts first and then what others have not begun; the next item starts when
all parts are done. A thread that the system had put aside finds its work taken when it is back, and catches
up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.compiler.access import from_table
from chainrule.compiler.code import Code
from chainrule.compiler.table import LINE, WORDS_SLOT

#: Writes a part of an item, given which of how many.
Body = Callable[[str, str], None]
#: How often a waiting thread looks before it lets others run.
_SPINS = 2000

SHARING: Final = f"""
declare i32 @sched_yield()
define internal i1 @take(ptr %words, i64 %part, i64 %turn) #0 {{
entry:
  %line = mul i64 %part, {LINE}
  %place = getelementptr i8, ptr %words, i64 %line
  %old = load atomic i64, ptr %place monotonic, align 8
  %free = icmp slt i64 %old, %turn
  br i1 %free, label %try, label %taken
try:
  %pair = cmpxchg ptr %place, i64 %old, i64 %turn acq_rel monotonic
  %mine = extractvalue {{ i64, i1 }} %pair, 1
  ret i1 %mine
taken:
  ret i1 false
}}
define internal void @finish(ptr %words, i64 %part, i64 %turn) #0 {{
entry:
  %line = mul i64 %part, {LINE}
  %second = add i64 %line, 8
  %place = getelementptr i8, ptr %words, i64 %second
  store atomic i64 %turn, ptr %place release, align 8
  ret void
}}
define internal void @wait_for(ptr %words, i64 %parts, i64 %turn) #0 {{
entry:
  br label %each
each:
  %part = phi i64 [ 0, %entry ], [ %next, %finished ]
  %spins = phi i64 [ 0, %entry ], [ %spun, %finished ]
  %more = icmp slt i64 %part, %parts
  br i1 %more, label %begin, label %done
begin:
  %line = mul i64 %part, {LINE}
  %second = add i64 %line, 8
  %place = getelementptr i8, ptr %words, i64 %second
  br label %look
look:
  %spun = phi i64 [ %spins, %begin ], [ %again, %wait ]
  %last = load atomic i64, ptr %place acquire, align 8
  %is_done = icmp sge i64 %last, %turn
  br i1 %is_done, label %finished, label %wait_or_yield
wait_or_yield:
  %patient = icmp slt i64 %spun, {_SPINS}
  br i1 %patient, label %wait, label %let_others
let_others:
  %ignored = call i32 @sched_yield()
  br label %wait
wait:
  %again = add i64 %spun, 1
  br label %look
finished:
  %next = add i64 %part, 1
  br label %each
done:
  ret void
}}
"""


class Sharing:
    """Writes the items of turns into a function that has the table, the sizes and ``%turn``.

    Parameters
    ----------
    code : Code
        The function.
    first : int
        How many parts a thread has in items that come before, in other functions.
    turn : str
        The number of the turn.
    """

    def __init__(self, code: Code, first: int = 0, turn: str = "%turn") -> None:
        self._code = code
        self.used = first
        self._turn = turn
        self._words = from_table(code, WORDS_SLOT)
        self._alone = code.value("icmp eq i64 %threads, 1")

    def item(self, body: Body, groups: int = 1) -> None:
        """Write an item that has so many parts for each thread: ``body(part, parts)``."""
        self._item(lambda: body("0", "1"), body, groups, str(groups))

    def chain(self, body: Body, most: int, groups: str) -> None:
        """Write an item whose number of parts for each thread, at most `most`, is known when it runs."""
        code = self._code

        def part(place: str, _: list[str]) -> list[str]:
            body(place, groups)
            return []

        def alone() -> None:
            code.loop(0, groups, 1, part)

        self._item(alone, body, most, groups)

    def bundle(self, bodies: Sequence[Callable[[], None]]) -> None:
        """Write an item of which each part is something else; threads take them in turn."""
        code = self._code

        def alone() -> None:
            for body in bodies:
                body()

        def part(place: str, parts: str) -> None:
            for number, body in enumerate(bodies):
                code.when(code.value(f"icmp eq i64 {place}, {number}"), body)

        self._item(alone, part, len(bodies), "", len(bodies))

    def single(self, body: Callable[[], None]) -> None:
        """Write an item that one of the threads does."""
        self._item(body, lambda part, parts: body(), 1, "")

    def _item(
        self, alone: Callable[[], None], body: Body, most: int, groups: str, all_parts: int = 1
    ) -> None:
        """Write an item: as a thread without others does it, and in parts.

        A thread has `groups` parts of its own and `most` at most; or there are `all_parts` for all.
        """
        code, turn = self._code, self._turn
        before = code.value(f"mul i64 %threads, {self.used * LINE}")
        words = code.value(f"getelementptr i8, ptr {self._words}, i64 {before}")
        self.used += most
        parts = code.value(f"mul i64 %threads, {groups}") if groups else str(all_parts)
        first = code.value(f"mul i64 %thread, {groups}") if groups else "%thread"

        def part(offset: str, _: list[str]) -> list[str]:
            place = code.value(f"urem i64 {code.value(f'add i64 {first}, {offset}')}, {parts}")
            arguments = f"ptr {words}, i64 {place}, i64 {turn}"

            def do() -> None:
                body(place, parts)
                code.do(f"call void @finish({arguments})")

            code.when(code.value(f"call i1 @take({arguments})"), do)
            return []

        def together() -> None:
            code.loop(0, parts, 1, part)
            code.do(f"call void @wait_for(ptr {words}, i64 {parts}, i64 {turn})")

        code.choose(self._alone, alone, together)
