"""Single graphs on several threads: the same bits, from several callers at once, and in a forked process."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from at_every_moment import at_every_moment
from at_once import at_once
from chainrule.compiler import executable, pool
from chainrule.compiler.executable import Executable
from chainrule.compiler.pool import lent, run_apart, run_together, signals_held_back
from chainrule.compiler.turns import Turns


@pytest.fixture(autouse=True)
def little_is_much(monkeypatch):
    """Calls of little work are shared as well."""
    monkeypatch.setattr(executable, "WORTH_WAKING", 1)


@pytest.fixture(scope="module")
def network():
    model = cr.Model(
        cr.Sequential([cr.Dense(100), cr.Activation("tanh"), cr.Dense(300), cr.Dense(7)]),
        loss="cross_entropy",
        seed=1,
    )
    model.build(40)
    return model


ROWS = np.random.default_rng(0).normal(size=(1003, 40)).astype(np.float32)


@pytest.fixture
def threads_seen(monkeypatch):
    """How many threads each call had."""
    seen, chosen = [], Executable._threads

    def noted(self, rows, asked):
        seen.append(chosen(self, rows, asked))
        return seen[-1]

    monkeypatch.setattr(Executable, "_threads", noted)
    return seen


def gradients(network, target):
    _, found = network.gradients(ROWS, target)
    return found.values()


@pytest.mark.parametrize("number", [2, 3, 5])
def test_same_bits_at_any_number(network, number, threads_seen):
    target = np.arange(len(ROWS)) % 7
    network.n_threads = 1
    alone = network.predict(ROWS), *gradients(network, target)
    network.n_threads = number
    for _ in range(3):
        shared = network.predict(ROWS), *gradients(network, target)
        for one, other in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(one, other)
    assert {1, number} == set(threads_seen)


def test_little_work_wakes_nobody(network, threads_seen, monkeypatch):
    monkeypatch.setattr(executable, "WORTH_WAKING", 20_000_000)
    network.n_threads = 2
    network.predict(ROWS[:3])
    assert threads_seen == [1]


def test_the_variable_says_how_many(monkeypatch, threads_seen):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")
    f = cr.compile(lambda x, w: cr.sum(cr.tanh(x @ w), axis=0))
    w = np.ones((40, 30), np.float32)
    first = f(ROWS, w)
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "1")
    np.testing.assert_array_equal(f(ROWS, w), first)
    assert threads_seen == [2, 1]


def test_fewer_rows_and_threads_after_more(network):
    network.n_threads = 1
    expected = network.predict(ROWS)
    for number, rows in ((4, 1003), (2, 17), (3, 500), (1, 5), (4, 1003)):
        network.n_threads = number
        np.testing.assert_array_equal(network.predict(ROWS[:rows]), expected[:rows])


def test_each_of_several_callers_at_once_has_helpers(network):
    network.n_threads = 1
    expected = network.predict(ROWS)
    network.n_threads = 2

    def call():
        for _ in range(20):
            np.testing.assert_array_equal(network.predict(ROWS), expected)

    at_once(*[call] * 4)
    assert 1 <= len(pool._idle) <= 5


def test_helpers_are_lent_to_one_borrower_at_a_time_and_kept():
    with lent(1) as first:
        with lent(1) as second:
            assert second is not first
        with lent(1) as again:
            assert again is second
    with lent(1) as last:
        assert last is first


def test_more_helpers_are_had_when_there_are_too_few():
    with lent(1):
        pass
    with lent(3) as three:
        meeting = threading.Barrier(3)
        assert sorted(each.result() for each in [three.submit(meeting.wait, 60) for _ in range(3)]) == [
            0,
            1,
            2,
        ]


def test_helpers_that_are_busy_are_not_waited_for():
    busy = threading.Event()
    with lent(1) as helpers:
        blocked = [helpers.submit(busy.wait, 60) for _ in range(helpers._max_workers)]
    called = []
    started = time.monotonic()
    run_together(called.append, 2)
    assert called == [0]
    assert time.monotonic() - started < 30
    busy.set()
    assert all(each.result() for each in blocked)


def test_what_goes_wrong_on_a_helper_is_heard_of():
    begun = threading.Event()

    def call(thread):
        if thread:
            begun.set()
            raise MemoryError("no room")
        begun.wait(60)

    with pytest.raises(MemoryError, match="no room"):
        run_together(call, 2)


@pytest.mark.parametrize("run", [run_together, run_apart])
@pytest.mark.parametrize("threads", [2, 3])
def test_no_call_is_left_behind_where_no_thread_can_be_started(run, threads, monkeypatch):
    """It would be made when its memory is gone."""
    monkeypatch.setattr(pool, "_idle", [])
    called, start, begun = [], threading.Thread.start, []

    def start_one(thread):
        if len(begun) == threads - 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_one)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            run(lambda thread: time.sleep(0.1) or called.append(thread), threads)
    before = called.copy()
    with lent(1) as helpers:
        helpers.submit(int).result(60)
    assert called == before


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
def test_ctrl_c_still_comes_after_a_handler_of_another_signal_has_raised_something():
    def hold_back():
        with signals_held_back():
            pass

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in at_every_moment(hold_back, signal.SIGALRM):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)


def fitted(**options):
    """The weights of a network that two threads have trained."""
    layers = [cr.Dense(100, activation="tanh"), cr.Dense(7)]
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", seed=1, n_threads=2)
    model.fit(ROWS, ROWS[:, :7], epochs=2, batch_size=500, **options)
    return model.weights["layers.0.weight"]


def test_the_helpers_of_a_fit_help_with_the_next():
    fitted()
    names = {thread.name for thread in threading.enumerate()}
    for _ in range(5):
        fitted()
    assert {thread.name for thread in threading.enumerate()} == names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own(network):
    network.n_threads = 2
    expected, weights = network.predict(ROWS), fitted()  # the helpers are there
    child = os.fork()
    if not child:
        signal.alarm(60)
        same = np.array_equal(network.predict(ROWS), expected) and len(pool._idle) == 1
        same = same and np.array_equal(fitted(), weights)
        sys.stdout.flush()
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_is_forked_off_in_a_callback_has_helpers_of_its_own(monkeypatch):
    """In the middle of its fit, and after it, which is the same wherever threads wait apart."""
    expected, children = fitted(), []
    call = Turns._call

    def apart(turns):
        turns.may_be_given_up = True
        call(turns)

    def fork(progress):
        if progress.epoch == 1:
            children.append(os.fork())
            if not children[-1]:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(60)

    monkeypatch.setattr(Turns, "_call", apart)
    same = again = False
    try:
        same = np.array_equal(fitted(callbacks=[fork]), expected)
        again = np.array_equal(fitted(), expected)
    finally:
        if children == [0]:
            os._exit(0 if same and again else 1)
    assert same
    assert again
    _, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
