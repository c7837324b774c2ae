"""What a row of the table of primitives writes its lowering through: arithmetic on single elements.

An element is a scalar or a vector of neighbours along the innermost axis; a row does not see which. Mixed
operands are brought to vectors. Besides the operations of `chainrule.graph.lowering`, `vectormath` finds here
the bits of floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from chainrule.compiler import vectormath
from chainrule.compiler.code import LANES, SCALARS, Code, literal, llvm_type, mangled

FLOATS: Final = ("float32", "float64")
_INTEGER_OF: Final = {"float32": "int32", "float64": "int64"}
_BINARY: Final = {
    "add": ("fadd", "add"),
    "subtract": ("fsub", "sub"),
    "multiply": ("fmul", "mul"),
    "divide": ("fdiv", "sdiv"),
    "modulo": ("frem", "srem"),
}
_PREDICATES: Final = {"equal": ("oeq", "eq"), "less": ("olt", "lt"), "less_equal": ("ole", "le")}


class Element:
    """A register or literal with its dtype, and whether it is a vector."""

    def __init__(self, text: str, dtype: str, vector: bool = False) -> None:
        self._text = text
        self.dtype = dtype
        self.vector = vector

    @property
    def text(self) -> str:
        """The register or literal."""
        return self._text

    @property
    def type(self) -> str:
        """Its LLVM type."""
        return llvm_type(self.dtype, self.vector)

    @property
    def typed(self) -> str:
        """Type and value, as an argument is written."""
        return f"{self.type} {self.text}"


class Builder:
    """Writes element operations into a function.

    Parameters
    ----------
    code : Code
        The function.
    """

    def __init__(self, code: Code) -> None:
        self.code = code
        self.spreads: dict[str, Element] = {}  # vectors that were made in the function's head

    # The contract of `graph.lowering` ----------------------------------------------------------------

    def constant(self, number: float, dtype: str) -> Element:
        """Return a number of this dtype."""
        return Element(literal(number, dtype), dtype)

    def is_number(self, x: Element) -> bool:
        """Whether an element is known to be a number, and not NaN."""
        text = x.text.removeprefix(f"splat ({llvm_type(x.dtype, False)} ").removesuffix(")")
        return not text.startswith("%") and (x.dtype not in FLOATS or text != literal(math.nan, x.dtype))

    def dtype(self, x: Element) -> str:
        """Return the name of an element's dtype."""
        return x.dtype

    def cast(self, x: Element, dtype: str) -> Element:
        """Convert as C does."""
        if x.dtype == dtype:
            return x
        if {x.dtype, dtype} == {"int32", "uint32"}:
            return Element(x.text, dtype, x.vector)
        if dtype == "bool":
            return self.logical_not(self.equal(x, self.constant(0, x.dtype)))
        return self._make(
            f"{_conversion(x.dtype, dtype)} {x.typed} to {llvm_type(dtype, x.vector)}", x, dtype
        )

    def select(self, condition: Element, x: Element, y: Element) -> Element:
        """Return x where the condition holds, otherwise y."""
        if condition.vector or x.vector or y.vector:
            x, y = self.spread(x), self.spread(y)
        return self._make(f"select {condition.typed}, {x.typed}, {y.typed}", x)

    def multiply_high(self, x: Element, y: Element) -> Element:
        """Return the upper 32 bits of the product of two uint32."""
        x, y = self.together(x, y)
        wide = llvm_type("int64", x.vector)
        a, b = (self.code.value(f"zext {each.typed} to {wide}") for each in (x, y))
        product = self.code.value(f"mul {wide} {a}, {b}")
        by = self._of("32", "int64", x.vector)
        high = self.code.value(f"lshr {wide} {product}, {by}")
        return self._make(f"trunc {wide} {high} to {x.type}", x)

    def negative(self, x: Element) -> Element:
        """Return -x."""
        return self._make(f"fneg {x.typed}", x) if x.dtype in FLOATS else self.subtract(self._zero(x), x)

    def abs(self, x: Element) -> Element:
        """Return |x|."""
        if x.dtype in FLOATS:
            return self.intrinsic("fabs", x)
        return self.select(self.less(x, self._zero(x)), self.negative(x), x)

    def floor(self, x: Element) -> Element:
        """Return the largest whole number that is not above x."""
        return self.intrinsic("floor", x)

    def sqrt(self, x: Element) -> Element:
        """Return the square root, correctly rounded."""
        return self.intrinsic("sqrt", x)

    def xor(self, x: Element, y: Element) -> Element:
        """Return the bits in which x and y differ."""
        return self._binary("xor", x, y)

    def logical_and(self, x: Element, y: Element) -> Element:
        """Return whether both hold."""
        return self._binary("and", x, y)

    def both(self, x: Element | None, y: Element | None) -> Element | None:
        """Return whether two conditions hold, where None always does."""
        return self.logical_and(x, y) if x is not None and y is not None else x or y

    def logical_or(self, x: Element, y: Element) -> Element:
        """Return whether one holds."""
        return self._binary("or", x, y)

    def logical_not(self, x: Element) -> Element:
        """Return whether x does not hold."""
        return self._binary("xor", x, self.constant(True, "bool"))

    def __getattr__(self, operation: str) -> Callable[..., Element]:
        """Return the arithmetic, comparison or function of this name."""
        if operation in _BINARY:
            return lambda x, y: self._arithmetic(operation, x, y)
        if operation in _PREDICATES:
            return lambda x, y: self._compare(operation, x, y)
        function: Callable[..., Element] | None = vectormath.FUNCTIONS.get(operation)
        if function is None:
            raise AttributeError(f"a builder has no operation {operation!r}")
        return lambda *operands: self._function(operation, function, operands)

    def _function(
        self, operation: str, function: Callable[..., Element], operands: tuple[Element, ...]
    ) -> Element:
        """Write a function of vectors where it stands; call one of scalars, which a module has once.

        What is computed at single places takes little time, and would be much code at each of them.
        """
        if any(operand.vector for operand in operands):
            return function(self, *operands)
        given = [Element(f"%x{number}", operand.dtype) for number, operand in enumerate(operands)]
        parameters = ", ".join(each.typed for each in given)
        code = Code(f"{operation}.{'.'.join(each.dtype for each in given)}", parameters, given[0].type)
        result = function(Builder(code), *given)
        code.result = result.type
        self.code.define(code, returned=result.text)
        text = self.code.value(f"call {result.type} @{code.name}({typed(operands)})")
        return Element(text, result.dtype)

    # The bits of floats, for `vectormath` ------------------------------------------------------------

    def fma(self, x: Element, y: Element, z: Element) -> Element:
        """Return x y + z, rounded once where the CPU can do so."""
        x, y, z = self.together(x, y, z)
        return self.intrinsic("fmuladd", x, y, z)

    def round(self, x: Element) -> Element:
        """Return the nearest whole number as a float, the even one at a tie."""
        return self.intrinsic("rint", x)

    def bits(self, x: Element) -> Element:
        """Return a float's bits: int32 of a float32, int64 of a float64."""
        integer = _INTEGER_OF[x.dtype]
        return self._make(f"bitcast {x.typed} to {llvm_type(integer, x.vector)}", x, integer)

    def from_bits(self, x: Element) -> Element:
        """Return the float that has these bits."""
        real = {"int32": "float32", "int64": "float64"}[x.dtype]
        return self._make(f"bitcast {x.typed} to {llvm_type(real, x.vector)}", x, real)

    def to_float(self, x: Element) -> Element:
        """Return an integer as a float of its width."""
        return self.cast(x, {"int32": "float32", "int64": "float64"}[x.dtype])

    def shift_left(self, x: Element, by: int) -> Element:
        """Return the bits of an integer moved up."""
        return self._binary("shl", x, self.constant(by, x.dtype))

    def shift_right(self, x: Element, by: int) -> Element:
        """Return the bits of an integer moved down, the sign repeated."""
        return self._binary("ashr", x, self.constant(by, x.dtype))

    def bit_and(self, x: Element, y: Element) -> Element:
        """Return the bits that both have."""
        return self._binary("and", x, y)

    def copysign(self, x: Element, sign: Element) -> Element:
        """Return |x| with the sign of another float."""
        return self.intrinsic("copysign", *self.together(x, sign))

    def intrinsic(self, name: str, *operands: Element) -> Element:
        """Call one of LLVM's functions of floats that the CPU has as instructions."""
        first = operands[0]
        suffix = mangled(SCALARS[first.dtype])
        full = f"llvm.{name}.v{LANES}{suffix}" if first.vector else f"llvm.{name}.{suffix}"
        text = self.code.call(first.type, full, ", ".join(operand.typed for operand in operands))
        return Element(text, first.dtype, first.vector)

    # Helpers -----------------------------------------------------------------------------------------

    def spread(self, x: Element) -> Element:
        """Return an element as a vector; a scalar fills all lanes."""
        if x.vector:
            return x
        if x.text in self.spreads:
            return self.spreads[x.text]
        if not x.text.startswith("%"):
            return Element(f"splat ({x.typed})", x.dtype, True)
        wide = llvm_type(x.dtype, True)
        first = self.code.value(f"insertelement {wide} poison, {x.typed}, i64 0")
        mask = f"<{LANES} x i32> zeroinitializer"
        return Element(self.code.value(f"shufflevector {wide} {first}, {wide} poison, {mask}"), x.dtype, True)

    def together(self, *elements: Element) -> tuple[Element, ...]:
        """Return all as vectors if one is."""
        return tuple(map(self.spread, elements)) if any(each.vector for each in elements) else elements

    def _arithmetic(self, operation: str, x: Element, y: Element) -> Element:
        real, whole = _BINARY[operation]
        if x.dtype in FLOATS:
            return self._binary(real, x, y)
        if x.dtype == "uint32" and operation in ("divide", "modulo"):
            whole = "u" + whole[1:]
        return self._binary(whole, x, y)

    def _compare(self, operation: str, x: Element, y: Element) -> Element:
        x, y = self.together(x, y)
        real, whole = _PREDICATES[operation]
        if x.dtype in FLOATS:
            return self._make(f"fcmp {real} {x.typed}, {y.text}", x, "bool")
        sign = "" if whole == "eq" else ("s" if x.dtype in ("int32", "int64") else "u")
        return self._make(f"icmp {sign}{whole} {x.typed}, {y.text}", x, "bool")

    def _binary(self, instruction: str, x: Element, y: Element) -> Element:
        x, y = self.together(x, y)
        return self._make(f"{instruction} {x.typed}, {y.text}", x)

    def _make(self, instruction: str, like: Element, dtype: str | None = None) -> Element:
        return Element(self.code.value(instruction), dtype or like.dtype, like.vector)

    def _zero(self, x: Element) -> Element:
        return self.constant(0, x.dtype)

    def _of(self, number: str, dtype: str, vector: bool) -> str:
        return f"splat ({llvm_type(dtype, False)} {number})" if vector else number


def _conversion(old: str, new: str) -> str:
    """Return the instruction that converts between two dtypes."""
    if old in FLOATS and new in FLOATS:
        return "fpext" if new == "float64" else "fptrunc"
    if old in FLOATS:
        return "fptoui" if new == "uint32" else "fptosi"
    unsigned = old in ("bool", "uint32")
    if new in FLOATS:
        return "uitofp" if unsigned else "sitofp"
    if old == "int64":
        return "trunc"
    return "zext" if unsigned else "sext"


def typed(elements: Any) -> str:
    """Return elements as the arguments of a call."""
    return ", ".join(element.typed for element in elements)
