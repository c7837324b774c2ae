"""Steps of another rule than plain gradient descent: with a state, decay, or what Adam and clipping do.

A state, such as a velocity, is an array on which the loss does not depend, and the update of the weights
does; or that changes by itself, as a counter does. Decay is what is taken off the weights besides their
gradient, whatever the batch. What Adam and clipping do is seen where all updates have the sign of their
derivative, and grow with it out of proportion.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.diagnosis.mistakes import ArrayFinding
from chainrule.diagnosis.own_step import NONE, ROUNDINGS, OwnStep, close, largest
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.structure import unflatten
from chainrule.graph.types import Array

#: Entries that have to agree before a rule is seen in them, and how well.
FEWEST, ALIKE = 8, 1e-2
#: How well all have to be the same multiple of the derivative: slopes that were left out nearly are.
SAME = 1e-5
#: How large the weights are that a state is looked for with: small ones too, where no loss is cut off.
SIZES, FEWEST_SIZES = (1.0, 0.1, 0.01, 1e-3, 1e-4), 2


class State(NamedTuple):
    """What of a step's arrays is state.

    `kept` is the part β of itself that it keeps at a step, s ← β s + ...; 0 where it is not of this form.
    """

    names: list[str]
    kept: float = 0.0

    def first_part(self, findings: Sequence[ArrayFinding], rows: int) -> float:
        """Return the part of the gradient that a first step of such a rule uses, if it is seen; otherwise 1.

        It is 1 - β where the state is a mean of gradients, 1 + β if Nesterov looks ahead, or both.
        """
        b = self.kept
        parts = (1 - b, 1 + b, 1 - b * b) if b else ()
        seen = [abs(found.factor) / float(rows) ** found.power for found in findings]
        return next((part for part in parts for one in seen if close(one, part, 1e-3)), 1.0)


def without_state(own: OwnStep, rate: float, generator: np.random.Generator) -> tuple[OwnStep, State]:
    """Return the step as one of its weights only, its state at 0 but for counters; and what is state."""
    state = [place for place in range(len(own.arrays)) if _is_state(own, place, rate, generator)]
    weights = [place for place in range(len(own.arrays)) if place not in state]
    if not state or not weights:
        return own, State([])
    at_start = [
        np.zeros_like(array) if place in state and array.ndim else array
        for place, array in enumerate(own.arrays)
    ]

    def step(chosen: Sequence[Array], x: Array, y: Array, learning_rate: float) -> Any:
        arrays = list(at_start)
        for place, array in zip(weights, chosen, strict=True):
            arrays[place] = array
        loss, new = own.step(unflatten(own.structure, arrays), x, y, learning_rate)
        leaves = own.leaves(new)
        return loss, [leaves[place] for place in weights]

    other = OwnStep(step, [own.arrays[place] for place in weights], own.x, own.y)
    other.names = [own.names[place] for place in weights]
    return other, State([own.names[place] for place in state], _kept(own, at_start, state, rate))


def _kept(own: OwnStep, at_start: Sequence[Array], state: Sequence[int], rate: float) -> float:
    """Return the part of itself that a state keeps: two steps of equal weights leave 1 + β times one."""
    first = own(at_start, rate).weights
    moved = [first[place] if place in state else array for place, array in enumerate(at_start)]
    second = own(moved, rate).weights
    for place in state:
        one, two = first[place].ravel(), second[place].ravel()
        kept = float(two @ one / (one @ one)) - 1 if one.any() else 0.0
        if at_start[place].ndim and 0 < kept < 1 and np.allclose(two, (1 + kept) * one, rtol=1e-6, atol=0):
            return kept
    return 0.0


def at_usual_rate(own: OwnStep, part: float) -> OwnStep:
    """Return the step with a rate so much larger that it takes off the gradient, not a part of it."""
    other = copy.copy(own)
    other.step = lambda weights, x, y, learning_rate: own.step(weights, x, y, learning_rate / part)
    return other


def _is_state(own: OwnStep, place: int, rate: float, generator: np.random.Generator) -> bool:
    """Whether the loss depends on no number of an array, and the update of another one does.

    Or it changes where the learning rate is 0, as a counter that only counts. A loss that is not finite says
    nothing.
    """
    acts = counts = False
    seen = 0
    for size in SIZES:
        arrays = own.draw(generator, size)
        arrays[place] = np.abs(arrays[place])  # as sums of squares are
        others = [*arrays]
        others[place] = 2 * arrays[place]
        try:
            one, other = own(arrays, rate), own(others, rate)
        except Exception:  # a step may refuse such numbers
            return False
        if not np.isfinite([one.loss, other.loss]).all():
            continue
        if one.loss != other.loss:
            return False
        seen += 1
        acts = acts or any(
            not largest(a - b) <= ROUNDINGS * one.epsilon * largest(a)  # NaN is a difference
            for i, (a, b) in enumerate(zip(one.weights, other.weights, strict=True))
            if i != place
        )
        counts = counts or not np.array_equal(own(arrays, NONE).weights[place], arrays[place])
    return (acts or counts) and seen >= FEWEST_SIZES


#: A factor of about 4, or 1/4, and how much its logarithm may vary.
NEAR_A_QUARTER = 0.2


def sigmoid_slope(findings: Sequence[ArrayFinding]) -> list[Verdict]:
    """Name it if all that is wrong is wrong by about 1/4, or 4: the slope a(1 - a) of sums near 0."""
    wrong = [found for found in findings if found.kind == "wrong"]
    ratios = np.array([used / slope.value for f in wrong for _, used, slope in f.entries if slope.value])
    if len(ratios) < FEWEST or np.min(ratios) <= 0:
        return []
    usual = float(np.median(ratios))
    away = np.abs(np.log(ratios / usual))
    is_near = abs(abs(np.log(usual)) - np.log(4)) < NEAR_A_QUARTER and np.max(away) < NEAR_A_QUARTER
    if not is_near or np.ptp(ratios) < SAME * usual:
        return []
    is_missing = usual > 1
    what = "left out" if is_missing else "taken twice, or where there is none"
    return [
        Verdict(
            "wrong gradient",
            ", ".join(found.name for found in wrong),
            f"the update uses about {usual:.3g} times the derivative, not the same everywhere",
            f"look whether a slope a(1 - a) of a sigmoid, which is 1/4 where sums are near 0, is {what}",
        )
    ]


def other_rule(findings: Sequence[ArrayFinding]) -> list[Verdict]:
    """Name it if what is taken off is one function of the derivative for all weights, and not that itself."""
    wrong = [found for found in findings if found.kind == "wrong"]
    judged = [found for found in findings if found.kind in ("wrong", "right")]
    pairs = np.array(
        [
            (slope.value, used)
            for found in judged
            for _, used, slope in found.entries
            if abs(slope.value) > 100 * slope.uncertainty
        ]
    )
    if not wrong or len(pairs) < FEWEST or np.any(pairs[:, 0] * pairs[:, 1] <= 0):
        return []
    true, used = np.abs(pairs).T
    ratios, largest = used / true, float(np.max(used))
    if np.ptp(used) < ALIKE * largest < np.ptp(true):
        told = f"all weights move by {largest:.4g} times the learning rate, as in a first step of Adam"
    elif np.ptp(ratios) < SAME * np.max(ratios):
        told = f"on this batch they are {np.mean(ratios):.4g} times the derivative, on others not"
    elif largest < np.max(true) / 2 and np.allclose(used, np.minimum(true, largest), rtol=ALIKE, atol=0):
        told = f"they are no larger than {largest:.4g}: gradients seem to be clipped"
    else:
        return []
    return [
        Verdict(
            "not plain gradient descent",
            ", ".join(found.name for found in wrong),
            f"updates have the sign of the derivative, and {told}",
            "check the gradient by itself: subtract learning_rate * gradient, and add the rule afterwards",
        )
    ]


def decay(findings: Sequence[ArrayFinding]) -> tuple[list[Verdict], list[str]]:
    """Name a penalty that only the loss has, and note a decay of the weights that only the update has."""
    verdicts, notes = [], []
    for added in (True, False):
        mine = [found for found in findings if found.kind == "decayed" and (found.decay > 0) == added]
        if not mine:
            continue
        names = ", ".join(found.name for found in mine)
        size = f"{abs(mine[0].decay):.4g} times {mine[0].decay_of}"
        if added:
            notes.append(f"besides the derivative of the loss, {size} is taken off {names}: weight decay")
            continue
        verdicts.append(
            Verdict(
                "penalty left out of the gradient",
                names,
                f"on every batch the loss changes by {size} more than the update uses",
                "add the derivative of the penalty to the gradient",
            )
        )
    return verdicts, notes
