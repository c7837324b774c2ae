"""Compiled code under conditions that show what it should not depend on."""

import contextlib
import itertools
import re
from functools import partial

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from at_once import at_once
from chainrule.compiler import loop_memory, matmul, native
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.executable import Executable
from chainrule.compiler.llvm import Registers, emit_assembly, emit_object
from chainrule.compiler.table import SCRATCH_SLOT, WORDS_SLOT
from chainrule.graph.evaluate import evaluate
from chainrule.graph.trace import trace

SIZES = (1, 15, 16, 17, 37)
DTYPES = ("float32", "float64")
#: Functions that are not 0 at 0, or not finite: what a kernel computes beside its array must not be seen.
ACTIVATIONS = {
    "sigmoid": cr.sigmoid,
    "softplus": cr.softplus,
    "cos": cr.cos,
    "exp": lambda x: cr.exp(cr.minimum(x, 2.0)),
    "log": lambda x: cr.log(cr.abs(x) + 1e-3),
    "reciprocal": lambda x: 1 / (cr.abs(x) + 1e-3),
}
CPUS = {
    "skylake-avx512": ("avx512f", "avx512bw", "avx512dq", "avx512cd", "avx512vl"),
    "haswell": ("avx2", "fma", "bmi", "bmi2"),
    "x86-64": ("sse2",),
}
TILES_FOR = {
    "skylake-avx512": Registers(32, 64),
    "haswell": Registers(16, 32),
    "x86-64": Registers(16, 16),
}
REGISTERS = {
    "skylake-avx512": {"xmm", "ymm", "zmm"},
    "haswell": {"xmm", "ymm"},
    "x86-64": {"xmm"},
}

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

on_x86 = pytest.mark.skipif(
    not llvm.get_default_triple().startswith("x86_64"), reason="it asks for an x86-64 by name"
)


def network(rows_of_x, w, v, activation):
    """Two layers and a softmax: products, row sums and maxima, and functions of both."""
    hidden = activation(rows_of_x @ w)
    return cr.softmax(hidden @ v, axis=-1)


def loss_and_gradients(activation):
    """Return the function (x, w, v) → (prediction, loss, gradients)."""

    def loss(w, v, x):
        return cr.mean(cr.log(network(x, w, v, activation) + 1e-6) ** 2)

    def function(x, w, v):
        value, gradients = cr.value_and_grad(loss, argnums=(0, 1))(w, v, x)
        return network(x, w, v, activation), value, gradients

    return function


def graph_of(size, activation, dtype, outputs=3):
    types = [(cr.ROWS, size), (size, size), (size, outputs)]
    examples = [cr.ArrayType(shape, np.dtype(dtype)) for shape in types]
    return trace(loss_and_gradients(ACTIVATIONS[activation]), *examples)


def arguments_for(graph, rows, seed=0):
    generator = np.random.default_rng(seed)
    shapes = [[rows if dim is cr.ROWS else dim for dim in value.shape] for value in graph.inputs]
    return [
        (generator.normal(size=shape) / np.sqrt(shape[0] + 1)).astype(value.dtype)
        for shape, value in zip(shapes, graph.inputs, strict=True)
    ]


def close(results, expected):
    for x, y in zip(results, expected, strict=True):
        room = 2000 * np.finfo(y.dtype).eps
        np.testing.assert_allclose(x, y, rtol=room, atol=room * np.max(np.abs(y), initial=0))


def same(results, expected):
    for x, y in zip(results, expected, strict=True):
        assert x.tobytes() == y.tobytes()


# Odd sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_odd_sizes(activation, dtype):
    for size in SIZES:
        graph = graph_of(size, activation, dtype)
        compiled = Executable(graph)
        for rows in SIZES:
            arguments = arguments_for(graph, rows)
            close(compiled(*arguments), evaluate(graph, *arguments))


# Scratch -----------------------------------------------------------------------------------------


BYTES = (0x00, 0xFF, 0x7F)  # zeros, NaN, huge numbers


@contextlib.contextmanager
def poisoned(byte):
    """Fill every new arena with a byte; yield the list of those that were filled."""
    fills, allocate = [], loop_memory.allocate

    def filled(*arguments):
        memory, places = allocate(*arguments)
        start, words, end = (places[slot] - memory.ctypes.data for slot in (0, WORDS_SLOT, SCRATCH_SLOT))
        memory.view(np.uint8)[start:] = byte
        memory.view(np.uint8)[words:end] = 0
        fills.append(places)
        return memory, places

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chainrule.compiler.executable.allocate", filled)
        patch.setattr(loop_memory, "allocate", filled)
        yield fills
    assert fills


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_what_lies_in_the_arena_does_not_matter(size, dtype):
    for activation in ("log", "softplus"):
        graph = graph_of(size, activation, dtype)
        cases = [arguments_for(graph, rows) for rows in (1, 17, 37)]  # each needs a larger arena
        results = []
        for byte in BYTES:
            with poisoned(byte) as fills:
                compiled = Executable(graph)
                results.append([compiled(*case) for case in cases])
            assert len(fills) == len(cases)
        for case, *of_each_byte in zip(cases, *results, strict=True):
            close(of_each_byte[0], evaluate(graph, *case))
            for other in of_each_byte[1:]:
                same(other, of_each_byte[0])


def table(rows=53, features=5):
    generator = np.random.default_rng(4)
    x = generator.normal(size=(rows, features))
    x[:, 0] = generator.integers(0, 7, rows)
    return x, generator.integers(0, 3, rows)


def networks():
    """Networks by name: what is in them writes and reads memory in all ways that there are."""
    embedded = cr.Sequential([cr.Columns([0]), cr.Embedding(7, 3), cr.Flatten()])
    rest = cr.Columns([1, 2, 3, 4])
    return {
        "dropout": [cr.Dense(17, activation="sigmoid"), cr.Dropout(0.3), cr.Dense(3)],
        "embedding": [cr.Concatenate([rest, embedded]), cr.Dense(37, activation="softplus"), cr.Dense(3)],
        "batch_norm": [cr.Dense(16, activation="relu"), cr.BatchNorm(), cr.Dense(3)],
        "layer_norm": [cr.Dense(33, activation="gelu"), cr.LayerNorm(), cr.Dense(15), cr.Dense(3)],
        "wide": [cr.Dense(100, activation="tanh"), cr.Dense(130, activation=cr.cos), cr.Dense(3)],
    }


def trained(name, dtype="float32", rows=53, **options):
    """Return all arrays of a model after two epochs, and the losses."""
    x, y = table(rows)
    model = cr.Model(
        cr.Sequential(networks()[name]), loss="cross_entropy", optimizer=cr.Adam(0.01), dtype=dtype, seed=3
    )
    history = model.fit(x, y, epochs=2, batch_size=17, **options)
    return {**model.weights, **model.state, "loss": np.array(history["loss"])}


def same_arrays(one, other):
    assert list(one) == list(other)
    same(one.values(), other.values())


@pytest.mark.parametrize("name", networks())
def test_training_on_a_poisoned_arena(name):
    results = []
    for byte in BYTES:
        with poisoned(byte):
            results.append(trained(name))
    assert np.all(np.isfinite(results[0]["loss"]))
    for other in results[1:]:
        same_arrays(other, results[0])


# Again, and at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_called_again(dtype):
    graph = graph_of(17, "softplus", dtype)
    compiled = Executable(graph)
    small, large = arguments_for(graph, 5, seed=1), arguments_for(graph, 60, seed=2)
    first = compiled(*small)
    kept = [array.copy() for array in first]
    given = [array.copy() for array in small]
    others = compiled(*large)
    same(compiled(*small), kept)
    same(first, kept)
    same(small, given)
    same(compiled(*large), others)


def test_called_from_two_threads_at_once():
    graph = graph_of(37, "sigmoid", "float32")
    compiled = Executable(graph)
    cases = [arguments_for(graph, rows, seed=rows) for rows in (3, 64, 17, 100)]
    expected = [compiled(*case) for case in cases]

    def call(case, results):
        for _ in range(200):
            same(compiled(*case), results)

    at_once(*map(partial, itertools.repeat(call), cases, expected))


def test_a_call_that_comes_in_between_has_memory_of_its_own(monkeypatch):
    weight = np.random.default_rng(0).normal(size=(40, 40))
    graph = trace(lambda x: cr.tanh(cr.tanh(x @ weight) @ weight), np.zeros((7, 40)))
    executable = Executable(graph)
    run = executable._run
    first, second = (np.random.default_rng(seed).normal(size=(7, 40)) for seed in (1, 2))
    expected = [executable(first)[0], executable(second)[0]]
    between = []

    def interrupted(*given):
        if not between:  # as a handler of a signal would, just before native code begins
            between.append(None)
            between.append(executable(second)[0])
        run(*given)

    monkeypatch.setattr(executable, "_run", interrupted)
    assert np.array_equal([executable(first)[0], between[1]], expected)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),  # which may only be read
        lambda x: x[:0],
    ],
    ids=["columns", "every second", "repeated", "only read", "empty"],
)
def test_arrays_of_any_form(form):
    x = form(np.random.default_rng(0).normal(size=(6, 5)))
    compiled = cr.compile(lambda x: cr.exp(x) * 2)
    for _ in range(2):
        assert np.allclose(compiled(x), np.exp(x) * 2, rtol=1e-14, atol=0)


def test_types_that_change_from_call_to_call():
    compiled = cr.compile(lambda x, w: x * w + 1)
    x = np.arange(6.0)
    forms = [x, x.astype("float32"), x[:4], x.reshape(2, 3), 2.0, np.float32(3), x.astype("int64")]
    for _ in range(2):
        for first in forms:
            result = np.asarray(compiled(first, 2.0))
            assert np.array_equal(result, np.asarray(first) * 2.0 + 1)
            assert result.shape == np.shape(first)
    assert compiled(np.ones(3, "float32"), np.float32(2)).dtype == np.float32
    assert compiled(np.ones(3, "float32"), np.ones(3)).dtype == np.float64


def test_more_numbers_of_rows_than_are_remembered(monkeypatch):
    monkeypatch.setattr("chainrule.compiler.executable.MOST_CALLS", 3)
    model = cr.Model(cr.Dense(2), loss="mean_squared_error", dtype="float64")
    model.build(features=3)
    weights = model.weights
    for rows in [1, 2, 3, 4, 5, 4, 1, 20, 3]:
        x = np.random.default_rng(rows).normal(size=(rows, 3))
        expected = x @ weights["weight"] + weights["bias"]
        assert np.allclose(model.predict(x), expected, rtol=1e-12)


def test_two_models_trained_at_once():
    expected = {name: trained(name) for name in ("dropout", "batch_norm")}
    names = ("dropout", "batch_norm", "dropout")
    results = at_once(*(partial(trained, name) for name in names))
    for name, result in zip(names, results, strict=True):
        same_arrays(result, expected[name])


# Rows and threads --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", networks())
def test_a_prediction_does_not_depend_on_the_rows_beside_it(name, dtype):
    x, y = table(100)
    model = cr.Model(cr.Sequential(networks()[name]), loss="cross_entropy", dtype=dtype)
    model.fit(x, y)
    whole = model.predict(x)
    for rows in (1, 2, 7, 16, 17):
        for start in (0, 5, 83):
            part = slice(start, start + rows)
            same([model.predict(x[part])], [whole[part]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", networks())
def test_the_same_weights_with_any_number_of_threads(name, dtype, monkeypatch):
    results = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        results.append(trained(name, dtype, rows=40))
    for result in results[1:]:
        same_arrays(result, results[0])


# CPUs --------------------------------------------------------------------------------------------


def runs(cpu):
    features = llvm.get_host_cpu_features()
    return all(features.get(name, False) for name in CPUS[cpu])


@on_x86
@pytest.mark.parametrize("cpu", CPUS)
def test_object_code_for_every_cpu(cpu, monkeypatch):
    """A graph as code of each CPU; what this one can run gives what the evaluator does."""
    monkeypatch.setattr(matmul, "vector_registers", lambda: TILES_FOR[cpu])
    for name, dtype in zip(ACTIVATIONS, itertools.cycle(DTYPES), strict=False):
        graph = graph_of(17, name, dtype)
        compiled = CompiledGraph(graph)
        code = emit_object(compiled.module.text, cpu, "")
        if not runs(cpu):
            continue
        with monkeypatch.context() as patch:
            patch.setattr(native, "_made", lambda make, _, made=(compiled, [code]): made)
            executable = Executable(graph, compiled)
        for rows in (1, 37):
            arguments = arguments_for(graph, rows)
            close(executable(*arguments), evaluate(graph, *arguments))
    assembly = emit_assembly(compiled.module.text, cpu, "")
    assert set(re.findall("[xyz]mm", assembly)) == REGISTERS[cpu]
