"""Ctrl-C and failures in the middle: the model has the weights of the last finished step."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from training_cases import assert_same, network, regression, table

import chainrule as cr
from chainrule.compiler import epochs as compiled_epochs
from chainrule.compiler.epochs import CompiledRun
from chainrule.graph.loop import EvaluatedRun
from chainrule.graph.shuffle import shuffled
from chainrule.training import trainer


def interrupt_at_step(monkeypatch, number):
    """Make the step of this number raise KeyboardInterrupt, as a signal in the middle of it would."""
    original = EvaluatedRun.next_step

    def next_step(self):
        new = original(self)
        if new.step == number:
            raise KeyboardInterrupt
        return new

    monkeypatch.setattr(EvaluatedRun, "next_step", next_step)


def test_callback_that_raises_keyboard_interrupt():
    x, y = table()

    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    model, short = regression(), regression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=9, batch_size=5, callbacks=[interrupt])
    short.fit(x, y, epochs=2, batch_size=5)
    assert (model.epochs, model.steps) == (2, 10)
    assert_same(model.weights, short.weights)


def test_interrupt_within_an_epoch_keeps_the_finished_steps(monkeypatch):
    x, y = table()
    model, by_hand = (regression(seed=2, executor="numpy") for _ in range(2))
    with monkeypatch.context() as patch:
        interrupt_at_step(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, epochs=9, batch_size=5)
    for epoch in (0, 1):
        order = shuffled(np.arange(len(x)), len(x), model._trainer.key, epoch)
        for start in range(0, len(x), 5):
            if by_hand.steps < 7:
                rows = order[start : start + 5]
                by_hand.step(x[rows], y[rows])
    assert (model.steps, model.epochs) == (7, 1)
    assert_same(model.weights, by_hand.weights)
    history = model.fit(x, y, epochs=2, batch_size=5)  # it can go on, from the start of an epoch
    assert (history.epochs, model.epochs, model.steps) == (2, 3, 17)


def test_interrupt_with_early_stopping_keeps_the_last_step_not_the_best(monkeypatch):
    x, y = table()
    plain, stopping = (regression(executor="numpy") for _ in range(2))
    interrupt_at_step(monkeypatch, 8)
    for model, callbacks in ((plain, []), (stopping, [cr.EarlyStopping(patience=2, monitor="loss")])):
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, epochs=9, batch_size=5, callbacks=callbacks)
    assert_same(plain.weights, stopping.weights)


PROGRAM = """
import signal, sys, threading, os, time
import numpy as np
import chainrule as cr

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
x = np.random.default_rng(0).normal(size=(2000, 8))
net = cr.Sequential([cr.Dense(32, activation="tanh"), cr.Dense(1)])
model = cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(1e-3))
model.fit(x, x[:, 0], epochs=1, batch_size=10)  # it is compiled, and takes 200 steps
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.perf_counter()
try:
    model.fit(x, x[:, 0], epochs=10**6, batch_size=10)
except KeyboardInterrupt:
    print(model.steps, np.isfinite(model.predict(x)).all(), time.perf_counter() - start)
    steps = model.steps
    model.fit(x, x[:, 0], epochs=1, batch_size=10)
    print(model.steps == steps + 200)
"""


def test_a_real_signal():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, went_on = done.stdout.splitlines()
    steps, finite, seconds = first.split()
    assert int(steps) > 200
    assert finite == went_on == "True"
    assert float(seconds) < 5
    assert done.stderr == ""


# A loss that is not finite -----------------------------------------------------------------------


def test_a_loss_that_is_not_finite_leaves_the_weights_before_it():
    x, y = table()
    y[17] = 1e200  # its square is infinite
    model, by_hand = regression(), regression()
    with pytest.raises(ValueError, match=r"the loss became inf in step 4 \(epoch 1\)"):
        model.fit(x, y, batch_size=5, shuffle=False)
    for start in (0, 5, 10):
        by_hand.step(x[start : start + 5], y[start : start + 5])
    assert model.steps == 3
    assert_same(model.weights, by_hand.weights)
    with pytest.raises(ValueError, match="the loss became inf in step 4"):
        model.step(x[15:20], y[15:20])
    assert_same(model.weights, by_hand.weights)


def test_the_first_layer_with_a_bad_value_is_named():
    x, y = table()
    log_of = lambda z: cr.log(z - 1000)
    net = cr.Sequential([cr.Dense(4), cr.Activation("tanh"), cr.Dense(4, activation=log_of), cr.Dense(1)])
    with pytest.raises(
        ValueError, match=r"step 1 .*: the first is nan in row \d+, made by log in layers.2 of the forward"
    ):
        regression(net).fit(x, y)


def test_a_gradient_that_is_not_finite_is_caught_before_it_reaches_the_weights():
    """√|z| has an infinite slope at 0: the loss is fine, its derivative is not."""
    x, y = table()
    root = lambda z: cr.sqrt(cr.abs(z))
    net = cr.Sequential([cr.Dense(4, activation=root, weight_initializer="zeros"), cr.Dense(1)])
    model = regression(net)
    model.build(features=x.shape[1])
    before = model.weights
    place = r"in step 1 \(epoch 1\): the first is .*, made by .* in layers.0 of the backward pass"
    with pytest.raises(ValueError, match=rf"layers.0.weight became nan {place}"):
        model.fit(x, y, epochs=3)
    assert_same(model.weights, before)
    with pytest.raises(ValueError, match=r"layers.0 of the backward pass"):
        model.step(x, y)
    assert_same(model.weights, before)
    assert (model.steps, model.epochs) == (0, 0)


def test_weights_that_are_not_finite_are_named():
    x, y = table()
    model = regression(network())
    model.fit(x, y)
    model._trainer.loop_state.carried["layers.1.bias"][0] = np.nan
    with pytest.raises(ValueError, match=r"layers.1.bias already held nan"):
        model.fit(x, y)


def test_an_interrupt_between_two_calls_of_native_code_leaves_the_weights(monkeypatch):
    """Nobody has looked at the weights yet, and the other threads are gone when somebody does."""
    x, y = table()
    model = regression(n_threads=2)
    go_on, calls = CompiledRun._go_on, []

    def interrupted(run):
        calls.append(go_on(run))
        raise KeyboardInterrupt

    monkeypatch.setattr(compiled_epochs, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(CompiledRun, "_go_on", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=9, batch_size=5)
    assert model.steps == len(calls) == 1
    monkeypatch.undo()
    alone = regression()
    alone.build(features=x.shape[1])
    assert any((model.weights[name] != array).any() for name, array in alone.weights.items())
    assert all(np.isfinite(array).all() for array in model.weights.values())


def test_a_prediction_by_a_large_network_takes_few_rows_together(monkeypatch):
    """Ctrl-C comes between them; the bits are the same."""
    x, y = np.random.default_rng(0).random((300, 3)), np.arange(300.0)
    model = regression()
    model.fit(x, y)
    expected, measured = model.predict(x), model.evaluate(x, y)
    stage = model._trainer.stage("prediction")
    assert model._trainer.rows_together(stage) == 1 << 16
    monkeypatch.setattr(trainer, "MULTIPLICATIONS", 5000 * model._trainer.size)
    assert model._trainer.rows_together(stage) == 4096
    monkeypatch.setattr(trainer, "MULTIPLICATIONS", 0)
    assert model._trainer.rows_together(stage) == 64
    np.testing.assert_array_equal(model.predict(x), expected)
    assert model.evaluate(x, y) == pytest.approx(measured, rel=1e-6)


def test_a_prediction_by_few_weights_in_many_places_takes_no_more_rows_than_usual():
    """They make much of a row, for which there has to be memory."""
    model = cr.Model(cr.Sequential([cr.Embedding(9, 16), cr.Dense(16, activation="tanh")]), loss="huber")
    model.build(features=100)
    stage = model._trainer.stage("prediction")
    assert stage.row_size >= 2 * 100 * 16
    assert model._trainer.rows_together(stage) == 4096
