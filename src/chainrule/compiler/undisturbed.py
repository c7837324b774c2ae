"""How Python behaves while code is made: it looks for no garbage, and hands its lock on soon."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

#: Seconds for which a thread keeps Python's lock while another one waits for it.
SOON: Final = 1e-4


class _Habits(NamedTuple):
    """Whether Python looks for garbage, and after how many seconds a thread hands its lock on."""

    collects: bool
    interval: float

    def resume(self) -> None:
        """Have Python behave so again."""
        if round(sys.getswitchinterval(), 6) == SOON:  # nobody has asked for another one meanwhile
            sys.setswitchinterval(self.interval + 5e-7)  # of which Python takes whole microseconds
        if self.collects:
            gc.enable()


class _Undisturbed:
    """What is left out for as long as anyone makes code.

    Between any two lines another thread may fork, and a signal's handler may raise something or make code.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._makers = set[object]()
        self._before: _Habits | None = None

    def begin(self, maker: object) -> None:
        """Begin with the first one."""
        with self._lock:
            self._makers.add(maker)
            present = _Habits(gc.isenabled(), sys.getswitchinterval())
            self._before = before = self._before or present
            gc.disable()
            if before.interval > SOON:
                sys.setswitchinterval(SOON)

    def end(self, maker: object) -> None:
        """End with the last one; one that has ended already may do so again."""
        with self._lock:
            self._makers.discard(maker)
            before = self._before
            if before and not self._makers:
                before.resume()
                self._before = None

    def end_in_child(self) -> None:
        """End in a process that was forked off, where no other thread goes on."""
        self._lock = threading.RLock()
        self._makers.clear()
        self.end(None)


_undisturbed = _Undisturbed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_undisturbed.end_in_child)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have Python not look for garbage, and hand its lock on to a thread that waits for it.

    The compiler makes so many objects that Python would go through all that there are; in a process with
    large libraries this takes half as long as LLVM. And a thread that LLVM keeps busy needs Python for a
    moment now and then; it would wait for it much longer than the moment takes.
    """
    maker = object()
    try:
        try:
            _undisturbed.begin(maker)
            yield
        finally:
            _undisturbed.end(maker)
    finally:  # the handler of a signal may have raised something before that was through
        _undisturbed.end(maker)
