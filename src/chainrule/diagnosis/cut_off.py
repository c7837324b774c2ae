"""A loss that is cut off where the network is too sure, told from a wrong gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.diagnosis.mistakes import ROWS_TRIED, ArrayFinding, Batch, Examiner

#: A loss that is cut off where the network is too sure is looked at with the weights times this.
CLEAR = 0.1
#: Its gradients are looked at with the weights times the first of these at which an example tells something.
SIZES = (1.0, 0.5, 0.25)
#: An example whose loss is less than this part of the batch's tells nothing.
SURE = 1e-4


def is_cut_off(examiner: Examiner, findings: Sequence[ArrayFinding], smaller: Sequence[ArrayFinding]) -> bool:
    """Whether the gradients are only wrong where the network is sure of something false.

    With smaller weights none is wrong then, and those that were are clearly not so there. That alone tells
    little: a slope that was left out is that of a straight line there. So with large weights, too, the
    gradients have to be the same multiple of the derivative, on the examples that the network knows best.
    """
    if any(
        now.kind == "wrong" or (before.kind == "wrong" and not now.is_clear)
        for before, now in zip(findings, smaller, strict=True)
    ):
        return False
    wrong = [i for i, before in enumerate(findings) if before.kind == "wrong"]
    for size in SIZES:
        batches = list(_well_known(examiner, size))
        fits = [examiner.fits(i, smaller[i], batch) for i in wrong for batch in batches]
        if True in fits or False in fits:
            return False not in fits
    return False


def note(findings: Sequence[ArrayFinding]) -> str:
    """Tell of it."""
    worst = max((found for found in findings if found.kind == "wrong"), key=lambda found: found.error)
    return (
        f"{worst}; at {CLEAR:g} times the weights this is not so, and the check was made there: a loss may "
        "be cut off where the network is sure, as by log(p + 1e-8), or large gradients be clipped"
    )


def _well_known(examiner: Examiner, size: float) -> Iterator[Batch]:
    """Yield batches of one example, each with the target of the batch that fits it best: the best half.

    Where one is known so well that the loss is all rounding, nothing can be told.
    """
    own = examiner.own.with_arrays([size * array for array in examiner.own.arrays])
    tried = [[int(i)] * own.rows for i in np.unique(np.linspace(0, own.rows - 1, ROWS_TRIED).astype(int))]
    fitting = []
    for chosen in tried:
        x = np.take(own.x, chosen, own.axis)
        others = [own.with_batch(x, np.take(own.y, target, own.axis)) for target in tried]
        losses = [other.loss(own.arrays) for other in others]
        best = int(np.argmin(losses))
        if losses[best] > SURE * abs(own.loss(own.arrays)):
            fitting.append((losses[best], others[best]))
    fitting.sort(key=lambda pair: pair[0])
    for _, other in fitting[: (len(fitting) + 1) // 2]:
        yield Batch(other, examiner.reading_of)
