"""A loop as native code, and those that this process has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from chainrule.compiler.cache import cache_key
from chainrule.compiler.halves import rows_worth_halving
from chainrule.compiler.native import native
from chainrule.compiler.plan import LoopPlan, multiplications, work_of
from chainrule.compiler.threads import BEGIN_TOGETHER, WORTH_A_THREAD, Team, thread_count, threads_asked_for
from chainrule.graph.loop import Loop, Stage
from chainrule.graph.types import Array

if TYPE_CHECKING:
    from chainrule.compiler.compiled_loop import CompiledLoop
    from chainrule.compiler.module import Module


class NativeLoop:
    """The native code of a loop, and the plan of its memory. It holds no numbers of a run.

    Parameters
    ----------
    loop : Loop
        What is repeated.
    carried : iterable of str
        The names of the arrays that a run carries.
    compiled : CompiledLoop, optional
        What was made of it, if its code is not to be kept.
    n_threads : int, optional
        How many threads may compile it.
    in_halves : bool, default False
        See `chainrule.compiler.compiled_loop.CompiledLoop`.
    """

    def __init__(
        self,
        loop: Loop,
        carried: Iterable[str],
        compiled: CompiledLoop | None = None,
        n_threads: int | None = None,
        in_halves: bool = False,
    ) -> None:
        parts = _parts(loop, carried, in_halves) if compiled is None else None

        def write(module: Module) -> CompiledLoop:
            return compiled or _compiled(loop, carried, in_halves, module)

        self.plan, self.run, self._library = native("fit", LoopPlan, parts, write, n_threads)
        self._teams: dict[tuple[int, int], Team] = {}

    def multiplications(self, rows: int) -> int:
        """Return how many there are in a step on so many rows."""
        return multiplications(self.plan.work, rows)

    def team(self, rows: int, asked: int | None, steps: int = 1) -> Team:
        """Return who makes these steps on so many rows: the threads asked for, or as many as are faster.

        What earlier runs have found out is remembered.
        """
        work = self.multiplications(rows)
        most = thread_count(work, asked)
        if threads_asked_for(asked) is not None:
            return Team([most])
        choices = [most, 1] if work * steps >= BEGIN_TOGETHER else [1, most]
        return self._teams.setdefault((rows, most), Team(choices))

    def captured(self, loop: Loop) -> list[Array]:
        """Return the arrays that a loop of the same text has captured, in the order of their slots."""
        stages = zip(self.plan.captured, _stages(loop), strict=True)
        arrays = [stage.graph.captured[number].data for own, stage in stages for number in own]
        return [np.ascontiguousarray(array) for array in arrays]


#: Loops that were traced anew and are the same, as in a search over learning rates, share their code.
_loops: dict[str, NativeLoop] = {}
MOST_KEPT = 64


def native_loop(
    loop: Loop, carried: Iterable[str], n_threads: int | None = None, rows: int = 0
) -> NativeLoop:
    """Return the native code of a loop for batches of so many rows, compiled at its first use."""
    names, in_halves = sorted(carried), goes_in_halves(loop, rows)
    key = cache_key(*_parts(loop, names, in_halves))
    made = _loops.pop(key, None) or NativeLoop(loop, names, n_threads=n_threads, in_halves=in_halves)
    _loops[key] = made
    if len(_loops) > MOST_KEPT:
        del _loops[next(iter(_loops))]
    return made


def goes_in_halves(loop: Loop, rows: int) -> bool:
    """Whether threads may share a step on so many rows, and had better share the sums over its rows."""
    graph = loop.step.graph
    if "halves" not in graph.made:
        graph.made["halves"] = work_of(graph.equations), rows_worth_halving(graph)
    work, least_rows = graph.made["halves"]
    return rows >= least_rows and multiplications(work, rows) >= 2 * WORTH_A_THREAD


def _compiled(loop: Loop, carried: Iterable[str], in_halves: bool, module: Module) -> CompiledLoop:
    from chainrule.compiler.compiled_loop import CompiledLoop  # not loaded for code that lies in the cache

    return CompiledLoop(loop, carried, in_halves=in_halves, module=module)


def _parts(loop: Loop, carried: Iterable[str], in_halves: bool) -> list[str]:
    """Return the words that tell a loop from others."""
    parts = [part for stage in _stages(loop) for part in (str(stage.graph), *stage.outputs, "")]
    tables = loop.data, loop.sparse, loop.validation_data, loop.sparse_validation
    return [*parts, *(word for names in tables for word in (*names, "")), *carried, str(in_halves)]


def _stages(loop: Loop) -> list[Stage]:
    return [stage for stage in (loop.step, loop.validation, loop.epoch_end) if stage is not None]
