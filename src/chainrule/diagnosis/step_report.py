"""What the check of a training step found."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.diagnosis.mistakes import ArrayFinding
from chainrule.diagnosis.verdict import Verdict
from chainrule.gradient.report import aligned


@dataclass(frozen=True)
class StepReport:
    """The result of `check_step`; it counts as true if no mistake is seen.

    Attributes
    ----------
    mistakes : tuple of Verdict
        What is wrong, by name: ``mistakes[0].name`` is ``"bias not trained"``, say.
    notes : tuple of str
        What is no mistake, and worth knowing.
    arrays : tuple of ArrayFinding
        How the gradient of each array compares with differences.
    unjudged : tuple of str
        Arrays of which nothing could be seen.

    Examples
    --------
    >>> import chainrule as cr
    >>> def step(weights, x, y, learning_rate):
    ...     error = x @ weights["W"] + weights["b"] - y
    ...     new = {"W": weights["W"] - learning_rate * 2 * x.T @ error / error.size, "b": weights["b"]}
    ...     return (error**2).mean(), new
    >>> weights = {"W": [[0.1], [0.2]], "b": [0.0]}
    >>> report = cr.check_step(step, weights, x=[[1.0, 2.0], [0.0, 1.0]], y=[[1.0], [0.0]])
    >>> [mistake.name for mistake in report.mistakes]
    ['bias not trained']
    """

    mistakes: tuple[Verdict, ...]
    notes: tuple[str, ...]
    arrays: tuple[ArrayFinding, ...]

    @property
    def passed(self) -> bool:
        """Whether no mistake is seen: the step is right, as far as it could be judged."""
        return not self.mistakes

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The arrays that nothing is known of: their gradients are too small to tell, or stand at kinks."""
        return tuple(found.name for found in self.arrays if found.is_hidden)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("array", "weights", "checked", "worst error", "gradient")]
        for found in self.arrays:
            verdict = found.kind
            if found.is_hidden:
                verdict = f"not judged: {'too small to tell' if found.entries else 'kinks'}"
            numbers = (str(found.size), str(len(found.entries)), f"{found.error:.1e}")
            rows.append((found.name, *numbers, verdict))
        title = f"the step is {'right' if self.passed else 'wrong'}"
        if self.passed and self.unjudged:
            title = f"no mistake is seen, but {', '.join(self.unjudged)} could not be judged"
        lines = [title, *aligned(rows)]
        return "\n".join([*lines, *map(str, self.mistakes), *(f"note: {note}" for note in self.notes)])

    def raise_if_wrong(self) -> None:
        """Raise an ArithmeticError that names the mistakes, if there are any."""
        if self.mistakes:
            raise ArithmeticError(" | ".join(map(str, self.mistakes)))
