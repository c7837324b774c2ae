"""Where the first number that is not finite came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import bind
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value
from chainrule.training.lost import place_of, sizes_by_row
from chainrule.training.remedies import remedy

_SMALLER = "a smaller learning rate, clipped gradients or scaled features may help"


class Beginning(NamedTuple):
    """Where the first number that is not finite was made; as a string, with what to do about it.

    Attributes
    ----------
    found : str
        The number, its row of the data, the operation and the layer, in words.
    part : str
        The path of the layer; empty where it is none.
    remedy : str
        What to do about this operation; empty where nothing more is known than that numbers grew too large.
    """

    found: str
    part: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy or _SMALLER}"


def first_not_finite(graph: Graph, arrays: Mapping[str, Array], rows: Array) -> Beginning:
    """Return where the first value that is NaN or infinite was made: layer, operation, row; and a remedy.

    Parameters
    ----------
    graph : Graph
        The step that failed.
    arrays : mapping of arrays
        All that it saw, by name.
    rows : array
        For each row of the batch, which one of the data it is.
    """
    for value in graph.inputs:
        array = arrays[value.name]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return Beginning(f"{value.name} already held {array[~np.isfinite(array)][0]} before it")
    given = bind(graph.inputs, arrays)
    known = dict(zip(graph.inputs, given, strict=True))
    known |= {value: value.data for value in graph.captured if value.data is not None}
    found: list[Value] = []
    computed = {value.serial for value in (*graph.inputs, *graph.captured)}

    def observe(value: Value, array: Array) -> None:
        if found:
            return
        known[value] = array
        if not any(operand.serial in computed for operand in value.operands):
            return  # a NaN that is written into the graph stands where a loss is not known
        computed.add(value.serial)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            found.append(value)

    Evaluator(graph)(*given, observe=observe)
    if not found:
        return Beginning("replaying it gives finite numbers")
    return _told(found[0], known, rows)


def _told(value: Value, known: Mapping[Value, Array], rows: Array) -> Beginning:
    """Return what is known of the first value that is not finite."""
    assert value.primitive is not None
    where = f" in {value.origin.part}" if value.origin.part else ""
    stage = f" of the {value.origin.stage}" if value.origin.stage else ""
    if value.origin.stage in ("forward", "backward"):
        stage += " pass"
    place = place_of(value, known)
    sample = f"{known[value][place]}{_sample(value, known, place, rows)}"
    found = f"the first is {sample}, made by {value.primitive.name}{where}{stage}"
    return Beginning(found, value.origin.part, remedy(value, known, rows))


def _sample(value: Value, known: Mapping[Value, Array], place: tuple[int, ...], rows: Array) -> str:
    """Return in which row of the data it is, or which row has the largest part in it."""
    if ROWS in value.shape:
        return f" in row {rows[place[value.shape.index(ROWS)]]}"
    sizes = sizes_by_row(value, known)
    return "" if sizes is None else f", most of it from row {rows[int(np.argmax(sizes))]}"
