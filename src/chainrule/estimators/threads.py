"""How many threads an estimator may use beside others, as in a grid search."""

from __future__ import annotations

import functools
import os
from typing import Any

from chainrule.compiler.threads import VARIABLE, cores


@functools.cache
def _controller() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


def thread_limit(estimator: Any) -> int | None:
    """Return `n_threads`, or 1 where BLAS is kept from using all cores; None leaves it to the work.

    joblib announces to its workers how many threads each may use, and threadpoolctl reports it: someone else
    is using the other cores.
    """
    if estimator.n_threads is not None or os.environ.get(VARIABLE):
        return estimator.n_threads  # type: ignore[no-any-return]
    allowed = min((library["num_threads"] for library in _controller().info()), default=cores())
    return None if allowed >= cores() else int(allowed)
