"""One row for each primitive: shape · value · derivative · lowering · notation · samples.

Importing this package fills the table `chainrule.graph.value.PRIMITIVES`. To add a primitive, write its row
in one of these files: see docs/adding-a-primitive.md.
"""

from chainrule.primitives import (
    contraction,
    division,
    elementwise,
    indexing,
    random,
    reductions,
    shaping,
    sigmoids,
    trigonometric,
)

__all__ = [
    "contraction",
    "division",
    "elementwise",
    "indexing",
    "random",
    "reductions",
    "shaping",
    "sigmoids",
    "trigonometric",
]
