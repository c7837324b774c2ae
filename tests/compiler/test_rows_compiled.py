"""Every row of the table, compiled: the same results as the evaluator's."""

import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.compiler.executable import Executable
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.value import equation

sys.path.insert(0, str(Path(__file__).parents[1] / "primitives"))
from row_cases import CASES, inputs_of, types_of

#: `vectormath` is within 2 units in the last place, power within 4, and NumPy is about as far off.
UNITS = 8


def close(compiled, evaluated):
    if evaluated.dtype.kind != "f":
        np.testing.assert_array_equal(compiled, evaluated)
        return
    scale = np.max(np.abs(evaluated), initial=0, where=np.isfinite(evaluated))
    room = UNITS * np.finfo(evaluated.dtype).eps
    np.testing.assert_allclose(compiled, evaluated, rtol=room, atol=room * scale)


@pytest.mark.parametrize(("row", "case"), CASES)
def test_compiled_as_evaluated(row, case):
    inputs = inputs_of(types_of(case.operands))
    graph = Graph(inputs, [equation(row, tuple(inputs), case.attributes)])
    executable = Executable(graph)
    expected = evaluate(graph, *case.operands)
    for _ in range(2):
        (result,) = executable(*case.operands)
        assert result.dtype == expected[0].dtype
        assert result.shape == expected[0].shape
        close(result, expected[0])
