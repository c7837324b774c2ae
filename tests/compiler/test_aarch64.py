"""The same text as code for AArch64: run by an emulator, it gives what the evaluator does."""

import emulation
import numpy as np
import pytest
from random_graphs import grown
from recorded import recorded, trained
from test_random_graphs import compare
from test_vectormath import LIMITS, arguments, needs_long_double, true, ulps

import chainrule as cr
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.vectormath import FUNCTIONS
from chainrule.graph.graph import Graph
from chainrule.graph.loop import EvaluatedRun
from chainrule.graph.value import PRIMITIVES, input_value

pytestmark = pytest.mark.skipif(bool(emulation.missing()), reason=emulation.missing() or "all is there")

SEEDS = range(6)
CPUS = ("generic", "neoverse-n1")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs(seed, dtype, tmp_path):
    case = grown(seed, 20, 9, dtype, derivatives=seed % 2 == 1)
    executable = emulation.emulate_executable(CompiledGraph(case.graph), tmp_path, CPUS[seed % 2])
    assert all(compare(case, rows, executable) for rows in case.rows)


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_function(dtype, tmp_path):
    """As exact as on other CPUs, at all kinds of numbers: denormals, infinities and NaN among them."""
    operands = {name: [x[::53] for x in arguments(name, dtype)] for name in FUNCTIONS}
    inputs = {
        name: [input_value(f"{name}{i}", x.shape, x.dtype) for i, x in enumerate(arrays)]
        for name, arrays in operands.items()
    }
    results = [PRIMITIVES[name](*values) for name, values in inputs.items()]
    graph = Graph([value for values in inputs.values() for value in values], results)
    compiled = emulation.emulate_executable(CompiledGraph(graph), tmp_path)
    found = compiled(*(x for arrays in operands.values() for x in arrays))
    for (name, arrays), result in zip(operands.items(), found, strict=True):
        assert ulps(result, true(name, *arrays)).max() <= LIMITS[name], name


def test_the_clock_of_a_profile(tmp_path):
    case = grown(1, 10, 9, "float32", derivatives=False)
    executable = emulation.emulate_executable(CompiledGraph(case.graph, profiled=True), tmp_path)
    assert compare(case, case.rows[0], executable)
    *laps, now = executable.ticks
    assert 0 < sum(laps) < now


# Training ----------------------------------------------------------------------------------------


def rows_of(size):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(size, 5))
    return x, (x @ generator.normal(size=(5, 3))).argmax(axis=1), generator.integers(0, 3, size) / 2


@pytest.mark.parametrize("threads", [1, 3])
def test_whole_epochs(threads, tmp_path):
    x, y, weight = rows_of(53)
    layers = [cr.Dense(17, activation="gelu"), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(3)]
    model = cr.Model(
        cr.Sequential(layers),
        loss="cross_entropy",
        optimizer=cr.Adam(0.01),
        dtype="float64",
        n_threads=threads,
    )
    options = recorded(model, x, y, epochs=3, batch_size=16, sample_weight=weight)
    found = trained(emulation.emulate_run(CompiledRun(*options), tmp_path))
    expected = trained(EvaluatedRun(*options))
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_same_bits_with_any_number_of_threads(tmp_path):
    x, y, _ = rows_of(40)
    results = []
    for threads in (1, 2, 3):
        layers = [cr.Dense(33, activation="tanh"), cr.LayerNorm(), cr.Dense(3)]
        model = cr.Model(cr.Sequential(layers), loss="cross_entropy", n_threads=threads)
        options = recorded(model, x, y, epochs=2, batch_size=17)
        results.append(trained(emulation.emulate_run(CompiledRun(*options), tmp_path)))
    for result in results[1:]:
        for name, array in results[0].items():
            np.testing.assert_array_equal(result[name], array, err_msg=name)


def test_denormals_are_zero_within_a_fit_only(tmp_path):
    """A weight that moves by less than the smallest normal number does not move; the harness checks after."""
    model = cr.Model(
        cr.Dense(1, weight_initializer="zeros"), loss="mean_squared_error", optimizer=cr.SGD(1e-39)
    )
    options = recorded(model, [[1.0], [2.0]], [1.0, 2.0], batch_size=2)
    assert 0 < trained(EvaluatedRun(*options))["weight"][0, 0] < np.finfo(np.float32).tiny
    assert trained(emulation.emulate_run(CompiledRun(*options), tmp_path))["weight"][0, 0] == 0
