"""How Python behaves while code is made: it looks for no garbage, and hands its lock on soon."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from chainrule.compiler.pool import signals_held_back

#: Seconds for which a thread keeps Python's lock while another one waits for it.
SOON: Final = 1e-4


class _Undisturbed:
    """What is left out for as long as any thread makes code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._makers = 0
        self._before = True, sys.getswitchinterval()

    def begin(self) -> None:
        """Begin with the first thread."""
        with self._lock:
            if not self._makers:
                self._before = gc.isenabled(), sys.getswitchinterval()
                gc.disable()
                sys.setswitchinterval(SOON)
            self._makers += 1

    def end(self) -> None:
        """End with the last thread."""
        with signals_held_back(), self._lock:
            self._makers -= 1
            if not self._makers:
                self._restore()

    def _restore(self) -> None:
        collects, interval = self._before
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()

    def end_in_child(self) -> None:
        """End in a process that was forked off, where no other thread goes on."""
        makers = self._makers
        self._lock, self._makers = threading.Lock(), 0
        if makers:
            self._restore()


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
    with ExitStack() as stack:
        with signals_held_back():
            _undisturbed.begin()
            stack.callback(_undisturbed.end)
        yield
