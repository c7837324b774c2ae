"""While code is made Python looks for no garbage; afterwards it behaves as before, whatever happened."""

import gc
import multiprocessing
import os
import signal
import sys
import threading

import numpy as np
import pytest

import chainrule as cr
from at_every_moment import at_every_moment
from chainrule.compiler import native
from chainrule.compiler.module import Module
from chainrule.compiler.undisturbed import SOON, undisturbed


def state():
    return gc.isenabled(), round(sys.getswitchinterval(), 6)


@pytest.fixture(autouse=True)
def as_before():
    """Give every test a Python that collects, and an interval of its own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.003)
    assert gc.isenabled()
    yield
    assert state() == (True, 0.003)
    sys.setswitchinterval(before)


def test_nothing_is_collected_while_code_is_written(monkeypatch):
    seen, enter = [], Module.add
    monkeypatch.setattr(Module, "add", lambda self, *given: (seen.append(state()), enter(self, *given))[1])
    monkeypatch.setattr(native, "_cache", lambda: native.ObjectCache(None))
    cr.compile(lambda x: cr.sum(cr.sin(x) * 3.25))(np.ones(7))
    assert set(seen) == {(False, SOON)}
    assert state() == (True, 0.003)


def test_who_has_collection_off_keeps_it_off():
    gc.disable()
    try:
        with undisturbed():
            assert state() == (False, SOON)
        assert state() == (False, 0.003)
    finally:
        gc.enable()


def test_it_ends_with_the_last_of_several_threads():
    first, second = undisturbed(), undisturbed()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert state() == (False, SOON)
    second.__exit__(None, None, None)
    assert state() == (True, 0.003)


@pytest.mark.parametrize("asked_for", [1e-7, 15e-6])
def test_an_interval_that_is_shorter_stays(asked_for):
    sys.setswitchinterval(asked_for)
    before = sys.getswitchinterval()
    with undisturbed():
        assert sys.getswitchinterval() == before
    assert sys.getswitchinterval() == before
    sys.setswitchinterval(0.003)


def test_an_interval_is_the_same_afterwards_to_the_microsecond():
    for microseconds in range(101, 2000):
        sys.setswitchinterval(microseconds * 1e-6 + 5e-7)
        before = sys.getswitchinterval()
        with undisturbed():
            pass
        assert sys.getswitchinterval() == before
    sys.setswitchinterval(0.003)


def test_an_interval_that_is_asked_for_meanwhile_stays():
    with undisturbed():
        sys.setswitchinterval(0.004)
    assert state() == (True, 0.004)
    sys.setswitchinterval(0.003)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
def test_a_handler_that_raises_at_any_time_ends_it():
    def make():
        with undisturbed():
            seen.append(state())

    seen, times = [], 0
    for _ in at_every_moment(make, signal.SIGALRM):
        assert state() == (True, 0.003)
        times += 1
    assert times > 20
    assert set(seen) == {(False, SOON)}


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
def test_a_handler_may_make_code_at_any_time():
    def make():
        with undisturbed():
            pass

    for _ in at_every_moment(make, signal.SIGALRM, lambda number, frame: make()):
        assert state() == (True, 0.003)


def test_an_error_or_ctrl_c_ends_it():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for trouble in (lambda: 1 / 0, lambda: os.kill(os.getpid(), signal.SIGINT)):
            with pytest.raises((ZeroDivisionError, KeyboardInterrupt)), undisturbed():
                trouble()
            assert state() == (True, 0.003)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_is_forked_off_meanwhile_behaves_as_before():
    inside, done = threading.Event(), threading.Event()

    def compile_elsewhere():
        with undisturbed():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=compile_elsewhere)
    thread.start()
    assert inside.wait(10)
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=lambda: told.put(state()))
    child.start()
    child.join()
    done.set()
    thread.join()
    assert told.get() == (True, 0.003)
