"""What Python and native code tell each other about a run, and where a loop's code finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chainrule.compiler.access import PROGRAM_ARGUMENTS, first_element, from_table
from chainrule.compiler.code import SCALARS, Code
from chainrule.compiler.memory import Buffer
from chainrule.compiler.table import FIRST_ARRAY

CONTROL_SLOT: Final = FIRST_ARRAY
RESULTS_SLOT: Final = FIRST_ARRAY + 1
#: Where in the table of pointers the data's arrays begin.
FIRST_TABLE: Final = FIRST_ARRAY + 2


class Control(IntEnum):
    """The places in the table of 64-bit numbers by which Python steers a run and learns where it stands.

    A turn is a step, a batch of the validation, the end of an epoch, or a check of the weights. After these
    numbers follow the sums of the validation so far, as float64.
    """

    TURN = 0  # the number of the turn, even; odd while the other numbers change
    TURNS = 1  # how many were made
    MOST_TURNS = 2  # how many to make at most
    ENDED = 3  # epochs that were ended
    MOST_EPOCHS = 4  # how many to end at most
    EPOCHS_LEFT = 5  # until the last epoch that was asked for
    STOPPED = 6  # whether the end of an epoch decided to stop
    FAILED = 7  # whether the last step's loss was not finite
    CHECK = 8  # whether to look, in the end, if all weights are finite
    STEP = 9  # counted since the model was built
    EPOCH = 10  # counted since the model was built
    POSITION = 11  # rows of the epoch that are done
    ROWS = 12  # of the whole table
    BATCH = 13
    LOSS = 14  # sum over the epoch, float64
    WEIGHT = 15  # sum over the epoch, float64
    VALIDATED = 16  # rows of the validation data that are done
    VALIDATION_ROWS = 17
    VALIDATION_BATCH = 18
    SHUFFLE = 19  # whether rows are visited out of order
    MASK = 20
    SHIFT = 21
    KEY = 22
    SIZE = 23


@dataclass(frozen=True)
class Table:
    """Where a user's table stands in the table of pointers, and where a batch of it is put.

    Attributes
    ----------
    slot : int
        Of the user's table.
    batch : Buffer
        What a batch of it is put into.
    size : int
        Elements of a row.
    """

    slot: int
    batch: Buffer
    size: int


@dataclass(frozen=True)
class LoopLayout:
    """Where a loop's code finds what it moves between the stages.

    Attributes
    ----------
    data, validation_data : sequence of Table
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

    data: Sequence[Table]
    validation_data: Sequence[Table]
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
    """

    def __init__(self, name: str) -> None:
        self.code = Code(name, PROGRAM_ARGUMENTS)
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
        kind = "i8" if buffer.dtype == "bool" else SCALARS[buffer.dtype]
        text = self.code.value(f"load {kind}, ptr {first_element(self.code, buffer)}")
        if kind == "double":
            return text
        convert = "fpext" if kind == "float" else "uitofp" if kind == "i8" else "sitofp"
        return self.code.value(f"{convert} {kind} {text} to double")

    def tell(self, told: Mapping[str, Buffer], name: str, number: str, kind: str) -> None:
        """Write a number where the stages read it, if one does."""
        if name in told:
            self.code.do(f"store {kind} {number}, ptr {first_element(self.code, told[name])}")
