"""Guards of products, which keep 0 times infinity from being NaN: {0 if x = 0, k otherwise} · x is k · x."""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np

from chainrule.graph.types import Array
from chainrule.graph.value import PRIMITIVES, Value


def unguarded(product: Value, fixed: Container[Value], numbers: Mapping[Value, Array]) -> tuple[Value, ...]:
    """Return the factors of a product, a guarded k that is finite as k; what is `fixed` needs no input."""
    for guard, x in (product.operands, product.operands[::-1]):
        if guard.primitive is PRIMITIVES["where"]:
            condition, zero, k = guard.operands
            is_guard = condition.primitive is PRIMITIVES["equal"] and condition.operands[0] is x
            zeros = (condition.operands[1], zero) if is_guard else ()
            if is_guard and all(one in fixed and not np.any(numbers[one]) for one in zeros):
                return (k, x) if np.isfinite(numbers[k]).all() else product.operands
    return product.operands
