"""Graph: inputs, equations in order, outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from chainrule.graph.text import format_graph, parse_graph
from chainrule.graph.types import Array
from chainrule.graph.value import Value
from chainrule.graph.words import counted


class Graph:
    """A function written down: which values come in, how each next one is computed, which ones go out.

    A graph holds nothing that its outputs do not need. It prints as text that a person can read.

    Parameters
    ----------
    inputs : sequence of Value
        The inputs, in the order of the function's arguments. An input that nothing uses may stay.
    outputs : sequence of Value
        What the function returns.

    Attributes
    ----------
    captured : tuple of Value
        Arrays that the function used without being given them; each holds its data.
    equations : tuple of Value
        Every value that is computed, each after its operands, in the order in which they were made.
    """

    def __init__(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    @cached_property
    def _needed(self) -> list[Value]:
        return needed(self.outputs)

    @cached_property
    def equations(self) -> tuple[Value, ...]:
        """The computed values in order."""
        return tuple(value for value in self._needed if value.primitive is not None)

    @cached_property
    def captured(self) -> tuple[Value, ...]:
        """The captured arrays in order."""
        return tuple(value for value in self._needed if value.data is not None)

    @cached_property
    def made(self) -> dict[str, Any]:
        """What others have made of it and keep with it, such as its native code; a copy begins without."""
        return {}

    @cached_property
    def _text(self) -> str:
        return format_graph(self.inputs, self.captured, self.equations, self.outputs)

    def __str__(self) -> str:
        return self._text

    def __getstate__(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "outputs": self.outputs}

    @classmethod
    def from_text(cls, text: str, captured: Sequence[Array] = ()) -> Graph:
        """Return the graph that was printed as `text`, with the arrays it had captured, in order."""
        return cls(*parse_graph(text, captured))

    def __repr__(self) -> str:
        parts = {"input": self.inputs, "equation": self.equations, "output": self.outputs}
        sizes = ", ".join(counted(len(listed), noun) for noun, listed in parts.items())
        return f"<Graph of {sizes}>"


def needed(outputs: Iterable[Value]) -> list[Value]:
    """Return the outputs and everything they are computed from, in the order in which it was made."""
    seen: dict[int, Value] = {}
    waiting = list(outputs)
    while waiting:
        value = waiting.pop()
        if value.serial not in seen:
            seen[value.serial] = value
            waiting.extend(value.operands)
    return [seen[serial] for serial in sorted(seen)]
