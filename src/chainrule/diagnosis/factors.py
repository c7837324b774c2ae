"""What a gradient is multiplied by: the number of rows, that of outputs, -1, and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainrule.diagnosis.mistakes import ArrayFinding, Examiner, names_of
from chainrule.diagnosis.own_step import close
from chainrule.diagnosis.verdict import Verdict

#: How well a factor has to agree with a number.
ALIKE = 1e-3


class _Factor(NamedTuple):
    """A factor as rows ** of_rows * outputs ** of_outputs * rest."""

    of_rows: int
    of_outputs: int
    rest: float


def scaled(examiner: Examiner, findings: Sequence[ArrayFinding]) -> Iterator[Verdict]:
    """Name what gradients are multiplied by."""
    rows, outputs = examiner.own.rows, examiner.own.outputs
    factors = [(found, _taken_apart(found, rows, outputs)) for found in findings if found.factor != 1.0]
    for power, name, remedy in (
        (1, "sum where mean was meant", "divide the deltas by the number of {}"),
        (-1, "mean where sum was meant", "make a mean of the loss over the {} too, or a sum of the gradient"),
    ):
        mine = [pair for pair in factors if power in (pair[1].of_rows, pair[1].of_outputs)]
        if mine:
            told, axes = _told(power, mine[0][1], rows, outputs)
            yield Verdict(name, names_of(found for found, _ in mine), told, remedy.format(axes))
    uphill = [found for found, factor in factors if factor.rest < 0]
    if uphill:
        yield Verdict(
            "step uphill",
            names_of(uphill),
            "the update goes along the derivative of the loss, not against it",
            "subtract the gradient: w - learning_rate * gradient",
        )
    others = [
        (found, factor)
        for found, factor in factors
        if found.power_of_rate and not _is_near(factor.rest, 1.0, found)
    ]
    if others:
        sizes = ", ".join(dict.fromkeys(f"{abs(factor.rest):.4g}" for _, factor in others))
        yield Verdict(
            "gradient scaled",
            names_of(found for found, _ in others),
            f"the update uses {sizes} times the derivative",
            "carry every factor through: the 2 of a square, the 1/2 before it, the mean over the outputs",
        )


def _taken_apart(found: ArrayFinding, rows: int, outputs: int) -> _Factor:
    """Return what a factor is made of.

    A sum over all of a batch, where its mean was meant, is as many times too large as there are numbers in
    it. Of the outputs alone that is only seen where they are more than 2, which may be that of a square.
    """
    rest = found.factor / float(rows) ** found.power
    if found.power_of_rate == 0:  # the rest may be any number
        return _Factor(found.power, 0, rest)
    for power in (1, -1):
        is_clear = found.power == power or (found.power == 0 and outputs > 2)
        if is_clear and outputs > 1 and _is_near(rest, float(outputs) ** power, found):
            return _Factor(found.power, power, rest / float(outputs) ** power)
    return _Factor(found.power, 0, rest)


def _is_near(factor: float, number: float, found: ArrayFinding) -> bool:
    """Whether the size of a factor is a number, as far as it is known."""
    return close(abs(factor), number, ALIKE + found.doubt)


def _told(power: int, factor: _Factor, rows: int, outputs: int) -> tuple[str, str]:
    """Return how a sum in place of a mean is seen, or the reverse; and over what it is one."""
    size = f"{'' if power > 0 else '1/'}{outputs}"
    many = f"{outputs} is the number of outputs"
    if not factor.of_rows:
        return f"the update uses {size} times the derivative, and {many}", "outputs"
    told = f"the loss is a mean, and the update grows with the number of rows, {rows}"
    if power < 0:
        told = f"once more often than the loss, the update is divided by the number of rows, {rows}"
    if not factor.of_outputs:
        return told, "rows"
    return f"{told}; it is {size} times as large besides, and {many}", "rows and of outputs"
