"""Which of a step's arrays are biases? Their shapes tell, as weights link one layer to the next."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from chainrule.diagnosis.own_step import OwnStep

Shape = tuple[int, ...]
#: With more vectors than this, all of them are taken for biases.
MOST_VECTORS = 10


def biases(own: OwnStep) -> set[int]:
    """Return the places of the biases, by their names or by the shapes of all arrays.

    The weights, in their order, must lead from the features to the outputs, and the biases, in theirs, must
    have the widths of the layers. Where more than one reading does, every layer has a bias if it can, and
    the biases come late.
    """
    shapes = [array.shape for array in own.arrays]
    names = [name.rpartition(".")[2][:1].lower() for name in own.names]
    if isinstance(own.structure, dict) and set(names) <= {"b", "w"}:
        return {place for place, name in enumerate(names) if name == "b"}
    vectors = [place for place, shape in enumerate(shapes) if _is_vector(shape)]
    readings = [
        (_is_output(own, widths[-1]), len(chosen), sum(chosen), chosen)
        for chosen in _subsets(vectors)
        for widths in [_widths(own.features, [s for i, s in enumerate(shapes) if i not in chosen])]
        if widths and _are_of(widths[1:], [_size(shapes[place]) for place in chosen])
    ]
    if readings:
        return set(max(readings)[-1])
    return set(vectors) if len(vectors) < len(shapes) else {i for i in vectors if not shapes[i]}


def _is_vector(shape: Shape) -> bool:
    return max(shape, default=1) == _size(shape)


def _size(shape: Shape) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _subsets(places: Sequence[int]) -> list[tuple[int, ...]]:
    if len(places) > MOST_VECTORS:
        return []
    return [chosen for count in range(len(places) + 1) for chosen in itertools.combinations(places, count)]


def _widths(features: int, weights: Sequence[Shape]) -> list[int]:
    """Return the widths of the layers that such weights lead through, (in, out) or (out, in); or nothing."""
    for reverse in (False, True):
        widths = [features]
        for shape in weights:
            link = (*shape, 1, 1)[:2] if len(shape) < 2 else shape[::-1] if reverse else shape
            if len(link) != 2 or link[0] != widths[-1]:
                break
            widths.append(link[1])
        else:
            return widths if weights else []
    return []


def _are_of(widths: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether these are sizes of biases of these layers, in their order."""
    left = iter(widths)
    return all(any(size == width for width in left) for size in sizes)


def _is_output(own: OwnStep, width: int) -> bool:
    """Whether so many outputs fit the targets."""
    columns = own.y.size // own.rows
    if columns > 1 or own.y.dtype.kind == "f":
        return width == columns
    return width > int(own.y.max()) or width == 1
