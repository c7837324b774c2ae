"""The weight update as it is told: what is new after the step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chainrule.explanation.formula import Name, Number, Stop, names
from chainrule.explanation.names import Names
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import Quantity
from chainrule.explanation.rules import KEPT, NO_ROW, Told, values_of
from chainrule.graph.origin import part_of


class Updates:
    """Tells the update of a recorded step.

    Parameters
    ----------
    names : Names
        What stands for what.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.step = names.recording.step

    def told(self) -> Iterator[Told]:
        """Yield what the story tells of it, each number before those that use it."""
        stop = self.names.update_stop()
        updates = self._updates(stop)
        shared = [
            Quantity(self.names, value, symbol, stop) for value, symbol in self.names.shared_updates.items()
        ]
        for quantity in shared:
            title = self._shared_title(quantity, shared, updates)
            yield "update", "", title, values_of(quantity), quantity
        for key, quantity in updates.items():
            what = f"the new {key}" if key in self.step.parameters else f"what {keeper(key)} keeps: {key}"
            yield "update", part_of(key), what, self._update_rule(key, quantity), quantity

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
            return values_of(quantity)
        counts = self.step.data.get("sample_weight")
        return KEPT if counts is None or self.names.numbers[counts].any() else NO_ROW


def keeper(name: str) -> str:
    """Return who keeps an array: the optimizer for a parameter, ``layers.0.weight/velocity``, or a layer."""
    return "the optimizer" if "/" in name else part_of(name) or "the network"


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
