"""What it costs to trace numbers that are not finite: fits beside the same ones that do not look."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.networks import Network, Task
from benchmarks.report import markdown
from benchmarks.rounds import Say, Settings

NETWORKS = (
    Network((4, 16, 3), 32),
    Network((4, 32, 32, 3), 32),
    Network((20, 64, 64, 10), 32),
    Network((64, 100, 10), 64),
    Network((64, 256, 256, 10), 256),
    Network((784, 128, 10), 128),
    Network((784, 512, 512, 10), 128),
)
ROWS, FEW_ROWS = 4096, 150


def measure(settings: Settings, say: Say, folder: Path | None) -> str:
    """Return the page; each fit takes about a second, and both kinds take turns."""
    machine.stay_on_cores(settings.threads)
    rows = []
    for network, seen in ((network, seen) for network in NETWORKS for seen in (False, True)):
        watched, blind = _times(network, settings, seen)
        cost = statistics.median(a / b - 1 for a, b in zip(watched, blind, strict=True))
        best = min(watched) / min(blind) - 1
        how = f"{FEW_ROWS} rows, a callback" if seen else f"{ROWS} rows"
        rows.append(
            [network.label, how, f"{min(watched):.3f}", f"{min(blind):.3f}", f"{best:+.1%}", f"{cost:+.1%}"]
        )
        say(f"{network.name}, {how}, is measured: {best:+.1%}")
    head = ["network", "epochs of", "s", "s without", "of the fastest", "median of pairs"]
    return "\n\n".join(
        [
            "# Numbers that are not finite",
            f"Written by `python -m benchmarks --section finite` on {machine.today()}. Seconds of all cores "
            "for a fit, and for the same one that neither looks at its weights nor copies them to go back "
            f"to, so that it could not trace a failure; {settings.rounds} of each in turn. A callback, which "
            "does nothing here, sees the weights after every epoch, and they are checked for it each time.",
            markdown(head, rows),
            f"Machine: {machine.cpu()} ({machine.vectors()}), {settings.threads} cores.\n",
        ]
    )


def _times(network: Network, settings: Settings, seen: bool) -> tuple[list[float], list[float]]:
    from benchmarks.peers.chainrule_fit import new_model

    task = Task(network, settings.dtype, settings.threads, settings.executor)
    rng = np.random.default_rng(0)
    size, callbacks = (FEW_ROWS, [lambda progress: None]) if seen else (ROWS, [])
    x = rng.standard_normal((size, network.widths[0])).astype(settings.dtype)
    y = rng.integers(0, network.widths[-1], size)
    model = new_model(task, loss="cross_entropy")

    def seconds(epochs: int) -> float:
        started = time.process_time()
        model.fit(x, y, batch_size=network.batch, epochs=epochs, callbacks=callbacks)
        return time.process_time() - started

    seconds(1)
    epochs = max(1, round(1 / max(seconds(2) / 2, 1e-4)))
    watched, blind = [], []
    for _ in range(settings.rounds):
        watched.append(seconds(epochs))
        with _not_looking():
            blind.append(seconds(epochs))
    return watched, blind


@contextmanager
def _not_looking() -> Iterator[None]:
    """Let compiled fits neither check nor copy what they train; each loss is compared all the same."""
    from chainrule.compiler.epochs import CompiledRun

    class_: Any = CompiledRun
    check, save, make_turns = class_._check, class_._save, class_._make_turns
    class_._check = lambda run: None
    class_._save = lambda run, now: run._keep(run._backup.arrays, now)
    class_._make_turns = lambda run, turns, check: make_turns(run, turns, check=False)
    try:
        yield
    finally:
        class_._check, class_._save, class_._make_turns = check, save, make_turns
