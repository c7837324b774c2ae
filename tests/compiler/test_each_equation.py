"""Each equation by itself, in random graphs in which all that is computed is an output.

What compiled code gives for an equation is what the evaluator gives on the operands that compiled code gave,
within the rounding of that one primitive. An error cannot hide in what a whole graph may lose by rounding,
and a failure names its equation.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from random_graphs import cases
from test_vectormath import LIMITS, needs_long_double, true

import chainrule as cr
from chainrule.compiler.executable import Executable
from chainrule.graph.evaluate import bind_rows
from chainrule.graph.graph import Graph
from chainrule.graph.types import ROWS

SUMS = ("sum", "matmul", "scatter_add")


def with_all_outputs(graph):
    """Return the graph with every equation's value as an output."""
    return Graph(graph.inputs, graph.equations)


def bound(item, rows):
    if isinstance(item, tuple):
        return tuple(bound(each, rows) for each in item)
    return rows if item is ROWS else item


def wider(x):
    """Return floats in a wider float."""
    return (
        x.astype({"float32": np.float64, "float64": np.longdouble}[x.dtype.name])
        if x.dtype.kind == "f"
        else x
    )


def check_sum(row, found, operands, attributes):
    """A sum of n numbers in any order is off by at most n roundings of the sum of their absolute values."""
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, row.value(*operands, **attributes))
        return
    wide = [wider(x) for x in operands]  # a scatter's indices stay as they are
    exact = row.value(*wide, **attributes)
    size = row.value(*(np.abs(x) if x.dtype.kind == "f" else x for x in wide), **attributes)
    count = row.value(*(np.ones_like(x) if x.dtype.kind == "f" else x for x in wide), **attributes)
    info = np.finfo(found.dtype)
    plain = np.isfinite(size) & (size < info.max)  # elsewhere the order decides whether a part overflows
    room = (count + 1) * (info.eps / 2) * size + count * info.smallest_subnormal
    off = np.abs(wider(found) - exact)
    assert np.all(off[plain] <= room[plain]), f"off by {off[plain].max()}"
    whole = np.isfinite(size)
    assert np.array_equal(np.isnan(found[~whole]), np.isnan(exact[~whole]))


def check_function(row, found, operands):
    """A function's result is near the exact one, in units in the last place."""
    exact = np.asarray(true(row.name, *operands))
    rounded = exact.astype(found.dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~finite], rounded[~finite])
    room = LIMITS[row.name] * np.spacing(np.abs(rounded[finite]))
    off = np.abs(found[finite].astype(exact.dtype) - exact[finite])
    assert np.all(off <= room), f"off by {(off / room).max() * LIMITS[row.name]} units"


def check_equation(value, found, operands, rows):
    """Check one equation's array against what the evaluator makes of the operands' arrays."""
    row, attributes = value.primitive, bound_attributes(value, rows)
    assert found.shape == tuple(bound(value.shape, rows))
    assert found.dtype == value.dtype
    with np.errstate(all="ignore"):
        if row.name in SUMS:
            check_sum(row, found, operands, attributes)
        elif row.name in LIMITS:
            check_function(row, found, operands)
        else:  # arithmetic that is rounded as IEEE says, and moving things about: every bit
            np.testing.assert_array_equal(found, row.value(*operands, **attributes))


def bound_attributes(value, rows):
    return {name: bound(item, rows) for name, item in value.attributes.items()}


def check_all(case, rows, executable, counts):
    """Run a case and check each of its equations."""
    graph, arguments = executable.graph, case.arguments(rows)
    number = bind_rows(graph.inputs, arguments)
    arrays = {value.serial: array for value, array in zip(graph.inputs, arguments, strict=True)}
    arrays |= {value.serial: value.data for value in graph.captured}
    arrays |= {
        value.serial: array for value, array in zip(graph.outputs, executable(*arguments), strict=True)
    }
    for value in graph.equations:
        operands = [arrays[operand.serial] for operand in value.operands]
        try:
            check_equation(value, arrays[value.serial], operands, number)
        except AssertionError as error:
            raise AssertionError(f"%{value.serial} = {value!r} with rows = {rows}: {error}") from None
        counts[value.primitive.name] += 1


def check(strategy, examples, thorough):
    """Check each equation of many graphs; return how often each primitive was met."""
    counts = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not thorough,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each_equation(case):
        note(str(case.graph))
        executable = Executable(with_all_outputs(case.graph))
        for rows in case.rows:
            check_all(case, rows, executable, counts)

    each_equation()
    return counts


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("derivatives", [False, True])
def test_each_equation_on_compiled_operands(derivatives, dtype, thorough):
    ordinary = 12 if derivatives else 30
    counts = check(cases(dtype, derivatives), 3000 if thorough else ordinary, thorough)
    assert len(counts) > 30


@pytest.mark.parametrize("function", [cr.maximum, cr.minimum])
@pytest.mark.parametrize("number", [0.0, -0.0, 1.5, -np.inf, np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_larger_of_an_element_and_a_number(function, number, dtype):
    """A number that is known takes one comparison less; NaN, the signs of zeros and ties come out alike."""
    special = [0.0, -0.0, 1.0, 1.5, 2.0, -1.0, np.inf, -np.inf, np.nan]
    x = np.array(special * 4, dtype)
    for f in (lambda x: function(x, number), lambda x: function(number, x)):
        got, wanted = cr.compile(f)(x), f(x)
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(np.signbit(got)[wanted == 0], np.signbit(wanted)[wanted == 0])
