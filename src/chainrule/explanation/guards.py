"""Guards of products, which keep 0 times infinity from being NaN: {0 if x = 0, k otherwise} · x is k · x."""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np

from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import Array
from chainrule.graph.value import Value


def unguarded(product: Value, fixed: Container[Value], numbers: Mapping[Value, Array]) -> tuple[Value, ...]:
    """Return the factors of a product, a guarded k that is finite as k; what is `fixed` needs no input."""
    for guard, x in (product.operands, product.operands[::-1]):
        if _is_guard(guard, x, fixed, numbers):
            k = guard.operands[2]
            return (k, x) if np.isfinite(numbers[k]).all() else product.operands
    return product.operands


def _is_guard(guard: Value, x: Value, fixed: Container[Value], numbers: Mapping[Value, Array]) -> bool:
    """Whether a value is {0 if x = 0, k otherwise}."""
    if primitive_name(guard) != "where":
        return False
    condition, chosen, _ = guard.operands
    if primitive_name(condition) != "equal" or condition.operands[0] is not x:
        return False
    zeros = (condition.operands[1], chosen)
    return all(zero in fixed and not np.any(numbers[zero]) for zero in zeros)
