"""What a step without weights of its own is tried on: a small net, in the forms that are usual."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.graph.types import Array

#: As many inputs, hidden units and classes, so that a transposed gradient fits too; and more examples, so
#: that rows and columns do not.
WIDTH, EXAMPLES = 4, 6


def examples() -> Iterator[tuple[Any, Array, Array]]:
    """Yield weights, x and y, the most usual form first.

    Examples are in rows, or in columns. There are 4 classes, as vectors of 0 and 1, or one output, or 4
    classes as numbers, in this order: steps are least likely to run with what they are not made for. Biases
    are vectors, rows or columns, or there are none. The weights are a list, with the biases between or
    behind them, or a dict.
    """
    targets = ((WIDTH, False), (1, False), (1, True), (WIDTH, True))
    for (outputs, as_numbers), in_columns in itertools.product(targets, (False, True)):
        y = _targets(outputs, as_numbers)
        column = (-1, 1) if in_columns else (1, -1)
        for bias, form in itertools.product(((-1,), column, None), range(3)):
            generator = np.random.default_rng(12)
            layers = [generator.normal(size=(WIDTH, width)) for width in (WIDTH, outputs)]
            vectors = [generator.normal(size=width) for width in (WIDTH, outputs)]
            x = generator.normal(size=(EXAMPLES, WIDTH))
            yield (
                _weights(
                    [w.T if in_columns else w for w in layers],
                    [] if bias is None else [vector.reshape(bias) for vector in vectors],
                    form,
                ),
                x.T if in_columns else x,
                y.T if in_columns else y,
            )


def _targets(outputs: int, as_numbers: bool) -> Array:
    """Return targets as the numbers of classes, or one row for each example."""
    classes = np.random.default_rng(12).permutation(np.arange(EXAMPLES) % max(outputs, 2))
    if as_numbers:
        return classes
    return np.eye(outputs)[classes] if outputs > 1 else classes[:, None] * 1.0


def _weights(layers: list[Array], vectors: list[Array], form: int) -> Any:
    """Return weights and biases as a list by layers, a dict, or a list of weights and then biases."""
    if form == 2:
        return [*layers, *vectors]
    named = {f"W{i}": w for i, w in enumerate(layers, 1)} | {f"b{i}": b for i, b in enumerate(vectors, 1)}
    by_layers = {name: named[name] for name in sorted(named, key=lambda name: (name[1], name[0]))}
    return list(by_layers.values()) if form == 0 else by_layers
