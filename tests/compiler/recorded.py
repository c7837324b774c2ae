"""Runs of a fit's loop outside of the fit."""

import numpy as np
import pytest

from chainrule.executors import EXECUTORS


def recorded(model, x, y, **options):
    """Return what a fit hands to its executor: the loop, where it starts, and on what."""
    found = []

    def record(*arguments):
        found.extend(arguments)
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, model.executor, EXECUTORS[model.executor]._replace(run=record))
        with pytest.raises(InterruptedError):
            model.fit(x, y, **options)
    return found


def trained(run):
    """Return the loss of each epoch and all that the run has changed."""
    losses = [results["loss"] for results in run]
    return {"losses": np.array(losses), **run.state.carried}
