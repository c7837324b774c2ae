"""How many threads share a step."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

#: Multiplications in a step from which a second thread is worth what sharing costs.
WORTH_THREADS: Final = 1_000_000
#: Multiplications of a single call from which it is worth waking a thread up.
WORTH_WAKING: Final = 20_000_000
#: Each thread has memory of its own: a slip of the pen should not take all there is.
MOST_THREADS: Final = 1024
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
    if asked is not None:
        return _allowed(asked, "n_threads")
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(
                f"{VARIABLE} is a whole number of at least 1, not {text!r}; unset it for all cores"
            )
        return _allowed(int(text), VARIABLE)
    return cores() if multiplications >= WORTH_THREADS else 1


def _allowed(number: int, name: str) -> int:
    if number > MOST_THREADS:
        raise ValueError(
            f"{name} is at most {MOST_THREADS}, not {number}; name about as many as there are cores"
        )
    return number


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
