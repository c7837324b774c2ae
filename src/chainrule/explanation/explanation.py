"""Explanation: the story of one training step, with its numbers, to be read in many forms."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from chainrule.explanation.documents import as_dict, as_latex, as_markdown, as_rich, as_text
from chainrule.explanation.labels import Labels
from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.names import Names
from chainrule.explanation.page import as_html
from chainrule.explanation.step_graph import Recording
from chainrule.explanation.story import StoryStep, Teller
from chainrule.explanation.verdict import Verdict
from chainrule.explanation.why import Why
from chainrule.graph.names import unknown_name
from chainrule.graph.options import as_flag
from chainrule.graph.words import counted
from chainrule.primitives import elementwise as elementwise  # read back, it needs the table

Write = Callable[[Any, bytes], object]


class Explanation:
    """The story of one training step: forward, loss, backward, update, with the formulas and the numbers.

    Printed, it is text; a notebook shows it as a page. `Model.explain` makes it.

    Attributes
    ----------
    steps : list of StoryStep
        What is computed, in order.
    loss, loss_after : float
        Before and after the weight update, on the same rows.
    verdict : Verdict
        The same gradient by finite differences and by the compiled code.
    history : list of dict
        Of consecutive training steps, where more than one was asked for: the loss, and by layer the sizes of
        weights, gradients and updates.
    kinds : dict of str to str
        What each part of the network is, by its path: ``"Dropout"``.
    title : str
        What it is headed by.
    labels : Labels
        What the inputs and outputs are called, where they have names; `call` gives them some.
    goes_on : bool
        Whether it follows an update that is worked out before: a worksheet then leaves out the weights, too.
    in_full : bool
        Whether the answers give every element that a worksheet asks for, and not the first few alone.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1), dtype="float64")
    >>> model.build(features=1)
    >>> model.set_weights({"weight": [[2.0]], "bias": [0.5]})
    >>> explanation = model.explain([[3.0]], [1.0])
    >>> print(explanation.why("weight[0, 0]"))
    ∂L/∂W₀,₀ = ∂L/∂z₀ · ∂z₀/∂W₀,₀
        ∂L/∂z₀ = 2 · (z₀ − t₀) = 2 · (6.5 − 1) = 11
        ∂z₀/∂W₀,₀ = x₀ = 3
      together 33; the training step computed 33
    >>> explanation.verdict.right
    True
    """

    def __init__(
        self,
        recording: Recording,
        loss: float,
        loss_after: float,
        verdict: Verdict,
        *,
        history: Sequence[dict[str, Any]],
        write: Write,
        kinds: Mapping[str, str],
        title: str = "One training step",
    ) -> None:
        self.names = Names(recording)
        self.loss = loss
        self.loss_after = loss_after
        self.verdict = verdict
        self.history = list(history)
        self.kinds = dict(kinds)
        self.title = title
        self.labels = Labels(self.names)
        self.goes_on = False
        self.in_full = False
        self._write = write

    def call(self, features: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Give the network's inputs and outputs names, which then stand beside their numbers.

        Parameters
        ----------
        features, outputs : sequence of str
            One for each; where there are more or fewer, they are not used.

        Raises
        ------
        TypeError
            If they are one text, or no sequence.
        """
        self.labels = Labels(self.names, _called("features", features), _called("outputs", outputs))

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made from: the names and the steps are found again from the recording."""
        kept = {name: item for name, item in vars(self).items() if name not in ("names", "steps", "labels")}
        called = (self.labels.features, self.labels.outputs)
        return {**kept, "recording": self.names.recording, "called": called}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.names = Names(state.pop("recording"))
        self.labels = Labels(self.names, *state.pop("called"))
        self.__dict__ |= state

    @cached_property
    def steps(self) -> list[StoryStep]:
        """What is computed, in order."""
        return Teller(self.names).story()

    def why(self, name: str) -> Why:
        """Return one partial derivative of the loss as the product, and sum over paths, of its factors.

        Parameters
        ----------
        name : str
            The element by which the loss is derived: ``"layers.0.weight[1, 0]"``, or of a value on the way,
            ``"layers.0.z[0, 1]"``, where the row comes first.

        Raises
        ------
        ValueError
            If there is no such array (with the nearest names) or element, or no derivative by it is taken.
        TypeError
            If the name is no text.
        """
        if not isinstance(name, str):
            raise TypeError(
                f"why takes the name of an element, such as 'layers.0.weight[1, 0]', not {name!r}"
            )
        key, index = _parsed(name)
        derivatives = self.names.recording.step.derivatives
        marks = {one.symbol.key: one for one in self.names.landmarks.listed if one.value in derivatives}
        if key not in marks and any(step.quantity.symbol.key == key for step in self.steps):
            raise ValueError(
                f"the step takes no derivative of the loss with respect to {key}; it does with respect to "
                + ", ".join(sorted(marks))
            )
        if key not in marks:
            raise ValueError(unknown_name("array", key, marks))
        return Why(self.names, marks[key], self._checked(name, marks[key], index))

    def _checked(self, name: str, mark: Landmark, index: tuple[int, ...]) -> tuple[int, ...]:
        shape = self.names.numbers[mark.value].shape
        if len(index) != len(shape) or not all(-n <= i < n for i, n in zip(index, shape, strict=False)):
            places = f"give {counted(len(shape), 'place')}, counted from 0"
            raise ValueError(
                f"{mark.symbol.key} has the shape {shape}, and {name} is not one of its elements; "
                + (places if shape else "it is one number: write its name alone")
            )
        return tuple(i % n for i, n in zip(index, shape, strict=True))

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> Any:
        return as_rich(self)

    def to_text(self, *, answers: bool = True) -> str:
        """Return the story as text; without answers, as a worksheet."""
        return as_text(self, as_flag(answers, "answers"))

    def to_markdown(self, *, answers: bool = True) -> str:
        """Return the story as Markdown with LaTeX formulas; without answers, as a worksheet."""
        return as_markdown(self, as_flag(answers, "answers"))

    def to_latex(self, *, answers: bool = True) -> str:
        """Return the story as a LaTeX document; without answers, as a worksheet."""
        return as_latex(self, as_flag(answers, "answers"))

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the story as one HTML page that works offline, and write it where a path is given.

        Parameters
        ----------
        path : path, optional
            The file, which is written whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        page = as_html(self)
        if path is not None:
            self._write(path, page.encode())
        return page

    def to_dict(self) -> dict[str, Any]:
        """Return the story as plain Python data, every number at full precision."""
        return as_dict(self)

    def _repr_html_(self) -> str:
        page = html.escape(as_html(self))
        style = "width: 100%; height: 48rem; border: 0"
        return f'<iframe srcdoc="{page}" style="{style}" title="{html.escape(self.title)}"></iframe>'

    def _repr_markdown_(self) -> str:
        return as_markdown(self)

    def __repr__(self) -> str:
        word = "right" if self.verdict.right else "WRONG"
        losses = f"loss {self.loss:.6g} → {self.loss_after:.6g}"
        return f"<Explanation of {len(self.steps)} steps: {losses}, gradient {word}>"


def _called(what: str, listed: Any) -> tuple[str, ...]:
    """Return the names as they are written; a text is one name, and not one for each letter."""
    if isinstance(listed, str | bytes) or not isinstance(listed, Iterable):
        raise TypeError(f"call takes a list of names as {what}, such as ['length', 'width'], not {listed!r}")
    return tuple(map(str, listed))


def _parsed(name: str) -> tuple[str, tuple[int, ...]]:
    """Return the array and the index in ``layers.0.weight[1, 0]``."""
    found = re.fullmatch(r"\s*([^\[\]]+?)\s*(?:\[\s*(-?\d+(?:\s*,\s*-?\d+)*)?\s*\])?\s*", name)
    if not found:
        raise ValueError(f"{name!r} does not name an element; write it as Python does: layers.0.weight[1, 0]")
    places = found[2] or ""
    return found[1], tuple(int(place) for place in places.split(",") if place.strip())
