"""Compiled code writes into its arrays, and nowhere beside them; nor does it read there.

To see what is written every array of the arena has a place of its own with some room after it, in which
nothing may change. Otherwise what a kernel writes there falls on another array, and only a graph that needs
this one afterwards shows it.
"""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from random_graphs import cases

import chainrule as cr
from chainrule.compiler import memory
from chainrule.compiler.buffer import SLACK
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.executable import Executable
from chainrule.compiler.schedule import grouped, is_chain
from chainrule.compiler.table import SCRATCH_SLOT, WORDS_SLOT, allocate
from chainrule.graph.evaluate import evaluate
from chainrule.graph.lowering import Contraction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.trace import trace

ROOM = 192  # bytes, times the capacity where an array grows with the rows
MARK = 0xA5
ROWS = (15, 16, 33, 48)  # a multiple of 16 fills its arrays to the end


def with_room(*how, extent=memory._extent):
    found = extent(*how)
    return found._replace(length=found.length + ROOM)


def after_all(taken, *_):
    return max((offset + size for offset, size, _, _ in taken), default=0)


@contextlib.contextmanager
def marked_arenas():
    """Fill every new arena with a mark; yield the list of their capacities, memories and regions."""
    found = []

    def marked(sizes, scratch, capacity, *more):
        array, places = allocate(sizes, scratch, capacity, *more)
        start, words, end = (places[slot] - array.ctypes.data for slot in (0, WORDS_SLOT, SCRATCH_SLOT))
        array.view(np.uint8)[start:] = MARK
        array.view(np.uint8)[words:end] = 0
        found.append((capacity, array, places))
        return array, places

    with patch("chainrule.compiler.executable.allocate", marked):
        yield found


def check_room(graph, runs):
    """Run a graph on some arguments each; check that the room after its arrays is as it was."""
    with patch.object(memory, "_extent", with_room), patch.object(memory, "lowest", after_all):
        compiled = CompiledGraph(graph)
    executable = Executable(graph, compiled)
    for arguments in runs:
        executable._scratch = threading.local()  # as if it had never been called
        with marked_arenas() as found:
            executable(*arguments)
        ((capacity, array, places),) = found
        for serial, buffer in compiled.arena.buffers.items():
            end = buffer.offset + compiled.arena.lengths[serial]
            unit = capacity**buffer.power
            start = places[buffer.power] - array.ctypes.data
            room = array.view(np.uint8)[start + (end - ROOM) * unit : start + end * unit]
            assert np.all(room == MARK), f"%{serial} {buffer} with capacity {capacity}"
        if any(map(packs_outside_of_a_chain, grouped(compiled.kernels))):
            continue  # it has the same memory, at another time
        start = places[SCRATCH_SLOT] - array.ctypes.data + compiled.local.size
        for serial, buffer in compiled.local.buffers.items():
            end = start + buffer.offset + compiled.local.lengths[serial]
            room = array.view(np.uint8)[end - SLACK : end]
            assert np.all(room == MARK), f"%{serial} of a chain, with {capacity} rows"


def packs_outside_of_a_chain(group):
    """Whether a product that is no part of a chain may write to the memory of its thread."""
    roots = [kernel.root for kernel in group if kernel.root is not None]
    return not is_chain(group) and any(isinstance(lowering_of(root), Contraction) for root in roots)


def scores(x, query):
    """Give a weight to each of a row's vectors, as attention does: (rows, n, k) @ (rows, k, 1)."""
    mean = cr.mean(x, axis=1, keepdims=True)
    return cr.sin((x @ query) @ mean)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [2, 32])
def test_products_of_one_column(length, dtype):
    shapes = [(cr.ROWS, length, 3), (cr.ROWS, 3, 1)]
    graph = trace(scores, *(cr.ArrayType(shape, np.dtype(dtype)) for shape in shapes))
    generator = np.random.default_rng(0)
    runs = [[generator.normal(size=(rows, *shape[1:])).astype(dtype) for shape in shapes] for rows in ROWS]
    check_room(graph, runs)
    executable = Executable(graph)
    for arguments in runs:
        (result,), (expected,) = executable(*arguments), evaluate(graph, *arguments)
        np.testing.assert_allclose(result, expected, rtol=0, atol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("derivatives", [False, True])
def test_random_graphs_stay_within_their_arrays(derivatives, thorough):
    @settings(
        max_examples=2000 if thorough else 3 if derivatives else 10,
        deadline=None,
        database=None,
        derandomize=not thorough,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases("float32", derivatives))
    def check(case):
        note(str(case.graph))
        check_room(case.graph, [case.arguments(rows) for rows in (*case.rows, 16)])

    check()


@pytest.mark.parametrize("shape", [(16, 1), (7, 5, 1)])
def test_nothing_is_read_beside_an_array_of_one_element(shape):
    """It shows a number, and is stored: only at its one place."""

    def function(x):
        one = cr.reshape(cr.sin(x), (1,))
        return one, cr.cos(cr.broadcast_to(one, shape))

    graph = trace(function, cr.ArrayType((), np.dtype("float32")))
    x = np.asarray(1, np.float32)
    for result, expected in zip(Executable(graph)(x), evaluate(graph, x), strict=True):
        np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(x.dtype).eps)


@pytest.mark.skipif(sys.platform != "linux", reason="the pages are closed by a call of Linux")
def test_nothing_is_read_beside_a_users_arrays():
    script = Path(__file__).with_name("read_beside_arrays.py")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
