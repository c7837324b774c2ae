"""Where a loop's code finds what it moves between the stages, and how it reads and writes the control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.compiler.access import first_element, from_table
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import Code, memory_type
from chainrule.compiler.control import CONTROL_SLOT, Control
from chainrule.compiler.sharing import PART_ARGUMENTS


@dataclass(frozen=True)
class TablePlace:
    """Where a user's table stands in the table of pointers, and where a batch of it is put.

    Attributes
    ----------
    slot : int
        Of the user's table.
    batch : Buffer
        What a batch of it is put into.
    size : int
        Elements of a row.
    sparse : bool
        Whether zeros are left out: three slots then hold a `SparseRows`' values, columns and starts.
    """

    slot: int
    batch: Buffer
    size: int
    sparse: bool = False


@dataclass(frozen=True)
class LoopLayout:
    """Where a loop's code finds what it moves between the stages.

    Attributes
    ----------
    data, validation_data : sequence of TablePlace
        What steps and the validation read.
    told : mapping of str to Buffer
        What stages are told, where one reads it: ``step``, ``last``, ``loss`` and ``validation_...``.
    step : mapping of str to Buffer
        ``batch_loss`` and ``batch_weight`` of a step.
    validation : mapping of str to Buffer or None
        The sums over a batch of the validation.
    decided : mapping of str to Buffer or None
        The results of the end of an epoch, and ``stop``.
    """

    data: Sequence[TablePlace]
    validation_data: Sequence[TablePlace]
    told: Mapping[str, Buffer]
    step: Mapping[str, Buffer]
    validation: Mapping[str, Buffer] | None
    decided: Mapping[str, Buffer] | None

    @property
    def measured(self) -> list[str]:
        """The sums that the validation gives, the weight left out."""
        return [name for name in self.validation or {} if name != "weight"]

    @property
    def results(self) -> list[str]:
        """The names of the numbers that an epoch leaves, in their order."""
        decided = [name for name in self.decided or {} if name != "stop"]
        return ["loss", *(f"validation_{name}" for name in self.measured), *decided]

    @property
    def control_size(self) -> int:
        """How many numbers the control table has."""
        return Control.SIZE + len(self.validation or {})


class ControlCode:
    """A function that reads and writes the control numbers.

    Parameters
    ----------
    name : str
        Its symbol.
    arguments : str
        Its parameters; by default those of a part of an item.
    """

    def __init__(self, name: str, arguments: str = PART_ARGUMENTS) -> None:
        self.code = Code(name, arguments)
        self._control = from_table(self.code, CONTROL_SLOT)

    def address(self, name: int) -> str:
        """Return where a control number lies."""
        return self.code.value(f"getelementptr i64, ptr {self._control}, i64 {int(name)}")

    def get(self, name: int, kind: str = "i64") -> str:
        """Return a control number."""
        return self.code.value(f"load {kind}, ptr {self.address(name)}")

    def set(self, name: int, number: object, kind: str = "i64") -> None:
        """Change a control number."""
        self.code.do(f"store {kind} {number}, ptr {self.address(name)}")

    def count(self, name: int, more: object = 1) -> None:
        """Add to a whole number."""
        self.set(name, self.code.value(f"add i64 {self.get(name)}, {more}"))

    def add(self, name: int, number: str) -> None:
        """Add to a float64."""
        self.set(name, self.code.value(f"fadd double {self.get(name, 'double')}, {number}"), "double")

    def scalar(self, buffer: Buffer) -> str:
        """Return a number that a stage has left, as float64."""
        kind = memory_type(buffer.dtype)
        text = self.code.value(f"load {kind}, ptr {first_element(self.code, buffer)}")
        if kind == "double":
            return text
        convert = {"float": "fpext", "i8": "uitofp"}.get(kind, "sitofp")
        return self.code.value(f"{convert} {kind} {text} to double")

    def tell(self, told: Mapping[str, Buffer], name: str, number: str, kind: str) -> None:
        """Write a number where the stages read it, if one does."""
        if name in told:
            self.code.do(f"store {kind} {number}, ptr {first_element(self.code, told[name])}")
