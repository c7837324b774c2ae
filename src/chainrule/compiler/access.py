"""Loads and stores: an index into an array becomes an address, a vector, or a vector of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from chainrule.compiler.buffer import Buffer, Stride
from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES, Code, mangled, memory_type
from chainrule.compiler.index import Affine, IndexBuilder, Place
from chainrule.compiler.table import WORDS_SLOT

#: The parameters of a program, and of what Python calls: a table of pointers, how many rows there are and for
#: how many there is room, which thread of how many calls, and the turn.
PROGRAM_SIZES = "i64 %rows, i64 %capacity, i64 %thread, i64 %threads, i64 %turn"
PROGRAM_ARGUMENTS = f"ptr %table, {PROGRAM_SIZES}"


def from_table(code: Code, slot: int) -> str:
    """Return a pointer of the table."""
    entry = code.value(f"getelementptr ptr, ptr %table, i64 {slot}")
    return code.value(f"load ptr, ptr {entry}")


def goes_on(code: Code) -> str:
    """Return whether the call that the function belongs to has not been given up."""
    given_up = code.value(f"load atomic i64, ptr {from_table(code, WORDS_SLOT)} monotonic, align 8")
    return code.value(f"icmp eq i64 {given_up}, 0")


def first_element(code: Code, buffer: Buffer) -> str:
    """Return the address of an array, in a function that has the table."""
    offset = str(buffer.offset)
    for _ in range(buffer.power):
        offset = code.value(f"mul i64 {offset}, %capacity")
    return code.value(f"getelementptr i8, ptr {from_table(code, buffer.slot)}, i64 {offset}")


def share_of_part(code: Code, count: str) -> tuple[str, str]:
    """Return which of so many belong to this part of the work: the first, and the first of the next part."""
    first, end = (
        code.value(f"udiv i64 {code.value(f'mul i64 {count}, {part}')}, %parts")
        for part in ("%part", code.value("add i64 %part, 1"))
    )
    return first, end


class Access:
    """Reads and writes arrays in one function, which begins by loading their addresses from the table.

    Parameters
    ----------
    builder : IndexBuilder
        Writes the function.

    Attributes
    ----------
    buffers : list of Buffer
        The arrays whose addresses the function loads, in order.
    """

    def __init__(self, builder: IndexBuilder) -> None:
        self.builder = builder
        self.buffers: list[Buffer] = []
        self._code = builder.code
        self._pointers: dict[tuple[int, int, int], str] = {}

    def pointer(self, buffer: Buffer) -> str:
        """Return the address of an array's first element."""
        if buffer.start not in self._pointers:
            self._pointers[buffer.start] = f"%array{len(self.buffers)}"
            self.buffers.append(buffer)
        return self._pointers[buffer.start]

    def _scaled(self, number: str, power: int, unit: str) -> str:
        for _ in range(power):
            number = unit if number == "1" else self._code.value(f"mul i64 {number}, {unit}")
        return number

    def load(
        self, buffer: Buffer, index: Sequence[Element], condition: Element | None, tail: Element | None
    ) -> Element:
        """Return the element at an index, or the neighbours from it on; of two halves their sum.

        Parameters
        ----------
        buffer : Buffer
            The array.
        index : sequence of Element
            A place for each axis.
        condition : Element or None
            In which lanes the index lies inside of the array; elsewhere nothing is read, and zero returned.
        tail : Element or None
            Which lanes have not passed the end of the innermost loop.
        """
        return reduce(self.builder.add, (self._load(half, index, condition, tail) for half in buffer.halves))

    def _load(
        self, buffer: Buffer, index: Sequence[Element], condition: Element | None, tail: Element | None
    ) -> Element:
        affine = self._affine(buffer, index)
        if affine is None or any(part.lanes for part in affine[1:]):
            return self._gather(buffer, index, self.builder.both(condition, tail))
        lanes = affine[0].lanes
        if lanes == 0:
            return self._load_scalar(buffer, affine, condition)
        if lanes == 1:
            mask = condition if buffer.padded else self.builder.both(condition, tail)
            return self.vector_at(self._address(buffer, affine), buffer, mask)
        return self._load_strided(buffer, affine, self.builder.both(condition, tail))

    def store(self, buffer: Buffer, index: Sequence[Element], x: Element, mask: Element | None) -> None:
        """Write an element, or neighbours, at a place that loops count out."""
        affine = self._affine(buffer, index)
        assert affine is not None
        wide = any(part.lanes for part in affine)
        x = self.builder.spread(x) if wide else x
        if x.dtype == "bool":
            x = self._as_bytes(x)
        address = self._address(buffer, affine)
        kind, align = memory_type(buffer.dtype), BYTES[buffer.dtype]
        if not wide:
            self._code.do(f"store {kind} {x.text}, ptr {address}, align {align}")
            return
        assert all(part.lanes == 0 for part in affine[1:])
        vector = f"<{LANES} x {kind}> {x.text}"
        if affine[0].lanes != 1:
            self._scatter(buffer, x, self._apart(buffer, address, affine[0].lanes), mask)
        elif mask is None or buffer.padded:
            self._code.do(f"store {vector}, ptr {address}, align {align}")
        else:
            store = f"llvm.masked.store.v{LANES}{mangled(kind)}.p0"
            self._code.run(store, f"{vector}, ptr {address}, i32 {align}, {mask.typed}")

    # Addresses ---------------------------------------------------------------------------------------

    def _affine(self, buffer: Buffer, index: Sequence[Element]) -> list[Affine] | None:
        """Return the offset in elements as one sum for each power of rows; None if it is no such sum."""
        parts = [Affine({}), Affine({}), Affine({})]
        for place, stride in zip(index, buffer.strides, strict=True):
            offset = self._offset(place, stride)
            if offset is None:
                return None
            parts[stride.power] = parts[stride.power] + offset
        return parts

    def _offset(self, place: Element, stride: Stride) -> Affine | None:
        """Return how far an index along an axis leads; None if that is no sum."""
        if not isinstance(place, Place):
            return None
        affine = place.affine
        if not stride.block:
            return affine.times(stride.elements)
        parts = affine.divided(stride.block, self.builder.extents)
        if parts is not None and not parts[0].lanes:
            block, within = parts
            return block.times(stride.apart) + within.times(stride.elements)
        if affine.lanes and not affine.begins_with_a_vector:
            return None  # it may begin in one block and end in the next
        number = self._code.value(f"udiv i64 {affine.base(self._code)}, {stride.block}")
        skipped = stride.apart - stride.block * stride.elements
        return affine.times(stride.elements) + Affine({number: skipped})

    def address_of(self, buffer: Buffer, index: Sequence[Element]) -> str:
        """Return the address of the element at a place that loops count out."""
        affine = self._affine(buffer, index)
        assert affine is not None
        return self._address(buffer, affine)

    def _address(self, buffer: Buffer, affine: Sequence[Affine]) -> str:
        code, pointer = self._code, self.pointer(buffer)
        unit = "%capacity" if buffer.padded else "%rows"
        for power, part in enumerate(affine):
            offset = self._scaled(part.base(code), power, unit) if part.terms or part.constant else "0"
            if offset != "0":
                pointer = code.value(
                    f"getelementptr {memory_type(buffer.dtype)}, ptr {pointer}, i64 {offset}"
                )
        return pointer

    def prefetch(self, buffer: Buffer, index: Sequence[Element]) -> None:
        """Have the element at a place that loops count out fetched into the caches, to be written."""
        for half in buffer.halves:
            self._code.prefetch(self.address_of(half, index), write=True)

    def _load_scalar(self, buffer: Buffer, affine: Sequence[Affine], mask: Element | None) -> Element:
        address = self._address(buffer, affine)
        if mask is not None:  # an index that lies outside reads the first element, and is not used
            inside = mask if not mask.vector else self._any(mask)
            address = self._code.value(f"select i1 {inside.text}, ptr {address}, ptr {self.pointer(buffer)}")
        return self.scalar_at(address, buffer)

    def _any(self, mask: Element) -> Element:
        text = self._code.call("i1", f"llvm.vector.reduce.or.v{LANES}i1", mask.typed)
        return Element(text, "bool")

    def _load_strided(self, buffer: Buffer, affine: Sequence[Affine], mask: Element | None) -> Element:
        """Load elements that lie at the same distance from each other."""
        addresses = self._apart(buffer, self._address(buffer, affine), affine[0].lanes)
        return self._gathered(buffer, addresses, mask)

    def _apart(self, buffer: Buffer, pointer: str, distance: int) -> str:
        """Return the addresses of elements that lie at the same distance from each other."""
        steps = ", ".join(f"i32 {lane * distance}" for lane in range(LANES))
        kind = memory_type(buffer.dtype)
        return self._code.value(f"getelementptr {kind}, ptr {pointer}, <{LANES} x i32> <{steps}>")

    def _scatter(self, buffer: Buffer, x: Element, addresses: str, mask: Element | None) -> None:
        """Write the lanes of the mask, each to an address of its own."""
        kind = memory_type(buffer.dtype)
        every = self.builder.spread(mask if mask is not None else Element("true", "bool"))
        self._code.run(
            f"llvm.masked.scatter.v{LANES}{mangled(kind)}.v{LANES}p0",
            f"<{LANES} x {kind}> {x.text}, <{LANES} x ptr> {addresses}, "
            f"i32 {BYTES[buffer.dtype]}, {every.typed}",
        )

    def scalar_at(self, address: str, buffer: Buffer) -> Element:
        """Return the element at an address in a buffer."""
        kind = memory_type(buffer.dtype)
        text = self._code.value(f"load {kind}, ptr {address}, align {BYTES[buffer.dtype]}")
        return self._as_element(text, buffer.dtype, vector=False)

    def vector_at(self, address: str, buffer: Buffer, mask: Element | None) -> Element:
        """Return the neighbours from an address in a buffer on; zero in lanes that the mask leaves out."""
        kind = memory_type(buffer.dtype)
        wide = f"<{LANES} x {kind}>"
        if mask is None:
            text = self._code.value(f"load {wide}, ptr {address}, align {BYTES[buffer.dtype]}")
            return self._as_element(text, buffer.dtype, vector=True)
        mask = self.builder.spread(mask)
        arguments = f"ptr {address}, i32 {BYTES[buffer.dtype]}, {mask.typed}, {wide} zeroinitializer"
        text = self._code.call(wide, f"llvm.masked.load.v{LANES}{mangled(kind)}.p0", arguments)
        return self._as_element(text, buffer.dtype, vector=True)

    def distance(self, buffer: Buffer, place: Sequence[Affine], counter: str) -> str:
        """Return how many elements two places lie apart whose `counter` differs by 1."""
        unit, total = "%capacity" if buffer.padded else "%rows", "0"
        for affine, stride in zip(place, buffer.strides, strict=True):
            elements = affine.terms.get(counter, 0) * stride.elements
            if elements:
                far = self._scaled(str(elements), stride.power, unit)
                total = far if total == "0" else self._code.value(f"add i64 {total}, {far}")
        return total

    def _gather(self, buffer: Buffer, index: Sequence[Element], mask: Element | None) -> Element:
        """Load every lane from an address of its own."""
        code, b = self._code, self.builder
        kind = memory_type(buffer.dtype)
        zero = Element("0", "int64")
        offset = b.spread(zero) if any(place.vector for place in index) else zero
        unit = Element("%capacity" if buffer.padded else "%rows", "int64")
        for place, stride in zip(index, buffer.strides, strict=True):
            at = b.cast(place, "int64")
            far = b.multiply(at, Element(str(stride.elements), "int64"))
            if stride.block:
                skipped = Element(str(stride.apart - stride.block * stride.elements), "int64")
                block = b.divide(at, Element(str(stride.block), "int64"))
                far = b.add(far, b.multiply(block, skipped))
            for _ in range(stride.power):
                far = b.multiply(far, unit)
            offset = b.add(offset, far)
        if mask is not None:
            offset = b.select(mask, offset, zero)
        pointer = self.pointer(buffer)
        if not offset.vector:
            address = code.value(f"getelementptr {kind}, ptr {pointer}, i64 {offset.text}")
            return self.scalar_at(address, buffer)
        addresses = code.value(f"getelementptr {kind}, ptr {pointer}, {offset.typed}")
        return self._gathered(buffer, addresses, mask)

    def _gathered(self, buffer: Buffer, addresses: str, mask: Element | None) -> Element:
        """Load a vector of elements, those in lanes of the mask.

        CPUs gather no bytes: where more bytes follow an array, each is read with three others.
        """
        code, b = self._code, self.builder
        in_words = buffer.dtype == "bool" and buffer.is_own
        kind = "i32" if in_words else memory_type(buffer.dtype)
        every = b.spread(mask if mask is not None else Element("true", "bool"))
        text = code.call(
            f"<{LANES} x {kind}>",
            f"llvm.masked.gather.v{LANES}{mangled(kind)}.v{LANES}p0",
            f"<{LANES} x ptr> {addresses}, i32 {BYTES[buffer.dtype]}, {every.typed}, "
            f"<{LANES} x {kind}> zeroinitializer",
        )
        if in_words:
            text = code.value(f"trunc <{LANES} x i32> {text} to <{LANES} x i8>")
        return self._as_element(text, buffer.dtype, vector=True)

    # Bools are bytes in memory -------------------------------------------------------------------------

    def _as_element(self, text: str, dtype: str, vector: bool) -> Element:
        if dtype != "bool":
            return Element(text, dtype, vector)
        kind, zero = (f"<{LANES} x i8>", "zeroinitializer") if vector else ("i8", "0")
        return Element(self._code.value(f"icmp ne {kind} {text}, {zero}"), "bool", vector)

    def _as_bytes(self, x: Element) -> Element:
        wide = f"<{LANES} x i8>" if x.vector else "i8"
        text = self._code.value(f"zext {x.typed} to {wide}")
        return _Bytes(text, "bool", x.vector)


class _Bytes(Element):
    """A bool as it stands in memory."""

    @property
    def type(self) -> str:
        """A byte, or a vector of them."""
        return f"<{LANES} x i8>" if self.vector else "i8"
