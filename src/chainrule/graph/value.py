"""Value: one symbolic array: its type, how it is computed, and where it comes from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from chainrule.graph.origin import Origin, current_origin
from chainrule.graph.types import (
    BOOL,
    DTYPES,
    FLOAT64,
    INT32,
    ROWS,
    Array,
    ArrayType,
    DType,
    Shape,
    as_dtype,
    dtype_name,
    is_float,
    join_dtypes,
    static_size,
)

if TYPE_CHECKING:
    from chainrule.graph.primitive import Primitive

Attributes = Mapping[str, Any]
Operand = Any  # a Value, a NumPy array or a Python number; `as_value` refuses everything else

#: Every primitive by its name. `graph.primitive` fills it; the operators below look theirs up in it.
PRIMITIVES: dict[str, Primitive] = {}

_serial = itertools.count()


class Value:
    """One symbolic array.

    A Value is an *input* (it has a name), a *captured* array (it has data), or the result of an
    *equation*: a primitive applied to other values. Values are immutable and are compared by identity;
    `==` makes a new symbolic value, as `<` and `+` do.

    Attributes
    ----------
    type : ArrayType
        Its shape and dtype.
    primitive, operands, attributes
        How it is computed; `primitive` is None for an input and for a captured array.
    name : str
        The name of an input, otherwise empty.
    data : ndarray or None
        The numbers of a captured array.
    origin : Origin
        The stage of the step and the part of the network that made it.
    weak : bool
        Whether it was computed from Python numbers and hyperparameters only. A weak value takes on the
        dtype of the array that it meets, so that `0.5 * x` keeps the dtype of x.
    serial : int
        The position in the order in which values were made.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> def f(x):
    ...     print(type(x), x.type)
    ...     return cr.sum(x * x)
    >>> cr.grad(f)(np.array([1.0, 2.0]))
    <class 'chainrule.graph.value.Value'> float64[2]
    array([2., 4.])
    """

    __slots__ = ("attributes", "data", "name", "operands", "origin", "primitive", "serial", "type", "weak")

    def __init__(
        self,
        type: ArrayType,
        *,
        primitive: Primitive | None = None,
        operands: tuple[Value, ...] = (),
        attributes: Attributes | None = None,
        name: str = "",
        data: Array | None = None,
        origin: Origin | None = None,
        weak: bool = False,
    ) -> None:
        self.type = type
        self.primitive = primitive
        self.operands = operands
        self.attributes: Attributes = attributes or {}
        self.name = name
        self.data = data
        self.origin = current_origin() if origin is None else origin
        self.weak = weak
        self.serial = next(_serial)

    @property
    def shape(self) -> Shape:
        """The shape; a dimension is an int or `rows`."""
        return self.type.shape

    @property
    def dtype(self) -> DType:
        """The NumPy dtype."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """The number of elements, where no dimension is `rows`."""
        return static_size(self.type.shape)

    @property
    def T(self) -> Value:  # noqa: N802  (the array API's name)
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ValueError(f".T takes a matrix, not an array of {self.ndim} dimensions; see permute_dims")
        return call("permute_dims", self, axes=(1, 0))

    def __repr__(self) -> str:
        how = self.primitive.name if self.primitive else self.name or "captured"
        return f"<Value {how}: {self.type}>"

    # Operators ---------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Value:
        return call("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return call("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return call("subtract", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return call("subtract", other, self)

    def __mul__(self, other: Operand) -> Value:
        return call("multiply", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return call("multiply", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return call("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return call("divide", other, self)

    def __floordiv__(self, other: Operand) -> Value:
        return call("floor_divide", self, other)

    def __rfloordiv__(self, other: Operand) -> Value:
        return call("floor_divide", other, self)

    def __mod__(self, other: Operand) -> Value:
        return call("remainder", self, other)

    def __rmod__(self, other: Operand) -> Value:
        return call("remainder", other, self)

    def __pow__(self, other: Operand) -> Value:
        if type(other) is int and other == 2:
            return call("multiply", self, self)
        return call("power", self, other)

    def __rpow__(self, other: Operand) -> Value:
        return call("power", other, self)

    def __matmul__(self, other: Operand) -> Value:
        return call("matmul", self, other)

    def __rmatmul__(self, other: Operand) -> Value:
        return call("matmul", other, self)

    def __neg__(self) -> Value:
        return call("negative", self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return call("abs", self)

    def __lt__(self, other: Operand) -> Value:
        return call("less", self, other)

    def __le__(self, other: Operand) -> Value:
        return call("less_equal", self, other)

    def __gt__(self, other: Operand) -> Value:
        return call("greater", self, other)

    def __ge__(self, other: Operand) -> Value:
        return call("greater_equal", self, other)

    def __eq__(self, other: Operand) -> Value:  # type: ignore[override]
        return call("equal", self, other)

    def __ne__(self, other: Operand) -> Value:  # type: ignore[override]
        return call("not_equal", self, other)

    def __and__(self, other: Operand) -> Value:
        return call("logical_and", self, other)

    def __rand__(self, other: Operand) -> Value:
        return call("logical_and", other, self)

    def __or__(self, other: Operand) -> Value:
        return call("logical_or", self, other)

    def __ror__(self, other: Operand) -> Value:
        return call("logical_or", other, self)

    def __invert__(self) -> Value:
        return call("logical_not", self)

    def __getitem__(self, index: Any) -> Value:
        return call("getitem", self, index=index)

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Operand, **options: object) -> Value:
        """Apply the primitive of a NumPy function's name: `array + value`, `np.exp(value)`."""
        name = _OF_NUMPY.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or options or not (name in PRIMITIVES or name in OPERATORS):
            raise self._no_number(f"np.{ufunc.__name__}", _OWN)
        return call(name, *operands)

    __hash__ = object.__hash__

    # What a symbolic array has not ---------------------------------------------------------------

    def _no_number(self, what: str, instead: str = "use cr.where to choose between values") -> TypeError:
        return TypeError(
            f"{what} needs a number, and this {self.type} is symbolic: it has none until the graph runs; "
            f"{instead}, and keep Python's if, while, float() and np. functions for plain numbers"
        )

    def __getattr__(self, name: str) -> NoReturn:
        hint = "" if name.startswith("_") else f"; {_OWN}, which take it as an argument"
        raise AttributeError(f"a symbolic array has no attribute {name!r}{hint}", name=name, obj=self)

    def __bool__(self) -> bool:
        raise self._no_number("a Python condition (if, while, and, or, not)")

    def __float__(self) -> float:
        raise self._no_number("float()")

    def __int__(self) -> int:
        raise self._no_number("int()")

    def __index__(self) -> int:
        raise self._no_number("an index")

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        instead = "use cr.where to choose between values, and cr.stack to make an array of a list of them"
        raise self._no_number("a NumPy function", instead)

    def __array_function__(self, function: Any, *_: object) -> NoReturn:
        raise self._no_number(f"np.{function.__name__}", _OWN)

    def __setitem__(self, index: object, item: object) -> NoReturn:
        raise TypeError(
            "a symbolic array cannot be changed in place; make a new one with cr.where, cr.stack or cr.concat"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no len()")
        return static_size(self.shape[:1])

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))


def call(name: str, *operands: Operand, **attributes: Any) -> Value:
    """Apply the primitive, or the composed operator, of this name."""
    return (OPERATORS[name] if name in OPERATORS else PRIMITIVES[name])(*operands, **attributes)


_OWN = "use chainrule's functions, as cr.sum and cr.where"
#: NumPy's names of functions that have another one here.
_OF_NUMPY = {
    "absolute": "abs",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
}
#: Operators that are more than one primitive (`a @ b` on vectors, `x[1:]`), bound by name like primitives.
OPERATORS: dict[str, Any] = {}


def input_value(name: str, shape: Shape, dtype: object, weak: bool = False) -> Value:
    """Return a new input of a graph."""
    return Value(ArrayType(shape, as_dtype(dtype)), name=name, weak=weak)


def input_like(name: str, example: Value | ArrayType | Array, weak: bool = False) -> Value:
    """Return a new input of the shape and dtype of something else."""
    return input_value(name, example.shape, example.dtype, weak)


def equation(
    primitive: Primitive,
    operands: tuple[Value, ...],
    attributes: Attributes,
    *,
    origin: Origin | None = None,
    weak: bool | None = None,
) -> Value:
    """Return the value of a primitive applied to operands, its type inferred by the primitive's row.

    Unless it is told, it is weak if all of its operands are.
    """
    type_ = primitive.shape(*(operand.type for operand in operands), **attributes)
    if weak is None:
        weak = all(operand.weak for operand in operands) and bool(operands) and type_.dtype != BOOL
    return Value(
        type_, primitive=primitive, operands=operands, attributes=attributes, origin=origin, weak=weak
    )


def constant(number: float, dtype: DType, weak: bool = False) -> Value:
    """Return a scalar that is written into the graph."""
    return equation(PRIMITIVES["constant"], (), {"value": number, "dtype": dtype_name(dtype)}, weak=weak)


def as_value(operand: Operand) -> Value:
    """Return a Value for a Value, an array, or a Python number."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, bool | np.bool_):
        return constant(bool(operand), BOOL)
    if isinstance(operand, int | np.integer):
        return constant(_int32(operand), INT32, weak=True)
    if isinstance(operand, float | np.floating):
        return constant(float(operand), FLOAT64, weak=True)
    if operand is ROWS:
        float(operand)  # says why it is no number
    data = as_array(operand)
    return Value(ArrayType(data.shape, data.dtype), data=data)


def as_array(operand: object) -> Array:
    """Return an array of one of the language's dtypes: int64 becomes int32 where it fits, float16 float32."""
    array = np.asarray(operand)
    if array.dtype.name in DTYPES:
        return array.astype(DTYPES[array.dtype.name], copy=False)  # a file's byte order becomes the machine's
    if array.dtype.kind in "iu":
        if array.size and (array.max() > np.iinfo(np.int32).max or array.min() < np.iinfo(np.int32).min):
            raise ValueError(f"{array.dtype} holds integers that do not fit int32; cast it to float64 first")
        return array.astype(INT32)
    if array.dtype.name == "float16":
        return array.astype(np.float32)
    raise TypeError(
        f"an array of numbers is needed, not {type(operand).__name__} "
        f"of dtype {array.dtype}: {_shortened(operand)}"
    )


def _shortened(operand: object) -> str:
    text = repr(operand)
    return text if len(text) <= 60 else text[:57] + "..."


def _int32(number: Any) -> int:
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"the integer {number} does not fit int32; write it as a float")
    return int(number)


def promote(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values cast to their common dtype; weak values follow the others."""
    strong = [value.dtype for value in values if not value.weak]
    dtype = join_dtypes(*(strong or [value.dtype for value in values]))
    weak = not strong
    if strong and not is_float(dtype):
        follower = join_dtypes(*(value.dtype for value in values))
        if follower != dtype:  # int32 array * 0.5: float64 that still yields to the arrays it meets
            dtype, weak = follower, is_float(follower)
    return tuple(cast_value(value, dtype, weak) for value in values)


def cast_value(value: Value, dtype: DType, weak: bool = False) -> Value:
    """Return the value in another dtype; a Python number is written anew rather than converted."""
    if value.dtype == dtype:
        return value
    if value.weak and value.primitive is not None and value.primitive.name == "constant":
        number = value.attributes["value"]
        return constant(float(number) if is_float(dtype) else number, dtype, weak)
    return equation(PRIMITIVES["cast"], (value,), {"dtype": dtype_name(dtype)}, weak=weak)
