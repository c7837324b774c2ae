"""Kernels of one signature have the same code, and equal layers have kernels of one signature."""

import itertools
import re

import numpy as np
import pytest
from equal_layers import built, compiled
from random_graphs import grown

import chainrule as cr
from chainrule.compiler.memory import plan_arena, user_buffer
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.program import _with_buffers, _written
from chainrule.compiler.schedule import grouped, scheduled
from chainrule.compiler.signature import signature_of
from chainrule.compiler.table import FIRST_ARRAY
from chainrule.graph.trace import trace


def kernels_of(graph):
    """Return each kernel of a graph with the buffers that are there when it runs."""
    graph = run_passes(graph)
    kernels = scheduled(graph)
    given = [*graph.inputs, *graph.captured, *graph.outputs]
    users = {value.serial: user_buffer(FIRST_ARRAY + place, value) for place, value in enumerate(given)}
    buffers = {**plan_arena(grouped(kernels), users, []).buffers, **users}
    return [(kernel, dict(there)) for kernel, there in _with_buffers(kernels, buffers)]


@pytest.mark.parametrize("derivatives", [False, True])
def test_kernels_of_one_signature_have_the_same_code(derivatives):
    """Otherwise one would run the code of another. Graphs that begin alike have many kernels in common."""
    codes, repeated = {}, 0
    for seed, equations in itertools.product(range(6 if derivatives else 10), range(4, 16)):
        for kernel, buffers in kernels_of(grown(seed, equations, 9, "float32", derivatives).graph):
            key, arrays = signature_of(kernel, buffers)
            writer = _written(kernel, buffers)
            assert writer.access.buffers == arrays
            code = writer.code.text()
            repeated += key in codes
            assert codes.setdefault(key, code) == code
    assert len(codes) > 100
    assert repeated > 100


DIFFERENT = {
    "an attribute": [lambda x, y: x[:, 1:3] * y[:, :2], lambda x, y: x[:, 2:4] * y[:, :2]],
    "a constant": [lambda x, y: x * 2.0, lambda x, y: x * -2.0],
    "the sign of zero": [lambda x, y: x * 0.0, lambda x, y: x * -0.0],
    "an axis": [lambda x, y: cr.sum(x, axis=0), lambda x, y: cr.sum(x, axis=1)],
    "the order of arrays": [lambda x, y: x - y, lambda x, y: y - x],
    "one array twice": [lambda x, y: x * x, lambda x, y: x * y],
    "what is stored": [lambda x, y: [cr.exp(x), -cr.exp(x)], lambda x, y: [-cr.exp(x)]],
    "what a product reads": [lambda x, y: x @ y, lambda x, y: x @ y.T],
}


@pytest.mark.parametrize("functions", DIFFERENT.values(), ids=DIFFERENT)
def test_what_is_different_has_another_signature(functions):
    square = cr.ArrayType((17, 17), np.dtype("float32"))
    keys = []
    for function in functions:
        ((kernel, buffers),) = kernels_of(trace(function, square, square))
        keys.append(signature_of(kernel, buffers).key)
    assert keys[0] != keys[1]


def test_an_array_that_lies_over_another_and_one_that_does_not():
    square = cr.ArrayType((17, 17), np.dtype("float32"))
    graph = trace(lambda x, y: x - y, square, square)
    ((kernel, buffers),) = kernels_of(graph)
    over = {**buffers, graph.outputs[0].serial: buffers[graph.inputs[0].serial]}
    apart, together = signature_of(kernel, buffers), signature_of(kernel, over)
    assert (len(apart.arrays), len(together.arrays)) == (3, 2)
    assert apart.key != together.key
    assert _written(kernel, over).access.buffers == together.arrays


def test_the_same_graph_again_has_the_same_signatures():
    for seed in range(20):
        first, again = (kernels_of(grown(seed, 15, 9, "float32", seed % 2 == 0).graph) for _ in range(2))
        keys = [[signature_of(*each).key for each in kernels] for kernels in (first, again)]
        assert keys[0] == keys[1]


@pytest.mark.parametrize("width", [20, 80], ids=["in one chain", "in many"])
def test_equal_layers_share_their_code(width):
    """What is written for a layer more are the calls of its kernels."""
    shallow, deep = (compiled(*built(depth, width)) for depth in (12, 18))
    counts = [len(re.findall(r"^define ", each.module.text, re.MULTILINE)) for each in (shallow, deep)]
    assert counts[0] == counts[1]
    texts = [re.sub(r"^@.*constant.*$", "", each.module.text, flags=re.MULTILINE) for each in (shallow, deep)]
    sizes = list(map(len, texts))
    assert sizes[1] - sizes[0] < 6 * 6000, "characters, of which a layer's own code would have 60,000"
