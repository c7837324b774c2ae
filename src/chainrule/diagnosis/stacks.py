"""Layers whose matrices are stacked in one array, and their biases in another, taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.own_step import OwnStep
from chainrule.graph.structure import unflatten
from chainrule.graph.types import Array

#: A stack of more is looked at as one array.
MOST = 8


def unstacked(own: OwnStep) -> OwnStep:
    """Return the step with the layers of a stack as arrays of their own: mistakes are a layer's."""
    are_stacks = [_is_stack(array, own.arrays) for array in own.arrays]
    if not any(are_stacks):
        return own

    def step(given: Sequence[Array], x: Array, y: Array, learning_rate: float) -> Any:
        layers = iter(given)
        arrays = [
            np.stack([next(layers) for _ in array]) if is_stack else next(layers)
            for array, is_stack in zip(own.arrays, are_stacks, strict=True)
        ]
        loss, new = own.step(unflatten(own.structure, arrays), x, y, learning_rate)
        return loss, _apart(own.leaves(new), are_stacks)

    other = OwnStep(step, _apart(own.arrays, are_stacks), own.x, own.y)
    other.single = own.single
    other.names = [
        f"{name}[{i}]" if is_stack else name
        for name, array, is_stack in zip(own.names, own.arrays, are_stacks, strict=True)
        for i in range(len(array) if is_stack else 1)
    ]
    return other


def _is_stack(array: Array, others: Sequence[Array]) -> bool:
    """Whether an array is a few matrices, or the vectors that belong to them."""
    stacks = [one for one in others if one.ndim == 3 and 0 < len(one) <= MOST]
    if array.ndim == 3:
        return 0 < len(array) <= MOST
    return array.ndim == 2 and any(
        len(array) == len(stack) and array.shape[1] in stack.shape[1:] for stack in stacks
    )


def _apart(items: Sequence[Any], are_stacks: Sequence[bool]) -> list[Any]:
    """Return the items, stacks as their layers."""
    return [
        layer
        for item, is_stack in zip(items, are_stacks, strict=True)
        for layer in (item if is_stack else [item])
    ]
