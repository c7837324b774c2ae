"""The story of one training step: what is computed, in order, by which rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.explanation.derivatives import Derivatives
from chainrule.explanation.formula import Name, Stop
from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.names import Names
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import Quantity
from chainrule.explanation.rules import LAID_OUT, SINGLE, STOPPED, Told, moves, numbers_in, values_of
from chainrule.explanation.updates import Updates, keeper
from chainrule.graph.graph import needed
from chainrule.graph.origin import part_of
from chainrule.graph.types import INT32, UINT32
from chainrule.graph.value import PRIMITIVES


@dataclass(frozen=True)
class StoryStep:
    """One step of the story.

    Attributes
    ----------
    number : int
        From 1.
    stage : str
        "given", "forward", "loss", "backward" or "update".
    part : str
        The part of the network; empty for the loss.
    title : str
        What happens.
    rule : str
        The rule that is used, and the numbers that belong to it.
    quantity : Quantity
        What is computed, and how.
    numbers : dict of str to number
        The given numbers that its formula names, such as the learning rate.
    """

    number: int
    stage: str
    part: str
    title: str
    rule: str
    quantity: Quantity
    numbers: Mapping[str, float]

    def __repr__(self) -> str:
        return f"<StoryStep {self.number}. {self.title}>"


class Teller:
    """Tells the story of a recorded step.

    Parameters
    ----------
    names : Names
        What stands for what.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.step = names.recording.step
        self.marks = names.landmarks

    def story(self) -> list[StoryStep]:
        """Return all steps in order."""
        told = [
            *self._given(),
            *self._forward(),
            *Derivatives(self.names).told(),
            *Updates(self.names).told(),
        ]
        return [StoryStep(number, *one, self._numbers(one[-1])) for number, one in enumerate(told, start=1)]

    def _numbers(self, quantity: Quantity) -> dict[str, float]:
        found = numbers_in(quantity)
        return {key: self.names.numbers[name.value].item() for key, name in found.items()}

    def _given(self) -> Iterator[Told]:
        for mark in self.marks.listed:
            if mark.stage == "input":
                quantity = Quantity(self.names, mark.value, self.names.names[mark.value])
                yield "given", mark.part, f"given: {self._what_is_given(mark)}", "", quantity
        for value, name in self.names.state.items():
            quantity = Quantity(self.names, value, self.names.names[value])
            yield "given", part_of(name), f"given: what {keeper(name)} keeps: {name}", "", quantity

    def _what_is_given(self, mark: Landmark) -> str:
        letter = to_text(self.names.names[mark.value].layout)
        if mark.role == "parameter":
            return f"{letter}, which is {mark.symbol.key}"
        if mark.role == "x":
            return f"the input {letter}"
        weighs = mark.symbol.key == "sample_weight"
        return f"how much each row counts, {letter}" if weighs else f"the target {letter}"

    def _forward(self) -> Iterator[Told]:
        for mark in self._in_order():
            quantity = Quantity(self.names, mark.value, mark.symbol, self._forward_stop(mark))
            title, rule = self._forward_title(mark), self._forward_rule(mark, quantity)
            yield mark.stage, mark.part, title, rule, quantity

    def _forward_rule(self, mark: Landmark, quantity: Quantity) -> str:
        if mark.value.primitive is PRIMITIVES["stop_gradient"]:
            return STOPPED
        if isinstance(quantity.formula, Name) and not mark.value.ndim:
            return SINGLE
        told = LAID_OUT if isinstance(quantity.formula, Name) else values_of(quantity)
        return "; ".join(filter(None, (told, *moves(quantity))))

    def _in_order(self) -> list[Landmark]:
        """Return what is computed, the loss last: a target is made ready while the network computes.

        Only what the network itself is computed from, as in an objective, comes before it.
        """
        computed: list[Landmark] = []
        early: list[Landmark] = []  # what is drawn is told where its part begins
        for mark in self.marks.listed:
            if mark.stage == "forward" and mark.role == "data":
                early.append(mark)
            elif mark.stage != "input":
                computed += [one for one in early if one.part == mark.part] + [mark]
                early = [one for one in early if one.part != mark.part]
        computed = [*early, *computed]
        before = set(needed([mark.value for mark in computed if mark.stage == "forward"]))
        return sorted(computed, key=lambda mark: mark.value not in before)

    def _forward_stop(self, mark: Landmark) -> Stop | None:
        return None if _is_drawn(mark) else self.names.forward_stop

    def _forward_title(self, mark: Landmark) -> str:
        letter = to_text(mark.symbol.layout)
        part = mark.part or "the network"
        return {
            "inner": f"{part}: what the activation will be applied to, {letter}",
            "output": f"{part}: its output, {letter}",
            "shared": f"{part if mark.stage == 'forward' else 'the loss'}: on the way, {letter}",
            "data": f"{part if mark.part else 'the loss'}: {letter}, {self._what_is_made(mark)}",
            "loss": "the loss, one number",
        }[mark.role]

    def _what_is_made(self, mark: Landmark) -> str:
        """Say what is made of data alone; a target of class numbers is often one-hot."""
        y, made = self.step.data.get("y"), self.names.numbers[mark.value]
        if mark.symbol.key == "target" and y is not None and y.dtype == INT32 and made.ndim == y.ndim + 1:
            classes = self.names.numbers[y]
            if np.array_equal(made, classes[..., None] == np.arange(made.shape[-1])):
                name = to_text(self.names.names[y].layout)
                return f"the target as one-hot: 1 at the class {name}, and 0 at the others"
        return "drawn at random" if _is_drawn(mark) else "which no weight changes"


def _is_drawn(mark: Landmark) -> bool:
    """Whether it is made of random numbers, which have no formula that a person would work out."""
    return mark.role == "data" and any(value.dtype == UINT32 for value in needed([mark.value]))
