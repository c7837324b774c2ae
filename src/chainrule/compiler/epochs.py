"""A training loop run as native code: Python comes in every few hundredths of a second, or after an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from chainrule.compiler.control import Control
from chainrule.compiler.copies import Copies
from chainrule.compiler.loop_memory import MOST_EPOCHS, LoopMemory
from chainrule.compiler.native_loop import NativeLoop, native_loop
from chainrule.compiler.pool import is_interrupted, run_apart, run_together, signals_held_back
from chainrule.compiler.threads import WORTH_GIVING_UP
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
    would take long. So a run is *sound* only when they have been looked at: where somebody is about to see
    them, or from time to time. What was *saved* then is what it goes back to, to find the step that failed.
    What a look has *copied* on its way is taken for either. All of these belong to a position.
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
        self.rows = len(next(iter(inputs.data.values())))
        self._batch = min(inputs.batch_size, self.rows)
        self._native = native or native_loop(loop, state.carried, inputs.n_threads, self._batch)
        self._plan = self._native.plan
        steps = inputs.epochs * -(-self.rows // self._batch)
        self._team = self._native.team(self._batch, inputs.n_threads, steps)
        self.threads = self._team.most
        self.memory = LoopMemory(self._native, loop, inputs, self._batch, self.threads)
        self._control = self.memory.control
        self._pace = _Pace(is_long=self._native.multiplications(self._batch) >= WORTH_GIVING_UP)
        self._may_give_up = False
        self._spoilt = False
        self._saved_own: dict[str, Array] | None = None
        self._copies = Copies(self._plan)
        self._copied: dict[str, Array] = {}
        self._copied_position: LoopState | None = None
        self._load(state)

    # State ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> LoopState:
        """Where the run stands, after its last whole step."""
        if not self._sound:
            self._check()
        if self._saved.position is self._position:
            replaced, self._saved_own = self._saved.arrays, None  # they are not written to any more
        else:
            replaced = self._copies_of_replaced()
        return replace(self._position, carried={**self._rest, **replaced})

    @state.setter
    def state(self, state: LoopState) -> None:
        self._load(state)

    def _load(self, state: LoopState) -> None:
        self._rest = dict(state.carried)
        home = self.memory.home
        for name in home.keys() & self._rest.keys():
            home[name].put(self._rest[name])
        self._position = replace(state, carried={})
        self.memory.begin_validation()
        self._keep({name: self._rest[name] for name in self._plan.replaced}, time.perf_counter())

    def _copies_of_replaced(self) -> dict[str, Array]:
        """Return copies of all that is replaced; of what a check has copied, these."""
        copied = self._copied if self._copied_position is self._position else {}
        home = self.memory.home
        return {name: copied[name] if name in copied else home[name].copy() for name in self._plan.replaced}

    @cached_property
    def _evaluated(self) -> EvaluatedRun:
        return EvaluatedRun(self.loop, self.state, self.inputs)

    # Running -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[dict[str, float]]:
        begin = shown = len(self.results)
        self._end = begin + self.inputs.epochs
        while shown < self._end and not (shown > begin and self._position.stopped):
            failure = self._go_on()
            while shown < len(self.results):
                yield self.results[shown]
                shown += 1
            if failure is not None:
                raise failure

    def _go_on(self) -> NotFiniteError | None:
        """Make turns for a short while; where a step fails, go back to it."""
        began, step = time.perf_counter(), self._position.step
        failure = None
        self._may_give_up = self._pace.is_long and self._saved.position is self._position and is_interrupted()
        with signals_held_back(self._give_up) as pressed:
            ended = len(self.results)
            made = self._make_turns(self._pace.turns, check=self.loop.checked and not self.ahead)
            self._stop_where_spoilt(ended)
            now = time.perf_counter()
            self._pace.notice(made, now - began)
            at_end = self._position.stopped or len(self.results) == self._end
            shown = not self.ahead and len(self.results) > ended
            late = self.loop.checked and now - self._saved.at >= SAVE_EVERY
            due = made and (late or (self._pace.is_long and not at_end))
            try:
                if not self._sound and (pressed or at_end or shown or due or self._control[Control.FAILED]):
                    self._check()
                if due:
                    self._save(now)
            except NotFiniteError as error:
                failure = error
        if failure is None and self._position.step > step:
            self.look()
        return failure

    def _give_up(self) -> None:
        if self._may_give_up:
            self.memory.given_up.value = 1

    def _stop_where_spoilt(self, ended: int) -> None:
        """Go back to the end of the first epoch with a result that is not finite: its weights are asked for.

        That is done once, if it is one of the epochs after the first so many, and the run is past it.
        """
        if self._spoilt or not self.ahead or not self.loop.checked:
            return
        for count, results in enumerate(self.results[ended:], ended + 1):
            if not all(map(math.isfinite, results.values())):
                self._spoilt = True
                self._restore()
                while len(self.results) < count:
                    self._make_turns(1 << 40, check=False, epochs=count - len(self.results))
                return

    def _make_turns(self, turns: int, check: bool, epochs: int = MOST_EPOCHS) -> int:
        """Make at most so many turns natively, of one epoch if not ahead; return how many were made.

        A check of the weights in the same call, one turn more, costs a tenth of one in a call of its own. At
        the end of an epoch, where the weights are about to be asked for, it copies them.
        """
        control, floats, position = self._control, self._control.view(np.float64), self._position
        left = self._end - len(self.results)
        control[[Control.TURNS, Control.ENDED, Control.STOPPED, Control.FAILED]] = 0
        control[Control.MOST_TURNS], control[Control.CHECK] = turns, check
        copied = check and not self.ahead and self._copies.are_many
        if copied:
            control[Control.COPIES] = self._copies.address()
        control[Control.MOST_EPOCHS] = min(left, epochs if self.ahead else 1, MOST_EPOCHS)
        control[Control.EPOCHS_LEFT] = left
        control[Control.STEP], control[Control.EPOCH] = position.step, position.epoch
        control[Control.POSITION] = position.position
        floats[Control.LOSS], floats[Control.WEIGHT] = position.loss, position.weight
        began = time.perf_counter()
        try:
            self._call()
        finally:  # the handler of a signal may have raised something: what was done is done
            self._take_notice()
        self._looked_at = check and not control[Control.CHECK]
        if copied and self._looked_at and control[Control.ENDED]:
            self._copied, self._copied_position = self._copies.taken(), self._position
            control[Control.COPIES] = 0
        self._team.worked(self._position.step - position.step, time.perf_counter() - began)
        return int(control[Control.TURNS])

    def _take_notice(self) -> None:
        """Enter where the run stands after some turns; if one was given up, where it stood before that."""
        control, floats = self._control, self._control.view(np.float64)
        given_up = self.memory.given_up
        was_given_up = given_up.value and not control[Control.TURNS]
        self._may_give_up, given_up.value = False, 0
        if was_given_up:
            control[Control.TURN] += 2  # parts of this one have been taken
            self._restore()
            return
        self._sound = self._looked_at = False
        names = self._plan.results
        for row in self.memory.results[: control[Control.ENDED]].tolist():
            self.results.append(dict(zip(names, row, strict=True)))
        self._position = LoopState(
            {},
            step=int(control[Control.STEP]),
            epoch=int(control[Control.EPOCH]),
            position=int(control[Control.POSITION]),
            loss=float(floats[Control.LOSS]),
            weight=float(floats[Control.WEIGHT]),
            stopped=bool(control[Control.STOPPED]),
        )

    def _call(self) -> None:
        """Let the threads make turns; done when they have all come back."""
        function, memory, threads = self._native.run, self.memory, self._team.threads
        table, capacity = memory.address, memory.capacity
        memory.finite[...] = 0.0

        def work(thread: int) -> None:
            function(table, 0, capacity, thread, threads, 0)

        run = run_apart if self._may_give_up else run_together
        run(work, threads)

    # One step at a time --------------------------------------------------------------------------------

    def step(self, data: Tables) -> float:
        """Make one step on all of these rows, at most a batch, in place of the run's; return their loss."""
        self._position = before = LoopState({}, step=self._position.step, epoch=self._position.epoch)
        self._hand_over(data)
        np.copyto(self._kept_before, self.memory.kept)
        try:
            together = self.threads > 1 or self._may_give_up
            with signals_held_back(self._give_up) if together else nullcontext():
                self._make_turns(1, check=self.loop.checked)
            if not self.loop.checked or self._is_sound():
                self._position = LoopState({}, step=before.step + 1, epoch=before.epoch)
                self._sound = True
                return float(self.memory.loss)
        except BaseException:
            self._take_back(before)
            raise
        self._take_back(before)
        return self._evaluated_step(data)

    def _hand_over(self, data: Tables) -> None:
        """Have the next turn see these rows."""
        rows = self.memory.hand_over(data)
        self._end = len(self.results) + 1
        self._may_give_up = self._native.multiplications(rows) >= WORTH_GIVING_UP and is_interrupted()

    def _take_back(self, before: LoopState) -> None:
        np.copyto(self.memory.kept, self._kept_before)
        self._position, self._sound = before, True

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
        self._sound = True

    def _is_sound(self) -> bool:
        """Whether the last loss, and all that steps replace, are finite."""
        if not self._looked_at:
            self._control[[Control.MOST_TURNS, Control.CHECK]] = 0, 1
            self._call()
            self._looked_at = True
        return not self._control[Control.FAILED] and math.isfinite(self.memory.finite.item())

    def _save(self, now: float) -> None:
        """Copy all that is replaced, which is finite at this time if the loop is checked."""
        if self._copied_position is self._position:
            self._keep(self._copies_of_replaced(), now)
            return
        if self._saved_own is None:
            self._saved_own = {name: self.memory.home[name].copy() for name in self._saved.arrays}
        began = time.perf_counter()
        for name, array in self._saved_own.items():
            self.memory.home[name].copy_to(array)
        self._pace.copying = time.perf_counter() - began
        self._keep(self._saved_own, now)

    def _keep(self, arrays: dict[str, Array], now: float) -> None:
        """Remember what the run can go back to: these arrays are from now, and are finite."""
        self._sound = True
        self._saved = _Saved(arrays, self._position, len(self.results), now)

    def _restore(self) -> None:
        for name, array in self._saved.arrays.items():
            self.memory.home[name].put(array)
        self._position = self._saved.position
        self.memory.begin_validation()
        del self.results[self._saved.results :]
        self._sound = True

    def _find_failure(self) -> None:
        """Make the turns one by one; the evaluator repeats the step that fails, and raises what is wrong."""
        end = self._position.step
        self._restore()
        while self._position.step < end:
            self._save(self._saved.at)
            self._make_turns(1, check=True)
            if not self._is_sound():
                self._restore()
                self._evaluated.state = self.state
                self.state = self._evaluated.next_step()


class _Saved(NamedTuple):
    """What a run can go back to: all that is replaced, where it stood, how many results it had, and when."""

    arrays: dict[str, Array]
    position: LoopState
    results: int
    at: float


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
