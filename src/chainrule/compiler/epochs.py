"""A training loop run as native code: Python comes in every few hundredths of a second, or after an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property

import numpy as np

from chainrule.compiler.backup import Backup
from chainrule.compiler.loop_memory import MOST_EPOCHS, LoopMemory
from chainrule.compiler.native_loop import NativeLoop, native_loop
from chainrule.compiler.pool import is_interrupted, signals_held_back
from chainrule.compiler.threads import WORTH_GIVING_UP
from chainrule.compiler.turns import Order, Standing, Turns
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.loop import EvaluatedRun, Inputs, Loop, LoopState, NotFiniteError, Tables
from chainrule.graph.sparse import SparseRows
from chainrule.graph.types import Array

#: Seconds that native code runs before Python may look. Ctrl-C waits for half as much more at most, and for
#: copies of the weights. A turn that takes longer is given up, unless copying all that it replaces before it
#: would cost more than this share of it.
LOOK_EVERY = 0.05
COPIES = 1 / 20
#: Seconds after which weights are checked, and copied to go back to. A loss is checked in each step; weights
#: are besides wherever somebody looks at them.
SAVE_EVERY = 0.25


class CompiledRun:
    """A loop run as native code; it does what `EvaluatedRun` does, up to rounding.

    Parameters
    ----------
    loop : Loop
        What to do.
    state : LoopState
        Where to start.
    inputs : Inputs
        What to do it on.
    native : NativeLoop, optional
        The loop if it is compiled already.

    Notes
    -----
    A step whose loss is finite may leave weights that are not, and to look at all weights after each call
    would take long. So they are looked at only where somebody is about to see them, or from time to time;
    then they are backed up as well, to go back to and find the step that failed.

    So two facts change on the way: where it stands now and what is known of that, which each call of native
    code replaces as a whole (`Standing`), and what it can go back to (`Backup`).
    """

    def __init__(
        self, loop: Loop, state: LoopState, inputs: Inputs, native: NativeLoop | None = None
    ) -> None:
        self.loop = loop = _for_inputs(loop, inputs)
        _check_tables(loop, inputs)
        self.inputs = inputs
        self.results: list[dict[str, float]] = []
        self.look: Callable[[], object] = lambda: None
        self.ahead = False
        rows = len(next(iter(inputs.data.values())))
        batch = min(inputs.batch_size, rows)
        self._native = native = native or native_loop(loop, state.carried, inputs.n_threads, batch)
        team = native.team(batch, inputs.n_threads, steps=inputs.epochs * -(-rows // batch))
        self.threads = team.most
        self.memory = LoopMemory(native, loop, inputs, batch, self.threads)
        self._turns = Turns(native, self.memory, team)
        self._pace = _Pace(is_long=native.multiplications(batch) >= WORTH_GIVING_UP)
        self._backup = Backup(self.memory.replaced)
        self._found_spoilt = False
        self.state = state

    # State ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> LoopState:
        """Where the run stands, after its last whole step."""
        self._check()
        is_backed_up = self._backup.position is self._now.position
        replaced = self._backup.handed_over() if is_backed_up else self._copies_of_replaced()
        return replace(self._now.position, carried={**self._given, **replaced})

    @state.setter
    def state(self, state: LoopState) -> None:
        self._given = dict(state.carried)
        self.memory.put(self._given)
        self.memory.begin_validation()
        self._now = Standing(replace(state, carried={}), is_finite=True)
        self._keep({name: self._given[name] for name in self.memory.replaced}, time.perf_counter())

    def _copies_of_replaced(self) -> dict[str, Array]:
        """Return copies of all that is replaced; those that a look has made already, where it has."""
        copies = self._now.copies
        return {
            name: copies[name] if name in copies else array.copy()
            for name, array in self.memory.replaced.items()
        }

    # Running -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[dict[str, float]]:
        begin = shown = len(self.results)
        self._end = begin + self.inputs.epochs
        while shown < self._end and not (shown > begin and self._now.position.stopped):
            failure = self._go_on()
            while shown < len(self.results):
                yield self.results[shown]
                shown += 1
            if failure is not None:
                raise failure

    def _go_on(self) -> NotFiniteError | None:
        """Make turns for a short while; look at what they have left; let others look."""
        began, before, ended = time.perf_counter(), self._now.position, len(self.results)
        can_go_back = self._backup.position is before
        self._turns.may_be_given_up = self._pace.is_long and can_go_back and is_interrupted()
        failure = None
        with signals_held_back(self._turns.give_up) as pressed:
            made = self._make_turns(self._pace.turns, check=self.loop.checked and not self.ahead)
            self._stop_where_spoilt(ended)
            now = time.perf_counter()
            self._pace.notice(made, now - began)
            is_due = made > 0 and self._is_backup_due(now)
            try:
                if pressed or is_due or self._is_about_to_be_seen(ended) or self._now.is_finite is False:
                    self._check()
                if is_due:
                    self._save(now)
            except NotFiniteError as error:
                failure = error
        if failure is None and self._now.position.step > before.step:
            self.look()
        return failure

    def _make_turns(self, turns: int, check: bool, epochs: int = MOST_EPOCHS) -> int:
        """Make at most so many turns, of one epoch if not ahead; return how many were made."""
        left = self._end - len(self.results)
        epochs = min(left, epochs if self.ahead else 1, MOST_EPOCHS)
        return self._carry_out(Order(turns, epochs, left, check, copies=check and not self.ahead))

    def _carry_out(self, order: Order) -> int:
        """Make turns, and stand where they have led to; return how many were made."""
        self._turns.tell(order, self._now.position)
        try:
            self._turns.make()
        finally:  # the handler of a signal may have raised something: what was done is done
            outcome = self._turns.outcome()
            if outcome is None:
                self._restore()
            else:
                self.results += outcome.results
                self._now = outcome.standing
        return 0 if outcome is None else outcome.turns

    def _is_backup_due(self, now: float) -> bool:
        is_late = self.loop.checked and now - self._backup.at >= SAVE_EVERY
        return is_late or (self._pace.is_long and not self._is_at_end)

    def _is_about_to_be_seen(self, ended: int) -> bool:
        """Whether the weights may be asked for now; so many epochs had been ended before the last turns."""
        return self._is_at_end or (not self.ahead and len(self.results) > ended)

    @property
    def _is_at_end(self) -> bool:
        return self._now.position.stopped or len(self.results) == self._end

    def _stop_where_spoilt(self, ended: int) -> None:
        """Go back to the end of the first epoch with a result that is not finite: its weights are asked for.

        That is done once, if it is one of the epochs after the first so many, and the run is past it.
        """
        if self._found_spoilt or not self.ahead or not self.loop.checked:
            return
        for count, results in enumerate(self.results[ended:], ended + 1):
            if not all(map(math.isfinite, results.values())):
                self._found_spoilt = True
                self._restore()
                while len(self.results) < count:
                    self._make_turns(1 << 40, check=False, epochs=count - len(self.results))
                return

    # One step at a time --------------------------------------------------------------------------------

    def step(self, data: Tables) -> float:
        """Make one step on all of these rows, at most a batch, in place of the run's; return their loss."""
        step, epoch = self._now.position.step, self._now.position.epoch
        before = self._now = Standing(LoopState({}, step=step, epoch=epoch), is_finite=True)
        rows = self.memory.hand_over(data)
        np.copyto(self._kept_before, self.memory.kept)
        is_long = self._native.multiplications(rows) >= WORTH_GIVING_UP and is_interrupted()
        self._turns.may_be_given_up = is_long
        try:
            with signals_held_back(self._turns.give_up) if self.threads > 1 or is_long else nullcontext():
                self._carry_out(Order(turns=1, epochs=1, epochs_left=1, check=self.loop.checked))
            if not self.loop.checked or self._is_sound():
                self._now = Standing(LoopState({}, step=step + 1, epoch=epoch), is_finite=True)
                return float(self.memory.loss)
        except BaseException:
            self._take_back(before)
            raise
        self._take_back(before)
        return self._evaluated_step(data)

    def _take_back(self, before: Standing) -> None:
        np.copyto(self.memory.kept, self._kept_before)
        self._now = before

    def _evaluated_step(self, data: Tables) -> float:
        """Make a step that has failed by the evaluator, which says why, or else is right."""
        again = EvaluatedRun(self.loop, self.state, replace(self.inputs, data=data))
        loss = again.step(data)
        self.state = again.state
        return loss

    @cached_property
    def _kept_before(self) -> Array:
        return np.empty_like(self.memory.kept)

    # Failures ------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """See that everything is finite, unless the loop leaves that open; if not, find out since when.

        Raises
        ------
        NotFiniteError
            If the evaluator finds the same; the state is then that before the step.
        """
        if self.loop.checked and not self._is_sound():
            self._find_failure()

    def _is_sound(self) -> bool:
        """Whether the last loss, and all that steps replace, are finite."""
        if self._now.is_finite is None:
            self._now = self._now._replace(is_finite=self._turns.check())
        return bool(self._now.is_finite)

    def _find_failure(self) -> None:
        """Make the turns one by one; the evaluator repeats the step that fails, and raises what is wrong."""
        end = self._now.position.step
        self._restore()
        evaluated = EvaluatedRun(self.loop, self.state, self.inputs)
        while self._now.position.step < end:
            self._save(self._backup.at)
            self._make_turns(1, check=True)
            if not self._is_sound():
                self._restore()
                evaluated.state = self.state
                self.state = evaluated.next_step()

    # What it goes back to ------------------------------------------------------------------------------

    def _save(self, now: float) -> None:
        """Back up all that is replaced, which is finite at this time if the loop is checked."""
        if self._now.copies:
            self._keep(self._copies_of_replaced(), now)
        else:
            self._pace.copying = self._backup.copy(self._now.position, len(self.results), now)

    def _keep(self, arrays: dict[str, Array], now: float) -> None:
        self._backup.keep(arrays, self._now.position, len(self.results), now)

    def _restore(self) -> None:
        self.memory.put(self._backup.arrays)
        self.memory.begin_validation()
        self._now = Standing(self._backup.position, is_finite=True)
        del self.results[self._backup.results :]


class _Pace:
    """How many turns native code makes before Python may look, and whether one may have to be given up."""

    def __init__(self, is_long: bool) -> None:
        self.turns = 1
        self.is_long = is_long
        self.copying = 0.0  # seconds that it takes to copy all that a turn replaces
        self._slowest = 0.0

    def notice(self, turns: int, seconds: float) -> None:
        """Decide by how long some turns took."""
        if turns:
            self._slowest = max(seconds / turns, self._slowest / 2)  # the end of an epoch takes no time
            self.turns = min(self.turns * 16, int(LOOK_EVERY / self._slowest) + 1)
            worth_copying = self.copying < COPIES * self._slowest
            self.is_long = self._slowest > LOOK_EVERY and worth_copying and is_interrupted()


def _for_inputs(loop: Loop, inputs: Inputs) -> Loop:
    """Return the loop for data of this form."""
    sparse, sparse_validation = (
        tuple(name for name, table in tables.items() if isinstance(table, SparseRows))
        for tables in (inputs.data, inputs.validation_data)
    )
    return replace(loop, sparse=sparse, sparse_validation=sparse_validation)


def _check_tables(loop: Loop, inputs: Inputs) -> None:
    """Raise a ValueError if a table is not what a stage was traced for: its bytes would be misread."""
    for stage, tables in ((loop.step, inputs.data), (loop.validation, inputs.validation_data)):
        if stage is not None:
            dense = {name: table for name, table in tables.items() if isinstance(table, np.ndarray)}
            values = [value for value in stage.graph.inputs if value.name in dense]
            bind_rows(values, [dense[value.name] for value in values])
