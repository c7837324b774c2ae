"""The parts of a network by their paths: which layer a parameter belongs to, and what kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.layers import BatchNorm, Embedding, Layer, LayerNorm


def title(network: Layer, path: str) -> str:
    """Return a layer's path and kind; the path alone where it cannot be followed.

    Examples
    --------
    >>> import chainrule as cr
    >>> title(cr.Sequential([cr.Dense(3)]), "layers.0"), title(cr.Dense(3), "")
    ('layers.0 (Dense)', 'Dense')
    """
    kind = kind_of(network, path)
    return (f"{path} ({kind})" if path else kind) if kind else path


def so_in(paths: Sequence[str]) -> str:
    """Return in how many layers something is found, as the end of a sentence; nothing where it is one.

    Examples
    --------
    >>> so_in(["layers.0", "layers.2", "layers.4"]), so_in(["layers.0"])
    ('; so it is in 3 layers, layers.0 to layers.4', '')
    """
    return f"; so it is{in_layers(paths)}" if len(paths) > 1 else ""


def in_layers(paths: Sequence[str]) -> str:
    """Return in which layers something is, as the end of a sentence."""
    if len(paths) == 1:
        return f" in {paths[0]}"
    return f" in {len(paths)} layers, {paths[0]} to {paths[-1]}"


def kind_of(network: Layer, path: str) -> str:
    """Return what kind of layer is at a path; nothing where the path cannot be followed.

    Examples
    --------
    >>> import chainrule as cr
    >>> kind_of(cr.Sequential([cr.Dense(3)]), "layers.0")
    'Dense'
    """
    layer = layer_at(network, path)
    return type(layer).__name__ if layer is not None else ""


def layer_at(network: Layer, path: str) -> Layer | None:
    """Return the layer at a path; None where the path cannot be followed.

    Examples
    --------
    >>> import chainrule as cr
    >>> layer_at(cr.Sequential([cr.Dropout(0.5)]), "layers.0")
    Dropout(rate=0.5)
    """
    part: Any = network
    for word in filter(None, path.split(".")):
        try:
            part = part[int(word)] if word.isdecimal() else getattr(part, word)
        except (AttributeError, IndexError, TypeError):
            return None
    return part if isinstance(part, Layer) else None


def takes_numbers(network: Layer) -> bool:
    """Whether the input reaches weights as it is: not through a normalization, nor as category numbers."""
    return not isinstance(first_layer(network), BatchNorm | LayerNorm | Embedding)


def first_layer(network: Layer) -> Layer:
    """Return the layer that takes the input of layers that follow one another."""
    first = network
    while isinstance(layers := getattr(first, "layers", None), tuple) and layers:
        first = layers[0]
    return first
