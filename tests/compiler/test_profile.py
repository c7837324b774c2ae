"""The time that each kernel takes: what is shown, and that nothing but the time is different."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.compiled_graph import CompiledGraph
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.executable import Executable
from chainrule.compiler.native_loop import NativeLoop, goes_in_halves
from chainrule.compiler.profile import profile_graph
from chainrule.graph.trace import trace

X = np.random.default_rng(0).normal(size=(70, 8))
Y = np.random.default_rng(1).integers(0, 3, 70)


def lines_of(text):
    """Return (microseconds, share, GFLOP/s or None, what) of each line below the head."""
    head, titles, *lines = text.splitlines()
    assert titles.split() == ["µs", "%", "GFLOP/s", "GB/s", "kernel"]
    found = []
    for line in lines:
        time, share, *rates = line[:36].split()
        found.append(
            (float(time), float(share), float(rates[0]) if len(rates) > 1 else None, line[36:].strip())
        )
    return float(head.split(" µs")[0]), found


def model_of(**options):
    layers = [cr.Dense(40, activation="tanh"), cr.Dropout(0.2), cr.Dense(3)]
    return cr.Model(cr.Sequential(layers), **{"loss": "cross_entropy", "n_threads": 2} | options)


def test_every_kernel_of_a_function_is_shown_with_its_share():
    w = np.ones((300, 300), np.float32)
    function = cr.compile(lambda x, w: cr.sum(cr.tanh(x @ w), axis=0))
    function(w, w)
    profile, kernels = (
        function.explain(profile=True).split(f"==== {title} ====\n")[1].split("\n\n")[0]
        for title in ("profile", "kernels")
    )
    total, found = lines_of(profile)
    assert [what for *_, what in found] == kernels.splitlines()
    assert sum(time for time, *_ in found) == pytest.approx(total, rel=0.01)
    assert sum(share for _, share, *_ in found) == pytest.approx(100, abs=0.1 * len(found))
    (time, share, rate, _), *others = found
    assert share > 50  # 300 times the arithmetic of everything else
    assert rate == pytest.approx(2 * 300**3 / time / 1e3, rel=0.01)
    assert all(other[2] is None for other in others)


def test_without_the_option_there_is_no_profile():
    function = cr.compile(cr.tanh)
    function(np.ones(3))
    assert "==== profile" not in function.explain()


def test_time_is_taken_in_a_build_of_its_own():
    graph = trace(lambda x: cr.softmax(x @ x), cr.ArrayType((5, 5), np.dtype("float32")))
    compiled = [CompiledGraph(graph, profiled) for profiled in (False, True)]
    assert ["@ticks(" in each.module.text for each in compiled] == [False, True]
    plain, profiled = (Executable(graph, each) for each in compiled)
    x = np.random.default_rng(2).normal(size=(5, 5)).astype("float32")
    assert plain(x)[0].tobytes() == profiled(x)[0].tobytes()
    assert profiled.ticks[-1] > 0
    assert not plain.ticks.any()


@pytest.mark.parametrize("rows", [1, 37])
def test_a_graph_with_rows(rows):
    types = [cr.ArrayType((cr.ROWS, 4), np.dtype("float64")), cr.ArrayType((cr.ROWS,), np.dtype("int32"))]
    graph = trace(lambda x, i: cr.take(x, i) * 2, *types)
    _, found = lines_of(profile_graph(graph, rows))
    assert len(found) == len(CompiledGraph(graph).kernels)


def test_a_model_s_step_is_shown_and_the_model_stays_as_it_is():
    model = model_of()
    model.fit(X, Y)
    before, steps = model.weights, model.steps
    expected = model_of()
    expected.fit(X, Y, epochs=2)
    text = model.profile(X, Y, batch_size=16)
    assert text.splitlines()[0].endswith(
        "for a training step on 16 rows with 2 threads, without the gathering of rows"
    )
    total, found = lines_of(text)
    assert 0 < total < 1e5
    assert {"matmul", "loop", "sum"} <= {what.split()[1] for *_, what in found}
    assert model.steps == steps
    assert all(np.array_equal(model.weights[name], array) for name, array in before.items())
    model.fit(X, Y)
    assert all(np.array_equal(model.weights[name], array) for name, array in expected.weights.items())


def test_the_profiled_step_computes_what_the_step_does(monkeypatch):
    from chainrule.compiler import epochs

    def trained():
        model = model_of()
        model.fit(X, Y, epochs=2)
        return model.weights

    plain = trained()
    monkeypatch.setattr(
        epochs,
        "native_loop",
        lambda loop, carried, _, rows: NativeLoop(
            loop, carried, CompiledLoop(loop, carried, profiled=True, in_halves=goes_in_halves(loop, rows))
        ),
    )
    for name, array in trained().items():
        np.testing.assert_array_equal(array, plain[name])


def test_fewer_rows_than_a_batch_and_all_rows_at_once():
    model = model_of()
    assert "on 70 rows" in model.profile(X, Y, batch_size=1000)
    assert "on 70 rows" in model.profile(X, Y, batch_size=None)
    assert "on 1 row " in model.profile(X[:1], Y[:1])


def test_a_step_that_is_not_finite_is_an_error():
    model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(1e30))
    with pytest.raises(ValueError, match=r"became .* in step"):
        model.profile(X, Y)
    assert model.steps == 0
