"""Every row of the table: its type, its derivative to second order, its notation."""

import re

import numpy as np
import pytest
from row_cases import CASES, ROWS_OF_TABLE, SMOOTH_CASES, inputs_of, samples, takes, types_of

from chainrule.functions import sum as sum_of
from chainrule.gradient.backward import backward
from chainrule.graph.evaluate import Evaluator, evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.notation import ATOM, RELATION
from chainrule.graph.rewrite import in_float64
from chainrule.graph.types import is_float
from chainrule.graph.verify import verify


@pytest.mark.parametrize(("row", "case"), CASES)
def test_type(row, case):
    """The inferred type is that of NumPy's result, and the equation is well-formed."""
    inputs = inputs_of(types_of(case.operands))
    y = row(*inputs, **case.attributes)
    with np.errstate(all="ignore"):
        result = np.asarray(row.value(*case.operands, **case.attributes))
    assert (result.shape, result.dtype) == (y.shape, y.dtype)
    graph = Graph(inputs, [y])
    verify(graph)
    np.testing.assert_array_equal(evaluate(graph, *case.operands)[0], result)


def slope(run, arguments, direction, step=1e-4):
    """The derivative of the first output along a direction: central differences, extrapolated."""

    def difference(h):
        ahead, behind = (
            run(
                *[
                    x + s * h * d if is_float(x.dtype) else x
                    for x, d in zip(arguments, direction, strict=True)
                ]
            )
            for s in (1, -1)
        )
        return (ahead[0] - behind[0]) / (2 * h)

    return (4 * difference(step / 2) - difference(step)) / 3


def assert_slopes(inputs, y, arguments, generator):
    """Compare the gradients of y with differences, along a direction for each input and one for all."""
    variables = [x for x in inputs if is_float(x.dtype)]
    run = Evaluator(in_float64(Graph(inputs, [y, *backward(y, variables)])))
    gradients = iter(run(*arguments)[1:])
    analytic = [next(gradients) if is_float(x.dtype) else np.zeros(x.shape) for x in inputs]
    for chosen in [[x] for x in variables] + [variables]:
        direction = [generator.normal(size=x.shape) * any(x is one for one in chosen) for x in inputs]
        along = [np.sum(dx * d) for dx, d in zip(analytic, direction, strict=True)]
        scale = 0.01 + sum(np.sum(np.abs(dx * d)) for dx, d in zip(analytic, direction, strict=True))
        assert sum(along) == pytest.approx(slope(run, arguments, direction), abs=1e-7 * scale)


@pytest.mark.parametrize(("row", "case"), SMOOTH_CASES)
def test_derivative(row, case):
    """dy · ∂y/∂x against differences of <dy, y>, and its own derivative against differences of <u, dx>."""
    generator = np.random.default_rng(1)
    inputs = inputs_of([*types_of(case.operands), row.shape(*types_of(case.operands), **case.attributes)])
    *operands, dy = inputs
    arguments = [*case.operands, generator.normal(size=dy.shape)]

    y = sum_of(dy * row(*operands, **case.attributes))
    assert_slopes(inputs, y, arguments, generator)

    variables = [x for x in operands if is_float(x.dtype)]
    for dx in backward(y, variables):
        verify(Graph(inputs, [dx]))
        assert_slopes(inputs, sum_of(dx * generator.normal(size=dx.shape)), arguments, generator)


@pytest.mark.parametrize(("row", "case"), SMOOTH_CASES)
def test_derivative_has_the_type_of_its_operand(row, case):
    operands = inputs_of(types_of(case.operands))
    y = row(*operands, **case.attributes)
    dxs = row.derivative(y, y, *operands, **case.attributes)
    assert len(dxs) == len(operands)
    for x, dx in zip(operands, dxs, strict=True):
        assert (dx is not None) == is_float(x.dtype)
        assert dx is None or dx.type == x.type


@pytest.mark.parametrize("row", ROWS_OF_TABLE)
def test_columns_are_filled(row):
    """A row has samples that it takes, and either a derivative that is tested or the reason why not."""
    assert samples(row)
    assert all(takes(row, case) for case in samples(row))
    tested = any(param.values[0] is row for param in SMOOTH_CASES)
    assert tested == (row.derivative is not None)
    assert bool(row.why_not) == (row.derivative is None)


@pytest.mark.parametrize("row", ROWS_OF_TABLE)
def test_notation(row):
    """A slot for each operand, and for attributes only by their names; precedences are on the scale."""
    for case in samples(row):
        slots = re.findall(r"<(\w+|\*)>", row.notation.template)
        numbers = {int(slot) for slot in slots if slot.isdigit()}
        names = {slot for slot in slots if not slot.isdigit()} - {"*"}
        assert numbers == (set() if "*" in slots else set(range(len(case.operands))))
        assert names <= set(case.attributes)
        assert len(row.notation.operands) <= max(len(case.operands), 1)
    assert all(
        RELATION <= precedence <= ATOM for precedence in (row.notation.precedence, *row.notation.operands)
    )
    assert row.notation.template.count("{") == row.notation.template.count("}")
