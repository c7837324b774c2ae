"""Turns of a loop made natively: what to do is told in numbers, threads do it, what came of it is read."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from chainrule.compiler.control import Control
from chainrule.compiler.copies import Copies
from chainrule.compiler.loop_memory import LoopMemory
from chainrule.compiler.native_loop import NativeLoop
from chainrule.compiler.pool import run_apart, run_together
from chainrule.compiler.threads import Team
from chainrule.graph.loop import LoopState
from chainrule.graph.types import Array


class Order(NamedTuple):
    """What a call of native code is to do.

    Attributes
    ----------
    turns, epochs : int
        How many to make, and to end, at most.
    epochs_left : int
        How many there are until the last one that was asked for.
    check : bool
        Whether to look in the end, one turn more, if everything is finite: a tenth of what it costs in a call
        of its own.
    copies : bool
        Whether such a look at the end of an epoch copies the weights, which are about to be asked for.
    """

    turns: int
    epochs: int
    epochs_left: int
    check: bool
    copies: bool = False


class Standing(NamedTuple):
    """Where a run stands, and what is known of its arrays there.

    Attributes
    ----------
    position : LoopState
        After which turn, without arrays.
    is_finite : bool or None
        Whether the last loss, and all that turns replace, are; None where nobody has looked.
    copies : mapping of arrays
        Those that were made on the way, by name.
    """

    position: LoopState
    is_finite: bool | None
    copies: Mapping[str, Array] = {}


class Outcome(NamedTuple):
    """What has come of a call: how many turns, the results of epochs that they ended, where that leads."""

    turns: int
    results: list[dict[str, float]]
    standing: Standing


class Turns:
    """Makes turns: a call of native code is told what to do, made, and its outcome read.

    Parameters
    ----------
    native : NativeLoop
        The code.
    memory : LoopMemory
        What it works on.
    team : Team
        Who shares the work.

    Attributes
    ----------
    may_be_given_up : bool
        Whether the next call may: set before it for one that is a single turn, with a backup of what that
        replaces.
    """

    def __init__(self, native: NativeLoop, memory: LoopMemory, team: Team) -> None:
        self._function, self._memory, self._team = native.run, memory, team
        self._control, self._floats = memory.control, memory.control.view(np.float64)
        self._names = native.plan.results
        self._copies = Copies(native.plan)
        self.may_be_given_up = False

    def tell(self, order: Order, position: LoopState) -> None:
        """Prepare a call: what to do, from where on."""
        control, floats = self._control, self._floats
        self._order = order
        control[[Control.TURNS, Control.ENDED, Control.STOPPED, Control.FAILED]] = 0
        control[Control.MOST_TURNS], control[Control.MOST_EPOCHS] = order.turns, order.epochs
        control[Control.EPOCHS_LEFT], control[Control.CHECK] = order.epochs_left, order.check
        if order.copies and self._copies.are_many:
            control[Control.COPIES] = self._copies.address()
        control[Control.STEP], control[Control.EPOCH] = position.step, position.epoch
        control[Control.POSITION] = position.position
        floats[Control.LOSS], floats[Control.WEIGHT] = position.loss, position.weight

    def make(self) -> None:
        """Make the turns."""
        before, began = int(self._control[Control.STEP]), time.perf_counter()
        self._call()
        self._team.worked(int(self._control[Control.STEP]) - before, time.perf_counter() - began)

    def give_up(self) -> None:
        """Have the present call end soon, its turn unmade, if it may; for the handler of a signal."""
        if self.may_be_given_up:
            self._memory.given_up.value = 1

    def outcome(self) -> Outcome | None:
        """Return what has come of the call; None if it was given up: arrays may be those of half a turn."""
        control, given_up = self._control, self._memory.given_up
        made, was_given_up = int(control[Control.TURNS]), given_up.value
        self.may_be_given_up, given_up.value = False, 0
        if was_given_up and not made:
            control[Control.TURN] += 2  # parts of this one have been taken
            return None
        rows = self._memory.results[: control[Control.ENDED]].tolist()
        return Outcome(made, [dict(zip(self._names, row, strict=True)) for row in rows], self._standing())

    def _standing(self) -> Standing:
        control, floats, order = self._control, self._floats, self._order
        position = LoopState(
            {},
            step=int(control[Control.STEP]),
            epoch=int(control[Control.EPOCH]),
            position=int(control[Control.POSITION]),
            loss=float(floats[Control.LOSS]),
            weight=float(floats[Control.WEIGHT]),
            stopped=bool(control[Control.STOPPED]),
        )
        if not order.check or control[Control.CHECK]:  # nobody has looked
            return Standing(position, False if control[Control.FAILED] else None)
        if not (order.copies and self._copies.are_many and control[Control.ENDED]):
            return Standing(position, self._is_finite())
        control[Control.COPIES] = 0
        return Standing(position, self._is_finite(), self._copies.taken())

    def check(self) -> bool:
        """Look, in a call of its own, whether the last loss, and all that turns replace, are finite."""
        self._control[[Control.MOST_TURNS, Control.CHECK]] = 0, 1
        self._call()
        return self._is_finite()

    def _is_finite(self) -> bool:
        return not self._control[Control.FAILED] and math.isfinite(self._memory.finite.item())

    def _call(self) -> None:
        """Have the threads work; done when they have all come back."""
        function, memory, threads = self._function, self._memory, self._team.threads
        table, capacity = memory.address, memory.capacity
        memory.finite[...] = 0.0

        def work(thread: int) -> None:
            function(table, 0, capacity, thread, threads, 0)

        run = run_apart if self.may_be_given_up else run_together
        run(work, threads)
