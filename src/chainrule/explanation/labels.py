"""What a person calls the inputs and outputs of a network: the columns of a table, the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.names import Names
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Value


@dataclass(frozen=True)
class Labels:
    """The names that the elements of some arrays have outside of the network.

    Attributes
    ----------
    names : Names
        What stands for what in formulas.
    features, outputs : sequence of str
        One for each input, and for each output, of the network; empty where they have no names.
    """

    names: Names
    features: Sequence[str] = ()
    outputs: Sequence[str] = ()

    def of(self, key: str, value: Value, place: tuple[int, ...]) -> str:
        """Return what the element of an array is called; empty where it has no name."""
        listed = self.listed.get(key)
        if listed is None:
            return ""
        array = self.names.numbers[value]
        return listed[int(array[place]) if self._holds_classes(value) else place[-1]]

    @cached_property
    def listed(self) -> Mapping[str, Sequence[str]]:
        """The names of each array that has some: along its last axis or, of class numbers, of each class."""
        found: dict[str, Sequence[str]] = {}
        last = self.names.landmarks.parts[-1:]
        output = self.names.landmarks.role(last[0], "output") if last else None
        outputs = self.outputs if output and self._fits(output.value, self.outputs) else ()
        for mark in self.names.landmarks.listed:
            name = self.names.names[mark.value].key
            if mark.role == "x" and self._fits(mark.value, self.features):
                found |= dict.fromkeys((name, f"d {name}"), self.features)
            elif outputs and self._is_of_outputs(mark, last):
                found |= dict.fromkeys((name, f"d {name}", f"slope {name}"), self.outputs)
        for softmax, symbol in self.names.softmaxes.items():
            if self._fits(softmax.value, outputs):
                found[symbol.key] = self.outputs
        return found

    def _is_of_outputs(self, mark: Landmark, last: Sequence[str]) -> bool:
        """Whether an array has an element for each output: of the last part, the target, or the loss."""
        if mark.stage == "input":
            is_target = mark.role == "data" and mark.symbol.key == "y"
            return is_target and (self._holds_classes(mark.value) or self._fits(mark.value, self.outputs))
        is_last = mark.part in last and mark.role in ("inner", "output")
        is_target = mark.symbol.key == "target"
        in_loss = mark.stage == "loss" and len(self.outputs) > 1
        return (is_last or is_target or in_loss) and self._fits(mark.value, self.outputs)

    def _holds_classes(self, value: Value) -> bool:
        array: Array = self.names.numbers[value]
        counted = len(self.outputs) > 1 and array.ndim == 1 and not is_float(value.dtype)
        return counted and bool(((array >= 0) & (array < len(self.outputs))).all())

    def _fits(self, value: Value, listed: Sequence[str]) -> bool:
        shape = self.names.numbers[value].shape
        return len(shape) == 2 and bool(listed) and shape[1] == len(listed)
