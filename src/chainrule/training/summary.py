"""A network as a table: its layers in their order, what each returns, and how many parameters it has."""

from __future__ import annotations

from math import prod

from chainrule.gradient.report import aligned
from chainrule.graph.origin import part_of
from chainrule.graph.types import str_shape
from chainrule.layers import declare
from chainrule.training.trainer import Trainer


def summary(trainer: Trainer) -> str:
    """Return the table for the network of a trainer whose weights are drawn."""
    declared, x = trainer.carried.parameters, trainer.x
    assert x is not None
    variables, output = declare(trainer.task.network, x.shape, x.dtype)
    rows = [("layer", "output", "parameters", ""), ("x", str_shape(x.shape), "", "")]
    for path, (layer, shape) in variables.layers.items():
        own = [type_ for name, type_ in declared.items() if part_of(name) == path]
        if not (path or own):
            continue  # the network is in the last line
        count = f"{sum(prod(type_.shape) for type_ in own):,}" if own else ""
        name = f"{path} ({type(layer).__name__})" if path else type(layer).__name__
        rows.append((name, str_shape(shape), count, ""))
    rows.append(("all", str_shape(output.shape), f"{trainer.size:,}", ""))
    return "\n".join(aligned(rows))
