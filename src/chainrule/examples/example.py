"""Example: a model, its rows, and what is to be worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.explanation.explanation import Explanation
from chainrule.explanation.latex import escaped
from chainrule.graph.names import unknown_name
from chainrule.model import Model

FORMATS = ("text", "markdown", "latex")


@dataclass(frozen=True)
class Example:
    """A training step, or a few in a row, that a person can work out with paper and pencil.

    Attributes
    ----------
    title : str
        What it is.
    task : str
        What is given, and what is asked.
    model : callable
        Returns the model, its weights set.
    x, y : sequence
        The rows.
    updates : int
        How many consecutive weight updates are worked out.

    Examples
    --------
    >>> from chainrule.examples import MOMENTUM
    >>> "v_W′ = μ · v_W + ∂L/∂W" in MOMENTUM.worksheet()
    True
    >>> [round(explanation.loss, 4) for explanation in MOMENTUM.explanations()]
    [2.0, 1.28, 0.4232]
    """

    title: str
    task: str
    model: Callable[[], Model]
    x: Any
    y: Any
    updates: int = 1

    def explanations(self) -> list[Explanation]:
        """Return the story of each weight update."""
        model = self.model()
        told = []
        for number in range(1, self.updates + 1):
            explanation = model.explain(self.x, self.y)
            explanation.title = self.title if self.updates == 1 else f"{self.title}: update {number}"
            explanation.goes_on = number > 1
            explanation.in_full = True
            told.append(explanation)
            model.step(self.x, self.y)
        return told

    def worksheet(self, format: str = "text") -> str:
        """Return the example with the formulas, and room for the numbers.

        Parameters
        ----------
        format : {"text", "markdown", "latex"}, default "text"
            What it is written in.
        """
        return self._written(format, answers=False)

    def answers(self, format: str = "text") -> str:
        """Return the example with all numbers; `format` is that of `worksheet`."""
        return self._written(format, answers=True)

    def _written(self, format: str, answers: bool) -> str:
        if format not in FORMATS:
            raise ValueError(unknown_name("format", format, FORMATS))
        told: list[str] = [getattr(one, f"to_{format}")(answers=answers) for one in self.explanations()]
        if format == "latex":  # one document: the later bodies go before the end of the first
            first, *later = told
            note, end = "\nSubscripts count", r"\end{document}"
            first = first.replace(note, f"\n{escaped(self.task)}\n{note}", 1)
            bodies = [_body(one) for one in later]
            return first.replace(end, "\n".join([*bodies, end]))
        return f"{self.title}\n\n{self.task}\n\n" + "\n\n".join(told)


def _body(document: str) -> str:
    return document.partition(r"\begin{document}")[2].partition(r"\end{document}")[0]
