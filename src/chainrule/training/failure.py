"""Where the first number that is not finite came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.loop import bind
from chainrule.graph.types import Array
from chainrule.graph.value import Value


def first_not_finite(graph: Graph, arrays: Mapping[str, Array]) -> str:
    """Return a clause that names the first value of a step that is NaN or infinite: layer, operation, row."""
    for value in graph.inputs:
        array = arrays[value.name]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{value.name} already held {_example(array)} before it"
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
        return "replaying it gives finite numbers"
    value, array = found[0]
    assert value.primitive is not None
    where = f" in {value.origin.part}" if value.origin.part else ""
    stage = (
        f" of the {value.origin.stage} pass"
        if value.origin.stage in ("forward", "backward")
        else (f" of the {value.origin.stage}" if value.origin.stage else "")
    )
    return f"the first is {_example(array)}, made by {value.primitive.name}{where}{stage}"


def _example(array: Array) -> str:
    place = np.argwhere(~np.isfinite(array))[0]
    row = f" in row {int(place[0])}" if array.ndim > 1 else ""
    return f"{array[tuple(place)]}{row}"
