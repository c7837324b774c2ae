"""The text of one LLVM function, written instruction by instruction."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import add, mul, sub
from typing import Final

#: Lanes of a vector in every loop: one AVX-512 register of float32. Narrower CPUs take several registers.
LANES: Final = 16

#: How an element stands in a register.
SCALARS: Final = {
    "float32": "float",
    "float64": "double",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "bool": "i1",
}
BYTES: Final = {"float32": 4, "float64": 8, "int32": 4, "uint32": 4, "int64": 8, "bool": 1}

#: Instructions that give the same for the same operands, wherever they stand in a block.
_PURE: Final = {
    *("add", "sub", "mul", "sdiv", "udiv", "srem", "urem", "and", "or", "xor", "shl", "lshr", "ashr"),
    *("icmp", "select", "sext", "zext", "trunc", "getelementptr", "insertelement", "shufflevector"),
    *("fadd", "fsub", "fmul", "fdiv", "fneg", "fcmp", "fpext", "fptrunc", "sitofp", "uitofp", "bitcast"),
}
#: The operations on whole numbers whose result is written if both are known.
_KNOWN: Final = {"add": add, "sub": sub, "mul": mul}


def llvm_type(dtype: str, vector: bool) -> str:
    """Return the LLVM type of an element, or of a vector of them."""
    scalar = SCALARS[dtype]
    return f"<{LANES} x {scalar}>" if vector else scalar


def memory_type(dtype: str) -> str:
    """Return the LLVM type of an element as it stands in memory, where a bool is a byte."""
    return "i8" if dtype == "bool" else SCALARS[dtype]


def mangled(scalar: str) -> str:
    """Return how the names of LLVM's intrinsics spell a type: f32 for float."""
    return {"float": "f32", "double": "f64"}.get(scalar, scalar)


def literal(number: float, dtype: str) -> str:
    """Return a number as LLVM writes it; a float by its bits, so that nothing is lost."""
    if dtype == "bool":
        return "true" if number else "false"
    if dtype in ("float32", "float64"):
        wide = struct.unpack("<f", struct.pack("<f", number))[0] if _fits_float32(number, dtype) else number
        return f"0x{struct.unpack('<Q', struct.pack('<d', wide))[0]:016X}"
    return str(int(number))


def _fits_float32(number: float, dtype: str) -> bool:
    if dtype != "float32":
        return False
    try:
        struct.pack("<f", number)
    except OverflowError:  # rounds to infinity, which a double's bits say as well
        raise ValueError(f"{number} is too large for float32") from None
    return True


class Code:
    """One function being written.

    Parameters
    ----------
    name : str
        Its symbol.
    arguments : str
        Its parameters, as LLVM writes them.
    result : str
        The type that it returns.
    """

    def __init__(self, name: str, arguments: str = "", result: str = "void") -> None:
        self.name = name
        self.arguments = arguments
        self.result = result
        self.declarations: set[str] = set()
        self._declared: set[str] = set()
        self._lines: list[str] = []
        self._reserved: dict[str, str] = {}
        self._numbers: list[int] = []
        self._count = 0
        self._block = "entry"
        self._computed: dict[str, str] = {}
        self._open: list[tuple[int, str, list[tuple[str, tuple[str, str]]]]] = []

    def value(self, text: str) -> str:
        """Write an instruction that gives a value; return its register.

        What its block has computed already, such as a place in arrays of equal shape, is not computed again.
        """
        if text in self._computed:
            return self._computed[text]
        register = self._name()
        self._lines.append(f"  {register} = {text}")
        if text.partition(" ")[0] in _PURE:
            self._computed[text] = register
        return register

    def integer(self, operation: str, x: object, y: object) -> str:
        """Return the result of an operation on two i64 values; it is written only if it is not known yet."""
        x, y = str(x), str(y)
        if operation in _KNOWN and _is_number(x) and _is_number(y):
            return str(_KNOWN[operation](int(x), int(y)))
        if operation == "mul" and "1" in (x, y):
            return y if x == "1" else x
        return self.value(f"{operation} i64 {x}, {y}")

    def smaller(self, x: object, y: object) -> str:
        """Return the smaller one of two i64 values."""
        return self.call("i64", "llvm.smin.i64", f"i64 {x}, i64 {y}")

    def do(self, text: str) -> None:
        """Write an instruction that gives nothing."""
        self._lines.append(f"  {text}")

    def call(self, result: str, function: str, arguments: str) -> str:
        """Call an intrinsic, declaring it at its first use: ``arguments`` is "type value, type value"."""
        self._declare(result, function, arguments)
        return self.value(f"call {result} @{function}({arguments})")

    def run(self, function: str, arguments: str) -> None:
        """Call an intrinsic that returns nothing."""
        self._declare("void", function, arguments)
        self.do(f"call void @{function}({arguments})")

    def define(self, function: Code, returned: str = "") -> None:
        """Have the module hold another function, once, for this one to call."""
        self.declarations |= {*function.declarations, function.text(returned=returned, linkage="internal")}

    def _declare(self, result: str, function: str, arguments: str) -> None:
        if function not in self._declared:
            self._declared.add(function)
            types = ", ".join(_type_of(argument) for argument in _split(arguments))
            self.declarations.add(f"declare {result} @{function}({types})")

    def begin(self, lines: Sequence[str]) -> None:
        """Write instructions before all others, under names that these have used already."""
        self._lines[:0] = [f"  {line}" for line in lines]

    def numbers(self, numbers: Sequence[int]) -> str:
        """Return where these whole numbers stand, as constants beside the function."""
        place = len(self._numbers)
        self._numbers += numbers
        return f"getelementptr inbounds (i64, ptr @{self.name}.numbers, i64 {place})"

    def reserve(self, name: str, kind: str) -> None:
        """Have memory on the stack under this name."""
        self._reserved[name] = f"  {name} = alloca {kind}, align 64"

    def label(self) -> str:
        """Return a new label."""
        self._count += 1
        return f"b{self._count}"

    def place(self, label: str) -> None:
        """Begin the block of this label."""
        self._lines.append(f"{label}:")
        self._block = label
        self._computed.clear()

    def jump(self, label: str) -> None:
        """Go on at a label."""
        self.do(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Go on at one label or another."""
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    def when(self, condition: str, body: Callable[[], None]) -> None:
        """Run `body` only if the condition holds."""
        inside, after = self.label(), self.label()
        self.branch(condition, inside, after)
        self.place(inside)
        body()
        self.jump(after)
        self.place(after)

    def choose(self, condition: str, yes: Callable[[], None], no: Callable[[], None]) -> None:
        """Run `yes` if the condition holds, otherwise `no`."""
        inside, otherwise, after = self.label(), self.label(), self.label()
        self.branch(condition, inside, otherwise)
        for label, body in ((inside, yes), (otherwise, no)):
            self.place(label)
            body()
            self.jump(after)
        self.place(after)

    def switch(self, number: str, bodies: Sequence[Callable[[], None]]) -> None:
        """Run one of the bodies, by its number."""
        labels, after = [self.label() for _ in bodies], self.label()
        cases = " ".join(f"i64 {place}, label %{label}" for place, label in enumerate(labels))
        self.do(f"switch i64 {number}, label %{after} [ {cases} ]")
        for label, body in zip(labels, bodies, strict=True):
            self.place(label)
            body()
            self.jump(after)
        self.place(after)

    def repeat(
        self,
        condition: Callable[[list[str]], str],
        body: Callable[[list[str]], Sequence[str]],
        carried: Sequence[tuple[str, str]] = (),
    ) -> list[str]:
        """Run `body` as long as the condition holds that is written before each turn.

        Parameters
        ----------
        condition, body : callable
            Take the carried values; the body returns those of the next turn.
        carried : sequence of (type, start)
            What each turn hands on to the next.

        Returns
        -------
        list of str
            The carried values after the last turn.
        """
        before, head, inside, after = self._block, self.label(), self.label(), self.label()
        self.jump(head)
        self.place(head)
        names = self.join(carried, before)
        self.branch(condition(names), inside, after)
        self.place(inside)
        self.close(head, body(names))
        self.place(after)
        return names

    def join(self, values: Sequence[tuple[str, str]], before: str) -> list[str]:
        """Begin a block entered from `before` with these (type, value) and, at `close`, with others."""
        names = [self._name() for _ in values]
        self._open.append((len(self._lines), before, list(zip(names, values, strict=True))))
        return names

    def close(self, head: str, results: Sequence[str]) -> None:
        """Go back to the block that the innermost `join` began, with new values."""
        place, before, joined = self._open.pop()
        self.jump(head)
        self._lines[place:place] = [
            f"  {name} = phi {kind} [ {start}, %{before} ], [ {result}, %{self._block} ]"
            for (name, (kind, start)), result in zip(joined, results, strict=True)
        ]

    def copy(self, to: str, source: str, size: int) -> None:
        """Copy some bytes."""
        self.run("llvm.memcpy.p0.p0.i64", f"ptr {to}, ptr {source}, i64 {size}, i1 false")

    def prefetch(self, address: str, write: bool, near: bool = True) -> None:
        """Have the first cache, or the second, fetch what lies at an address, to be read or written soon."""
        self.run("llvm.prefetch.p0", f"ptr {address}, i32 {int(write)}, i32 {3 if near else 2}, i32 1")

    def loop(
        self,
        begin: str | int,
        end: str | int,
        step: str | int,
        body: Callable[[str, list[str]], Sequence[str]],
        carried: Sequence[tuple[str, str]] = (),
    ) -> list[str]:
        """Write ``for i in range(begin, end, step)``.

        Parameters
        ----------
        begin, end : str or int
            i64 values.
        step : str or int
            Above 0.
        body : callable
            Takes i and the carried values; returns the carried values of the next turn.
        carried : sequence of (type, start)
            What each turn hands on to the next.

        Returns
        -------
        list of str
            The carried values after the last turn.
        """

        def turn(now: list[str]) -> list[str]:
            results = body(now[0], now[1:])
            return [self.value(f"add i64 {now[0]}, {step}"), *results]

        def goes_on(now: list[str]) -> str:
            return self.value(f"icmp slt i64 {now[0]}, {end}")

        return self.repeat(goes_on, turn, [("i64", str(begin)), *carried])[1:]

    def _name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def text(self, attributes: str = "#0", returned: str = "", linkage: str = "dso_local") -> str:
        """Return the function's text, ending with its return.

        The others of its module find it by its distance; those of no other module do if it is ``internal``.
        """
        tail = f"  ret {self.result} {returned}".rstrip()
        lines = "\n".join(["entry:", *self._reserved.values(), *self._lines, tail])
        constants = ""
        if self._numbers:
            numbers = ", ".join(f"i64 {number}" for number in self._numbers)
            kind = f"[{len(self._numbers)} x i64]"
            constants = f"@{self.name}.numbers = private unnamed_addr constant {kind} [{numbers}]\n"
        head = f"define {linkage} {self.result} @{self.name}({self.arguments}) {attributes}"
        return f"{constants}{head} {{\n{lines}\n}}\n"


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _split(arguments: str) -> list[str]:
    """Split at the commas that are not inside brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(arguments):
        depth += (letter in "<([{") - (letter in ">)]}")
        if letter == "," and not depth:
            parts.append(arguments[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, arguments[start:]] if part.strip()]


def _type_of(argument: str) -> str:
    return (
        argument[: argument.index(">") + 1]
        if argument.startswith("<")
        else argument.split(" ", maxsplit=1)[0]
    )
