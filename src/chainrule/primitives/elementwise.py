"""Primitives that act on each element by itself.

Rows assume operands of one shape and dtype; tracing has inserted the broadcasts and casts.

At a tie `maximum` and `minimum` give the derivative to their second argument, so relu(x) = maximum(x, 0) has
relu'(0) = 0. A NaN stays a NaN. What is piecewise constant (comparisons, sign, floor) has no derivative:
it is zero wherever it exists, so nothing flows through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph.lowering import Expression
from chainrule.graph.notation import (
    ATOM,
    POWER,
    PRODUCT,
    RELATION,
    SUM,
    Notation,
    function,
    infix,
    prefix,
)
from chainrule.graph.primitive import Primitive, primitive
from chainrule.graph.samples import Case, apart, bools, reals, with_ties
from chainrule.graph.types import BOOL, Array, ArrayType, as_dtype, is_float, str_shape
from chainrule.graph.value import Value, promote

PIECEWISE_CONSTANT = "it is piecewise constant: its derivative is zero wherever it exists"
TRUTH = "its result is true or false, which does not vary continuously"
BLOCKS = "blocking the derivative is what it is for"


# Types -------------------------------------------------------------------------------------------


def elementwise(x: ArrayType) -> ArrayType:
    """Any operand gives a result of its shape and dtype."""
    return x


def numeric(x: ArrayType) -> ArrayType:
    """Like `elementwise`, on numbers."""
    if x.dtype.kind not in "fi":
        raise ValueError(f"it takes numbers, not {x.dtype}; cast first")
    return x


def real(x: ArrayType) -> ArrayType:
    """Like `elementwise`, on floats."""
    if not is_float(x.dtype):
        raise ValueError(f"it takes float32 or float64, not {x.dtype}; cast first")
    return x


def logical(x: ArrayType) -> ArrayType:
    """Like `elementwise`, on bools."""
    if x.dtype != BOOL:
        raise ValueError(f"it takes bools, not {x.dtype}; compare first")
    return x


def pair(rule: Callable[[ArrayType], ArrayType]) -> Callable[[ArrayType, ArrayType], ArrayType]:
    """Return the rule for two operands of one shape and dtype."""

    def of_both(x: ArrayType, y: ArrayType) -> ArrayType:
        if x != y:
            raise ValueError(f"the operands {x} and {y} should have one shape and dtype")
        return rule(x)

    return of_both


def comparison(x: ArrayType, y: ArrayType) -> ArrayType:
    """Two operands of one type give bools."""
    return ArrayType(pair(elementwise)(x, y).shape, BOOL)


# Arithmetic --------------------------------------------------------------------------------------

add = primitive(
    "add",
    shape=pair(numeric),
    value=np.add,
    derivative=lambda dy, y, a, b: (dy, dy),
    lower=Expression(lambda b, x, y: b.add(x, y)),
    notation=infix("+", SUM),
    samples=reals((-3, 3), (-3, 3)),
    broadcasts=True,
)

subtract = primitive(
    "subtract",
    shape=pair(numeric),
    value=np.subtract,
    derivative=lambda dy, y, a, b: (dy, -dy),
    lower=Expression(lambda b, x, y: b.subtract(x, y)),
    notation=infix("-", SUM),
    samples=reals((-3, 3), (-3, 3)),
    broadcasts=True,
)

multiply = primitive(
    "multiply",
    shape=pair(numeric),
    value=np.multiply,
    derivative=lambda dy, y, a, b: (dy * b, dy * a),
    lower=Expression(lambda b, x, y: b.multiply(x, y)),
    notation=infix(r"\cdot", PRODUCT),
    samples=reals((-3, 3), (-3, 3)),
    broadcasts=True,
)

divide = primitive(
    "divide",
    shape=pair(real),
    value=np.divide,
    derivative=lambda dy, y, a, b: (dy / b, -dy * y / b),
    lower=Expression(lambda b, x, y: b.divide(x, y)),
    notation=Notation(r"\frac{<0>}{<1>}", PRODUCT),
    samples=reals((-3, 3), (0.5, 3)),
    broadcasts=True,
)

negative = primitive(
    "negative",
    shape=numeric,
    value=np.negative,
    derivative=lambda dy, y, x: (-dy,),
    lower=Expression(lambda b, x: b.negative(x)),
    notation=prefix("-"),
    samples=reals((-3, 3)),
)

absolute = primitive(
    "abs",
    shape=numeric,
    value=np.abs,
    derivative=lambda dy, y, x: (dy * sign(x),),
    lower=Expression(lambda b, x: b.abs(x)),
    notation=Notation(r"\left|<0>\right|", ATOM),
    samples=reals((-3, 3), away_from=0),
)

sign: Primitive = primitive(
    "sign",
    shape=numeric,
    value=np.sign,
    derivative=None,
    why_not=PIECEWISE_CONSTANT,
    lower=Expression(lambda b, x: _lower_sign(b, x)),
    notation=function(r"\operatorname{sign}"),
    samples=reals((-3, 3)),
)


def _lower_sign(b: Any, x: Any) -> Any:
    zero, one, minus_one = (b.constant(number, b.dtype(x)) for number in (0, 1, -1))
    not_positive = b.select(b.less(x, zero), minus_one, b.select(b.equal(x, zero), zero, x))  # NaN is itself
    return b.select(b.less(zero, x), one, not_positive)


floor = primitive(
    "floor",
    shape=real,
    value=np.floor,
    derivative=None,
    why_not=PIECEWISE_CONSTANT,
    lower=Expression(lambda b, x: b.floor(x)),
    notation=Notation(r"\left\lfloor <0> \right\rfloor", ATOM),
    samples=reals((-3, 3)),
)

maximum = primitive(
    "maximum",
    shape=pair(numeric),
    value=np.maximum,
    derivative=lambda dy, y, a, b: (where(a > b, dy, 0), where(a > b, 0, dy)),
    lower=Expression(lambda b, x, y: _extreme(b, x, y, lambda x, y: (y, x))),
    notation=function(r"\max", 2),
    samples=apart,
    broadcasts=True,
)

minimum = primitive(
    "minimum",
    shape=pair(numeric),
    value=np.minimum,
    derivative=lambda dy, y, a, b: (where(a < b, dy, 0), where(a < b, 0, dy)),
    lower=Expression(lambda b, x, y: _extreme(b, x, y, lambda x, y: (x, y))),
    notation=function(r"\min", 2),
    samples=apart,
    broadcasts=True,
)


def _extreme(b: Any, x: Any, y: Any, ordered: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Return x where it is beyond y, otherwise y, and NaN if one is; `ordered` orders two."""
    if b.is_number(y):
        return b.select(b.less_equal(*ordered(y, x)), y, x)
    return b.select(b.less(*ordered(x, y)), x, b.select(b.equal(x, x), y, x))


# Exponentials, logarithms, powers ----------------------------------------------------------------

exp = primitive(
    "exp",
    shape=real,
    value=np.exp,
    derivative=lambda dy, y, x: (dy * y,),
    lower=Expression(lambda b, x: b.exp(x)),
    notation=Notation("e^{<0>}", POWER),
    samples=reals((-3, 3)),
)

expm1 = primitive(
    "expm1",
    shape=real,
    value=np.expm1,
    derivative=lambda dy, y, x: (dy * (y + 1),),
    lower=Expression(lambda b, x: b.expm1(x)),
    notation=Notation("e^{<0>} - 1", SUM),
    samples=reals((-3, 3)),
)

log = primitive(
    "log",
    shape=real,
    value=np.log,
    derivative=lambda dy, y, x: (dy / x,),
    lower=Expression(lambda b, x: b.log(x)),
    notation=function(r"\ln"),
    samples=reals((0.3, 4)),
)

log2 = primitive(
    "log2",
    shape=real,
    value=np.log2,
    derivative=lambda dy, y, x: (dy / (x * math.log(2)),),
    lower=Expression(lambda b, x: b.log2(x)),
    notation=function(r"\log_{2}"),
    samples=reals((0.3, 4)),
)

log10 = primitive(
    "log10",
    shape=real,
    value=np.log10,
    derivative=lambda dy, y, x: (dy / (x * math.log(10)),),
    lower=Expression(lambda b, x: b.log10(x)),
    notation=function(r"\log_{10}"),
    samples=reals((0.3, 4)),
)

log1p = primitive(
    "log1p",
    shape=real,
    value=np.log1p,
    derivative=lambda dy, y, x: (dy / (x + 1),),
    lower=Expression(lambda b, x: b.log1p(x)),
    notation=Notation(r"\ln\left(1 + <0>\right)", ATOM, (SUM,)),
    samples=reals((-0.7, 3)),
)

sqrt = primitive(
    "sqrt",
    shape=real,
    value=np.sqrt,
    derivative=lambda dy, y, x: (dy / (2 * y),),
    lower=Expression(lambda b, x: b.sqrt(x)),
    notation=Notation(r"\sqrt{<0>}", ATOM),
    samples=reals((0.3, 4)),
)


def _power(x: Array, p: Array) -> Any:
    """Return x^p as IEEE 754 has it: for a single exponent 0.5 NumPy takes √x, which differs at -0 and -∞."""
    if p.size and not any(p.strides) and p.flat[0] == 0.5:
        return np.abs(np.where(x == -np.inf, x, np.sqrt(x)))
    return np.power(x, p)


def _d_power(dy: Value, y: Value, x: Value, p: Value) -> tuple[Value, Value]:
    """d(x^p)/dx = p x^(p-1), 0 for p = 0 even at x = 0;  d(x^p)/dp = x^p ln x, 0 for p ≥ 0 even at x = 0."""
    dx = dy * p * power(where(logical_and(x == 0, p == 0), 1, x), p - 1)
    dp = dy * y * log(where(x == 0, 1, x))
    return dx, dp


power = primitive(
    "power",
    shape=pair(real),
    value=_power,
    derivative=_d_power,
    lower=Expression(lambda b, x, y: b.power(x, y)),
    notation=Notation("{<0>}^{<1>}", POWER, (ATOM, RELATION)),
    samples=reals((0.3, 3), (-2, 3)),
    broadcasts=True,
)

# The error function ------------------------------------------------------------------------------


def _erf(x: Array) -> Any:
    from scipy.special import erf as scipy_erf  # its import takes longer than the whole of chainrule's

    return scipy_erf(x)


erf = primitive(
    "erf",
    shape=real,
    value=_erf,
    derivative=lambda dy, y, x: (dy * (2 / math.sqrt(math.pi)) * exp(-x * x),),
    lower=Expression(lambda b, x: b.erf(x)),
    notation=function(r"\operatorname{erf}"),
    samples=reals((-3, 3)),
)

# Comparison --------------------------------------------------------------------------------------


def _comparison(name: str, value: Any, lower: Any, sign: str) -> Any:
    return primitive(
        name,
        shape=comparison,
        value=value,
        derivative=None,
        why_not=TRUTH,
        lower=Expression(lower),
        notation=infix(sign, RELATION),
        samples=with_ties,
        broadcasts=True,
    )


equal = _comparison("equal", np.equal, lambda b, x, y: b.equal(x, y), "=")
not_equal = _comparison("not_equal", np.not_equal, lambda b, x, y: b.logical_not(b.equal(x, y)), r"\ne")
less = _comparison("less", np.less, lambda b, x, y: b.less(x, y), "<")
less_equal = _comparison("less_equal", np.less_equal, lambda b, x, y: b.less_equal(x, y), r"\le")
greater = _comparison("greater", np.greater, lambda b, x, y: b.less(y, x), ">")
greater_equal = _comparison("greater_equal", np.greater_equal, lambda b, x, y: b.less_equal(y, x), r"\ge")

is_finite = primitive(
    "is_finite",
    shape=lambda x: ArrayType(real(x).shape, BOOL),
    value=np.isfinite,
    derivative=None,
    why_not=TRUTH,
    lower=Expression(lambda b, x: b.equal(b.subtract(x, x), b.constant(0, b.dtype(x)))),  # inf - inf is NaN
    notation=function(r"\operatorname{isfinite}"),
    samples=reals((-3, 3)),
)

# Logic -------------------------------------------------------------------------------------------

logical_and = primitive(
    "logical_and",
    shape=pair(logical),
    value=np.logical_and,
    derivative=None,
    why_not=TRUTH,
    lower=Expression(lambda b, x, y: b.logical_and(x, y)),
    notation=infix(r"\land", RELATION),
    samples=bools(2),
    broadcasts=True,
)

logical_or = primitive(
    "logical_or",
    shape=pair(logical),
    value=np.logical_or,
    derivative=None,
    why_not=TRUTH,
    lower=Expression(lambda b, x, y: b.logical_or(x, y)),
    notation=infix(r"\lor", RELATION),
    samples=bools(2),
    broadcasts=True,
)

logical_not = primitive(
    "logical_not",
    shape=logical,
    value=np.logical_not,
    derivative=None,
    why_not=TRUTH,
    lower=Expression(lambda b, x: b.logical_not(x)),
    notation=prefix(r"\lnot "),
    samples=bools(1),
)

# Choice and conversion ---------------------------------------------------------------------------


def _where_type(condition: ArrayType, x: ArrayType, y: ArrayType) -> ArrayType:
    if condition.dtype != BOOL:
        raise ValueError(f"the condition should be bool, not {condition.dtype}; compare first")
    if condition.shape != x.shape:
        raise ValueError(f"the condition {str_shape(condition.shape)} should have the shape of {x}")
    return pair(elementwise)(x, y)


where: Primitive = primitive(
    "where",
    shape=_where_type,
    value=np.where,
    derivative=lambda dy, y, condition, a, b: (None, where(condition, dy, 0), where(condition, 0, dy)),
    lower=Expression(lambda b, condition, x, y: b.select(condition, x, y)),
    notation=Notation(r"\begin{cases} <1> & <0> \\ <2> & \text{otherwise} \end{cases}", ATOM),
    samples=lambda generator: [
        Case((one.operands[0] < 0, *two.operands), {})
        for one, two in zip(reals((-1, 1))(generator), reals((-3, 3), (-3, 3))(generator), strict=True)
    ],
    broadcasts=True,
    promote=lambda values: (*values[:1], *promote(values[1:])),  # the condition stays bool
)


def _cast_type(x: ArrayType, dtype: str) -> ArrayType:
    return ArrayType(x.shape, as_dtype(dtype))


cast: Primitive = primitive(
    "cast",
    shape=_cast_type,
    value=lambda x, dtype: x.astype(dtype),
    derivative=lambda dy, y, x, dtype: (cast(dy, dtype=x.dtype.name) if is_float(x.dtype) else None,),
    lower=Expression(lambda b, x, dtype: b.cast(x, dtype)),
    notation=Notation(r"\mathrm{<dtype>}\left(<0>\right)", ATOM),
    samples=lambda generator: (
        [
            Case(case.operands, {"dtype": dtype})
            for dtype in ("float64", "float32", "int32", "bool")
            for case in reals((-3, 3), away_from=0)(generator)
        ]
        + [
            Case((np.array([0, 7, 2**31, 2**32 - 1], np.uint32),), {"dtype": "float64"}),  # random words
            Case((np.array([0, 7, -1, -(2**31)], np.int32),), {"dtype": "uint32"}),  # a step as a counter
        ]
    ),
)

identity = primitive(
    "identity",
    shape=elementwise,
    value=lambda x: x,
    derivative=lambda dy, y, x: (dy,),
    lower=Expression(lambda b, x: x),
    notation=Notation("<0>", ATOM),
    samples=reals((-3, 3)),
)

stop_gradient = primitive(
    "stop_gradient",
    shape=elementwise,
    value=lambda x: x,
    derivative=None,
    why_not=BLOCKS,
    lower=Expression(lambda b, x: x),
    notation=function(r"\operatorname{stop}"),
    samples=reals((-3, 3)),
)
