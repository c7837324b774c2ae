"""Does a training step take softmax twice? Its loss and its update betray it, row by row."""

from __future__ import annotations

import math

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close
from chainrule.graph.types import Array

ROWS = 4  # that are looked at, one by one
DRAWS = 3  # of random weights
SCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4)
EXACT = 1e-6


def one_hot_rows(own: OwnStep) -> list[Array]:
    """Return each of the first rows' classes as a vector of 0 and 1; none where y holds no classes."""
    rows = [own.on_rows([i]).y.ravel() for i in range(min(own.rows, ROWS))]
    if all(row.size > 1 and set(row.tolist()) == {0, 1} and row.sum() == 1 for row in rows):
        return [row.astype(np.float64) for row in rows]
    numbers = own.y.ravel()
    if numbers.size != own.rows or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        return []
    classes = max(own.arrays[-1].shape[-1] if own.arrays[-1].ndim else 1, int(numbers.max()) + 1, 2)
    return [np.eye(classes)[int(row[0])] for row in rows]


def loss_has_two(own: OwnStep, targets: list[Array], generator: np.random.Generator) -> str:
    """Return the evidence that the loss takes softmax twice; empty if there is none.

    The second softmax sees numbers between 0 and 1 only. So however sure the network is, the loss of a row
    stays at ln(e + K - 1) where it is wrong, and at 1 less where it is right, for K classes.
    """
    if not targets:
        return ""
    classes = len(targets[0])
    wrong = math.log(math.e + classes - 1)
    for scale in SCALES:
        hits = 0
        for _ in range(DRAWS):
            arrays = [scale * generator.normal(size=array.shape) for array in own.arrays]
            for row in range(len(targets)):
                loss = own.on_rows([row]).loss(arrays)
                hits += any(
                    close(loss * times, limit, EXACT)
                    for limit in (wrong, wrong - 1)
                    for times in (1, classes)
                )
        if hits > DRAWS * len(targets) / 2:
            return (
                f"however large the weights, a row's loss stays between {wrong - 1:.4f} and {wrong:.4f}, "
                f"which are -ln(e / (e + {classes - 1})) and -ln(1 / (e + {classes - 1}))"
            )
    return ""


def update_has_two(own: OwnStep, targets: list[Array], rate: float) -> str:
    """Return the evidence that the update takes softmax once more than the loss; empty if there is none.

    On one row, the derivative by the output's bias is p - t: so p can be read off the loss, and off the
    update.
    """
    if not targets:
        return ""
    sized = [i for i, array in enumerate(own.arrays) if array.size == len(targets[0]) == max(array.shape)]
    if not sized:
        return ""
    bias, said = sized[-1], []
    for row, target in enumerate(targets):
        part = own.on_rows([row])
        slopes = [part.slope(bias, index).value for index in np.ndindex(own.arrays[bias].shape)]
        p = np.array(slopes) + target
        used = part.claimed(rate)[bias].ravel() + target
        again = np.exp(p) / np.sum(np.exp(p))
        if not np.allclose(used, again, rtol=0, atol=1e-5) or np.allclose(p, again, rtol=0, atol=1e-3):
            return ""
        said.append(", ".join(f"{number:.3f}" for number in p))
    return f"in row 0 the loss says that the probabilities are {said[0]}, and the update uses softmax of them"
