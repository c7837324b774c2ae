"""What stands for what in the formulas of one recorded step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from chainrule.explanation.data_sums import data_sums
from chainrule.explanation.expander import Expander
from chainrule.explanation.formula import Name, Stop, Symbol, names
from chainrule.explanation.known import Known
from chainrule.explanation.landmarks import (
    Landmark,
    find_landmarks,
    is_transparent,
    looked_through,
)
from chainrule.explanation.layout import Script, letter, number
from chainrule.explanation.printer import Printer
from chainrule.explanation.softmax import Softmaxes
from chainrule.explanation.step_graph import Recording, Softmax
from chainrule.explanation.symbols import LETTERS, Symbols
from chainrule.graph.graph import needed
from chainrule.graph.types import BOOL
from chainrule.graph.value import PRIMITIVES, Value

#: The learning rate of a step, where a schedule computes it.
_RATE = Symbol(LETTERS["learning_rate"], "update.learning_rate")


class Names:
    """The names of a recorded step, and the formulas between them.

    Parameters
    ----------
    recording : Recording
        The step with its numbers.
    """

    def __init__(self, recording: Recording) -> None:
        step = recording.step
        self.recording = recording
        self.numbers = recording.numbers
        graph = step.stage.graph
        parts = {value.origin.part for value in graph.equations}
        self.symbols = Symbols((value.name for value in graph.inputs), parts)
        self.landmarks = find_landmarks(
            step.x, step.data, step.parameters, step.loss, graph.outputs, symbols=self.symbols
        )
        sources = self.landmarks.sources
        fixed = {value for value, kinds in sources.items() if not kinds}
        choices = {
            value
            for value, kinds in sources.items()
            if value.dtype == BOOL and not kinds & {"x", "parameter"}
        }
        choices |= {value for value in sources if _is_passed_guard(value, recording)}
        self.softmaxes = {one: self._softmax_symbol(one, count) for count, one in enumerate(step.softmaxes)}
        sums = data_sums(sources, recording.numbers)
        softmaxes = Softmaxes(self.softmaxes, recording.numbers)
        self.expander = Expander(Known(recording.numbers, fixed, choices, sums), softmaxes)
        self.printer = Printer(recording.rows)
        self.names = {value: self.symbols.of(value.name) for value in graph.inputs}
        self.names |= {one.value: one.symbol for one in self.landmarks.listed}
        self._drop_second_names()
        self._by_value = {one.value: one for one in self.landmarks.listed}
        if any(one.symbol.key == "target" for one in self.landmarks.listed) and "y" in step.data:
            self.names[step.data["y"]] = Symbol(letter("y"), "y")

    def _softmax_symbol(self, softmax: Softmax, count: int) -> Symbol:
        return self.symbols.new(("p", "share", "softmax"), softmax.power.origin.part, "″" * count)

    def _drop_second_names(self) -> None:
        """Take away names of what is another named value unchanged."""
        kept = []
        for one in self.landmarks.listed:
            is_second = one.role == "shared" and one.value.primitive is not None and one.value.shape
            if is_second and self._is_renamed(one.value):
                del self.names[one.value]
            else:
                kept.append(one)
        self.landmarks = replace(self.landmarks, listed=tuple(kept))

    def _is_renamed(self, value: Value) -> bool:
        formula = self.expander.array(value, self.forward_stop)
        return isinstance(formula, Name) and formula.value in self.names

    @cached_property
    def new_names(self) -> dict[Value, Symbol]:
        """What is kept for the next step: parameters, slots and what layers keep, primed."""
        return {value: self.symbols.of(name, "′") for name, value in self.recording.step.new.items()}

    @cached_property
    def state(self) -> dict[Value, str]:
        """What layers and the optimizer keep, as it is before the step, by their names."""
        step = self.recording.step
        kept = {value: name for name, value in step.state.items() if name in step.new}
        return {value: name for value, name in kept.items() if value in self.names}

    @cached_property
    def shared_updates(self) -> dict[Value, Symbol]:
        """The learning rate where a schedule computes it; what it, or several updates, use: a clipping."""
        rates = dict.fromkeys(self.recording.step.rates, _RATE)
        rates = {value: symbol for value, symbol in rates.items() if value in self.numbers}
        candidates = self._update_candidates()
        if not candidates:
            return rates
        stop = self._update_stop(dict.fromkeys(candidates, _RATE) | rates)
        told, waiting = set[Value](), [*self.recording.step.new.values(), *rates]
        while waiting:  # what is on the way to no formula that is told has no name either
            formula = self.expander.array(waiting.pop(), stop)
            found = {name.value for name in names(formula)} & set(candidates) - told
            told |= found
            waiting += sorted(found, key=lambda value: value.serial)
        numbered = enumerate(value for value in candidates if value in told)
        c = self.symbols.new(("c", "common"), "").layout
        symbols = {value: Symbol(Script(c, number(str(i))), f"update.c{i}") for i, value in numbered}
        return dict(sorted({**symbols, **rates}.items(), key=lambda item: item[0].serial))

    def _update_candidates(self) -> list[Value]:
        """Return the numbers with several uses, on the way to more than one update or to the rate."""
        uses: dict[Value, set[int]] = {}
        for value in self.recording.step.stage.graph.equations:
            for operand in value.operands:
                if operand.origin.stage == "update" and not operand.ndim and operand.primitive is not None:
                    uses.setdefault(operand, set()).add(value.serial)
        rates, users = set(self.recording.step.rates), self._update_users
        found = [
            value
            for value, by in uses.items()
            if len(by) > 1
            and len(users.get(value, ())) > 1
            and value not in rates
            and not _is_shown_as_its_operand(value)
        ]
        guards = {one for value in found if _is_scale(value) for one in (value, value.operands[1])}
        varied = [value for value in found if self.landmarks.sources[value] and value not in guards]
        return sorted(varied, key=lambda value: value.serial)

    @cached_property
    def _update_users(self) -> dict[Value, set[str]]:
        """The parameters for whose update each value is needed; what the rate needs is for more than one."""
        step = self.recording.step
        found: dict[Value, set[str]] = {}
        for name, value in step.new.items():
            found.setdefault(value, set()).add(name.partition("/")[0])
        for rate in step.rates:
            for value in needed([rate]):
                found.setdefault(value, set()).update(("rate", "its parts"))
        for value in reversed(step.stage.graph.equations):
            for operand in value.operands if value in found else ():
                if operand.origin.stage == "update":
                    found.setdefault(operand, set()).update(found[value])
        return found

    def landmark(self, value: Value) -> Landmark | None:
        """Return the landmark of a value that is one."""
        return self._by_value.get(value)

    def derivative_symbol(self, mark: Landmark) -> Symbol:
        """Return ∂L/∂v for a named value v."""
        return Symbol(mark.symbol.layout, f"d {mark.symbol.key}", derivative=True)

    @cached_property
    def _derived(self) -> dict[Value, Landmark]:
        """What each derivative is one by; each is a value of its own."""
        derivatives = self.recording.step.derivatives
        listed = [one for one in self.landmarks.listed if self.is_derived(one) and one.role != "loss"]
        return {derivatives[one.value]: one for one in listed}

    def handing(self, mark: Landmark) -> Landmark | None:
        """Return the later value by which the derivative is the same, as it is handed on unchanged."""
        value = self.recording.step.derivatives[mark.value]
        while value.primitive is PRIMITIVES["identity"]:
            (value,) = value.operands
            if value in self._derived:
                return self._derived[value]
        return None

    def is_derived(self, mark: Landmark) -> bool:
        """Whether the story tells how the loss changes with a named value."""
        primitive = mark.value.primitive
        blocked = primitive is not None and primitive.derivative is None
        return mark.value in self.recording.step.derivatives and mark.role != "data" and not blocked

    # Where a formula stops --------------------------------------------------------------------------

    def forward_stop(self, value: Value) -> Symbol | None:
        """Return the name of a forward value."""
        return self.names.get(value)

    def derivative_stop(self, value: Value) -> Symbol | None:
        """Return the name of a derivative or of a forward value: there the formula of a derivative stops."""
        later = self._derived.get(value)
        return self.derivative_symbol(later) if later else self.names.get(value)

    def update_stop(self) -> Stop:
        """Return where the formulas of an update stop: at gradients, and at what it has computed already."""
        return self._update_stop(self.shared_updates)

    def _update_stop(self, shared: Mapping[Value, Symbol]) -> Stop:
        step = self.recording.step
        known: Mapping[Value, Symbol] = {
            gradient: self.derivative_symbol(self._by_value[step.parameters[name]])
            for name, gradient in step.gradients.items()
        }
        own = {**known, **shared, **self.new_names}
        return lambda value: own.get(value) or self.names.get(value)


def _is_shown_as_its_operand(value: Value) -> bool:
    return is_transparent(value) or value.primitive is PRIMITIVES["cast"]


def _is_scale(value: Value) -> bool:
    """Whether it is {m if m > 0, 1 otherwise}: what is divided out so that squares do not overflow."""
    if value.primitive is not PRIMITIVES["where"]:
        return False
    condition, chosen, _ = value.operands
    return condition.primitive is PRIMITIVES["greater"] and condition.operands[0] is chosen


def _is_passed_guard(value: Value, recording: Recording) -> bool:
    """Whether a value only tells that all numbers are finite, or whole, and they are."""
    is_guard = value.primitive is PRIMITIVES["is_finite"] or _asks_if_whole(value)
    return is_guard and bool(np.all(recording.numbers[value]))


def _asks_if_whole(value: Value) -> bool:
    """Whether it compares numbers with themselves, rounded to whole ones."""
    if value.primitive is not PRIMITIVES["equal"]:
        return False
    seen = [looked_through(operand) for operand in value.operands]
    while any(one.primitive is PRIMITIVES["cast"] for one in seen):
        seen = [
            looked_through(one.operands[0]) if one.primitive is PRIMITIVES["cast"] else one for one in seen
        ]
    return seen[0] is seen[1]
