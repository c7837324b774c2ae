"""Values that only show others in another order: where in memory their elements are found.

A transposed matrix, or one axis of an array, need not be written anywhere: who reads it reads its source.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.code import Code
from chainrule.compiler.index import Affine, IndexBuilder, Place, axis_counters
from chainrule.graph.lowering import Expression, Reindex
from chainrule.graph.primitive import lowering_of
from chainrule.graph.value import Value


def as_view(value: Value, places: Sequence[Affine]) -> tuple[Value, list[Affine]]:
    """Return the value that this one only shows in another order, and where in it a place is found."""
    indices = list(places)
    while len(value.operands) == 1:
        lower = lowering_of(value)
        if not isinstance(lower, Reindex):
            break
        builder = IndexBuilder(Code("view", ""))
        at = tuple(builder.at(index) for index in indices)
        types = [operand.type for operand in value.operands]
        ((source, condition),) = lower.sources(builder, at, types, **value.attributes)
        if condition is not None or not all(isinstance(place, Place) for place in source):
            break
        indices = [place.affine for place in source]
        value = value.operands[0]
    return value, indices


def is_contiguous(value: Value, axis: int) -> bool:
    """Whether neighbours along an axis (-1 or -2) of a view are neighbours in memory."""
    counters = axis_counters(value.ndim)
    _, indices = as_view(value, counters)
    return bool(indices) and indices[-1] == counters[axis] and counters[axis] not in indices[:-1]


def source_of(value: Value) -> Value:
    """Return the value of which this one is only a view."""
    return as_view(value, axis_counters(value.ndim))[0]


def is_inside(value: Value) -> bool:
    """Whether a value is computed from others at its place, or at one that does not lie before it."""
    if value.primitive is None or isinstance(lowering_of(value), Expression):
        return True
    source, indices = as_view(value, axis_counters(value.ndim))
    return source is not value and all(min(0, *place.terms.values()) >= 0 for place in indices)
