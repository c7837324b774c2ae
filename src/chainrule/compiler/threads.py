"""How many threads share a step."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Multiplications in a step that are worth what it costs to share them with one thread more.
WORTH_A_THREAD: Final = 125_000
#: A fit of fewer multiplications may be over before threads have woken up: one begins, more are tried later.
BEGIN_TOGETHER: Final = 500_000_000
#: Multiplications of a single call from which it is worth waking a thread up.
WORTH_WAKING: Final = 20_000_000
#: Multiplications that take so long that Ctrl-C should not wait for their end.
WORTH_GIVING_UP: Final = 1_000_000_000
#: Each thread has memory of its own: a slip of the pen should not take all there is.
MOST_THREADS: Final = 1024
#: Seconds of work that a number of threads is tried for, and those after which all are tried again.
TRIAL: Final = 0.01
FIRST_ROUND: Final = 0.25
ROUND: Final = 4.0
VARIABLE: Final = "CHAINRULE_NUM_THREADS"
#: Where Linux tells which CPUs share a core.
CPUS = Path("/sys/devices/system/cpu")


def thread_count(multiplications: int, asked: int | None) -> int:
    """Return what was asked for, what CHAINRULE_NUM_THREADS says, or what the work is worth.

    Parameters
    ----------
    multiplications : int
        In one step.
    asked : int or None
        By whoever made the model.

    Raises
    ------
    ValueError
        If CHAINRULE_NUM_THREADS is not a whole number of at least 1, or one of the two is above MOST_THREADS.
    """
    return threads_asked_for(asked) or max(1, min(cores(), multiplications // WORTH_A_THREAD))


def threads_asked_for(asked: int | None) -> int | None:
    """Return what was asked for, or what CHAINRULE_NUM_THREADS says; None if both say nothing."""
    if asked is not None:
        return _allowed(asked, "n_threads")
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{VARIABLE} is a whole number of at least 1, not {text!r}; unset it for all cores")
    return _allowed(int(text), VARIABLE)


def _allowed(number: int, name: str) -> int:
    if number > MOST_THREADS:
        raise ValueError(
            f"{name} is at most {MOST_THREADS}, not {number}; name about as many as there are cores"
        )
    return int(number)


def cores() -> int:
    """Return how many cores this process may use.

    On Linux, CPUs that share a core count once: its units of arithmetic serve one thread as well as two.
    """
    if hasattr(os, "sched_getaffinity"):
        return _cores_of(frozenset(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@functools.cache
def _cores_of(cpus: frozenset[int]) -> int:
    return len({_on_the_same_core(cpu) for cpu in cpus})


def _on_the_same_core(cpu: int) -> str:
    """Return the CPUs of a CPU's core in the words of the system; itself if it says nothing."""
    try:
        return (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return str(cpu)


class Team:
    """As many threads as are worth it now: all that there are, or one.

    Which is faster is tried while they work, again and again: steps may be short, others may need the cores,
    and two CPUs of a rented machine may be one core. The bits are the same at any number. The first report
    of a number does not count: threads had to wake up, and their cores' caches to be filled.

    Parameters
    ----------
    choices : sequence of int
        How many may work; they begin with the first.

    Attributes
    ----------
    threads : int
        How many are to work.
    most : int
        How many there will be at most.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        self.threads = choices[0]
        self.most = max(choices)
        self._choices = set(choices)
        self._warm = False
        self._steps, self._seconds, self._since_trials = 0, 0.0, 0.0
        self._round = FIRST_ROUND
        self._found: dict[int, float] = {}

    def worked(self, steps: int, seconds: float) -> None:
        """Take notice of how long some steps took; choose how many threads make the next ones."""
        if not self._warm:
            self._warm = steps > 0
            return
        self._steps, self._seconds = self._steps + steps, self._seconds + seconds
        if self._seconds < TRIAL or not self._steps:
            return
        pace = self._seconds / self._steps
        self._since_trials += self._seconds
        self._steps, self._seconds = 0, 0.0
        if self._since_trials > self._round:
            self._found.clear()
            self._since_trials, self._round = 0.0, min(2 * self._round, ROUND)
        self._found[self.threads] = min(pace, self._found.get(self.threads, pace))
        untried = self._choices - set(self._found)
        chosen = min(untried) if untried else min(self._found, key=self._found.__getitem__)
        self._warm = chosen == self.threads
        self.threads = chosen
