"""The network that an estimator's parameters describe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple

from chainrule.estimators.embeddings import Embedded, embedding_layer
from chainrule.graph.names import unknown_name
from chainrule.graph.words import counted
from chainrule.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    Residual,
    Sequential,
    Uniform,
)

#: What scikit-learn calls an activation, where chainrule has another word.
_OTHER_NAMES = {"logistic": "sigmoid"}
NORMALIZATIONS: dict[str, Callable[[], Layer]] = {"batch": BatchNorm, "layer": LayerNorm}


class Network(NamedTuple):
    """A network, and what it was built of.

    Attributes
    ----------
    layers : Sequential
        The network itself.
    dense : tuple of str
        Where its Dense layers are: ``layers.0``, ``layers.2``, ...
    widths : tuple of int
        The number of columns of x, and the units of each Dense layer.
    embedded : tuple of Embedded
        The columns that become vectors.
    """

    layers: Sequential
    dense: tuple[str, ...]
    widths: tuple[int, ...] = ()
    embedded: tuple[Embedded, ...] = ()


def layers_of(network: Layer) -> Sequence[Layer]:
    """Return the layers of an estimator's network, the first of which decides what it takes."""
    assert isinstance(network, Sequential)
    return network.layers


def as_sizes(sizes: Any) -> list[int]:
    """Return the widths of the hidden layers; a number is one layer."""
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    numbers = not any(isinstance(size, bool) or not isinstance(size, Real) for size in listed)
    if not numbers or any(size % 1 != 0 for size in listed):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, got {listed}; each is a number of units")
    if any(size <= 0 for size in listed):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {listed}; each is a number of units")
    return [int(size) for size in listed]


def build_network(estimator: Any, widths: Sequence[int], embedded: tuple[Embedded, ...] = ()) -> Network:
    """Return the estimator's Dense layers of these widths, the first being the number of columns.

    Columns of categories become vectors before the first of them.
    After a hidden layer come normalization, activation and dropout. With `residual`, a hidden layer
    that is as wide as what it is given becomes a block x + f(x).
    """
    hidden, normalization = len(widths) - 2, estimator.normalization
    activations = [_as_name(each) for each in _each(estimator.activation, hidden, "activation")]
    rates = _each(estimator.dropout, hidden, "dropout")
    if normalization is not None and normalization not in NORMALIZATIONS:
        raise ValueError(unknown_name("normalization", normalization, NORMALIZATIONS))
    layers = [embedding_layer(widths[0], embedded)] if embedded else []
    columns, *units = widths
    widths = [columns + sum(each.units - 1 for each in embedded), *units]
    dense: list[str] = []
    for i in range(hidden):
        block = _hidden(widths[i], widths[i + 1], activations[i], rates[i], normalization)
        if estimator.residual and widths[i] == widths[i + 1]:
            dense.append(f"layers.{len(layers)}.layers.0")
            layers.append(Residual(block))
        else:
            dense.append(f"layers.{len(layers)}")
            layers.extend(block)
    dense.append(f"layers.{len(layers)}")
    logistic = isinstance(estimator.activation, str) and estimator.activation == "logistic"
    layers.append(_dense(widths[-2], widths[-1], "identity", logistic))
    return Network(Sequential(layers), tuple(dense), (columns, *units), embedded)


def _hidden(inputs: int, units: int, activation: Any, rate: float, normalization: str | None) -> list[Layer]:
    logistic = activation == "sigmoid"
    if normalization is None:
        block: list[Layer] = [_dense(inputs, units, activation, logistic)]
    else:
        block = [
            _dense(inputs, units, "identity", logistic),
            NORMALIZATIONS[normalization](),
            Activation(activation),
        ]
    return [*block, Dropout(rate)] if rate else block


def _dense(inputs: int, units: int, activation: Any, logistic: bool) -> Dense:
    """Return a layer whose weight and bias start within Glorot's limit."""
    limit = Uniform(math.sqrt((2 if logistic else 6) / (inputs + units)))
    return Dense(units, activation, weight_initializer=limit, bias_initializer=limit)


def _each(option: Any, hidden: int, name: str) -> list[Any]:
    """Return an option for every hidden layer; one for all, or a sequence with one for each."""
    if isinstance(option, str) or callable(option) or not hasattr(option, "__iter__"):
        return [option] * hidden
    listed = list(option)
    if len(listed) != hidden:
        raise ValueError(
            f"{name} has {counted(len(listed), 'entry')}, and hidden_layer_sizes {hidden}; "
            "give one for each, or one for all"
        )
    return listed


def _as_name(activation: Any) -> Any:
    if callable(activation):
        return activation
    name = _OTHER_NAMES.get(activation, activation) if isinstance(activation, str) else activation
    if name not in ACTIVATIONS:
        raise ValueError(unknown_name("activation", activation, {*ACTIVATIONS, *_OTHER_NAMES}))
    return name
