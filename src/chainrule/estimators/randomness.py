"""What a fit draws, which its checkpoint must be able to draw again."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from chainrule.functions import random_key
from chainrule.graph.types import Array
from chainrule.training.checkpoint import Checkpoint

#: The note on the state of a generator that was given, when the fit began and after it had drawn.
_NOTE = "random_state"


def random_state_of(given: Any, checkpoint: Checkpoint | None) -> np.random.RandomState:
    """Return what a fit draws from: for `given` None, int or RandomState, or as its checkpoint noted.

    A fit that goes on draws what it has drawn before. A RandomState of the user's, which must stand where it
    stood then or where the fit has left it, is then left there; NumPy's global one is not touched.
    """
    state: np.random.RandomState = check_random_state(given)
    if checkpoint is None or not (given is None or given is state):
        return state
    now = _without_arrays(state.get_state(legacy=False))

    def gone_back(noted: Any) -> tuple[np.random.RandomState, bool]:
        begun, left = noted
        again = np.random.RandomState()
        again.set_state(_with_arrays(begun))
        return again, now in (begun, left)

    found = checkpoint.note(_NOTE, gone_back)
    if found is None:
        checkpoint.notes[_NOTE] = [now, now]
        return state
    again, known = found
    if given is None:
        return again
    if not known:
        checkpoint.refuse(["random_state is neither as that fit found it, nor as it left it"])
    state.set_state(again.get_state(legacy=False))
    return state


def note_what_is_left(random_state: np.random.RandomState, checkpoint: Checkpoint | None) -> None:
    """Note where a fit that has drawn all it needs leaves what it draws from."""
    if checkpoint is not None and _NOTE in checkpoint.notes:
        checkpoint.notes[_NOTE][1] = _without_arrays(random_state.get_state(legacy=False))


def drawn_key(random_state: np.random.RandomState) -> Array:
    """Return the key of all that is random in training, drawn once."""
    return random_key(int(random_state.randint(0, 2**64, dtype=np.uint64)))


def _without_arrays(part: Any) -> Any:
    """Return the state of a generator in a form that JSON can hold."""
    if isinstance(part, dict):
        return {name: _without_arrays(each) for name, each in part.items()}
    return part.tolist() if isinstance(part, np.ndarray | np.generic) else part


def _with_arrays(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _with_arrays(each) for name, each in part.items()}
    return np.array(part, np.uint64) if isinstance(part, list) else part
