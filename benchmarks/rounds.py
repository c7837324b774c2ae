"""Processes that take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.machine import busy_during
from benchmarks.networks import Network
from benchmarks.peers import OURS, Peer
from benchmarks.summary import Turns

REPOSITORY = Path(__file__).parent.parent
PAUSE = 0.2
"""Seconds between two turns, in which the threads of the last one stop waiting for more and fall asleep."""
WORTH_ALL_THREADS = 5e8
"""Work of a step (see `Network.work`) from which all threads are surely faster than one."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What is the same for everyone in a run."""

    rounds: int = 5
    threads: int = 2
    dtype: str = "float32"
    executor: str = "compiled"
    seconds: float = 0.5


class WorkerError(Exception):
    """A worker that could not prepare or train; says why."""


class Worker:
    """A peer that has prepared a network in a process of its own."""

    def __init__(self, peer: Peer, network: Network, settings: Settings, check: bool = False) -> None:
        order = {"peer": peer.name, "network": asdict(network), "check": check, **asdict(settings)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            env=environment(settings.threads),
        )
        self.threads = settings.threads

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        self.end()

    def end(self) -> None:
        """Close its input, which ends it."""
        if self._process.returncode is None:
            self._process.communicate()

    def wait(self) -> float:
        """Return when it has prepared and warmed up, with the seconds that preparing took."""
        return float(self._answer()["ready_after"])

    def outcome(self) -> float:
        """Return what came out, of a worker that checks."""
        return float(self._answer()["outcome"])

    def run(self) -> float:
        """Do the task once; return the seconds of a step."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds_per_step"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"its process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker that may use so many threads.

    chainrule chooses by itself how many of them a network is worth, unless CHAINRULE_NUM_THREADS is set.
    """
    count = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    ours = {"CHAINRULE_NUM_THREADS": count} if threads == 1 else {}
    return {**ours, **os.environ, **dict.fromkeys(names, count), "TORCHINDUCTOR_COMPILE_THREADS": "1"}


def measure(network: Network, peers: Sequence[Peer], settings: Settings, say: Say) -> dict[str, Turns]:
    """Return the turns of us and of each peer that could be measured."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for peer in (OURS, *peers):
            try:
                workers[peer.name] = stack.enter_context(_ready(peer, network, settings, say))
            except WorkerError as error:
                if peer is OURS:
                    raise
                say(f"{network.label}: {peer.title} is left out: {error}")
        times = {name: Turns(worker.threads) for name, worker in workers.items()}
        for number in range(settings.rounds):
            say(f"{network.label}: round {number + 1} of {settings.rounds}")
            for name, worker in workers.items():
                times[name].others.append(busy_during(PAUSE))
                times[name].seconds.append(worker.run())
    return times


def differing(network: Network, peers: Sequence[Peer], settings: Settings, say: Say) -> list[Peer]:
    """Return the peers that come to another result than we do after the same: they compute something else.

    All begin with the same weights, and a step takes all rows, so that their order does not matter.
    """
    whole = replace(network, batch=network.rows)
    expected = 0.0
    found = []
    for peer in (OURS, *peers):
        with Worker(peer, whole, settings, check=True) as worker:
            try:
                outcome = worker.outcome()
            except WorkerError as error:
                if peer is OURS:
                    raise
                say(f"{network.label}: {peer.title} is left out: {error}")
                continue
        expected = outcome if peer is OURS else expected
        room = 0.05 if network.dropout else 1e-3  # everyone drops something else
        near = abs(outcome - expected) <= room * abs(expected)
        say(f"{network.label}: {peer.title} comes to {outcome:.6g}{'' if near else ', which is not ours'}")
        found += [] if near else [peer]
    return found


@contextmanager
def _ready(peer: Peer, network: Network, settings: Settings, say: Say) -> Iterator[Worker]:
    """Hold a worker that is ready: for a peer the faster of two."""
    workers: dict[Worker, float] = {}
    with ExitStack() as stack:
        for threads in _choices(peer, network, settings):
            worker = stack.enter_context(Worker(peer, network, replace(settings, threads=threads)))
            say(f"{network.label}: {peer.title} on {threads} is ready after {worker.wait():.1f} s")
            workers[worker] = worker.run()
        fastest = min(workers, key=workers.__getitem__)
        for worker in workers:
            if worker is not fastest:
                worker.end()
        yield fastest


def _choices(peer: Peer, network: Network, settings: Settings) -> tuple[int, ...]:
    """Return the numbers of threads of the processes to choose from.

    A small network may be faster with one thread. A large one is not, but a process with several threads may
    be slower than the next as long as it lives. We have one process, and take it as it is.
    """
    if peer is OURS:
        return (settings.threads,)
    return (settings.threads, 1 if network.work < WORTH_ALL_THREADS else settings.threads)
