"""The backward pass as it is told: the derivative of the loss by each named value, and its rule."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from chainrule.explanation.formula import Formula, Name, Number, Symbol, addends, names
from chainrule.explanation.landmarks import Landmark, is_short, is_transparent, looked_through
from chainrule.explanation.names import Names
from chainrule.explanation.order import backwards
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import Product, Quantity
from chainrule.explanation.rules import (
    CHAIN,
    HANDED,
    NOTHING,
    ONE_ROW,
    PAIRS,
    PATHS,
    PLACES,
    SLOPE,
    SOFTMAX,
    SPREAD,
    WITHIN,
    Told,
    moves,
)
from chainrule.graph.graph import needed
from chainrule.graph.lowering import Expression, Reduction, Scatter
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS
from chainrule.graph.value import PRIMITIVES, Value


class Derivatives:
    """Tells the derivatives of a recorded step.

    Parameters
    ----------
    names : Names
        What stands for what.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.step = names.recording.step
        self.marks = names.landmarks

    def told(self) -> Iterator[Told]:
        """Yield what the story tells of them, from the loss back to the first layer."""
        computed = [mark for mark in self.marks.listed if mark.stage != "input" and mark.role != "loss"]
        for softmax, symbol in self.names.softmaxes.items():
            title = f"{softmax.power.origin.part or 'the loss'}: {to_text(symbol.layout)}, the softmax"
            quantity = Quantity(self.names, softmax.value, symbol, self.names.forward_stop)
            yield "backward", softmax.power.origin.part, title, SOFTMAX, quantity
        for mark in reversed([mark for mark in computed if mark.stage == "loss"]):
            yield from self._derivative(mark)
        ordered = list(backwards([mark for mark in computed if mark.stage == "forward"]))
        last_of = {mark.part: mark for mark in ordered}
        for mark in ordered:
            yield from self._derivative(mark)
            yield from self._slope(mark)
            if mark is last_of[mark.part]:
                for parameter in self.marks.listed:
                    if parameter.role == "parameter" and parameter.part == mark.part:
                        yield from self._derivative(parameter)
        for mark in self.marks.listed:
            if mark.role == "x" or (mark.role == "parameter" and mark.part not in last_of):
                yield from self._derivative(mark)

    def _derivative(self, mark: Landmark) -> Iterator[Told]:
        if not self.names.is_derived(mark):
            return
        quantity = self.derivative(mark)
        yield "backward", mark.part, self._title(mark), self._rule(mark, quantity), quantity

    def derivative(self, mark: Landmark) -> Quantity:
        """Return ∂L/∂v for a named value v."""
        value = self.step.derivatives[mark.value]
        symbol, later = self.names.derivative_symbol(mark), self.names.handing(mark)
        handed = self.names.derivative_symbol(later) if later else None
        is_first = later is not None and mark.stage == "forward" and later.stage == "loss"
        first = self.derivative(later) if later is not None and is_first else None
        stop = self.names.derivative_stop
        return Quantity(self.names, value, symbol, stop, handed, self._through_activation(mark), first)

    def _through_activation(self, inner: Landmark) -> Product | None:
        """Return ∂L/∂a and f′(z) where z acts on the loss through a = f(z) alone."""
        outputs = [a for a, slope in self.step.slopes.items() if slope.inner is inner.value and slope.of_each]
        mark = self.names.landmark(outputs[0]) if len(outputs) == 1 else None
        if mark is None or inner.role != "inner":
            return None
        later = Name(self.names.derivative_symbol(mark), self.step.derivatives[mark.value])
        return Product(later, self._slope_of(mark))

    def _slope_of(self, mark: Landmark) -> Quantity:
        slope = self.step.slopes[mark.value]
        inner = self.names.names[slope.inner].layout
        key = f"{'slope' if slope.of_each else 'slopes'} {mark.symbol.key}"
        symbol = Symbol(inner, key, over=mark.symbol.layout, pairs=not slope.of_each)
        stop = self.names.forward_stop if is_short(slope.inner, mark.value) else None
        return Quantity(self.names, slope.value, symbol, stop)

    def _slope(self, mark: Landmark) -> Iterator[Told]:
        if mark.value in self.step.slopes:
            title = f"{mark.part or 'the network'}: f′, the slope of its activation"
            rule = SLOPE if self.step.slopes[mark.value].of_each else PAIRS
            yield "backward", mark.part, title, rule, self._slope_of(mark)

    def _title(self, mark: Landmark) -> str:
        letter = to_text(mark.symbol.layout)
        part = mark.part or "the network"
        if mark.role == "parameter":
            return f"{part}: how the loss changes with {letter}"
        if mark.role == "x":
            return f"{self._first_part or 'the network'}: handed on to the input"
        if mark.stage == "loss":
            return f"the loss: handed on to {letter}"
        is_sum = mark.role == "inner" or mark.symbol.key.rpartition(".")[2].startswith("z")
        if mark.role == "output":
            return f"{'δ, ' * is_sum}handed on to {part}, by what uses its output {letter}"
        return f"{part}: {'δ, ' * is_sum}how the loss changes with {letter}"

    @cached_property
    def _first_part(self) -> str:
        """The part of the network that is given the input; empty if several are."""
        (x,) = (mark.value for mark in self.marks.listed if mark.role == "x")
        users = [value for value in needed([self.step.loss]) if any(one is x for one in value.operands)]
        parts = {value.origin.part for value in users if value.origin.stage == "forward"}
        return parts.pop() if len(parts) == 1 else ""

    def _rule(self, mark: Landmark, quantity: Quantity) -> str:
        if quantity.handed:
            return HANDED
        root = quantity.value
        while is_transparent(root) and self.names.derivative_stop(root.operands[0]) is None:
            (root,) = root.operands
        if root.primitive is PRIMITIVES["constant"] and not np.any(quantity.array):
            return NOTHING
        repeated = mark.value.serial in self._repeated
        if repeated and isinstance(lowering_of(root), Reduction):
            return self._rule_of_sum(root)
        return "; ".join((PATHS if self._has_paths(quantity) else CHAIN, *moves(quantity)))

    @cached_property
    def _repeated(self) -> set[int]:
        """What is repeated on the way to the loss, by its serial number."""
        on_the_way = filter(is_transparent, needed([self.step.loss]))
        return {operand.serial for value in on_the_way for operand in value.operands}

    def _rule_of_sum(self, root: Value) -> str:
        """Return the rule for what was repeated, by what is added up."""
        (x,) = root.operands
        summed = [x.shape[axis] for axis in root.attributes["axes"]]
        if ROWS not in summed:
            before = ROWS not in x.shape and any(ROWS in operand.shape for operand in x.operands)
            return PLACES if before else WITHIN
        if len(summed) > 1:
            return PLACES
        return SPREAD if self.names.recording.rows > 1 else ONE_ROW

    def _has_paths(self, quantity: Quantity) -> bool:
        if not quantity.array.size:
            return False
        formula = quantity.element(self._most_used(quantity))
        later = {name for name in names(formula) if name.symbol.derivative}
        return len(later) > 1 or _is_sum_of_several(formula)

    def _most_used(self, quantity: Quantity) -> tuple[int, ...]:
        """Return the place of an element: of a table the one that is looked up most often, else the first."""
        first = [0] * quantity.array.ndim
        for value in self._within(quantity.value):
            if isinstance(lowering_of(value), Scatter):
                first[0] = int(np.bincount(self.names.numbers[value.operands[0]].ravel()).argmax())
        return tuple(first)

    def _within(self, value: Value) -> Iterator[Value]:
        """Yield a derivative and what its formula is made of, element by element."""
        yield value
        if isinstance(lowering_of(value), Expression):
            for operand in value.operands:
                if self.names.derivative_stop(operand) is None:
                    yield from self._within(looked_through(operand))


def _is_sum_of_several(formula: Formula) -> bool:
    added = list(addends(formula))
    handed = [one for one in added if any(name.symbol.derivative for name in names(one))]
    return len(handed) > 1 or (len(added) > 1 and not any(isinstance(one, Number | Name) for one in added))
