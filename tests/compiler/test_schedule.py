"""The order of kernels, and which of them run at the same time."""

import itertools
import textwrap

import numpy as np
import pytest
from hypothesis import event, given, settings
from random_graphs import cases

import chainrule as cr
from chainrule.compiler import local
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.executable import Executable
from chainrule.compiler.fuse import kernels_of
from chainrule.compiler.memory import plan_arena
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.reading import in_place, reads
from chainrule.compiler.schedule import goes_by_rows, grouped, is_chain, scheduled
from chainrule.graph.graph import Graph
from chainrule.graph.trace import trace
from chainrule.graph.types import ArrayType

ROWS = cr.ROWS
W = np.ones((4, 4), np.float32)


def kernels(function, *shapes):
    types = [ArrayType(shape, np.dtype("float32")) for shape in shapes]
    return scheduled(run_passes(trace(function, *types)))


@pytest.mark.parametrize(
    ("function", "by_rows"),
    [
        (lambda x: cr.tanh(x), True),
        (lambda x: x @ W, True),
        (lambda x: cr.softmax(x), True),
        (lambda x: cr.max(x, axis=1), True),
        (lambda x: x[:, 1:] * 2, True),
        (lambda x: cr.concat([x, x], axis=1), True),
        (lambda x: cr.reshape(x, (x.shape[0], 2, 2)), True),
        (lambda x: cr.sum(x, axis=0), False),
        (lambda x: x * cr.sum(x), False),
        (lambda x: x @ cr.permute_dims(x, (1, 0)), False),
        (lambda x: cr.permute_dims(x, (1, 0)) @ x, False),
        (lambda x: cr.permute_dims(x, (1, 0)) * 2, False),
    ],
    ids=[
        *["tanh", "matmul", "softmax", "max", "slice", "concat", "reshape"],
        *[
            "sum of rows",
            "scaled",
            "Gram matrix of rows",
            "Gram matrix",
            "transposed",
        ],
    ],
)
def test_what_goes_by_rows(function, by_rows):
    found = kernels(function, (ROWS, 4))
    assert all(map(goes_by_rows, found)) == by_rows
    assert (len(grouped(found)) == 1 and is_chain(found)) == by_rows


def step_kernels(width=8, batch_norm=False):
    """Return the kernels of a training step of three layers."""
    layers = [cr.Dense(width, activation="relu"), *([cr.BatchNorm()] if batch_norm else [])]
    net = cr.Sequential([*layers, cr.Dense(width, activation="tanh"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(1e-3))
    model.build(features=8)
    trainer = model._trainer
    data = trainer.batch(np.ones((4, 8)), np.zeros(4, int), None)
    return scheduled(run_passes(trainer.loop(data, {}, shuffle=True).step.graph))


def test_forward_and_backward_are_one_chain_and_the_updates_a_bundle():
    found = step_kernels()
    groups = grouped(found)
    chain = max(groups, key=len)
    assert is_chain(chain)
    assert sum(kernel.root is not None and kernel.root.primitive.name == "matmul" for kernel in chain) == 5
    assert [group for group in groups if is_chain(group)] == [chain]
    assert any(len(group) > 3 and not is_chain(group) for group in groups)


def test_a_mean_over_rows_parts_the_chain():
    assert sum(map(is_chain, grouped(step_kernels(batch_norm=True)))) > 2


def test_large_matrices_stand_alone():
    """They would come from memory again for each part of the rows."""
    groups = grouped(step_kernels(width=1024))
    large = [kernel for group in groups for kernel in group if _has_square(kernel)]
    assert len(large) == 3
    assert all([kernel] in groups for kernel in large)


def _has_square(kernel):
    shapes = [] if kernel.root is None else [kernel.root.shape, kernel.root.operands[-1].shape]
    return (1024, 1024) in shapes


@settings(deadline=None)
@given(cases("float32", derivatives=True))
def test_every_kernel_comes_after_what_it_reads(case):
    graph = run_passes(case.graph)
    found = scheduled(graph)
    assert {value.serial for kernel in found for value in kernel.stored} == {
        value.serial for kernel in kernels_of(graph) for value in kernel.stored
    }
    made = {value.serial for kernel in found for value in kernel.stored}
    stored = set()
    for group in grouped(found):
        beside = set()
        for kernel in group:
            needed = reads(kernel, stored | beside) & made
            assert needed <= stored | beside
            assert is_chain(group) or needed <= stored
            beside |= {value.serial for value in kernel.stored}
        stored |= beside


@settings(deadline=None, max_examples=60)
@given(cases("float32", derivatives=True))
def test_rows_that_go_through_a_chain_part_by_part_are_the_same(case):
    compiled = CompiledGraph(case.graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "LEAST_ROWS", 16)
        patch.setattr(local, "CHAIN_BYTES", 0)
        other = CompiledGraph(case.graph)
    event(f"another text: {other.module.text != compiled.module.text}")
    if other.module.text == compiled.module.text:
        return  # no chain of it has memory of its own
    whole, in_parts = Executable(case.graph, compiled), Executable(case.graph, other)
    for rows in case.rows:
        arguments = case.arguments(rows)
        for one, other in zip(whole(*arguments), in_parts(*arguments), strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_only_a_chain_needs_lies_in_its_own_memory():
    groups = grouped(step_kernels())
    found = local.plan_local(groups, ())
    chains = [group for group in groups if len(group) > 1 and is_chain(group)]
    stored = {value.serial for group in chains for kernel in group for value in kernel.stored}
    there = {value.serial for group in groups for kernel in group for value in kernel.stored}
    others = [kernel for group in groups if group not in chains for kernel in group]
    read = {serial for kernel in others for serial in reads(kernel, there)}
    assert found.buffers.keys() == stored - read
    assert found.buffers
    assert read & stored
    serial = next(iter(found.buffers))
    assert serial not in local.plan_local(groups, {serial}).buffers


def test_arrays_of_a_chain_lie_apart_while_they_are_needed():
    (chain,) = (group for group in grouped(step_kernels()) if len(group) > 1 and is_chain(group))
    found = local.plan_local([chain], ())
    spans = {serial: (b.offset, b.offset + found.lengths[serial]) for serial, b in found.buffers.items()}
    assert max(end for _, end in spans.values()) == 0
    assert min(begin for begin, _ in spans.values()) == -found.size
    for number, kernel in enumerate(chain):
        made = {value.serial for before in chain[: number + 1] for value in before.stored}
        later = {serial for after in chain[number:] for serial in reads(after, made)}
        alive = sorted(spans[serial] for serial in made & (later | {v.serial for v in kernel.stored}))
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(alive))


def test_a_chain_of_rows_without_elements():
    text = """\
    graph
      input x: float32[rows, 0]
      %0: float32[rows, 0] = tanh(x)
      %1: float32[rows, 0] = slice(%0; start=(0, 0), stop=(rows, 0), step=(1, 1))
      return %1"""
    graph = Graph.from_text(textwrap.dedent(text))
    assert any(map(is_chain, grouped(scheduled(run_passes(graph)))))
    assert Executable(graph)(np.zeros((5, 0), np.float32))[0].shape == (5, 0)


def test_what_runs_at_the_same_time_lies_apart():
    found = step_kernels()
    groups = grouped(found)
    arena = plan_arena(groups, [], [])
    sizes = {1: 64 * 4}
    for group in groups:
        places = []
        for kernel in group:
            for value in kernel.stored:
                buffer = arena.buffers[value.serial]
                scale = sizes.get(buffer.power, 1)
                places.append((buffer.power, buffer.offset * scale, arena.lengths[value.serial] * scale))
        for power in {place[0] for place in places}:
            spans = sorted((begin, begin + size) for own, begin, size in places if own == power)
            assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_nothing_is_written_over_what_runs_at_the_same_time_may_read():
    types = [ArrayType((4,), np.dtype("float32"))] * 2
    graph = run_passes(trace(lambda v, w: (v * 2, cr.sum(v * w)), *types))
    double, total = sorted(scheduled(graph), key=lambda kernel: kernel.root is not None)
    v, doubled = graph.inputs[0], graph.outputs[0]
    assert in_place([[total], [double]], {doubled.serial: v}) == {doubled.serial: v}
    assert in_place([[double], [total]], {doubled.serial: v}) == {}
    assert in_place([[total, double]], {doubled.serial: v}) == {}
