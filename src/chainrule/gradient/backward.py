"""The backward pass: the chain rule, from the output of a graph back to its inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chainrule.graph.graph import needed
from chainrule.graph.origin import origin
from chainrule.graph.primitive import stretch
from chainrule.graph.types import is_float
from chainrule.graph.value import Value, call, constant


def backward(output: Value, inputs: Sequence[Value], d_output: Value | None = None) -> list[Value]:
    r"""Return the derivative of `output` with respect to each of `inputs`, as more values of the same graph.

    Call the output L, and write dv for :math:`\partial L / \partial v`: how fast L changes when the value v
    does and all else stays. For L itself it is 1. Say y was computed from x, and dy is known already. When x
    changes a little, y changes :math:`\partial y / \partial x` times as much, and L dy times as much again:

    .. math:: dx = dy \cdot \frac{\partial y}{\partial x}

    This product is what the `derivative` of y's primitive writes down. If x is used in several places, it
    changes L through each of them, and what arrives from them is added up. So we go through the graph in
    reverse order: when the turn comes to y, every value that uses y has had its own, and dy is complete.

    Parameters
    ----------
    output : Value
        What to differentiate: a float scalar, or an array together with `d_output`.
    inputs : sequence of Value
        The floats to differentiate by.
    d_output : Value, optional
        What arrives at the output itself, of its shape; ones unless given.

    Returns
    -------
    list of Value
        One for each input, of its shape and dtype; zeros where the output does not depend on it.
    """
    d = derivatives_between(output, inputs, d_output)
    return [d[x] if x in d else filled_like(x, 0) for x in inputs]


def derivatives_between(
    output: Value, inputs: Sequence[Value], d_output: Value | None = None, apart: Collection[Value] = ()
) -> dict[Value, Value]:
    """Return dy for every value y through which the output depends on an input, and dx for the inputs.

    What one value hands on unchanged is the derivative by another as well. By each of those `apart` it is a
    value of its own, an identity, so that all that is computed from it shows which one it came through.
    """
    d = {output: filled_like(output, 1) if d_output is None else d_output}
    for y in reversed(values_between(inputs, output)):
        if y in d and y.primitive is not None and y.primitive.derivative is not None:
            with origin("backward", y.origin.part):
                if y in apart:
                    d[y] = call("identity", d[y])
                dxs = y.primitive.derivative(d[y], y, *y.operands, **y.attributes)
                for x, dx in zip(y.operands, dxs, strict=True):
                    if dx is not None:
                        d[x] = d[x] + dx if x in d else dx
    for x in inputs:
        if x in d and x in apart:
            d[x] = call("identity", d[x])
    return d


def values_between(inputs: Sequence[Value], output: Value) -> list[Value]:
    """Return, in order of computation, the values through which a derivative can flow to an input.

    These are the floats that are computed from an input. Integers and bools do not vary continuously; and an
    input that is itself computed from another counts as given.
    """
    reached = {x.serial for x in inputs}
    path = []
    for value in needed([output]):
        depends = any(x.serial in reached for x in value.operands)
        if depends and value.serial not in reached and is_float(value.dtype):
            reached.add(value.serial)
            path.append(value)
    return path


def filled_like(x: Value, number: float) -> Value:
    """Return one number repeated to the shape and dtype of x."""
    return stretch(constant(number, x.dtype), x.shape)
