"""A process that imports one library and does a task when it is told to.

It is started with a peer's name and a task as JSON, prepares and warms up, and writes one line of JSON: it is
ready. For each line "run" that it then reads it does the task some times and writes the seconds of a step.
One that checks makes a few steps, writes what came out, and ends. If something fails it writes what, and
ends; otherwise it ends with its input.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import Any, TextIO

from benchmarks.machine import stay_on_cores
from benchmarks.networks import Task
from benchmarks.peers import Run, find

WARM_UP_EPOCHS = 2
CHECKED_EPOCHS = 3


def main() -> None:
    answers = _answers()
    try:
        _work(json.loads(sys.argv[1]), answers)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        _answer(answers, {"error": f"{type(error).__name__}: {reason}"})
        raise


def _work(order: dict[str, Any], answers: TextIO) -> None:
    stay_on_cores(order["threads"])  # before the library is imported, which looks how many there are
    task = Task.from_order(order)
    started = time.perf_counter()
    run = find(order["peer"]).load(task.network.kind)(task)
    if order["check"]:
        run.go(CHECKED_EPOCHS)
        _answer(answers, {"outcome": run.outcome()})
        return
    run.go(1)
    ready_after = time.perf_counter() - started
    epochs = _epochs_in(order["seconds"], run)
    _answer(answers, {"ready_after": ready_after})
    for line in sys.stdin:
        if line.strip() != "run":
            raise ValueError(f"a worker understands 'run', not {line!r}")
        _answer(answers, {"seconds_per_step": _seconds(run, epochs) / (epochs * task.network.steps)})


def _epochs_in(seconds: float, run: Run) -> int:
    """Return how many epochs last about so long, by a few that also warm up."""
    an_epoch = _seconds(run, WARM_UP_EPOCHS) / WARM_UP_EPOCHS
    return max(1, math.ceil(seconds / an_epoch))


def _seconds(run: Run, epochs: int) -> float:
    started = time.perf_counter()
    run.go(epochs)
    return time.perf_counter() - started


def _answers() -> TextIO:
    """Return the standard output for answers alone: what a library prints goes to the standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
