"""The chain rule over a graph, from the output back to the inputs."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.functions.shaping import ones_like, zeros_like
from chainrule.graph.graph import needed
from chainrule.graph.origin import origin
from chainrule.graph.types import is_float
from chainrule.graph.value import Value


def backward(output: Value, inputs: Sequence[Value], d_output: Value | None = None) -> list[Value]:
    r"""Return the derivative of `output` with respect to each of `inputs`, as more values of the same graph.

    Write dv for :math:`\partial L / \partial v`: how fast the output L changes when v does. For the output
    itself it is 1. Each value y was computed from operands x; if dy is known, the chain rule gives

    .. math:: dx = dy \cdot \frac{\partial y}{\partial x}

    which is what the `derivative` of y's primitive writes down. A value that is used in several places gets
    the sum of what arrives from each. In reverse order of computation, everything has arrived at a value by
    the time its turn comes.
    """
    d = {output: ones_like(output) if d_output is None else d_output}
    path = values_between(inputs, output)
    for y in reversed(path):
        if y in d and y.primitive is not None and y.primitive.derivative is not None:
            with origin("backward", y.origin.part):
                dxs = y.primitive.derivative(d[y], y, *y.operands, **y.attributes)
                for x, dx in zip(y.operands, dxs, strict=True):
                    if dx is not None:
                        d[x] = d[x] + dx if x in d else dx
    return [d[x] if x in d else zeros_like(x) for x in inputs]


def values_between(inputs: Sequence[Value], output: Value) -> list[Value]:
    """Return, in order of computation, the values through which a derivative flows from an input to the output.

    Inputs are not among them, nor integers and bools, which do not vary continuously.
    """
    reached = {x.serial for x in inputs}
    path = []
    for value in needed([output]):
        depends = any(x.serial in reached for x in value.operands)
        if depends and value.serial not in reached and is_float(value.dtype):
            reached.add(value.serial)
            path.append(value)
    return path
