"""How the next rows of a table come to where a stage reads them: which rows, and their copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chainrule.compiler.access import first_element, from_table, goes_on, share_of_part
from chainrule.compiler.builder import Builder, Element
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code
from chainrule.compiler.control import Control
from chainrule.compiler.control_code import ControlCode, LoopLayout, TablePlace
from chainrule.graph.shuffle import FACTORS, GOLDEN, ROUNDS, SHIFTS

_WIDE = f"<{LANES} x i64>"
_LANES = f"<{LANES} x i1>"
#: So many rows are found before they are copied.
_BLOCK = 256
#: Finds rows: takes how many there are before them in the batch, and how many they are; returns what says
#: where in the table each one is.
Find = Callable[[str, str], Callable[[str], str]]


def bring_batch(layout: LoopLayout) -> Code:
    """Return the function that brings the next rows to the step."""
    return _Bringing("bring_batch", layout.data, _in_random_order).write(layout)


def bring_validation(layout: LoopLayout) -> Code:
    """Return the function that brings the next rows to the validation."""
    return _Bringing("bring_validation", layout.validation_data, _in_order).write(layout)


class _Bringing:
    """Writes a function that puts the next rows where a stage reads them, and tells it the step.

    Parameters
    ----------
    name : str
        Its symbol.
    tables : sequence of TablePlace
        Whose rows.
    order : callable
        Writes how these are found.
    """

    def __init__(self, name: str, tables: Sequence[TablePlace], order: Callable[[ControlCode], Find]) -> None:
        self._function = f = ControlCode(name)
        self._code = code = f.code
        self._tables = tables
        self._sources = [
            [from_table(code, table.slot + i) for i in range(3 if table.sparse else 1)] for table in tables
        ]
        self._batches = [first_element(code, table.batch) for table in tables]
        self._find = order(f)

    def write(self, layout: LoopLayout) -> Code:
        """Write it."""
        f, code = self._function, self._code
        first, end = share_of_part(code, "%rows")
        code.loop(first, end, _BLOCK, partial(self._block, end))
        number = code.value(f"trunc i64 {f.get(Control.STEP)} to i32")
        code.when(code.value("icmp eq i64 %part, 0"), lambda: f.tell(layout.told, "step", number, "i32"))
        return code

    def _block(self, end: str, begin: str, _: list[str]) -> list[str]:
        self._code.when(goes_on(self._code), lambda: self._rows(begin, end))
        return []

    def _rows(self, begin: str, end: str) -> None:
        """Write how those from here on are found, and brought, but no more than there is room for."""
        code = self._code
        left = code.value(f"sub i64 {end}, {begin}")
        count = code.smaller(left, _BLOCK)
        code.loop(0, count, 1, partial(self._row, begin, self._find(begin, count)))

    def _row(self, begin: str, row_at: Callable[[str], str], place: str, _: list[str]) -> list[str]:
        number = self._code.value(f"add i64 {begin}, {place}")
        source = row_at(place)
        for table, given, batch in zip(self._tables, self._sources, self._batches, strict=True):
            self._put(table, given, source, batch, number)
        return []

    def _put(self, table: TablePlace, given: Sequence[str], source: str, batch: str, number: str) -> None:
        """Write how a row of a user's table gets its place in the batch."""
        code = self._code
        width = BYTES[table.batch.dtype]
        size = table.size * width
        to = _moved(code, batch, number, table.batch.strides[0].elements * width)
        if table.sparse:
            code.run("llvm.memset.p0.i64", f"ptr {to}, i8 0, i64 {size}, i1 false")
            _put_numbers(code, table, given, source, to)
        elif table.batch.scattered:
            place = code.value(f"getelementptr ptr, ptr {batch}, i64 {number}")
            code.do(f"store ptr {_moved(code, given[0], source, size)}, ptr {place}")
        else:
            code.copy(to, _moved(code, given[0], source, size), size)


def _moved(code: Code, pointer: str, number: str, stride: int) -> str:
    """Return an address so many strides of bytes after another."""
    offset = code.value(f"mul i64 {number}, {stride}")
    return code.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")


def _put_numbers(code: Code, table: TablePlace, given: Sequence[str], row: str, to: str) -> None:
    """Write the numbers of a row that are kept to their places in a dense one."""
    values, columns, starts = given
    width = BYTES[table.batch.dtype]
    kind = SCALARS[table.batch.dtype]
    begin, end = (
        code.value(f"load i64, ptr {_moved(code, starts, place, 8)}")
        for place in (row, code.value(f"add i64 {row}, 1"))
    )

    def number(place: str, _: list[str]) -> list[str]:
        column = code.value(f"load i32, ptr {_moved(code, columns, place, 4)}")
        value = code.value(f"load {kind}, ptr {_moved(code, values, place, width)}")
        wide = code.value(f"zext i32 {column} to i64")
        code.do(f"store {kind} {value}, ptr {_moved(code, to, wide, width)}")
        return []

    code.loop(begin, end, 1, number)


def _in_order(f: ControlCode) -> Find:
    done = f.get(Control.VALIDATED)

    def find(begin: str, _: str) -> Callable[[str], str]:
        first = f.code.value(f"add i64 {done}, {begin}")
        return lambda place: f.code.value(f"add i64 {first}, {place}")

    return find


def _in_random_order(f: ControlCode) -> Find:
    """Return how rows at some positions of the epoch are found: `graph.shuffle.shuffled`.

    A vector of positions is mixed, and those lanes again that are no rows, until there are none.
    """
    code, done, rows = f.code, f.get(Control.POSITION), f.get(Control.ROWS)
    shuffles = _spread(code, code.value(f"icmp ne i64 {f.get(Control.SHUFFLE)}, 0"), "bool")
    last, limit = _spread(code, code.integer("sub", rows, 1)), _spread(code, rows)
    mixed = _mixing(f)
    code.reserve("%found", f"[{_BLOCK} x i64]")

    def goes_on(now: list[str]) -> str:
        return code.call("i1", f"llvm.vector.reduce.or.v{LANES}i1", f"{_LANES} {now[1]}")

    def mix(now: list[str]) -> list[str]:
        places = code.value(f"select {_LANES} {now[1]}, {_WIDE} {mixed(now[0])}, {_WIDE} {now[0]}")
        return [places, code.value(f"icmp uge {_WIDE} {places}, {limit}")]

    def find(begin: str, count: str) -> Callable[[str], str]:
        first = code.integer("add", done, begin)

        def some(place: str, _: list[str]) -> list[str]:
            lanes = ", ".join(f"i64 {lane}" for lane in range(LANES))
            start = _spread(code, code.integer("add", first, place))
            places = code.value(f"add {_WIDE} {start}, <{lanes}>")
            positions = code.call(_WIDE, f"llvm.smin.v{LANES}i64", f"{_WIDE} {places}, {_WIDE} {last}")
            result = code.repeat(goes_on, mix, [(_WIDE, positions), (_LANES, shuffles)])[0]
            code.do(f"store {_WIDE} {result}, ptr {_moved(code, '%found', place, 8)}, align 64")
            return []

        code.loop(0, count, LANES, some)
        return lambda place: code.value(f"load i64, ptr {_moved(code, '%found', place, 8)}")

    return find


def _spread(code: Code, number: str, dtype: str = "int64") -> str:
    return Builder(code).spread(Element(number, dtype)).text


def _mixing(f: ControlCode) -> Callable[[str], str]:
    """Return what mixes a vector of numbers once, in the order of the present epoch."""
    code = f.code
    mask, shift = (_spread(code, f.get(number)) for number in (Control.MASK, Control.SHIFT))
    _leave_round_keys(f)

    def turn(place: str, carried: list[str]) -> list[str]:
        factor, addend = (_spread(code, _key(code, place, word)) for word in (0, 1))
        product = code.value(f"mul {_WIDE} {carried[0]}, {factor}")
        total = code.value(f"add {_WIDE} {product}, {addend}")
        kept = code.value(f"and {_WIDE} {total}, {mask}")
        return [code.value(f"xor {_WIDE} {kept}, {code.value(f'lshr {_WIDE} {kept}, {shift}')}")]

    return lambda number: code.loop(0, 2 * ROUNDS, 2, turn, [(_WIDE, number)])[0]


def _key(code: Code, place: str, word: int) -> str:
    return code.value(f"load i64, ptr {_moved(code, '%keys', code.integer('add', place, word), 8)}")


def _leave_round_keys(f: ControlCode) -> None:
    """Write down what fixes the order of the epoch's rows: `graph.shuffle.round_keys`."""
    code = f.code
    code.reserve("%keys", f"[{2 * ROUNDS} x i64]")
    seed = _mixed(code, code.value(f"add i64 {f.get(Control.KEY)}, {_mixed(code, f.get(Control.EPOCH))}"))

    def word(number: str, carried: list[str]) -> list[str]:
        before = code.value(f"add i64 {carried[0]}, {GOLDEN}")
        is_addend = code.value(f"and i64 {number}, 1")
        is_factor = code.value(f"xor i64 {is_addend}, 1")
        mixed = code.value(f"or i64 {_mixed(code, before)}, {is_factor}")  # a factor is odd
        code.do(f"store i64 {mixed}, ptr {_moved(code, '%keys', number, 8)}")
        return [before]

    code.loop(0, 2 * ROUNDS, 1, word, [("i64", seed)])


def _mixed(code: Code, number: str) -> str:
    number = code.value(f"add i64 {number}, {GOLDEN}")
    for shift, factor in zip(SHIFTS, (*FACTORS, None), strict=True):
        number = code.value(f"xor i64 {number}, {code.value(f'lshr i64 {number}, {shift}')}")
        number = number if factor is None else code.value(f"mul i64 {number}, {factor}")
    return number
