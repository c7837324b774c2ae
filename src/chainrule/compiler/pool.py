"""Threads that help with native code, and Ctrl-C while it runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

#: Seconds after which a thread that waits for others looks up.
WAIT = 0.05


def run_together(call: Callable[[int], object], threads: int, pool: Executor | None) -> None:
    """Call a function with each thread's number, 0 on this one; done when none is in it any more.

    Whoever comes first does the work (`chainrule.compiler.sharing`): a thread of the pool that has not even
    begun when this one is through need not come.
    """
    others = [pool.submit(call, thread) for thread in range(1, threads)] if pool is not None else []
    try:
        call(0)
    finally:
        begun = [other for other in others if not other.cancel()]
        if begun:
            _wait_for(begun)


def run_apart(
    call: Callable[[int], object], threads: int, pool: Executor, give_up: Callable[[], None]
) -> None:
    """Call a function with each thread's number, none on this thread, which can notice signals meanwhile.

    Where the handler of one raises something, `give_up` is called, so that the calls end soon.
    """
    _wait_for([pool.submit(call, thread) for thread in range(threads)], give_up)


def _wait_for(others: Sequence[Future[object]], give_up: Callable[[], None] | None = None) -> None:
    """Wait for the end of calls; only then raise what a signal's handler has raised, or what went wrong."""
    raised: BaseException | None = None
    ended = False
    while not ended:
        try:  # on some systems a handler runs only where a wait has an end
            ended = not wait(others, WAIT).not_done
        except BaseException as error:
            raised = error
            if give_up is not None:
                give_up()
    if raised is not None:
        raise raised
    for other in others:
        other.result()


class _Helpers:
    """The pool that calls of single graphs share; its threads begin when they are first needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew in a process that was forked off: it has no threads."""
        self._pool, self._size, self._lock = None, 0, threading.Lock()

    def at_least(self, number: int) -> ThreadPoolExecutor:
        """Return a pool of so many threads, or more."""
        with self._lock:
            if self._pool is None or self._size < number:
                self._pool, self._size = ThreadPoolExecutor(number, "chainrule"), number
            return self._pool


helpers = _Helpers()


def is_interrupted() -> bool:
    """Whether Ctrl-C comes to this thread: to the main one, unless that is ignored or not Python's."""
    nobody = None, signal.SIG_IGN
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) not in nobody


@contextmanager
def deferred_interrupt(give_up: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Hold back Ctrl-C until the block is done: arrays and counters must be those of the same turn.

    The block is given a list that is not empty once Ctrl-C was pressed; `give_up` is called then, which
    comes through if the block has other threads work (`run_apart`).
    """
    if not is_interrupted():
        yield []
        return
    handler = signal.getsignal(signal.SIGINT)
    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        if give_up is not None:
            give_up()

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)
