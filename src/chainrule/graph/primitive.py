"""Primitive: the schema of a row. The rows themselves stand in `chainrule.primitives`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.graph.lowering import Lowering
from chainrule.graph.notation import Notation
from chainrule.graph.samples import Samples
from chainrule.graph.types import ArrayType, broadcast_shapes
from chainrule.graph.value import PRIMITIVES, Operand, Value, as_value, call, equation, promote


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row of the table of primitives: everything that the house knows about one operation.

    Attributes
    ----------
    name : str
        The word by which operators, graphs as text and files know it.
    shape : callable
        ``shape(*types, **attributes) -> ArrayType``, or a ValueError that says what does not fit.
    value : callable
        ``value(*arrays, **attributes) -> array`` with NumPy: the definition of correct.
    derivative : callable or None
        ``derivative(dy, y, *operands, **attributes) -> (dx, ...)``, one for each operand, as graph values;
        None in a place says that nothing flows to that operand. None instead of the function: see `why_not`.
    lower : Lowering
        How a compiler computes it: one of the few kinds of `chainrule.graph.lowering`.
    notation : Notation
        How a formula shows it.
    samples : callable
        ``samples(generator) -> cases`` on which the generated tests exercise the row.
    broadcasts : bool
        Whether operands are first brought to one dtype and, by explicit broadcasts, to one shape.
    promote : callable
        How operands are brought to one dtype where `broadcasts` holds: all of them, or as the row says.
    why_not : str
        The reason for a column that is None.
    """

    name: str
    shape: Callable[..., ArrayType]
    value: Callable[..., Any]
    derivative: Callable[..., tuple[Value | None, ...]] | None
    lower: Lowering
    notation: Notation
    samples: Samples
    broadcasts: bool = False
    promote: Callable[[tuple[Value, ...]], tuple[Value, ...]] = promote
    why_not: str = ""

    def __call__(self, *operands: Operand, **attributes: Any) -> Value:
        """Return the symbolic result; an error's sentence starts with the primitive's name."""
        try:
            values = tuple(as_value(operand) for operand in operands)
            if self.broadcasts:
                values = broadcast_together(self.promote(values))
            return equation(self, values, attributes)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None

    def __repr__(self) -> str:
        return f"<Primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep copies the one row of this name: rows are told apart by identity."""
        return _named, (self.name,)


def _named(name: str) -> Primitive:
    return PRIMITIVES[name]


def primitive(name: str, **columns: Any) -> Primitive:
    """Enter a row into the table and return it."""
    if name in PRIMITIVES:
        raise ValueError(f"there is already a primitive {name!r}")
    row = Primitive(name, **columns)
    if row.derivative is None and not row.why_not:
        raise ValueError(f"the row {name!r} has no derivative: its why_not must say the reason")
    PRIMITIVES[name] = row
    return row


def lowering_of(value: Value) -> Lowering | None:
    """Return how a compiler computes a value; None for an input and for a captured array."""
    return None if value.primitive is None else value.primitive.lower


def primitive_name(value: Value) -> str:
    """Return the name of the primitive that computes a value; empty for an input and for a captured array."""
    return "" if value.primitive is None else value.primitive.name


def broadcast_together(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values stretched to their common shape, each by an explicit `broadcast`."""
    shapes = [value.shape for value in values]
    if all(shape == shapes[0] for shape in shapes):
        return values
    shape = broadcast_shapes(*shapes)
    return tuple(stretch(value, shape) for value in values)


def stretch(value: Value, shape: tuple[Any, ...]) -> Value:
    """Return the value broadcast to `shape`: its last axes onto the last axes, axes of size 1 repeated."""
    if value.shape == shape:
        return value
    offset = len(shape) - value.ndim
    kept = tuple(axis for axis, dim in enumerate(value.shape) if dim == shape[offset + axis])
    if len(kept) != value.ndim:
        value = call("reshape", value, shape=tuple(value.shape[axis] for axis in kept))
    return call("broadcast", value, shape=shape, axes=tuple(offset + axis for axis in kept))
