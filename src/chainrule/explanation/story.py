"""The story of one training step: what is computed, in order, by which rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Name,
    Number,
    Stop,
    Symbol,
    addends,
    names,
    parts_of,
)
from chainrule.explanation.landmarks import Landmark, is_short, is_transparent, looked_through
from chainrule.explanation.names import Names
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import Product, Quantity
from chainrule.graph.graph import needed
from chainrule.graph.lowering import Expression, Reduction, Scatter
from chainrule.graph.primitive import lowering_of, primitive_name
from chainrule.graph.types import INT32, ROWS, UINT32
from chainrule.graph.value import PRIMITIVES, Value

#: The rules of differentiation, as they are named.
CHAIN = "chain rule"
PATHS = "chain rule, and sum over paths: it acts on the loss through several values, and their effects add up"
SPREAD = "broadcast ↔ sum: it was repeated for every row, so its derivative is the sum over the rows"
ONE_ROW = "broadcast ↔ sum: every row uses it, and here there is one, so there is nothing to add up"
WITHIN = "broadcast ↔ sum: it was repeated within each row, so its derivative is the sum over these places"
PLACES = "broadcast ↔ sum: it was repeated in every row and within it, so its derivative is the sum over both"
SLOPE = "f′, the derivative of the activation by what it is applied to"
PAIRS = f"{SLOPE}: of each unit by each, as it takes all of them together"
HANDED = "handed on unchanged"
NOTHING = "the loss does not depend on it"
SOFTMAX = "the share of each power in the sum of all: the derivative of the logarithm of that sum"

LAID_OUT = "the same numbers, laid out in another shape"
SINGLE = "a sum of one number"
KEPT = "kept as it is: the factor of its learning rate is 0"
NO_ROW = "kept as it is: no row counts"
#: What is only moved, and how that is written; by the primitive's name.
MOVES = {
    "slice": "a subscript a : b is the part from place a up to b, b left out",
    "concat": "concat puts its parts side by side",
    "take": "a subscript takes the elements at these places",
    "scatter_add": "take ↔ sum: k was taken at these places, so its derivative is the sum over them",
    "pad": "slice ↔ pad: 0 where nothing was taken",
}
STEP = ", the number of updates before this one"
STOPPED = "stop: it counts as a constant, and no derivative is handed on through it"


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
        told = [*self._given(), *self._forward(), *self._backward(), *self._update()]
        return [StoryStep(number, *one, self._numbers(one[-1])) for number, one in enumerate(told, start=1)]

    def _numbers(self, quantity: Quantity) -> dict[str, float]:
        found = self._numbers_in(quantity)
        return {key: self.names.numbers[name.value].item() for key, name in found.items()}

    Told = tuple[str, str, str, str, Quantity]

    def _given(self) -> Iterator[Told]:
        for mark in self.marks.listed:
            if mark.stage == "input":
                quantity = Quantity(self.names, mark.value, self.names.names[mark.value])
                yield "given", mark.part, f"given: {self._what_is_given(mark)}", "", quantity
        for value, name in self.names.state.items():
            quantity = Quantity(self.names, value, self.names.names[value])
            yield "given", _part_of(name), f"given: what {_keeper(name)} keeps: {name}", "", quantity

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
        told = LAID_OUT if isinstance(quantity.formula, Name) else self._values_of(quantity)
        return "; ".join(filter(None, (told, *_moves(quantity))))

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

    # The backward pass ------------------------------------------------------------------------------

    def _backward(self) -> Iterator[Told]:
        computed = [mark for mark in self.marks.listed if mark.stage != "input" and mark.role != "loss"]
        for softmax, symbol in self.names.softmaxes.items():
            title = f"{softmax.power.origin.part or 'the loss'}: {to_text(symbol.layout)}, the softmax"
            quantity = Quantity(self.names, softmax.value, symbol, self.names.forward_stop)
            yield "backward", softmax.power.origin.part, title, SOFTMAX, quantity
        for mark in reversed([mark for mark in computed if mark.stage == "loss"]):
            yield from self._derivative(mark)
        for part in reversed(self.marks.parts):
            mine = [mark for mark in computed if mark.part == part and mark.stage == "forward"]
            for mark in reversed(mine):
                yield from self._derivative(mark)
                yield from self._slope(mark)
            for mark in self.marks.listed:
                if mark.role == "parameter" and mark.part == part:
                    yield from self._derivative(mark)
        for mark in self.marks.listed:
            if mark.role == "x" or (mark.role == "parameter" and mark.part not in self.marks.parts):
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
            return f"{self.marks.parts[0] or 'the network'}: handed on to the input"
        if mark.stage == "loss":
            return f"the loss: handed on to {letter}"
        is_sum = mark.role == "inner" or mark.symbol.key.rpartition(".")[2].startswith("z")
        if mark.role == "output":
            return f"{'δ, ' * is_sum}handed on to {part}, by what uses its output {letter}"
        return f"{part}: {'δ, ' * is_sum}how the loss changes with {letter}"

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
        return "; ".join((PATHS if self._has_paths(quantity) else CHAIN, *_moves(quantity)))

    @cached_property
    def _repeated(self) -> set[int]:
        """What is repeated on the way to the loss, by its serial number."""
        on_the_way = filter(is_transparent, needed([self.step.loss]))
        return {operand.serial for value in on_the_way for operand in value.operands}

    def _rule_of_sum(self, root: Value) -> str:
        """Return the rule for what was repeated, by what is added up."""
        summed = [root.operands[0].shape[axis] for axis in root.attributes["axes"]]
        if ROWS not in summed:
            return WITHIN
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

    # The update -------------------------------------------------------------------------------------

    def _update(self) -> Iterator[Told]:
        stop = self.names.update_stop()
        updates = self._updates(stop)
        shared = [
            Quantity(self.names, value, symbol, stop) for value, symbol in self.names.shared_updates.items()
        ]
        for quantity in shared:
            title = self._shared_title(quantity, shared, updates)
            yield "update", "", title, self._values_of(quantity), quantity
        for key, quantity in updates.items():
            what = f"the new {key}" if key in self.step.parameters else f"what {_keeper(key)} keeps: {key}"
            yield "update", _part_of(key), what, self._update_rule(key, quantity), quantity

    def _updates(self, stop: Stop) -> dict[str, Quantity]:
        """Return what is new after the step, by name."""
        slots = {
            name: [key for key in self.step.new if key.startswith(f"{name}/")]
            for name in self.step.parameters
        }
        by_layers = [name for name in self.names.state.values() if "/" not in name]
        keys = [*[key for name in slots for key in (*slots[name], name)], *by_layers]
        new = ((key, self.step.new[key]) for key in keys)
        return _in_turn(
            {key: Quantity(self.names, value, self.names.new_names[value], stop) for key, value in new}
        )

    def _shared_title(
        self, quantity: Quantity, shared: Sequence[Quantity], updates: Mapping[str, Quantity]
    ) -> str:
        """Say what a number of the update is for, by the formulas in which its name stands."""
        letter = to_text(quantity.left)
        if quantity.symbol.key == "update.learning_rate":
            return f"the learning rate of this step, {letter}"
        updated = {key.partition("/")[0] for key, one in updates.items() if _stands_in(quantity, one)}
        if len(updated) > 1:
            return f"{letter}, which several updates use"
        users = [one for one in (*shared, *updates.values()) if _stands_in(quantity, one)]
        return f"{letter}, on the way to {', '.join(to_text(one.left) for one in users)}"

    def _update_rule(self, key: str, quantity: Quantity) -> str:
        formula, old = quantity.formula, self.step.parameters.get(key)
        if not isinstance(formula, Name) or formula.value is not old:
            return self._values_of(quantity)
        counts = self.step.data.get("sample_weight")
        return KEPT if counts is None or self.names.numbers[counts].any() else NO_ROW

    def _values_of(self, quantity: Quantity) -> str:
        """Return the plain numbers in a formula: η = 0.5, μ = 0.9."""
        found = []
        for name in self._numbers_in(quantity).values():
            written = to_text(self.names.printer.number(self.names.numbers[name.value]))
            what = STEP if name.symbol.key == "step" else ""
            found.append(f"{to_text(name.symbol.layout)} = {written}{what}")
        return ", ".join(found)

    def _numbers_in(self, quantity: Quantity) -> dict[str, Name]:
        """Return the given numbers in a formula by their keys: ``task.optimizer.momentum``."""
        return {
            name.symbol.key: name
            for name in names(quantity.formula or Number(0.0))
            if name.value.name
            and not self.names.numbers[name.value].ndim
            and self.names.landmark(name.value) is None
        }


def _is_drawn(mark: Landmark) -> bool:
    """Whether it is made of random numbers, which have no formula that a person would work out."""
    return mark.role == "data" and any(value.dtype == UINT32 for value in needed([mark.value]))


def _part_of(name: str) -> str:
    """Return the part of the network that a parameter, or what is kept for it, belongs to."""
    return name.partition("/")[0].rpartition(".")[0]


def _keeper(name: str) -> str:
    """Return who keeps an array: the optimizer for a parameter, ``layers.0.weight/velocity``, or a layer."""
    return "the optimizer" if "/" in name else _part_of(name) or "the network"


def _in_turn(quantities: dict[str, Quantity]) -> dict[str, Quantity]:
    """Return them in an order in which each comes after those in its formula; the others stay as they are."""
    keys = {quantity.value: key for key, quantity in quantities.items()}
    told: dict[str, Quantity] = {}

    def tell(key: str, quantity: Quantity) -> None:
        for name in names(quantity.formula or Number(0)):
            before = keys.get(name.value, key)
            if before != key and before not in told:
                tell(before, quantities[before])
        told[key] = quantity

    for key, quantity in quantities.items():
        if key not in told:
            tell(key, quantity)
    return told


def _stands_in(quantity: Quantity, other: Quantity) -> bool:
    """Whether the name of a quantity stands in the formula of another."""
    return any(name.value is quantity.value for name in names(other.formula or Number(0)))


def _is_sum_of_several(formula: Formula) -> bool:
    added = list(addends(formula, ("add", "subtract")))
    handed = [one for one in added if any(name.symbol.derivative for name in names(one))]
    return len(handed) > 1 or (len(added) > 1 and not any(isinstance(one, Number | Name) for one in added))


def _moves(quantity: Quantity) -> list[str]:
    """Say how it is written, in a quantity's formula, that elements are only moved."""
    value, found = quantity.value, set(_rows_in(quantity.formula))
    while is_transparent(value):
        found.add(primitive_name(value))
        (value,) = value.operands
    return [told for name, told in MOVES.items() if name in found]


def _rows_in(formula: Formula | None) -> Iterator[str]:
    """Yield the names of the primitives that are applied in a formula."""
    if isinstance(formula, Apply):
        yield formula.primitive.name
    for part in () if formula is None else parts_of(formula):
        yield from _rows_in(part)
