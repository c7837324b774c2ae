"""The order in which derivatives are told: from the loss back, each after all that it is computed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chainrule.explanation.landmarks import Landmark
from chainrule.graph.value import Value


def backwards(marks: Sequence[Landmark]) -> Iterator[Landmark]:
    """Yield named values, each after all that are computed from it; a part's together, where that can be.

    A layer that holds others computes before and after them, and comes twice.
    """
    listed = {mark.value: mark for mark in marks}
    used = {mark.value: _used(mark.value, listed) for mark in marks}
    waiting = Counter(value for values in used.values() for value in values)
    ready = {mark.value.serial: mark for mark in marks if not waiting[mark.value]}
    part = ""
    while ready:
        mark = max(ready.values(), key=lambda one: (one.part == part, one.value.serial))
        del ready[mark.value.serial]
        part = mark.part
        yield mark
        waiting.subtract(used[mark.value])
        ready |= {value.serial: listed[value] for value in used[mark.value] if not waiting[value]}


def _used(value: Value, listed: dict[Value, Landmark]) -> set[Value]:
    """Return the named values that a value is computed from, without others between."""
    found, seen, below = set(), set(), list(value.operands)
    while below:
        operand = below.pop()
        if operand in listed:
            found.add(operand)
        elif operand not in seen:
            seen.add(operand)
            below.extend(operand.operands)
    return found
