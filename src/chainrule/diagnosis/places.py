"""At which weights a step is looked at: at those given, or where these tell nothing, at others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from chainrule.diagnosis.mistakes import ArrayFinding, Examiner, names_of
from chainrule.diagnosis.own_step import OwnStep

#: Weights that stand at kinks are moved by about so much of their spread.
MOVE = 0.1
#: Fresh weights are so many times as large as is usual.
SIZES = (1.0, 0.3)
#: Weights that are smaller than this part of what is usual tell little of slopes, which are all alike there.
SMALL = 0.3

Found = tuple[Examiner, list[ArrayFinding]]


def examined_where_it_tells(
    own: OwnStep, examined: Callable[[OwnStep], Found], generator: np.random.Generator
) -> tuple[Examiner, list[ArrayFinding], list[str]]:
    """Return what is found where most arrays can be judged, and a note if these are not the weights given.

    Gradients that are too small there to tell, as at kinks and behind units that never fire, hide mistakes.
    """
    (examiner, findings), notes = examined(own), []
    for other, note in _others(own, findings, generator):
        here = examined(other)
        if _tells_more(here[1], findings):
            (examiner, findings), notes = here, [note]
        if not _unjudged(findings) and not _unnamed(findings):
            break
    return examiner, findings, notes


def _unjudged(findings: Sequence[ArrayFinding]) -> list[ArrayFinding]:
    """Return the arrays whose gradients are too small to tell."""
    return [found for found in findings if not found.is_clear]


def _unnamed(findings: Sequence[ArrayFinding]) -> list[ArrayFinding]:
    """Return the arrays of which it is not told what is wrong."""
    return [found for found in findings if found.kind == "wrong"]


def _tells_more(now: Sequence[ArrayFinding], before: Sequence[ArrayFinding]) -> bool:
    """Whether more is told, or seen to be wrong; not where something that was wrong is seen no more."""
    pairs = list(zip(before, now, strict=True))
    if any(one.is_wrong and one.is_clear and not other.is_wrong for one, other in pairs):
        return False
    is_found = any(other.is_wrong and other.is_clear and not one.is_wrong for one, other in pairs)
    is_named = bool(_unnamed(before)) and not _unnamed(now)
    return is_found or is_named or len(_unjudged(now)) < len(_unjudged(before))


def _are_small(own: OwnStep) -> bool:
    """Whether a matrix holds much smaller numbers than is usual; with raw features they are to be small."""
    least = SMALL / max(1.0, float(np.sqrt(np.mean(np.square(own.x, dtype=float)))))
    return any(
        array.ndim > 1 and np.sqrt(np.mean(array**2) * max(array.shape)) < least for array in own.arrays
    )


def _others(
    own: OwnStep, findings: Sequence[ArrayFinding], generator: np.random.Generator
) -> Iterator[tuple[OwnStep, str]]:
    """Yield the step at other weights, while these are asked for, and what to tell of it."""
    at_kinks = [found for found in findings if not found.entries]
    hidden, unnamed = _unjudged(findings), _unnamed(findings)
    if at_kinks:
        yield (
            _moved(own, generator),
            f"all of {names_of(at_kinks)} stood at kinks: the weights were moved a little",
        )
    if hidden or unnamed or _are_small(own):
        names = names_of(hidden or unnamed or findings)
        note = f"the gradients of {names} tell too little at these weights: fresh ones were drawn"
        for size in SIZES:
            yield own.with_arrays(own.fresh(generator, size)), note


def _moved(own: OwnStep, generator: np.random.Generator) -> OwnStep:
    """Return the step with weights near by, which stand at no kink; counters are left."""
    spread = float(np.std(np.concatenate([array.ravel() for array in own.arrays]))) or 1.0
    moved = [
        (array + MOVE * spread * generator.normal(size=array.shape)).astype(array.dtype)
        if array.ndim
        else array
        for array in own.arrays
    ]
    return own.with_arrays(moved)
