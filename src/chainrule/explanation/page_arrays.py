"""The arrays of a page as few bytes as they need, each number in full.

An array whose elements are products of two others' is not written at all. Of one that is nearly another, or a
number times it, as new weights are, the bits that differ are written. The first bytes of all numbers stand
together, and so do the second; then everything is compressed (zlib), which a browser undoes.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.explanation.formula import names
from chainrule.explanation.patterns import name_pattern
from chainrule.explanation.quantity import Quantity
from chainrule.graph.types import BOOL, FLOAT32, FLOAT64, Array

#: Smaller arrays are written as they are.
LEAST_PRODUCT = 1000


def packed(quantities: Mapping[str, Quantity]) -> tuple[dict[str, Any], str]:
    """Return for each array how to read it, and the bytes of all arrays: compressed, in base 64."""
    arrays = {key: _as_float(quantity.array) for key, quantity in quantities.items()}
    described: dict[str, Any] = {}
    parts: list[bytes] = []
    start = 0
    for key, quantity in quantities.items():
        array = arrays[key]
        entry = {
            "shape": list(quantity.array.shape),
            "dtype": array.dtype.name,
            "name": name_pattern(quantity),
            "truth": quantity.array.dtype == BOOL,
        }
        factors = _factors(quantity, array, arrays)
        if factors:
            described[key] = entry | {"factors": factors}
            continue
        old = key.removesuffix("′")
        base = old if old != key and _alike(array, arrays.get(old)) else None
        scale = 1.0 if base is None else _ratio(array, arrays[base])
        bits = _bits(array) if base is None else _bits(array) ^ _bits(_times(arrays[base], scale))
        parts.append(bits.T.tobytes())
        described[key] = entry | {"start": start, "base": base, "scale": scale}
        start += len(parts[-1])
    return described, compressed(b"".join(parts))


def compressed(data: bytes) -> str:
    """Return bytes compressed, in base 64."""
    return base64.b64encode(zlib.compress(data)).decode()


def _as_float(array: Array) -> Array:
    return np.ascontiguousarray(array, FLOAT32 if array.dtype == FLOAT32 else FLOAT64)


def _bits(array: Array) -> Array:
    """Return the bytes of each number, the lowest first, as a row."""
    ordered = array.astype(array.dtype.newbyteorder("<")).reshape(-1)
    return ordered.view(np.uint8).reshape(-1, array.itemsize)


def _alike(array: Array, other: Array | None) -> bool:
    return other is not None and (other.shape, other.dtype) == (array.shape, array.dtype)


def _ratio(array: Array, base: Array) -> float:
    """Return what most elements are of another array's."""
    with np.errstate(all="ignore"):
        ratios = array.astype(FLOAT64) / base
    finite = ratios[np.isfinite(ratios)]
    return float(np.median(finite)) if finite.size else 1.0


def _times(array: Array, scale: float) -> Array:
    """Return the array times a number, rounded once, as JavaScript computes it."""
    with np.errstate(over="ignore"):
        return (array.astype(FLOAT64) * scale).astype(array.dtype)


def _factors(quantity: Quantity, array: Array, arrays: Mapping[str, Array]) -> list[str]:
    """Return the names of two rows whose outer product it is, to the last bit; none if it is not."""
    if quantity.formula is None or array.ndim != 2 or array.size < LEAST_PRODUCT:
        return []
    found = sorted({name.symbol.key for name in names(quantity.formula)} & set(arrays))
    for first in found:
        for second in found:
            a, b = arrays[first], arrays[second]
            if (a.size, b.size) == array.shape and a.dtype == b.dtype == array.dtype:
                product = np.multiply.outer(a.ravel(), b.ravel())
                if product.tobytes() == array.tobytes():
                    return [first, second]
    return []
