"""What one has to know to call native code. It is kept beside the code, so that neither is made again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from chainrule.compiler.buffer import Buffer, Stride
from chainrule.compiler.table import Scratch
from chainrule.graph.lowering import Contraction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import DTYPES, ROWS, ArrayType
from chainrule.graph.value import Value


@dataclass(frozen=True)
class GraphPlan:
    """How a graph's code is called.

    Attributes
    ----------
    results : sequence of ArrayType
        What the code computes, in the order of its slots, which come after the captured arrays'.
    outputs : sequence of (str, int)
        Each output of the graph: the number of a ``result``, an ``input`` or a ``captured`` array.
    captured : sequence of int
        The captured arrays that the code reads, in the order of their slots, which come after the inputs'.
    sizes, scratch, parts
        How much memory a call needs: see `chainrule.compiler.table.allocate`.
    arrays : sequence of (slot, offset)
        Where the arrays lie whose addresses follow in the table: see `chainrule.compiler.table.address`.
    work : sequence of (int, int)
        The multiplications of its products: see `multiplications`.
    """

    results: Sequence[ArrayType]
    outputs: Sequence[tuple[str, int]]
    captured: Sequence[int]
    sizes: Sequence[int]
    scratch: Scratch
    parts: int
    arrays: Sequence[tuple[int, int]]
    work: Sequence[tuple[int, int]]

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> GraphPlan:
        """Return the plan that `as_json` wrote."""
        read = {
            "results": [_type(result) for result in plan["results"]],
            "outputs": [(kind, number) for kind, number in plan["outputs"]],
            "scratch": Scratch(**plan["scratch"]),
        }
        return cls(**{**plan, **read})


@dataclass(frozen=True)
class LoopPlan:
    """How a loop's code is called, and where it leaves what.

    Attributes
    ----------
    home : mapping of str to (ArrayType, Buffer)
        The type and the place of each array that is kept from turn to turn, by name.
    replaced : sequence of str
        Those that stages replace.
    data, validation_data : sequence of str
        The tables whose rows steps and the validation read, in the order of their slots.
    captured : sequence of sequences of int
        For each stage the captured arrays that it reads, in the order of their slots.
    results : sequence of str
        The names of the numbers that an epoch leaves.
    control_size : int
        How many numbers the control table has.
    loss : Buffer
        Where a step leaves its loss.
    finite : Buffer
        Where a check leaves a number that is finite if all weights are.
    copies : mapping of str to int
        Where a check leaves the copy of each of these arrays, in bytes after the first.
    copies_size : int
        How many bytes the copies take.
    sizes, scratch, parts
        How much memory a run needs: see `chainrule.compiler.table.allocate`.
    arrays : sequence of (slot, offset)
        Where the arrays lie whose addresses follow in the table: see `chainrule.compiler.table.address`.
    work : sequence of (int, int)
        The multiplications of a step's products: see `multiplications`.
    kernels : int
        How many a step has.
    """

    home: Mapping[str, tuple[ArrayType, Buffer]]
    replaced: Sequence[str]
    data: Sequence[str]
    validation_data: Sequence[str]
    captured: Sequence[Sequence[int]]
    results: Sequence[str]
    control_size: int
    loss: Buffer
    finite: Buffer
    copies: Mapping[str, int]
    copies_size: int
    sizes: Sequence[int]
    scratch: Scratch
    parts: int
    arrays: Sequence[tuple[int, int]]
    work: Sequence[tuple[int, int]]
    kernels: int

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> LoopPlan:
        """Return the plan that `as_json` wrote."""
        read = {
            "home": {name: (_type(kind), _buffer(buffer)) for name, (kind, buffer) in plan["home"].items()},
            "loss": _buffer(plan["loss"]),
            "finite": _buffer(plan["finite"]),
            "scratch": Scratch(**plan["scratch"]),
        }
        return cls(**{**plan, **read})


def work_of(values: Iterable[Value]) -> list[tuple[int, int]]:
    """Return the multiplications of the products among values as (number, power of rows that it is times)."""
    return [_multiplications(value) for value in values if isinstance(lowering_of(value), Contraction)]


def _multiplications(product: Value) -> tuple[int, int]:
    number, power = 1, 0
    for dim in (*product.shape, product.operands[0].shape[-1]):
        if dim is ROWS:
            power += 1
        else:
            number *= int(dim)
    return number, power


def multiplications(work: Sequence[tuple[int, int]], rows: int) -> int:
    """Return how many there are with so many rows: each product has a number, times a power of rows."""
    return sum(number * rows**power for number, power in work)


def as_json(plan: GraphPlan | LoopPlan) -> str:
    """Return a plan as text."""
    return json.dumps(plan, default=_plain)


def _plain(item: Any) -> Any:
    if item is ROWS:
        return str(item.value)
    if isinstance(item, np.dtype):
        return item.name
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _type(written: Mapping[str, Any]) -> ArrayType:
    shape = tuple(ROWS if dim == ROWS.value else int(dim) for dim in written["shape"])
    return ArrayType(shape, DTYPES[written["dtype"]])


def _buffer(written: Mapping[str, Any]) -> Buffer:
    strides = tuple(Stride(**stride) for stride in written["strides"])
    return Buffer(**{**written, "strides": strides})
