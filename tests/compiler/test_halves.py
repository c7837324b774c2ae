"""Sums over rows in two halves: which ones lie so, and that this changes nothing but the order of a sum."""

import itertools

import emulation
import numpy as np
import pytest
from recorded import recorded, trained
from test_compiled_training import close
from test_hostile import CPUS, TILES_FOR, on_x86, poisoned, runs

import chainrule as cr
from chainrule.compiler import loop_memory, matmul, native, native_loop
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.halves import MOST_HALVED, rows_worth_halving, sums_in_halves
from chainrule.compiler.llvm import emit_object
from chainrule.compiler.native_loop import NativeLoop, goes_in_halves
from chainrule.compiler.operand import FAR_BYTES
from chainrule.compiler.panels import _width
from chainrule.compiler.pipeline import run_passes
from chainrule.compiler.schedule import MOST_MATRICES, scheduled
from chainrule.graph.loop import EvaluatedRun
from chainrule.graph.trace import trace
from chainrule.graph.types import ArrayType
from chainrule.graph.value import Value

X = np.random.default_rng(2).normal(size=(133, 7))
Y = np.sin(X[:, :3] * 2)


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Have small steps go in halves, too."""
    monkeypatch.setattr(native_loop, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(native_loop, "rows_worth_halving", lambda graph: 0)


# Which sums ------------------------------------------------------------------------------------------


def turned(x):
    return cr.permute_dims(x, (1, 0))


ROWS = (cr.ROWS, 20)


@pytest.mark.parametrize(
    ("function", "halved"),
    [
        (lambda x, y: (turned(x) @ y) * 2.0, True),
        (lambda x, y: cr.sum(x * y, axis=0) * 2.0 + cr.sum(x, axis=0), True),
        (lambda x, y: turned(x) @ y, False),
        (lambda x, y: cr.sum(x * y, axis=0), False),
        (lambda x, y: cr.reshape(turned(x) @ y, (400,)) * 2.0, False),
        (lambda x, y: x @ (turned(x) @ y) * 2.0, False),
        (lambda x, y: cr.max(x, axis=0) * 2.0, False),
        (lambda x, y: cr.sum(x) * 2.0, False),
        (lambda x, y: cr.sum(x, axis=1) * 2.0, False),
        (lambda x, y: (x @ turned(y)) * 2.0, False),
        (lambda x, y: (turned(cr.concat([x] * 6, axis=1)) @ cr.concat([y] * 6, axis=1)) * 2.0, False),
    ],
    ids=[
        *["product", "sum", "product_returned", "sum_returned", "reshaped", "multiplied"],
        *["largest", "whole_sum", "sum_of_rows", "many_rows", "large"],
    ],
)
def test_which_sums_lie_in_halves(function, halved):
    types = [ArrayType(ROWS, np.dtype("float32"))] * 2
    graph = run_passes(trace(function, *types))
    assert bool(sums_in_halves(graph)) == halved
    kernels = scheduled(graph, in_halves=True)
    assert any(kernel.halved for kernel in kernels) == halved
    assert not any(kernel.members for kernel in kernels if kernel.halved)
    assert not any(kernel.halved for kernel in scheduled(graph))


def test_what_is_computed_inside_of_a_sum_does_not_lie_in_halves():
    """It may depend on which row it is, as a random number does."""
    graph = run_passes(trace(lambda x: cr.sum(cr.exp(x), axis=0) * 2.0, ArrayType(ROWS, np.dtype("float32"))))
    assert sums_in_halves(graph)
    assert not any(kernel.halved for kernel in scheduled(graph, in_halves=True))


# When ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "rows", "expected"),
    [
        ((30, 100, 2), 200, True),
        ((30, 100, 2), 20, False),
        ((20, 64, 64, 10), 32, False),
        ((8, 100, 1), 200, True),
        ((8, 100, 1), 100, False),
    ],
    ids=str,
)
def test_only_steps_that_threads_share_go_in_halves(widths, rows, expected, monkeypatch):
    monkeypatch.undo()
    loop, _, _ = run_of(layers=widths[1:], x=np.zeros((4, widths[0])), y=np.zeros((4, widths[-1])))
    assert goes_in_halves(loop, rows) == expected
    assert goes_in_halves(loop, rows) == expected


def test_of_how_many_rows_it_is_worth_it():
    graph = trace(lambda x: x * 2.0, ArrayType(ROWS, np.dtype("float32")))
    assert rows_worth_halving(graph) == np.inf
    types = [ArrayType((cr.ROWS, size), np.dtype("float32")) for size in (30, 10)]
    assert rows_worth_halving(trace(lambda x, y: turned(x) @ y, *types)) == 4 * 300 / 40


# Training --------------------------------------------------------------------------------------------


def run_of(x=X, y=Y, *, layers=(19, 3), between=(), batch_size=50, epochs=2, model=None, **fit):
    hidden = [layer for units in layers[:-1] for layer in (cr.Dense(units, activation="sigmoid"), *between)]
    options = {"loss": "mean_squared_error", "optimizer": cr.Adam(0.01), "dtype": "float64", "seed": 4}
    made = cr.Model(cr.Sequential([*hidden, cr.Dense(layers[-1])]), **options | (model or {}))
    return recorded(made, x, y, epochs=epochs, batch_size=batch_size, **fit)


def compiled(options):
    run = CompiledRun(*options)
    text = CompiledLoop(run.loop, sorted(run.state.carried), in_halves=True)
    assert any(kernel.halved for kernel in text.step.part.kernels)
    return run


SIZES = [1, 2, 15, 16, 17, 31, 33, 48, 133]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", SIZES)
def test_any_number_of_rows(batch_size, dtype):
    options = run_of(batch_size=batch_size, model={"dtype": dtype, "optimizer": cr.SGD(0.05)})
    expected = trained(EvaluatedRun(*options))
    found = trained(compiled(options))
    room = {"float32": 2e-5, "float64": 1e-12}[dtype]
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=room, atol=room, err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_few_rows_of_many_features(batch_size):
    """One half has no rows, of which as many as a cache holds would be packed."""
    wide = np.random.default_rng(3).normal(size=(33, 130))
    options = run_of(wide, Y[:33], layers=(16, 3), batch_size=batch_size)
    close(trained(compiled(options)), trained(EvaluatedRun(*options)))


@pytest.mark.parametrize(
    "options",
    [
        {"layers": (1, 1), "y": Y[:, :1]},
        {"layers": (37, 16, 5), "y": np.repeat(Y[:, :1], 5, axis=1)},
        {"layers": (100, 70, 2), "y": Y[:, :2]},
        {"between": (cr.BatchNorm(), cr.Dropout(0.3))},
        {"between": (cr.LayerNorm(),)},
        {"model": {"optimizer": cr.Adam(0.01, clip_global_norm=0.1)}},
        {"model": {"optimizer": cr.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.01)}},
        {"model": {"optimizer": cr.Adam(0.01, average=0.9), "penalties": [cr.L2(1e-3), cr.L1(1e-4)]}},
        {"sample_weight": np.linspace(0.0, 2.0, 133)},
        {"validation_data": (X[:20] + 1.0, Y[:20]), "epochs": 5, "callbacks": [cr.EarlyStopping(2)]},
    ],
    ids=[
        *["one_unit", "odd", "wide", "batch_norm", "layer_norm"],
        *["clipped", "decayed", "averaged", "weighted", "validated"],
    ],
)
def test_training(options):
    made = run_of(**options)
    close(trained(compiled(made)), trained(EvaluatedRun(*made)))


THREADS = [1, 2, 3, 4, 5, 8]


class SameForAll(cr.Layer):
    """Adds to all rows the product of one parameter."""

    def forward(self, x, context):
        row = context.parameter("row", (1, x.shape[1]), "glorot_uniform")
        matrix = context.parameter("matrix", (x.shape[1], x.shape[1]), "glorot_uniform")
        return cr.tanh(x + cr.broadcast_to(row, x.shape) @ matrix)


def test_one_row_repeated():
    made = run_of(between=(SameForAll(),))
    close(trained(compiled(made)), trained(EvaluatedRun(*made)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_with_any_number_of_threads(dtype):
    results = [trained(compiled(run_of(model={"n_threads": threads, "dtype": dtype}))) for threads in THREADS]
    for result in results[1:]:
        for name, array in results[0].items():
            np.testing.assert_array_equal(result[name], array, err_msg=name)


def test_nothing_is_read_that_was_not_written():
    expected = trained(compiled(run_of()))
    for byte in (0x00, 0xFF):
        with poisoned(byte) as fills:
            found = trained(compiled(run_of()))
        assert fills
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_a_step_by_hand():
    """Two halves, the first of which has whole vectors of rows, or none."""
    model = {"loss": "mean_squared_error", "optimizer": cr.SGD(1.0), "dtype": "float64", "seed": 1}
    for rows, first in ((48, 16), (33, 16), (64, 32), (17, 16), (12, 0)):
        made = cr.Model(cr.Dense(2), **model)
        made.build(features=7)
        before = made.weights["weight"]
        target = Y[:rows, :2]
        made.step(X[:rows], target)
        error = 2 * (X[:rows] @ before - target) / 2 / rows
        halves = X[:first].T @ error[:first], X[first:rows].T @ error[first:]
        np.testing.assert_allclose(made.weights["weight"], before - sum(halves), rtol=1e-13, atol=1e-15)


@on_x86
@pytest.mark.parametrize("cpu", CPUS)
def test_code_for_every_cpu(cpu, monkeypatch):
    monkeypatch.setattr(matmul, "vector_registers", lambda: TILES_FOR[cpu])
    for dtype, layers in itertools.product(["float32", "float64"], [(37, 3), (16, 100, 2)]):
        loop, state, inputs = run_of(y=Y[:, : layers[-1]], layers=layers, model={"dtype": dtype})
        made = CompiledLoop(loop, sorted(state.carried), in_halves=True)
        assert any(kernel.halved for kernel in made.step.part.kernels)
        code = emit_object(made.module.text, cpu, "")
        if not runs(cpu):
            continue
        with monkeypatch.context() as patch:
            patch.setattr(native, "_made", lambda make, _, given=(made, [code]): given)
            library = NativeLoop(loop, sorted(state.carried), made)
        found = trained(CompiledRun(loop, state, inputs, library))
        expected = trained(EvaluatedRun(loop, state, inputs))
        room = {"float32": 2e-4, "float64": 1e-11}[dtype]
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=room, atol=room, err_msg=name)


@pytest.mark.skipif(bool(emulation.missing()), reason=emulation.missing() or "all is there")
def test_code_for_aarch64(tmp_path, monkeypatch):
    monkeypatch.setattr(emulation, "goes_in_halves", lambda loop, rows: True)
    options = run_of(model={"n_threads": 2})
    close(trained(emulation.emulate_run(compiled(options), tmp_path)), trained(EvaluatedRun(*options)))


def test_room_behind_arrays():
    run = compiled(run_of(batch_size=17))
    assert run.memory.capacity == 32 + loop_memory.ROWS_BEHIND


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_sum_in_halves_lies_in_panels(dtype):
    """Its kernel would take the rows of both halves for those of the first."""
    for columns in range(1, MOST_HALVED + 1):
        largest = ArrayType((MOST_HALVED // columns, columns), np.dtype(dtype))
        assert not _width(Value(largest)), largest


def test_what_a_chain_multiplies_by_is_never_far():
    """Its kernels would share columns of which each thread needs all."""
    assert MOST_MATRICES <= FAR_BYTES
