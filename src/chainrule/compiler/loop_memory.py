"""What native code of a loop works on: an arena, the table of pointers, and the numbers that steer a run."""

from __future__ import annotations

import ctypes
from functools import cached_property

import numpy as np

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import LANES
from chainrule.compiler.control import FIRST_TABLE, Control
from chainrule.compiler.kept import KeptArray
from chainrule.compiler.native_loop import NativeLoop
from chainrule.compiler.table import address, address_of, allocate, given_up
from chainrule.graph.loop import Arrays, Inputs, Loop, Tables
from chainrule.graph.shuffle import bits_for, shift_for
from chainrule.graph.sparse import SparseRows, Table
from chainrule.graph.types import Array, ArrayType

#: Rows of room behind each array: a core that comes to the end of an array fetches some of what lies behind.
ROWS_BEHIND = 16
#: The most epochs of a call, and the most rows of a batch of the validation.
MOST_EPOCHS = 1024
VALIDATION_BATCH = 256


class LoopMemory:
    """The memory of a run, as native code is called with it and as Python writes and reads it between calls.

    Parameters
    ----------
    native : NativeLoop
        The code, and the plan of its memory.
    loop, inputs : Loop, Inputs
        What is run on what.
    batch, threads : int
        The most rows of a step, and the most threads that share it.

    Attributes
    ----------
    capacity : int
        For how many rows there is room.
    table, address : ctypes array, int
        The table of pointers, and where it lies.
    control : ndarray of int64
        The numbers of `Control`.
    results : ndarray of float64
        What the epochs of a call have left, a row for each.
    ticks : ndarray of int64
        The time of each kernel, in a build that takes it.
    home : dict of str to KeptArray
        What is kept from turn to turn, by name.
    replaced : dict of str to KeptArray
        That of it which turns replace.
    finite : ndarray
        A number that is finite if all that a check has looked at is.
    given_up : c_int64
        Not 0 once the present call is given up.
    """

    def __init__(self, native: NativeLoop, loop: Loop, inputs: Inputs, batch: int, threads: int) -> None:
        self._plan = plan = native.plan
        validated = len(next(iter(inputs.validation_data.values()), ()))
        validation_batch = min(validated, max(VALIDATION_BATCH, batch))
        self.capacity = -(-max(batch, validation_batch) // LANES) * LANES + ROWS_BEHIND
        memory, self._places = allocate(plan.sizes, plan.scratch, self.capacity, threads, plan.parts)
        self._bytes, self._first = memory.view(np.uint8), address_of(memory)
        self.given_up = given_up(self._places)
        self.control = np.zeros(plan.control_size, np.int64)
        self.results = np.zeros((MOST_EPOCHS, len(plan.results)), np.float64)
        self.ticks = np.zeros(plan.kernels + 2, np.int64)
        tables = [inputs.data[name] for name in plan.data]
        tables += [inputs.validation_data[name] for name in plan.validation_data]
        self.arrays = [
            self.control,
            self.results,
            *(array for table in tables for array in _arrays_of(table)),
            *native.captured(loop),
            self.ticks,
        ]
        bases = [*self._places, *(array.ctypes.data for array in self.arrays)]
        addresses = [address(bases, slot, offset, self.capacity) for slot, offset in plan.arrays]
        self.table = (ctypes.c_void_p * (len(bases) + len(addresses)))(*bases, *addresses)
        self.address = ctypes.addressof(self.table)
        self.home = {name: self._kept_array(*place) for name, place in plan.home.items()}
        self.replaced = {name: self.home[name] for name in plan.replaced}
        self.finite = self._number(plan.finite)
        numbers = {**inputs.arguments, "key": inputs.key}
        self.put({name: np.asarray(number) for name, number in numbers.items()})
        self._steer(loop, inputs, batch, validated, validation_batch)

    def _steer(self, loop: Loop, inputs: Inputs, batch: int, validated: int, validation_batch: int) -> None:
        """Tell native code what stays the same from call to call."""
        rows, key = len(next(iter(inputs.data.values()))), inputs.key
        control, bits = self.control, bits_for(rows)
        control[Control.TURN] = 2  # above all words of work, which are zeros
        control[Control.ROWS], control[Control.BATCH] = rows, batch
        control[Control.VALIDATION_ROWS] = validated
        control[Control.VALIDATION_BATCH] = validation_batch
        control[Control.SHUFFLE], control[Control.CHECKED] = loop.shuffle, loop.checked
        control[Control.MASK], control[Control.SHIFT] = (1 << bits) - 1, shift_for(bits)
        control[Control.KEY] = np.array(int(key[0]) | int(key[1]) << 32, np.uint64).view(np.int64)

    def _kept_array(self, kind: ArrayType, buffer: Buffer) -> KeptArray:
        start = self._places[buffer.slot] + buffer.offset - self._first
        return KeptArray(self._bytes[start:].data, kind, buffer)

    def _number(self, buffer: Buffer) -> Array:
        return self._kept_array(ArrayType((), np.dtype(buffer.dtype)), buffer).whole

    @cached_property
    def loss(self) -> Array:
        """The loss of the last step."""
        return self._number(self._plan.loss)

    @cached_property
    def kept(self) -> Array:
        """The bytes of all that stays from turn to turn."""
        start = self._places[self._plan.finite.slot] - self._first
        return self._bytes[start : start + self._plan.finite.offset]

    def put(self, arrays: Arrays) -> None:
        """Write those of these arrays that are kept from turn to turn."""
        for name in self.home.keys() & arrays.keys():
            self.home[name].put(arrays[name])

    def begin_validation(self) -> None:
        """Forget what a validation that was left in the middle has summed."""
        self.control[Control.VALIDATED] = 0
        self.control[Control.SIZE :] = 0

    def hand_over(self, data: Tables) -> int:
        """Have the next turn see all of these rows, at most a batch, in their order; return how many."""
        self._given = [array for name in self._plan.data for array in _arrays_of(data[name])]
        for slot, array in enumerate(self._given, FIRST_TABLE):
            self.table[slot] = address_of(array)
        control, rows = self.control, len(next(iter(data.values())))
        control[Control.ROWS] = control[Control.BATCH] = rows
        control[Control.SHUFFLE] = False
        return rows


def _arrays_of(table: Table) -> list[Array]:
    """Return what stands in a table's slots."""
    if isinstance(table, SparseRows):
        return [table.values, table.columns, table.starts]
    return [np.ascontiguousarray(table)]
