"""What the page draws: columns of units, the weights between them, and tiles for all other arrays.

Every array that a formula may name has a place: pointing at a factor lights where it came from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chainrule.explanation.formula import Apply, Formula, Name
from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.mathml import elements
from chainrule.explanation.quantity import Quantity
from chainrule.graph.graph import needed
from chainrule.graph.lowering import Contraction, Expression
from chainrule.graph.origin import part_of
from chainrule.graph.primitive import lowering_of
from chainrule.graph.value import Value

if TYPE_CHECKING:
    from chainrule.explanation.explanation import Explanation

Item = dict[str, Any]


class Drawing:
    """The parts of the drawing, each with the arrays that it shows one after the other.

    Parameters
    ----------
    explanation : Explanation
        What is drawn.
    quantities : mapping of Quantity
        All that has a name, by it.
    shown : mapping of Quantity
        Those whose numbers are on the page.
    """

    def __init__(
        self, explanation: Explanation, quantities: Mapping[str, Quantity], shown: Mapping[str, Quantity]
    ) -> None:
        self._kinds = explanation.kinds
        self._names = explanation.names
        self._quantities = quantities
        self._shown = shown
        self._number = {step.quantity.symbol.key: step.number for step in explanation.steps}

    def collect(self) -> dict[str, list[Item]]:
        """Return everything that is drawn."""
        columns = list(self._columns())
        edges = list(self._edges(columns))
        joined = {(edge["from"], edge["to"]) for edge in edges}
        return {
            "columns": columns,
            "edges": edges,
            "links": [link for link in self._links(columns) if (link["from"], link["to"]) not in joined],
            "tiles": list(self._tiles(columns, edges)),
        }

    def _columns(self) -> Iterator[Item]:
        for mark in self._names.landmarks.listed:
            if mark.role not in ("x", "output", "loss") or not (mark.value.ndim or mark.role == "loss"):
                continue
            inner = self._names.landmarks.role(mark.part, "inner") if mark.role == "output" else None
            shape = self._names.numbers[mark.value].shape
            if inner and self._names.numbers[inner.value].shape != shape:
                inner = None  # its elements are not those of the units
            keys = [*self._keys(inner), *self._keys(mark)]
            label = mark.part or {"x": "input", "loss": "loss"}.get(mark.role, "output")
            kind = self._kinds.get(mark.part, "") if mark.role == "output" else ""
            units = shape[1:] or shape
            yield self._item(label, keys) | {
                "kind": kind,
                "size": math.prod(units),
                "units": units,
                "rows": len(shape) > 1,
                "key": mark.symbol.key,
            }

    def _links(self, columns: list[Item]) -> Iterator[Item]:
        """Yield which columns are computed from which, and whether element by element."""
        marks = {mark.symbol.key: mark.value for mark in self._names.landmarks.listed}
        at = {marks[column["key"]]: position for position, column in enumerate(columns)}
        for value, position in at.items():
            for source, plain in _sources(value, set(at)).items():
                yield {"from": at[source], "to": position, "plain": plain}

    def _edges(self, columns: list[Item]) -> Iterator[Item]:
        """Yield the weights between two columns: where a part multiplies a column by a parameter."""
        at = {column["key"]: position for position, column in enumerate(columns)}
        for mark in self._names.landmarks.listed:
            if mark.role not in ("inner", "output"):
                continue
            output = mark if mark.role == "output" else self._names.landmarks.role(mark.part, "output")
            for source, weight in _products(self._quantities[mark.symbol.key].formula):
                parameter = self._names.landmark(weight.value)
                if parameter and parameter.role == "parameter" and source.symbol.key in at and output:
                    item = self._item(parameter.symbol.key, self._keys(parameter))
                    shape = list(self._names.numbers[weight.value].shape)
                    yield item | {"from": at[source.symbol.key], "to": at[output.symbol.key], "shape": shape}

    def _tiles(self, columns: list[Item], edges: list[Item]) -> Iterator[Item]:
        """Yield all other arrays, each beside the column of its part: vectors, tables, targets, what is kept.

        A number that belongs to no part, such as the learning rate, has no column.
        """
        known = {one["key"] for item in [*columns, *edges] for one in item["keys"]}
        groups: dict[str, list[str]] = {}
        for key, quantity in self._shown.items():
            if key not in known and quantity.array.size:
                groups.setdefault(re.sub(r"^(d|slope) |′$", "", key), []).append(key)
        labels = [column["label"] for column in columns]
        for own, keys in groups.items():
            kept = "/" in own
            alone = not self._shown[keys[0]].array.ndim and not kept
            beside = [] if kept else [key for key in self._shown if key.startswith(f"{own}/")]
            yield self._item(own, [*keys, *beside], kept) | {
                "column": None if alone else _nearest(labels, self._owner(own)),
                "kept": kept,
            }

    def _owner(self, own: str) -> str:
        """Return the part that an array belongs to; "loss" for none."""
        name = own.partition("/")[0]
        if name in self._names.recording.step.parameters:
            return part_of(name) or "output"
        mark = self._names.landmark(self._shown[own].value)
        part = mark.part if mark else part_of(name)
        return part or ("output" if mark and mark.stage == "forward" else "loss")

    def _keys(self, mark: Landmark | None) -> list[str]:
        """Return the names of all that the story tells of a value: itself, its derivative, its new value."""
        if mark is None:
            return []
        key = mark.symbol.key
        new = [name for name in self._quantities if name == f"{key}′" or name.startswith(f"{key}/")]
        return [name for name in (key, f"slope {key}", f"d {key}", *new) if name in self._number]

    def _item(self, label: str, keys: list[str], kept: bool = False) -> Item:
        """Return something that is drawn; what an optimizer keeps for it is told beside it, and lights it."""
        ordered = sorted(keys, key=lambda key: self._number.get(key, 0))
        own = [key for key in ordered if kept or "/" not in key]
        return {
            "label": label,
            "keys": [
                {
                    "key": key,
                    "step": self._number.get(key, 0),
                    "symbol": elements(self._quantities[key].left),
                }
                for key in own
            ],
            "more": [key for key in ordered if key not in own],
            "lights": ordered,
        }


def _nearest(labels: list[str], part: str) -> int:
    """Return which column has a part's name, or lies in it or around it; else the last one."""
    if part in labels:
        return labels.index(part)
    within = [label for label in labels if f"{label}.".startswith(f"{part}.")]
    around = sorted((label for label in labels if part.startswith(f"{label}.")), key=len, reverse=True)
    return labels.index([labels[-1], *within, *around][-1])


def _products(formula: Formula | None) -> Iterator[tuple[Name, Name]]:
    """Yield the matrix products of two named arrays in a formula."""
    if not isinstance(formula, Apply):
        return
    if isinstance(formula.primitive.lower, Contraction):
        a, b = formula.operands
        if isinstance(a, Name) and isinstance(b, Name):
            yield a, b
    for operand in formula.operands:
        yield from _products(operand)


def _sources(value: Value, columns: set[Value]) -> dict[Value, bool]:
    """Return the columns that a value is computed from, with no other between, and if element by element."""
    between, waiting = {value}, list(value.operands)
    found: dict[Value, bool] = {}
    while waiting:
        source = waiting.pop()
        if source in columns:
            found[source] = True
        elif source not in between:
            between.add(source)
            waiting.extend(source.operands)
    for source in found:
        reached = {source}
        for one in needed([value]):
            if one in between and reached & set(one.operands):
                reached.add(one)
                found[source] &= isinstance(lowering_of(one), Expression)
    return found
