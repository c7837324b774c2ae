"""Random graphs: compiled as evaluated.

An output may be off by 16 times what rounding makes of it, and 4 units in the last place. What rounding makes
of it is the largest deviation from float64 of evaluations, in the graph's own precision, in some of which
every result is moved by one rounding; where a few of these happen to end at the same number, many tell. A
float64 graph is compared with its own evaluation.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from random_graphs import cases

from chainrule.compiler.executable import Executable
from chainrule.graph.evaluate import Evaluator, bind_rows
from chainrule.graph.lowering import Reindex
from chainrule.graph.rewrite import in_float64
from chainrule.graph.types import ROWS

JUMPS = ("floor", "floor_divide", "sign")
EXACT = ("constant", "identity", "stop_gradient", "negative", "abs", "max", "min", "maximum", "minimum")
EXACT += ("where", "take", *JUMPS)
SUMS = ("sum", "matmul", "scatter_add")
UNITS, ROUNDINGS = 4, 16
MOVED_RUNS = 3
MANY_RUNS = 30


def run(graph, arguments, generator=None):
    """Evaluate a graph; return the outputs, and all that jumps: comparisons, integers, whole numbers.

    With a generator every result is moved by about one rounding, a sum of n numbers by √n of the sum of their
    absolute values: what their order makes of it.
    """
    rows = bind_rows(graph.inputs, arguments)

    def bound(item):
        if isinstance(item, tuple):
            return tuple(map(bound, item))
        return rows if item is ROWS else item

    known = {value.serial: array for value, array in zip(graph.inputs, arguments, strict=True)}
    known |= {value.serial: value.data for value in graph.captured}
    jumps = []
    with np.errstate(all="ignore"):
        for value in graph.equations:
            attributes = {name: bound(item) for name, item in value.attributes.items()}
            row, operands = value.primitive, [known[x.serial] for x in value.operands]
            array = np.asarray(row.value(*operands, **attributes))
            if array.dtype.kind != "f" or row.name in JUMPS:
                jumps.append(array)
            elif generator is not None and not (row.name in EXACT or isinstance(row.lower, Reindex)):
                size = sum_size(row, operands, attributes) if row.name in SUMS else array
                array = moved(array, size, generator)
            known[value.serial] = array
    return [known[value.serial] for value in graph.outputs], jumps


def sum_size(row, operands, attributes):
    """Return the sum of absolute values, times the root of their number."""
    ones = [np.ones_like(x) if x.dtype.kind == "f" else x for x in operands]
    absolute = [np.abs(x) if x.dtype.kind == "f" else x for x in operands]
    return row.value(*absolute, **attributes) * np.sqrt(row.value(*ones, **attributes))


def moved(array, size, generator):
    """Return an array moved up or down by about one rounding of numbers of a size."""
    part = generator.choice([-1, 1], array.shape) * generator.uniform(0.5, 1, array.shape)
    by = np.where(np.isfinite(size), np.finfo(array.dtype).eps * part * size, 0)
    return np.asarray(array + by.astype(array.dtype))


def special(x):
    """NaN and the infinities as small integers, everything else as 0."""
    return np.isnan(x) * 2 + np.isposinf(x) * 3 + np.isneginf(x) * 4


def agree(one, other):
    """Whether two evaluations made the same decisions and have NaN and infinities at the same places."""
    (outputs, jumps), (others, other_jumps) = one, other
    floats = [(x, y) for x, y in zip(outputs, others, strict=True) if x.dtype.kind == "f"]
    return all(map(np.array_equal, jumps, other_jumps)) and all(
        np.array_equal(special(x), special(y)) for x, y in floats
    )


def largest_error(x, exact):
    """The largest deviation among the finite elements."""
    finite = np.isfinite(exact)
    return np.max(np.abs(x[finite].astype(np.float64) - exact[finite]), initial=0)


def compare(case, rows, executable):
    """Check one run of the compiled graph; return whether there was anything to compare."""
    graph, arguments = case.graph, case.arguments(rows)
    widened = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in arguments]
    exact = run(in_float64(graph), widened)
    generator = np.random.default_rng(1)
    compiled = executable(*arguments)
    evaluated = [run(graph, arguments)]
    np.testing.assert_equal([x.dtype for x in compiled], [x.dtype for x in evaluated[0][0]])
    np.testing.assert_equal([x.shape for x in compiled], [x.shape for x in evaluated[0][0]])
    for runs in (MOVED_RUNS, MANY_RUNS):
        evaluated += [run(graph, arguments, generator) for _ in range(runs)]
        if not all(agree(each, exact) for each in evaluated):
            return False
        wrong = list(too_far(compiled, exact[0], [outputs for outputs, _ in evaluated]))
        if not wrong:
            return True
    raise AssertionError("; ".join(wrong))


def too_far(compiled, exact, evaluated):
    """Yield what is wrong with each output that is off by more than rounding makes of it."""
    for place, (x, true) in enumerate(zip(compiled, exact, strict=True)):
        if x.dtype.kind != "f":
            np.testing.assert_array_equal(x, true)
            continue
        np.testing.assert_array_equal(special(x), special(true))
        finite = np.isfinite(true)
        room = ROUNDINGS * max(largest_error(outputs[place], true) for outputs in evaluated)
        units = UNITS * np.spacing(np.abs(true[finite]).astype(x.dtype)).astype(np.float64)
        off = np.abs(x[finite].astype(np.float64) - true[finite])
        if np.any(off > room + units):
            yield f"output {place}: off by {off.max()}, {room} allowed"


def check(strategy, examples, thorough):
    """Compare many graphs; return how many there were and how many were dropped."""
    counts = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not thorough,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def compiled_as_evaluated(case):
        note(str(case.graph))
        executable = Executable(case.graph)
        for rows in case.rows:
            counts[compare(case, rows, executable)] += 1

    compiled_as_evaluated()
    print(f"{counts[True]} compared, {counts[False]} dropped")
    assert counts[False] < counts.total() / 5, counts


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_graphs(dtype, thorough):
    check(cases(dtype), 8000 if thorough else 150, thorough)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derivatives_of_random_graphs(dtype, thorough):
    check(cases(dtype, derivatives=True), 4000 if thorough else 60, thorough)


def test_the_evaluation_here_is_the_evaluator():
    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(cases("float32"))
    def same(case):
        arguments = case.arguments(case.rows[0])
        for x, y in zip(run(case.graph, arguments)[0], Evaluator(case.graph)(*arguments), strict=True):
            np.testing.assert_array_equal(x, y)

    same()
