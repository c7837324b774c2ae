"""Threads that help with native code, and signals that come while it runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from types import FrameType

#: Seconds after which a thread that waits for others looks up.
WAIT = 0.05
#: Those whose handlers programs have raise something: where an alarm comes, or the process is to end.
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")
    if hasattr(signal, name)
]

_idle: list[tuple[int, ThreadPoolExecutor]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a process that was forked off has no threads


def run_together(call: Callable[[int], object], threads: int) -> None:
    """Call a function with each thread's number, 0 on this one; done when none is in it any more.

    Whoever comes first does the work (`chainrule.compiler.sharing`): a thread that has not even begun when
    this one is through need not come.
    """
    if threads == 1:
        call(0)
        return
    with lent(threads - 1) as pool:
        others = [pool.submit(call, thread) for thread in range(1, threads)]
        try:
            call(0)
        finally:
            begun = [other for other in others if not other.cancel()]
            if begun:
                _wait_for(begun)


def run_apart(call: Callable[[int], object], threads: int) -> None:
    """Call a function with each thread's number, none on this thread, which can notice signals meanwhile."""
    with lent(threads) as pool:
        _wait_for([pool.submit(call, thread) for thread in range(threads)])


def _wait_for(others: Sequence[Future[object]]) -> None:
    """Wait for the end of calls; only then raise what a signal's handler has raised, or what went wrong."""
    raised: BaseException | None = None
    ended = False
    while not ended:
        try:  # on some systems a handler runs only where a wait has an end
            ended = not wait(others, WAIT).not_done
        except BaseException as error:
            raised = error
    if raised is not None:
        raise raised
    for other in others:
        other.result()


@contextmanager
def lent(number: int) -> Iterator[Executor]:
    """Lend a pool of so many threads or more, one that was given back, or else a new one.

    Its threads begin when they are first needed, and stay: one that begins anew may be put where another
    works already, and wait there for a few milliseconds. Where something goes wrong they are waited for, and
    end: a call may have been left to them that nobody waits for.
    """
    try:
        size, pool = _idle.pop()
    except IndexError:
        size = 0
    if size < number:
        size, pool = number, ThreadPoolExecutor(number, "chainrule")
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    _idle.append((size, pool))


def is_interrupted() -> bool:
    """Whether Ctrl-C comes to this thread: to the main one, unless that is ignored or not Python's."""
    nobody = None, signal.SIG_IGN
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) not in nobody


@contextmanager
def signals_held_back(give_up: Callable[[], None] | None = None) -> Iterator[list[BaseException]]:
    """Hold back what the handlers of signals raise, such as KeyboardInterrupt, until the block is done.

    Arrays and counters must be those of the same turn then, and no thread left at work. The block is given
    the list of what was raised; each time `give_up` is called, which comes through if the block has other
    threads work (`run_apart`).
    """
    raised, done = list[BaseException](), False
    if threading.current_thread() is not threading.main_thread():
        yield raised
        return

    def holding_back(handler: Callable[[int, FrameType | None], object]) -> Callable[..., None]:
        def handle(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                if done:  # another handler has raised something before this one was set back
                    raise
                raised.append(error)
                if give_up is not None:
                    give_up()

        return handle

    try:
        with ExitStack() as stack:
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    own = holding_back(handler)
                    stack.callback(_set_back, number, own, handler)
                    signal.signal(number, own)
            yield raised
    finally:
        done = True
        if raised:
            del raised[1:]
            raise raised.pop()  # frames that it came from do not know it any more, and go with it


def _set_back(number: int, own: Callable[..., None], handler: Callable[..., object]) -> None:
    """Let a signal have its former handler again, unless that has set another one."""
    if signal.getsignal(number) is own:
        signal.signal(number, handler)
