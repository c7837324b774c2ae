"""Passes keep graphs well formed and results as they are; what was made can be read."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.pipeline import PASSES, run_passes
from chainrule.graph.evaluate import evaluate
from chainrule.graph.trace import trace
from chainrule.graph.verify import verify

X = np.linspace(-2, 2, 12).reshape(3, 4)


def names(graph):
    return [value.primitive.name for value in graph.equations]


def test_every_pass_is_recorded_and_leaves_a_well_formed_graph():
    seen = []
    graph = trace(cr.hessian(lambda x: cr.sum(cr.tanh(x) ** 2 / (1 + cr.exp(x)))), X[0])

    def look(name, result):
        seen.append(name)
        verify(result)
        np.testing.assert_array_equal(evaluate(result, X[0])[0], evaluate(graph, X[0])[0])

    run_passes(graph, look)
    assert seen == [each.__name__ for each in PASSES]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: -cr.negative(x), []),
        (lambda x: cr.stop_gradient(x) * 1, []),
        (lambda x: x / 1.0, []),
        (lambda x: cr.reshape(x, (3, 4)), []),
        (lambda x: cr.permute_dims(x, (0, 1)), []),
        (lambda x: cr.exp(x) + cr.exp(x), ["exp", "add"]),
        (lambda x: x + 0.0, ["constant", "broadcast", "add"]),  # -0 + 0 is 0
        (lambda x: 0 * x, ["constant", "broadcast", "multiply"]),  # 0 · inf is NaN
        (lambda x: x / 2 + x / 2.5, ["constant", "broadcast", "divide"] * 2 + ["add"]),
    ],
)
def test_what_is_simplified_and_what_is_not(function, left):
    assert names(run_passes(trace(function, X))) == left


def test_explanation_shows_each_stage():
    f = cr.compile(lambda x, w: cr.relu(x @ w))
    with pytest.raises(ValueError, match="call the function once"):
        f.explain()
    f(X, np.ones((4, 20)))
    text = f.explain()
    for title in ("graph", "after simplify", "kernels", "memory", "LLVM IR", "assembly"):
        assert f"==== {title} ====" in text
    assert "0: matmul (3, 20); then maximum; stores 1" in text
