"""A fit has its model to itself: what would change it meanwhile is refused, as the fit overwrites it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

_FITTED_NOW: WeakSet[object] = WeakSet()  # not told by the models themselves, whose copies are not fitted


@contextmanager
def fitting(model: object) -> Iterator[None]:
    """Let nothing else change a model while it is fitted."""
    refuse_while_fitted(model, "fit")
    _FITTED_NOW.add(model)
    try:
        yield
    finally:
        _FITTED_NOW.discard(model)


def refuse_while_fitted(model: object, what: str) -> None:
    """Raise a RuntimeError if the model is being fitted, by this thread (in a callback) or by another."""
    if model in _FITTED_NOW:
        raise RuntimeError(
            f"what {what} does would be lost, since a fit of this model goes on; call it when that has ended"
        )
