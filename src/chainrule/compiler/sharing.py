"""How threads share work: in parts that any of them may take, so that none waits for one that is not running.

Work comes in *turns*, which are numbered, and a turn in *items*: a kernel, or something that only one thread
does. Each part of an item has two words in memory: the last turn in which it was taken, and the last in which
it was done. A thread takes its own parts first and then what others have not begun; the next item starts when
all parts are done. A thread that the system had put aside finds its work taken when it is back, and catches
up.

A call may be given up while it runs. From then on no item is begun, and kernels stop where they take long;
what the call would have written is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chainrule.compiler.access import PROGRAM_SIZES
from chainrule.compiler.code import Code
from chainrule.compiler.table import LINE, WORDS_SLOT

#: The parameters of a function that does a part of an item: the table, how many rows there are and for how
#: many there is room, which part of how many it is, and what a kernel needs: numbers that say where in the
#: table its arrays' addresses stand, and the scratch memory of the thread.
PART_ARGUMENTS: Final = (
    "ptr %table, i64 %rows, i64 %capacity, i64 %part, i64 %parts, ptr %where, ptr %scratch"
)
#: What an item's numbers are: how many parts of a thread come before it; how many a thread has, or -1 if that
#: is known at run time only; or how many there are for all; and how many for a thread without others.
_ITEM: Final = ("before", "fixed", "all", "fixed_alone")
#: What items are done with, in the same order as the parameters.
_FRAME: Final = ("table", "rows", "capacity", "thread", "threads", "turn", "scratch", "groups")
_LOADS: Final = "\n".join(
    f"  %{name}.at = getelementptr i64, ptr %{what}, i64 {number}\n"
    f"  %{name} = load {'ptr' if name in ('table', 'scratch') else 'i64'}, ptr %{name}.at"
    for what, names in (("item", _ITEM), ("frame", _FRAME))
    for number, name in enumerate(names)
)
#: How often a waiting thread looks before it lets others run.
_SPINS = 2000

#: What every module begins with. The share of a thread begins behind ⌊units · thread / threads⌋ units; that
#: behind the last thread, at the end of all.
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
define internal void @share_out(ptr %do, ptr %item, ptr %frame) #0 {{
entry:
{_LOADS}
  %slot = getelementptr ptr, ptr %table, i64 {WORDS_SLOT}
  %all_words = load ptr, ptr %slot
  %given_up = load atomic i64, ptr %all_words monotonic, align 8
  %goes_on = icmp eq i64 %given_up, 0
  br i1 %goes_on, label %begin, label %done
begin:
  %where = getelementptr i64, ptr %item, i64 {len(_ITEM)}
  %at_run_time = icmp slt i64 %fixed, 0
  %own = select i1 %at_run_time, i64 %groups, i64 %fixed
  %alone = select i1 %at_run_time, i64 %groups, i64 %fixed_alone
  %is_alone = icmp eq i64 %threads, 1
  br i1 %is_alone, label %next_alone, label %together
next_alone:
  %place = phi i64 [ 0, %begin ], [ %behind, %do_alone ]
  %left = icmp slt i64 %place, %alone
  br i1 %left, label %do_alone, label %done
do_alone:
  call void %do(ptr %table, i64 %rows, i64 %capacity, i64 %place, i64 %alone, ptr %where, ptr %scratch)
  %behind = add i64 %place, 1
  br label %next_alone
together:
  %lines_before = mul i64 %threads, %before
  %lines = add i64 %lines_before, 1
  %offset = mul i64 %lines, {LINE}
  %words = getelementptr i8, ptr %all_words, i64 %offset
  %of_all = icmp ne i64 %all, 0
  %of_threads = mul i64 %threads, %own
  %parts = select i1 %of_all, i64 %all, i64 %of_threads
  %first_own = mul i64 %thread, %own
  %first = select i1 %of_all, i64 %thread, i64 %first_own
  br label %next_part
next_part:
  %count = phi i64 [ 0, %together ], [ %counted, %after_part ]
  %more = icmp slt i64 %count, %parts
  br i1 %more, label %try, label %wait
try:
  %sum = add i64 %first, %count
  %part = urem i64 %sum, %parts
  %mine = call i1 @take(ptr %words, i64 %part, i64 %turn)
  br i1 %mine, label %do_part, label %after_part
do_part:
  call void %do({PART_ARGUMENTS})
  call void @finish(ptr %words, i64 %part, i64 %turn)
  br label %after_part
after_part:
  %counted = add i64 %count, 1
  br label %next_part
wait:
  call void @wait_for(ptr %words, i64 %parts, i64 %turn)
  br label %done
done:
  ret void
}}
define internal i64 @share(i64 %extent, i64 %unit, i64 %thread, i64 %threads) #0 {{
entry:
  %last = icmp eq i64 %thread, %threads
  %first = icmp eq i64 %thread, 0
  br i1 %last, label %all, label %not_last
all:
  ret i64 %extent
not_last:
  br i1 %first, label %none, label %some
none:
  ret i64 0
some:
  %more = add i64 %extent, %unit
  %raised = sub i64 %more, 1
  %units = udiv i64 %raised, %unit
  %part = mul i64 %units, %thread
  %done = udiv i64 %part, %threads
  %place = mul i64 %done, %unit
  %below = icmp slt i64 %place, %extent
  %bounded = select i1 %below, i64 %place, i64 %extent
  ret i64 %bounded
}}
"""


class Sharing:
    """Writes the items of turns into a function that has the table and the sizes.

    What is done stands in functions of their own, which take `PART_ARGUMENTS`.

    Parameters
    ----------
    code : Code
        The function.
    first : int
        How many parts a thread has in items that come before, in other functions.
    sizes, scratch : str
        What is handed on.
    """

    def __init__(self, code: Code, first: int = 0, sizes: str = PROGRAM_SIZES, scratch: str = "null") -> None:
        self._code = code
        self.used = first
        self._frame = f"%frame.{code.label()}"
        code.reserve(self._frame, f"[{len(_FRAME)} x i64]")
        for number, given in enumerate(["ptr %table", *sizes.split(", "), f"ptr {scratch}"]):
            self._leave(given, number)

    def _leave(self, given: str, number: int) -> None:
        place = self._code.value(f"getelementptr i64, ptr {self._frame}, i64 {number}")
        self._code.do(f"store {given}, ptr {place}")

    def item(self, function: str, groups: int = 1, where: Sequence[int] = ()) -> None:
        """Write an item that has so many parts for each thread, and one where there is one thread."""
        self._item(function, groups, [groups, 0, 1, *where])

    def chain(self, function: str, most: int, groups: str, where: Sequence[int]) -> None:
        """Write an item whose number of parts for each thread, at most `most`, is known when it runs."""
        self._leave(f"i64 {groups}", len(_FRAME) - 1)
        self._item(function, most, [-1, 0, -1, *where])

    def bundle(self, function: str, number: int, where: Sequence[int]) -> None:
        """Write an item of several kernels, each of which has a part for each thread."""
        self._item(function, number, [number, 0, number, *where])

    def single(self, function: str) -> None:
        """Write an item that one of the threads does."""
        self._item(function, 1, [0, 1, 1])

    def _item(self, function: str, most: int, numbers: Sequence[int]) -> None:
        """Write an item: a thread has at most so many parts; `numbers` are those of `_ITEM` but the first."""
        item = self._code.numbers([self.used, *numbers])
        self._code.do(f"call void @share_out(ptr @{function}, ptr {item}, ptr {self._frame})")
        self.used += most
