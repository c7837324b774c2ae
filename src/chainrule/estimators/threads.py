"""How many threads an estimator may use beside others, as in a grid search."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from chainrule.compiler.threads import VARIABLE, cores


@functools.cache
def _controller() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


class _OneBlasThread:
    """Keeps BLAS to one thread while somebody is inside: SciPy's products in L-BFGS are too small to share.

    The limit is one for the process, so that fits in several threads must not restore each other's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = _controller().limit(limits=1)
            self._inside += 1

    def __exit__(self, *problem: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


one_blas_thread = _OneBlasThread()


def thread_limit(estimator: Any) -> int | None:
    """Return `n_threads`, or 1 where BLAS is kept from using all cores; None leaves it to the work.

    joblib announces to its workers how many threads each may use, and threadpoolctl reports it: someone else
    is using the other cores.
    """
    if estimator.n_threads is not None or os.environ.get(VARIABLE):
        asked: int | None = estimator.n_threads
        return asked
    allowed = min((library["num_threads"] for library in _controller().info()), default=cores())
    return None if allowed >= cores() else int(allowed)
