"""Ctrl-C in the middle of a step that takes long: it is given up, as if it had not begun."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest
from training_cases import assert_same

import chainrule as cr
from chainrule.compiler import epochs as compiled_epochs
from chainrule.compiler import executable, pool, turns
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.turns import Turns

ROWS, FEATURES, WIDTH = 4000, 64, 1024


def large_network(**options):
    net = cr.Sequential([cr.Dense(WIDTH, activation="relu"), cr.Dense(WIDTH, activation="relu"), cr.Dense(1)])
    return cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(1e-3), seed=0, **options)


def table(rows=ROWS, features=FEATURES):
    x = np.random.default_rng(0).normal(size=(rows, features)).astype("float32")
    return x, x[:, :1] * x[:, 1:2]


@pytest.fixture(autouse=True)
def not_ignored():
    """Have Ctrl-C raise KeyboardInterrupt, also where a shell has had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def press(monkeypatch):
    """Send SIGINT a hundredth of a second after native code has begun to work for this thread."""
    begun = threading.Event()
    original = pool.run_apart

    def run_apart(*given):
        begun.set()
        original(*given)

    def send():
        if begun.wait(20):
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")  # with many it might be through by then
    for module in (turns, executable):
        monkeypatch.setattr(module, "run_apart", run_apart)
    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def ignored(not_ignored):
    """Have Ctrl-C only counted."""
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    yield pressed
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_long_step_is_given_up(n_threads, press):
    x, y = table()
    model, calm = (large_network(n_threads=n_threads) for _ in range(2))
    for one in (model, calm):
        one.step(x[:32], y[:32])
    before = model.weights
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=3, batch_size=ROWS)
    assert (model.steps, model.epochs) == (1, 0)
    assert_same(model.weights, before)
    for one in (model, calm):
        one.fit(x, y, epochs=2, batch_size=ROWS)
    assert_same(model.weights, calm.weights)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_long_step_that_is_made_alone_is_given_up(n_threads, press):
    x, y = table()
    model, calm = (large_network(n_threads=n_threads) for _ in range(2))
    for one in (model, calm):
        one.step(x[:32], y[:32])
    before = model.weights
    with pytest.raises(KeyboardInterrupt):
        model.step(x, y)
    assert model.steps == 1
    assert_same(model.weights, before)
    assert [model.step(x, y), model.step(x, y)] == [calm.step(x, y), calm.step(x, y)]
    assert_same(model.weights, calm.weights)


def test_a_program_that_goes_on_after_ctrl_c_loses_nothing(press, ignored):
    x, y = table()
    model, calm = large_network(), large_network()
    model.fit(x, y, epochs=2, batch_size=ROWS)
    assert ignored
    calm.fit(x, y, epochs=2, batch_size=ROWS)
    assert_same(model.weights, calm.weights)


def test_an_estimator_keeps_what_it_had(press):
    x, y = table()
    model = cr.MLPRegressor(hidden_layer_sizes=(WIDTH, WIDTH), batch_size=ROWS, max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(x, y[:, 0])
    assert model.t_ == 0
    assert all(np.isfinite(array).all() for array in model.coefs_)


def products(x):
    return lambda w: cr.sum(cr.tanh(cr.tanh(x @ w) @ x) @ x)


def test_a_long_call_is_given_up(press):
    x = np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32")
    function = cr.compile(cr.grad(products(x)))
    with pytest.raises(KeyboardInterrupt):
        function(x)
    np.testing.assert_array_equal(function(x), function(x))


def test_a_long_call_of_one_thread_that_ctrl_c_does_not_come_to(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "1")
    x = np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32")
    function = cr.compile(cr.grad(products(x)))
    results = []
    other = threading.Thread(target=lambda: results.append(function(x)))
    other.start()
    other.join()
    np.testing.assert_array_equal(results[0], function(x))


def test_a_long_call_goes_on_if_the_program_does(press, ignored):
    x = np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32")
    function = cr.compile(cr.grad(products(x)))
    result = function(x)
    assert ignored
    np.testing.assert_array_equal(result, function(x))


@pytest.mark.parametrize("kind", ["plain", "validated", "watched"])
def test_turns_given_up_at_any_moment_change_no_bit(kind, monkeypatch):
    """Every turn counts as long, and any may be given up: steps, the validation, the end of an epoch."""
    x, y = table(400, 16)
    given = {
        "plain": {},
        "validated": {"validation_data": (x[:90], y[:90]), "callbacks": [cr.EarlyStopping(patience=3)]},
        "watched": {"callbacks": [lambda progress: None]},
    }[kind]
    layers = [cr.Dense(256, activation="tanh"), cr.Dropout(0.2), cr.BatchNorm(), cr.Dense(256), cr.Dense(1)]
    model, calm = (
        cr.Model(
            cr.Sequential(layers), loss="mean_squared_error", optimizer=cr.Adam(1e-2), seed=0, n_threads=2
        )
        for _ in range(2)
    )
    expected = calm.fit(x, y, epochs=9, batch_size=37, **given)
    drawn, calls, given_up = np.random.default_rng(0), [], []
    call, restore = Turns._call, CompiledRun._restore

    def disturbed(turns):
        calls.append(turns)
        giving_up = threading.Timer(drawn.exponential(3e-4), turns.give_up)
        if drawn.random() < 0.5:
            giving_up.start()
        call(turns)
        giving_up.cancel()

    def counted(run):
        given_up.append(run)
        restore(run)

    monkeypatch.setattr(compiled_epochs, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(compiled_epochs, "COPIES", float("inf"))
    monkeypatch.setattr(Turns, "_call", disturbed)
    monkeypatch.setattr(CompiledRun, "_restore", counted)
    history = model.fit(x, y, epochs=9, batch_size=37, **given)
    assert 0 < len(given_up) < len(calls)
    assert history["loss"] == expected["loss"]
    assert_same(model.weights, calm.weights)


class Late(Exception):  # noqa: N818
    """What the handler of an alarm raises."""


@pytest.fixture
def alarm():
    """Have SIGALRM raise Late, as a program does that has no more time."""

    def raise_late(number, frame):
        raise Late

    before = signal.signal(signal.SIGALRM, raise_late)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("n_threads", "apart"), [(1, False), (2, False), (2, True)])
def test_a_fit_that_another_handler_ends_goes_on_to_the_bit(n_threads, apart, alarm, tmp_path, monkeypatch):
    """Weights and counters are those of the same step, whenever something was raised."""
    if apart:
        monkeypatch.setattr(compiled_epochs, "LOOK_EVERY", 0.0)
        monkeypatch.setattr(compiled_epochs, "COPIES", float("inf"))
    x, y = table(512, 16)

    def fitted(**options):
        net = cr.Sequential([cr.Dense(64, activation="tanh"), cr.Dropout(0.1), cr.Dense(1)])
        model = cr.Model(net, loss="huber", seed=0, n_threads=n_threads)
        try:
            model.fit(x, y, epochs=60 if apart else 2000, batch_size=32, **options)
        finally:
            alarm(0)
        return model

    fitted()  # it is compiled
    began = time.perf_counter()
    calm = fitted()
    seconds = time.perf_counter() - began
    ended, attempts = None, 0
    while ended is None:
        attempts += 1
        alarm(0.2 * seconds * attempts)
        with contextlib.suppress(Late):
            ended = fitted(checkpoint=tmp_path / "run.ckpt")
    assert attempts > 1
    assert_same(ended.weights, calm.weights)
