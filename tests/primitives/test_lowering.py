"""`lower` computes what `value` computes, through nothing but the builder."""

import numpy as np
import pytest
from reference_builder import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    LOGIC,
    OPERATIONS,
    NumPyBuilder,
    compute,
)
from row_cases import CASES, inputs_of, types_of

from chainrule.graph import lowering
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.types import FLOAT64, INT32, ROWS, UINT32, ArrayType
from chainrule.graph.value import PRIMITIVES

ULPS = 4


def lowered(row, operands, attributes, rows=None, types=None):
    """The row computed from its `lower`; `types` and `attributes` may speak of `rows`."""
    types = types or types_of(operands)
    return compute(row.lower, row.shape(*types, **attributes), operands, types, attributes, rows)


def assert_same(row, actual, expected, operands=()):
    """Exactly equal, but for the roundings of functions and of sums in another order."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if expected.dtype.kind != "f" or isinstance(
        row.lower, lowering.Reindex | lowering.Gather | lowering.Scatter
    ):
        np.testing.assert_array_equal(actual, expected)
        return
    tolerance = ULPS * np.finfo(expected.dtype).eps
    if isinstance(row.lower, lowering.Expression):
        scale = np.abs(expected)
    else:  # additions in another order: relative to the sum of what is added, in absolute value
        total = np.abs(operands[0]).sum()
        scale = total * np.abs(operands[1]).max(initial=1) if len(operands) == 2 else total
    with np.errstate(invalid="ignore"):
        close = np.abs(actual - expected) <= tolerance * scale + np.finfo(expected.dtype).smallest_subnormal
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    assert np.all(close | same), (row, actual, expected)


@pytest.mark.parametrize(("row", "case"), CASES)
def test_lower_agrees_with_value(row, case):
    expected = np.asarray(row.value(*case.operands, **case.attributes))
    assert_same(row, lowered(row, case.operands, case.attributes), expected, case.operands)


def reals(*shape):
    return ArrayType(shape, FLOAT64)


def positions(*shape):
    return ArrayType(shape, INT32)


WORD = ArrayType((), UINT32)


@pytest.mark.parametrize(
    ("name", "types", "attributes"),
    [
        ("iota", (), {"size": ROWS}),
        ("broadcast", (reals(),), {"shape": (ROWS, 2), "axes": ()}),
        ("broadcast", (reals(2),), {"shape": (ROWS, 2), "axes": (1,)}),
        ("broadcast", (reals(ROWS),), {"shape": (ROWS, 2), "axes": (0,)}),
        ("reshape", (reals(ROWS, 6),), {"shape": (ROWS, 2, 3)}),
        ("reshape", (reals(2, 3, ROWS, 4, 1),), {"shape": (6, ROWS, 2, 2)}),
        ("reshape", (reals(ROWS),), {"shape": (1, ROWS, 1)}),
        ("permute_dims", (reals(ROWS, 2, 3),), {"axes": (2, 0, 1)}),
        ("slice", (reals(ROWS, 6),), {"start": (0, 1), "stop": (ROWS, 6), "step": (1, 2)}),
        ("pad", (reals(ROWS, 2),), {"low": (0, 1), "high": (0, 2), "between": (0, 1)}),
        ("concat", (reals(ROWS, 2), reals(ROWS, 3)), {"axis": 1}),
        ("sum", (reals(ROWS, 3),), {"axes": (0,)}),
        ("max", (reals(2, ROWS),), {"axes": (0, 1)}),
        ("min", (positions(ROWS),), {"axes": (0,)}),
        ("argmax", (reals(ROWS, 3),), {"axes": (1,)}),
        ("matmul", (reals(ROWS, 3), reals(3, 2)), {}),
        ("matmul", (reals(3, ROWS), reals(ROWS, 2)), {}),
        ("random_bits", (WORD, WORD, positions()), {"shape": (ROWS, 3), "site": 1, "word": 2}),
        ("take", (reals(ROWS, 2), positions(ROWS)), {}),
        ("scatter_add", (positions(ROWS), reals(ROWS, 2)), {"size": ROWS}),
    ],
)
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_with_rows(name, types, attributes, rows):
    """With a number of rows that is only known at run time, evaluation and lowering still agree."""
    row = PRIMITIVES[name]
    generator = np.random.default_rng(0)

    def draw(type_):
        shape = tuple(rows if dim is ROWS else dim for dim in type_.shape)
        if type_.dtype == FLOAT64:
            return generator.normal(size=shape)
        return np.asarray(generator.integers(0 if type_ == WORD else -1, rows + 1, shape), type_.dtype)

    operands = [draw(type_) for type_ in types]
    inputs = inputs_of([*types, reals(ROWS)])  # the last one only says how many rows there are
    y = row(*inputs[:-1], **attributes)
    (expected,) = evaluate(Graph(inputs, [y]), *operands, np.zeros(rows))
    assert expected.shape == tuple(rows if dim is ROWS else dim for dim in y.shape)
    assert_same(row, lowered(row, operands, attributes, rows, types), expected, operands)


def test_the_contract_names_every_operation():
    for table, names in (
        (ARITHMETIC, lowering.ARITHMETIC),
        (COMPARISONS, lowering.COMPARISONS),
        (LOGIC, lowering.LOGIC),
        (FUNCTIONS, lowering.FUNCTIONS),
    ):
        assert set(table) == set(names)


def test_rows_use_every_operation_and_no_other():
    used = set()
    for param in CASES:
        row, case = param.values
        type_ = row.shape(*types_of(case.operands), **case.attributes)
        builder = NumPyBuilder(type_.shape)
        compute(row.lower, type_, case.operands, types_of(case.operands), case.attributes, builder=builder)
        used |= builder.used
    assert used == set(OPERATIONS)


def test_a_builder_refuses_what_the_contract_has_not():
    assert hasattr(NumPyBuilder(()), "multiply")
    assert not hasattr(NumPyBuilder(()), "fused_multiply_add")
