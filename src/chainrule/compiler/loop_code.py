"""The loop over batches as native code: which rows, gather them, one step, and on to the next."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from chainrule.compiler.access import ARGUMENTS, first_element, from_table
from chainrule.compiler.code import BYTES, SCALARS, Code
from chainrule.compiler.memory import Buffer
from chainrule.compiler.table import BARRIER_SLOT
from chainrule.graph.shuffle import ROUNDS


class Control(IntEnum):
    """The places in the table of 64-bit numbers by which Python steers a run and learns where it stands."""

    POSITION = 0  # rows of the epoch that are done
    ROWS = 1  # of the whole table
    BATCH = 2
    STEPS = 3  # how many to make at most; then, how many were made
    STEP = 4  # counted since the model was built
    FAILED = 5  # whether the last step's loss was not finite
    LOSS = 6  # sum over the epoch, float64
    WEIGHT = 7  # sum over the epoch, float64
    SHUFFLE = 8  # whether rows are visited out of order
    MASK = 9
    SHIFT = 10
    KEYS = 11  # factors and addends of the rounds
    SIZE = 11 + 2 * ROUNDS


class EpochCode:
    """Writes the function that makes steps until the epoch ends, or as many as it was told to.

    Parameters
    ----------
    data : sequence of (slot, buffer, size)
        Where in the table of pointers a user's table stands, the buffer that a batch of it is put into, and
        the elements of a row.
    scalars : dict of str to Buffer or None
        The scalars that the step reads (``step``, if it does) and gives (``batch_loss``, ``batch_weight``).
    control_slot : int
        Where in the table of pointers the control numbers stand.
    """

    def __init__(
        self,
        data: Sequence[tuple[int, Buffer, int]],
        scalars: dict[str, Buffer | None],
        control_slot: int,
    ) -> None:
        self.code = Code("epoch", ARGUMENTS)
        self._scalars = scalars
        code = self.code
        self._control = from_table(code, control_slot)
        self._counter = from_table(code, BARRIER_SLOT)
        self._data = [
            (from_table(code, slot), first_element(code, buffer), buffer, size) for slot, buffer, size in data
        ]
        self._places = {
            name: None if buffer is None else first_element(code, buffer) for name, buffer in scalars.items()
        }
        self._rows = self._number(Control.ROWS)
        self._shuffle = code.value(f"icmp ne i64 {self._number(Control.SHUFFLE)}, 0")
        self._mask, self._shift = self._number(Control.MASK), self._number(Control.SHIFT)
        self._keys = [self._number(Control.KEYS + i) for i in range(2 * ROUNDS)]

    def _place(self, name: int) -> str:
        return self.code.value(f"getelementptr i64, ptr {self._control}, i64 {int(name)}")

    def _number(self, name: int, kind: str = "i64") -> str:
        return self.code.value(f"load {kind}, ptr {self._place(name)}")

    def write(self) -> Code:
        """Write the loop."""
        code = self.code
        mode = code.value("call i64 @flush_denormals()")
        batch, steps = self._number(Control.BATCH), self._number(Control.STEPS)
        start = [
            ("i64", self._number(Control.POSITION)),
            ("i64", self._number(Control.STEP)),
            ("double", self._number(Control.LOSS, "double")),
            ("double", self._number(Control.WEIGHT, "double")),
            ("i1", "false"),
            ("i64", "0"),
        ]
        position, step, loss, weight, failed, made = self._steps(start, batch, steps)
        code.do(f"call void @keep_denormals(i64 {mode})")

        def report() -> None:
            for name, kind, number in (
                (Control.POSITION, "i64", position),
                (Control.STEP, "i64", step),
                (Control.LOSS, "double", loss),
                (Control.WEIGHT, "double", weight),
                (Control.STEPS, "i64", made),
                (Control.FAILED, "i64", code.value(f"zext i1 {failed} to i64")),
            ):
                code.do(f"store {kind} {number}, ptr {self._place(name)}")

        code.when(code.value("icmp eq i64 %thread, 0"), report)
        return code

    def _steps(self, start: list[tuple[str, str]], batch: str, steps: str) -> list[str]:
        """Write a loop that ends with the epoch, the steps allowed, or a loss that is not finite."""
        code = self.code
        before, head, inside, after = (code.label() for _ in range(4))
        code.jump(before)
        code.place(before)
        code.jump(head)
        code.place(head)
        names = code.join(start, before)
        position, step, loss, weight, failed, made = names
        more = code.value(f"icmp slt i64 {position}, {self._rows}")
        allowed = code.value(f"icmp slt i64 {made}, {steps}")
        going = code.value(f"and i1 {more}, {allowed}")
        sound = code.value(f"xor i1 {failed}, true")
        code.branch(code.value(f"and i1 {going}, {sound}"), inside, after)
        code.place(inside)
        left = code.value(f"sub i64 {self._rows}, {position}")
        count = code.call("i64", "llvm.smin.i64", f"i64 {left}, i64 {batch}")
        self._gather(position, count)
        if self._places["step"] is not None:
            number = code.value(f"trunc i64 {step} to i32")
            code.when(
                code.value("icmp eq i64 %thread, 0"),
                lambda: code.do(f"store i32 {number}, ptr {self._places['step']}"),
            )
        code.do(f"call void @barrier(ptr {self._counter}, i64 %threads)")
        code.do(f"call void @step(ptr %table, i64 {count}, i64 %capacity, i64 %thread, i64 %threads)")
        new_loss, new_weight = self._scalar("batch_loss"), self._scalar("batch_weight")
        product = code.value(f"fmul double {new_loss}, {new_weight}")
        zero = code.value(f"fsub double {new_loss}, {new_loss}")
        results = [
            code.value(f"add i64 {position}, {count}"),
            code.value(f"add i64 {step}, 1"),
            code.value(f"fadd double {loss}, {product}"),
            code.value(f"fadd double {weight}, {new_weight}"),
            code.value(f"fcmp une double {zero}, 0.0"),
            code.value(f"add i64 {made}, 1"),
        ]
        code.close(head, results)
        code.place(after)
        return names

    def _scalar(self, name: str) -> str:
        buffer = self._scalars[name]
        assert buffer is not None
        text = self.code.value(f"load {SCALARS[buffer.dtype]}, ptr {self._places[name]}")
        return self.code.value(f"fpext float {text} to double") if buffer.dtype == "float32" else text

    # Rows --------------------------------------------------------------------------------------------

    def _gather(self, position: str, count: str) -> None:
        """Copy the rows of a batch to where the step reads them; threads share the rows."""
        code = self.code
        bounds = []
        for thread in ("%thread", code.value("add i64 %thread, 1")):
            bounds.append(code.value(f"udiv i64 {code.value(f'mul i64 {count}, {thread}')}, %threads"))

        def row(number: str, _: list[str]) -> list[str]:
            source = self._row_at(code.value(f"add i64 {position}, {number}"))
            for table, batch, buffer, size in self._data:
                width = BYTES[buffer.dtype]
                to = self._moved(batch, number, buffer.strides[0].elements * width)
                code.copy(to, self._moved(table, source, size * width), size * width)
            return []

        code.loop(bounds[0], bounds[1], 1, row)

    def _moved(self, pointer: str, rows: str, stride: int) -> str:
        offset = self.code.value(f"mul i64 {rows}, {stride}")
        return self.code.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def _row_at(self, position: str) -> str:
        """Return the row at a position of the epoch: `chainrule.graph.shuffle`."""
        code = self.code
        before, mix, again, after = (code.label() for _ in range(4))
        code.jump(before)
        code.place(before)
        code.branch(self._shuffle, mix, after)
        code.place(mix)
        (number,) = code.join([("i64", position)], before)
        for turn in range(ROUNDS):
            product = code.value(f"mul i64 {number}, {self._keys[2 * turn]}")
            total = code.value(f"add i64 {product}, {self._keys[2 * turn + 1]}")
            kept = code.value(f"and i64 {total}, {self._mask}")
            high = code.value(f"lshr i64 {kept}, {self._shift}")
            number = code.value(f"xor i64 {kept}, {high}")
        outside = code.value(f"icmp uge i64 {number}, {self._rows}")
        code.branch(outside, again, after)
        code.place(again)
        code.close(mix, [number])
        code.place(after)
        return code.value(f"phi i64 [ {position}, %{before} ], [ {number}, %{mix} ]")
