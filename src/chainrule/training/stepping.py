"""Steps on rows that come one batch after another: the arrays stay where the last step has left them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from chainrule.graph.loop import Inputs, Loop, LoopState, StepwiseRun
from chainrule.graph.types import Array
from chainrule.training.task import DataTypes

StartRun: TypeAlias = Callable[[Loop, LoopState, Inputs], StepwiseRun]


class Stepping:
    """A run that makes one step at a time.

    Parameters
    ----------
    start : callable
        What runs a loop.
    loop : Loop
        Whose step it makes.
    types : DataTypes
        What it is traced for.
    state : LoopState
        Where to start.
    inputs : Inputs
        Of the first step; those of later ones may have as many rows at most.
    """

    def __init__(
        self, start: StartRun, loop: Loop, types: DataTypes, state: LoopState, inputs: Inputs
    ) -> None:
        self._run = start(loop, state, inputs)
        self._made_of = start, types, inputs.n_threads
        self._most, self._epoch = inputs.batch_size, state.epoch
        self._state: LoopState | None = state

    def can(self, start: StartRun, types: DataTypes, rows: int, n_threads: int | None) -> bool:
        """Whether it is made for such a step."""
        return rows <= self._most and self._made_of == (start, types, n_threads)

    def step(self, data: Mapping[str, Array]) -> float:
        """Make one step; return the loss before it. NotFiniteError leaves the state before the step."""
        self._state = None
        return self._run.step(data)

    @property
    def state(self) -> LoopState:
        """Where it stands."""
        if self._state is None:
            found = self._run.state
            self._state = LoopState(found.carried, found.step, self._epoch)
        return self._state
