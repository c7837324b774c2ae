"""What to do about the first number that is not finite, by its operation and by what is large."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.graph.graph import needed
from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value
from chainrule.training.lost import place_of

#: Data and weights from this size on are named as the likely cause of numbers that are too large.
LARGE = 1e3
#: What grows fast enough to overflow where what it is given is not large.
_FAST = ("exp", "expm1", "power")
Known = Mapping[Value, Array]


def remedy(value: Value, known: Known, rows: Array) -> str:
    """Return what to do about the value that was not finite first; nothing where nothing more is known.

    Parameters
    ----------
    value : Value
        The first one that is not finite.
    known : mapping of arrays
        All that was computed until then.
    rows : array
        For each row of the batch, which one of the data it is.
    """
    too_large = "; ".join(filter(None, (_of_fast(value, known), _of_large(value, known, rows))))
    return _of_category(value) or _of_schedule(value) or _of_forbidden(value, known) or too_large


def _of_category(value: Value) -> str:
    """Return what to do where a table has no such row."""
    table = value.operands[0]
    if primitive_name(value) != "take" or (table.data is not None and not np.isfinite(table.data).all()):
        return ""
    last = "rows - 1" if table.shape[0] is ROWS else table.shape[0] - 1
    what = f"the input of {value.origin.part}" if value.origin.part else "what it is to take"
    return f"{what} holds a number there that is no category; give whole numbers from 0 to {last}"


def _of_schedule(value: Value) -> str:
    """Return what to do where nothing but the number of the step goes into it."""
    given = {one.name for one in needed([value]) if one.primitive is None and one.name}
    if value.origin.stage != "update" or given != {"step"}:
        return ""
    return "a schedule makes it of the number of the step: let it give finite numbers for every step"


def _of_forbidden(value: Value, known: Known) -> str:
    """Return what to do where the operation has no finite value for what it was given."""
    name, given = primitive_name(value), _given(value, known)
    least = {"log": 0.0, "log1p": -1.0}.get(name)
    if least is not None and given and given[0] <= least:
        of_loss = "; of probabilities, use cross_entropy, which takes logits" * (value.origin.stage == "loss")
        return f"{name} was given {given[0]:.4g}, and needs more than {least:g}, as in log(z + 1e-6){of_loss}"
    if name in ("sqrt", "power") and given and given[0] < 0:
        return f"{name} was given {given[0]:.4g}: keep it above 0, as abs(z) + 1e-6 or softplus(z) are"
    by_zero = name in ("divide", "remainder", "floor_divide") and given[1:] == [0]
    if not by_zero and not (name == "power" and given[:1] == [0]):
        return ""
    if value.origin.stage == "backward":
        return (
            "a derivative is infinite there, as those of log and sqrt at 0: keep what such an operation is "
            "given above 0, as sqrt(z + 1e-6) does"
        )
    return "it divides by 0: add a small number to the divisor, as in x / (size + 1e-6)"


def _of_large(value: Value, known: Known, rows: Array) -> str:
    """Return what to do where data are large, or weights have become so."""
    sizes = {
        given: float(np.max(np.abs(known[given])))
        for given in needed([value])
        if given.primitive is None and given.name and given.ndim and known[given].dtype.kind == "f"
        if known[given].size
    }
    most = max(sizes, key=lambda given: sizes[given], default=None)
    if most is None or sizes[most] < LARGE:
        return ""
    size = f"{most.name} reaches {sizes[most]:.2g}"
    if ROWS in most.shape:
        places = np.unravel_index(np.argmax(np.abs(known[most])), known[most].shape)
        return f"{size} in row {rows[places[most.shape.index(ROWS)]]}; scale it, or drop such rows"
    return f"{size}; a smaller learning rate, clipped gradients or weights that start smaller may help"


def _of_fast(value: Value, known: Known) -> str:
    """Return what to do where the operation grows fast."""
    given = _given(value, known)
    if primitive_name(value) not in _FAST or not given:
        return ""
    of = " and ".join(f"{number:.4g}" for number in given)
    return (
        f"{primitive_name(value)} of {of} is more than {value.dtype} holds; bound what it is given, as "
        "clip(z, -30, 30) does, or use smaller weights or features"
    )


def _given(value: Value, known: Known) -> list[float]:
    """Return what an operation was given where its first number is not finite; nothing if shapes differ."""
    if any(operand.shape != value.shape for operand in value.operands):
        return []
    place = place_of(value, known)
    return [float(known[operand][place]) for operand in value.operands]
