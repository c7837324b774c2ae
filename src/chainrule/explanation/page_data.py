"""What the page shows, as JSON: the arrays, the formulas of their elements, the steps, and the drawing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explanation.documents import STAGES
from chainrule.explanation.formula import Apply, Formula, Name, names
from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.mathml import elements
from chainrule.explanation.page_arrays import compressed, packed
from chainrule.explanation.patterns import pattern, written_out
from chainrule.explanation.quantity import Quantity
from chainrule.graph.graph import needed
from chainrule.graph.lowering import Contraction, Expression
from chainrule.graph.types import UINT32
from chainrule.graph.value import Value

#: What an optimizer keeps for each of more weights than this is left out, unless it is one number for all.
MOST_KEPT = 50_000

if TYPE_CHECKING:
    from chainrule.explanation.explanation import Explanation


def page_data(explanation: Explanation) -> dict[str, Any]:
    """Return all that the page needs."""
    return _PageData(explanation).collect()


class _PageData:
    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.names = explanation.names
        self.steps = explanation.steps
        self.number = {step.quantity.symbol.key: step.number for step in self.steps}
        self.quantities = {step.quantity.symbol.key: step.quantity for step in self.steps}
        for value, symbol in self.names.names.items():
            if value.dtype != UINT32:
                self.quantities.setdefault(symbol.key, Quantity(self.names, value, symbol))

    def collect(self) -> dict[str, Any]:
        """Put everything together."""
        patterns, explicit = {}, {}
        for key, quantity in self.quantities.items():
            if quantity.stop is None and quantity.handed is None:
                continue
            found = pattern(quantity)
            if found is not None:
                patterns[key] = found
            else:
                explicit[key] = written_out(quantity)
        columns = list(self._columns())
        of_loss = [one for one in self.names.landmarks.listed if one.stage == "loss"]
        columns[-1]["lights"] += [key for one in of_loss for key in self._keys(one)]
        edges = list(self._edges(columns))
        joined = {(edge["from"], edge["to"]) for edge in edges}
        arrays, numbers = packed({key: one for key, one in self.quantities.items() if not _is_left_out(one)})
        return {
            "rows": self.names.recording.rows,
            "stages": STAGES,
            "steps": [self._step(step) for step in self.steps],
            "arrays": arrays,
            "numbers": numbers,
            "patterns": patterns,
            "explicit": compressed(json.dumps(explicit, ensure_ascii=False).encode()),
            "columns": columns,
            "edges": edges,
            "links": [link for link in self._links(columns) if (link["from"], link["to"]) not in joined],
            "others": self._others([*columns, *edges]),
            "loss": self.explanation.loss,
            "loss_after": self.explanation.loss_after,
            "verdict": self.explanation.verdict.sentences(),
            "right": self.explanation.verdict.right,
            "history": self.explanation.history,
        }

    def _step(self, step: Any) -> dict[str, Any]:
        quantity = step.quantity
        formula = quantity.formula
        if formula is None and quantity.stop is not None and quantity.array.size:
            formula = quantity.element((0,) * quantity.array.ndim)
        return {
            "number": step.number,
            "stage": step.stage,
            "title": step.title,
            "rule": step.rule,
            "key": step.quantity.symbol.key,
            "equation": elements(step.quantity.equation),
            "sources": sorted({name.symbol.key for name in names(formula)}) if formula else [],
        }

    # The drawing --------------------------------------------------------------------------------------

    def _columns(self) -> Iterator[dict[str, Any]]:
        for mark in self.names.landmarks.listed:
            if mark.role not in ("x", "output") or not mark.value.ndim:
                continue
            inner = self.names.landmarks.role(mark.part, "inner") if mark.role == "output" else None
            shown = [*self._keys(inner), *self._keys(mark)]
            small = [
                one
                for one in self.names.landmarks.listed
                if one.part == mark.part and one.role == "parameter"
            ]
            lights = [key for one in small if one.value.ndim < 2 for key in self._keys(one)]
            label = mark.part or ("input" if mark.role == "x" else "output")
            kind = self.explanation.kinds.get(mark.part, "") if mark.role == "output" else ""
            item = self._item(label, shown, lights) | {"kind": kind}
            shape = self.names.numbers[mark.value].shape
            units = shape[1:] or shape
            yield item | {
                "size": math.prod(units),
                "units": units,
                "rows": len(shape) > 1,
                "key": mark.symbol.key,
            }

    def _links(self, columns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield which columns are computed from which, and whether element by element."""
        marks = {mark.symbol.key: mark.value for mark in self.names.landmarks.listed}
        at = {marks[column["key"]]: position for position, column in enumerate(columns)}
        for value, position in at.items():
            for source, plain in _sources(value, set(at)).items():
                yield {"from": at[source], "to": position, "plain": plain}

    def _edges(self, columns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the weights between two columns: where a part multiplies a column by a parameter."""
        at = {column["key"]: position for position, column in enumerate(columns)}
        for mark in self.names.landmarks.listed:
            if mark.role not in ("inner", "output"):
                continue
            output = self.names.landmarks.role(mark.part, "output")
            for source, weight in _products(self.quantities[mark.symbol.key].formula):
                parameter = self.names.landmark(weight.value)
                if parameter and parameter.role == "parameter" and source.symbol.key in at and output:
                    item = self._item(parameter.symbol.key, list(self._keys(parameter)), [])
                    shape = list(self.names.numbers[weight.value].shape)
                    yield item | {"from": at[source.symbol.key], "to": at[output.symbol.key], "shape": shape}

    def _keys(self, mark: Landmark | None) -> list[str]:
        """Return the names of all that the story tells of a value: itself, its derivative, its new value."""
        if mark is None:
            return []
        key = mark.symbol.key
        new = [name for name in self.quantities if name == f"{key}′" or name.startswith(f"{key}/")]
        return [name for name in (key, f"slope {key}", f"d {key}", *new) if name in self.number]

    def _item(self, label: str, keys: list[str], lights: list[str]) -> dict[str, Any]:
        ordered = sorted(keys, key=self.number.__getitem__)
        return {
            "label": label,
            "keys": [{"key": key, "step": self.number[key]} for key in ordered if "/" not in key],
            "more": [key for key in ordered if "/" in key],
            "lights": [*ordered, *lights],
        }

    def _others(self, drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what is not drawn and can be looked at all the same."""
        known = {one["key"] for item in drawn for one in item["keys"]}
        marks = [mark for mark in self.names.landmarks.listed if mark.symbol.key not in known]
        return [self._item(mark.symbol.key, self._keys(mark), []) for mark in marks]


def _is_left_out(quantity: Quantity) -> bool:
    """Whether its numbers are too many for a page: what an optimizer keeps of very many weights."""
    array = quantity.array
    return "/" in quantity.symbol.key and array.size > MOST_KEPT and bool(np.any(array != array.flat[0]))


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
                found[source] &= one.primitive is not None and isinstance(one.primitive.lower, Expression)
    return found
