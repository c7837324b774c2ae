"""Where the first number that is not finite came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import bind
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value

_SMALLER = "a smaller learning rate, clipped gradients or scaled features may help"


def first_not_finite(graph: Graph, arrays: Mapping[str, Array]) -> str:
    """Return where the first value that is NaN or infinite was made: layer, operation, row; and a remedy."""
    for value in graph.inputs:
        array = arrays[value.name]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{value.name} already held {_example(array)} before it; {_SMALLER}"
    found: list[tuple[Value, Array]] = []
    computed = {value.serial for value in (*graph.inputs, *graph.captured)}

    def observe(value: Value, array: Array) -> None:
        if not any(operand.serial in computed for operand in value.operands):
            return  # a NaN that is written into the graph stands where a loss is not known
        computed.add(value.serial)
        if not found and array.dtype.kind == "f" and not np.isfinite(array).all():
            found.append((value, array))

    Evaluator(graph)(*bind(graph.inputs, arrays), observe=observe)
    if not found:
        return f"replaying it gives finite numbers; {_SMALLER}"
    value, array = found[0]
    assert value.primitive is not None
    where = f" in {value.origin.part}" if value.origin.part else ""
    stage = (
        f" of the {value.origin.stage} pass"
        if value.origin.stage in ("forward", "backward")
        else (f" of the {value.origin.stage}" if value.origin.stage else "")
    )
    return f"the first is {_example(array)}, made by {value.primitive.name}{where}{stage}; {_remedy(value)}"


def _remedy(value: Value) -> str:
    """Return what to do about the value that was not finite first."""
    assert value.primitive is not None
    table = value.operands[0]
    if value.primitive.name != "take" or (table.data is not None and not np.isfinite(table.data).all()):
        return _SMALLER
    last = "rows - 1" if table.shape[0] is ROWS else table.shape[0] - 1
    what = f"the input of {value.origin.part}" if value.origin.part else "what it is to take"
    return f"{what} holds a number there that is no category; give whole numbers from 0 to {last}"


def _example(array: Array) -> str:
    place = np.argwhere(~np.isfinite(array))[0]
    row = f" in row {int(place[0])}" if array.ndim > 1 else ""
    return f"{array[tuple(place)]}{row}"
