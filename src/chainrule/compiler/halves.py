"""Sums over rows that lie in two halves: the gradient of a weight, once for each half of the rows.

A thread that has taken some rows forward and backward finds what these have left in its own cache. Were it to
compute some columns of a gradient, it would need all rows of them, half of which lie in another core's cache,
and that core would have to fetch them back for the next step. So each half of the rows has a sum of its own,
and whoever reads the gradient adds the two. The halves are fixed by the rows alone, whatever the number of
threads, and with them every bit.
"""

from __future__ import annotations

import math

from chainrule.compiler.views import source_of
from chainrule.graph.graph import Graph
from chainrule.graph.lowering import Contraction, Expression, Reduction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, static_size
from chainrule.graph.value import Value

#: The most elements of a sum that is kept twice.
MOST_HALVED = 1 << 13
#: So many times as much must be read for the sums as is kept: halves spare the one and cost the other.
WORTH_HALVING = 4


def rows_worth_halving(graph: Graph) -> float:
    """Return over how many rows products read so much, beside what they make, that halves are worth it."""
    products = [value for value in graph.equations if _is_product_over_rows(value) and _is_small(value)]
    read = sum(sum(map(int, value.shape)) for value in products)
    return WORTH_HALVING * sum(static_size(value.shape) for value in products) / read if read else math.inf


def sums_in_halves(graph: Graph) -> set[int]:
    """Return the serials of the sums over rows that may lie in two halves.

    They are small, and only expressions read them, element by element.
    """
    read_whole = {value.serial for value in graph.outputs}
    for value in graph.equations:
        if not isinstance(lowering_of(value), Expression):
            for operand in value.operands:
                read_whole |= {operand.serial, source_of(operand).serial}
    return {
        value.serial
        for value in graph.equations
        if value.serial not in read_whole
        and (_is_product_over_rows(value) or _is_sum_over_rows(value))
        and _is_small(value)
    }


def _is_small(value: Value) -> bool:
    return ROWS not in value.shape and static_size(value.shape) <= MOST_HALVED


def _is_product_over_rows(value: Value) -> bool:
    is_product = isinstance(lowering_of(value), Contraction)
    return is_product and value.ndim == 2 and value.operands[0].shape[-1] is ROWS


def _is_sum_over_rows(value: Value) -> bool:
    lower = lowering_of(value)
    if not (isinstance(lower, Reduction) and lower.added):
        return False
    (x,) = value.operands
    return value.ndim > 0 and x.shape[0] is ROWS and value.attributes["axes"] == (0,)
