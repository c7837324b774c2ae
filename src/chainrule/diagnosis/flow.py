"""How gradients flow: whether they vanish or explode on their way back, and how far they move weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from chainrule.diagnosis.parts import in_layers, so_in, title
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.origin import part_of
from chainrule.graph.types import Array
from chainrule.layers import Layer

VANISHING, EXPLODING = "vanishing gradients", "exploding gradients"

#: What to do about weights that are far too small.
LARGER = (
    "start with weights of a variance of 1 / inputs to 2 / inputs, as layers do unless they are given a "
    "weight_initializer"
)
#: What to do about biases that are far too large.
NO_BIASES = "start with biases of 0"
#: What to do about gradients that are 0, to the last digit.
UNBLOCK = "look for what lets no derivative through between it and the loss, as a factor of 0 does"
#: What to do about gradients that vanish, whatever the weights; and about those that explode.
OTHERWISE = (
    "use relu, gelu or selu in place of activations that flatten out (sigmoid, softmax), fewer layers, "
    "Residual layers, or normalize between them"
)
CALM = (
    "start with smaller weights, normalize between layers (LayerNorm, BatchNorm), or clip: "
    "clip_global_norm=1.0"
)


def layer_sizes(weights: Mapping[str, Array]) -> dict[str, float]:
    """Return for each layer with a matrix of weights |weights|, from the input to the output.

    It is at least that of usual initial weights, of a variance of 1 / inputs: a last layer that starts at 0,
    or near it, is no fault.
    """
    usual = {
        part_of(name): array.size / array.shape[-2] for name, array in weights.items() if array.ndim >= 2
    }
    squares = dict.fromkeys(usual, 0.0)
    for name, array in weights.items():
        if part_of(name) in squares:
            squares[part_of(name)] += float(np.sum(array.astype(float) ** 2))
    return {part: float(np.sqrt(max(square, usual[part]))) for part, square in squares.items()}


def judged_ratios(ratios: Mapping[str, float], weights: Mapping[str, Array]) -> dict[str, float]:
    """Return update ratios; of weights that are small as they start, as a part of usual ones.

    They have to grow, and grow by large parts of themselves. What is usual or less stays as it is.
    """
    sizes, norms = layer_sizes(weights), dict[str, float]()
    for name, array in weights.items():
        norms[part_of(name)] = float(np.hypot(norms.get(part_of(name), 0.0), _norm(array)))
    return {
        part: max(ratio * norms[part] / sizes[part], min(ratio, LIMITS.usual_update))
        if sizes.get(part)
        else ratio
        for part, ratio in ratios.items()
    }


def weight_sizes(weights: Mapping[str, Array], variance: float) -> dict[str, float]:
    """Return for each matrix how many times √(variance / inputs) its weights are."""
    return {
        name: float(np.sqrt(np.mean(array.astype(float) ** 2) * array.shape[-2] / variance))
        for name, array in weights.items()
        if array.ndim >= 2
    }


def times_smaller(weights: Mapping[str, Array], variance: float) -> dict[str, float]:
    """Return for each matrix that is not 0 how many times smaller than usual its weights are.

    A variance of `variance` / inputs is usual, and of as much by the mean of inputs and units, where that is
    less.
    """
    times = {}
    for name, size in weight_sizes(weights, variance).items():
        inputs, units = weights[name].shape[-2:]
        if size:
            times[name] = 1 / (size * math.sqrt(max(1.0, (inputs + units) / (2 * inputs))))
    return times


def large_weights(weights: Mapping[str, Array]) -> dict[str, float]:
    """Return the layers whose weights are unusually large, and how many times √(2 / inputs) they are."""
    sizes = weight_sizes(weights, 2.0)
    return {part_of(name): size for name, size in sizes.items() if size > LIMITS.large_weights}


def told_of_tiny(weights: Mapping[str, Array]) -> str:
    """Return the end of a sentence about weights that are far too small, not 0; nothing where none are."""
    times = times_smaller(weights, 1.0)
    tiny = {part_of(name): most for name, most in times.items() if most > 1 / LIMITS.tiny_weights}
    if not tiny:
        return ""
    return f"; weights are up to {max(tiny.values()):.3g} times smaller than usual{in_layers(list(tiny))}"


def told_of_large(network: Layer, large: Mapping[str, float]) -> str:
    """Return the end of a sentence about unusually large weights; nothing where there are none."""
    if not large:
        return ""
    most, parts = max(large.values()), list(large)
    if len(parts) == 1:
        return f"; weights of {title(network, parts[0])} are {most:.2g} times as large as usual"
    return f"; weights are up to {most:.2g} times as large as usual{in_layers(parts)}"


def told_of_large_biases(network: Layer, weights: Mapping[str, Array]) -> str:
    """Return the end of a sentence about a bias larger than outputs should be; nothing without one."""
    reach = {part_of(name): float(np.max(np.abs(b))) for name, b in weights.items() if b.ndim == 1}
    part = max(reach, key=lambda part: reach[part], default="")
    if not reach or reach[part] <= LIMITS.fresh_output:
        return ""
    return f"; the biases of {title(network, part)} reach {reach[part]:.3g}"


def relative_gradients(weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> dict[str, float]:
    """Return for each layer with a matrix of weights |gradient| / |weights|, from the input to the output."""
    matrices = {name: array for name, array in weights.items() if array.ndim >= 2}
    sizes = layer_sizes(matrices)
    return {part_of(name): _norm(gradients[name]) / sizes[part_of(name)] for name in matrices}


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.astype(float)))


def gradient_flow(
    network: Layer,
    relative: Mapping[str, float],
    usual: float | None,
    weights: Mapping[str, Array],
) -> Iterator[Verdict]:
    """Find the layers in which gradients vanish, or explode.

    Parameters
    ----------
    network : Layer
        Whose layers they are.
    relative : mapping of float
        For each layer, from the input on, |gradient| / |weights|.
    usual : float or None
        How steep the loss is where nothing is known. Without it layers are compared with each other only: a
        loss a thousand times as large has gradients as much larger, which is no fault.
    weights : mapping of arrays
        Where gradients explode, or vanish, the likely cause.
    """
    if not relative:
        return
    largest, last = max(relative.values()), list(relative.values())[-1]
    beyond_last = max(LIMITS.exploded_of_last * last or math.inf, usual or 0.0)
    limit = beyond_last if usual is None else min(beyond_last, LIMITS.exploded_gradient * usual)
    exploded = [part for part, size in relative.items() if not size <= limit]
    vanished = [part for part, size in relative.items() if size < LIMITS.vanished_gradient * largest]
    if exploded:
        part = max(exploded, key=lambda part: (not np.isfinite(relative[part]), relative[part]))
        steep = usual is not None and relative[part] > LIMITS.exploded_gradient * usual
        beside = f"; the loss of a guess has a slope of {usual:.2g}" if steep else ""
        yield Verdict(
            EXPLODING,
            title(network, part),
            f"the gradient is {relative[part]:.2g} times as large as the weights, at the output {last:.2g}"
            f"{beside}{so_in(exploded)}{told_of_large(network, large_weights(weights))}",
            CALM,
        )
    elif vanished:
        part = min(vanished, key=lambda part: relative[part])
        cause = told_of_tiny(weights)
        yield Verdict(
            VANISHING,
            title(network, part),
            f"the gradient is {relative[part]:.1g} of the weights, and {largest:.1g} where it is largest"
            f"{so_in(vanished)}{cause}",
            LARGER if cause else OTHERWISE if relative[part] else UNBLOCK,
        )


def update_ratios(
    network: Layer, ratios: Mapping[str, float], relative: Mapping[str, float]
) -> Iterator[Verdict]:
    """Find the layer whose weights a step changes hardly at all.

    Where steps are usual in another layer, and the gradient is far less than there, the learning rate is not
    to blame: gradients vanish on their way.

    Parameters
    ----------
    network : Layer
        Whose layers they are.
    ratios : mapping of float
        For each layer, by how much of themselves a step changes its weights.
    relative : mapping of float
        For each layer, |gradient| / |weights|.
    """
    moving = {part: ratio for part, ratio in ratios.items() if ratio > 0}  # others are frozen, or zero
    least = min(moving, key=lambda part: moving[part], default="")
    if not moving or not moving[least] < LIMITS.least_update:
        return
    most = max(moving, key=lambda part: moving[part])
    found = f"a step changes the weights by {moving[least]:.1g} of themselves"
    largest = max(relative.values(), default=0.0)
    has_vanished = relative.get(least, largest) < LIMITS.vanished_gradient * largest
    if has_vanished and moving[most] > LIMITS.slow_update:
        beside = f"{found}, and those of {title(network, most)} by {moving[most]:.1g}"
        where = f"the gradient is {relative[least]:.1g} of the weights, and {largest:.1g} where it is largest"
        yield Verdict(VANISHING, title(network, least), f"{beside}; {where}", OTHERWISE)
    else:
        usual = f"about {LIMITS.usual_update:g} is usual"
        remedy = "raise the learning rate"
        if moving[most] > LIMITS.slow_update:
            usual += f", and {moving[most]:.1g} is the change of {title(network, most)}"
            remedy += " of this layer, which learning_rate_factors of the optimizer choose"
        yield Verdict("updates too small", title(network, least), f"{found}; {usual}", remedy)
