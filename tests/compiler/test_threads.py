"""The number of threads: asked for, set, or by the work; and what it must not change."""

import itertools
import os
import threading

import numpy as np
import pytest
from recorded import recorded

import chainrule as cr
from chainrule.compiler import threads
from chainrule.compiler.epochs import CompiledRun
from chainrule.compiler.threads import ROUND, WORTH_A_THREAD, Team, cores, thread_count, threads_asked_for
from chainrule.compiler.turns import Turns


def test_who_decides(monkeypatch):
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    assert cores() <= os.cpu_count()
    monkeypatch.setattr(threads, "cores", lambda: 4)
    counts = [
        thread_count(number * WORTH_A_THREAD - less, None) for number in (1, 2, 3, 9) for less in (1, 0)
    ]
    assert counts == [1, 1, 1, 2, 2, 3, 4, 4]
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    assert thread_count(1, None) == 3
    assert thread_count(1, 2) == 2


@pytest.fixture
def four_cpus(monkeypatch, tmp_path):
    """A system of four CPUs, of which nothing is known; return where it would tell."""
    monkeypatch.setattr(threads, "CPUS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    threads._cores_of.cache_clear()
    yield tmp_path
    threads._cores_of.cache_clear()


def test_cpus_of_one_core_count_once(four_cpus):
    for cpu, together in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = four_cpus / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{together}\n")
    assert cores() == 2


def test_cpus_of_which_nothing_is_known_are_cores(four_cpus):
    assert cores() == 4


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_what_the_variable_cannot_be(monkeypatch, text):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", text)
    with pytest.raises(ValueError, match=r"CHAINRULE_NUM_THREADS is a whole number of at least 1, not '"):
        thread_count(1, None)


def test_too_many_threads_are_a_slip(monkeypatch):
    with pytest.raises(ValueError, match="n_threads is at most 1024, not 1000000"):
        thread_count(1, 1_000_000)
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "1025")
    with pytest.raises(ValueError, match="CHAINRULE_NUM_THREADS is at most 1024, not 1025"):
        thread_count(1, None)
    assert thread_count(1, 1024) == 1024


@pytest.mark.parametrize("number", [0, -2, 1.5, "2", True])
def test_what_a_model_cannot_be_asked_for(number):
    with pytest.raises(ValueError, match="n_threads is a whole number of at least 1"):
        cr.Model(cr.Dense(1), loss="mean_squared_error", n_threads=number)


def test_same_bits_at_any_number():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(200, 37)), generator.integers(0, 5, 200)
    found = []
    for n_threads in (1, 2, 3, 5):
        net = cr.Sequential([cr.Dense(65, activation="gelu"), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(5)])
        model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(1e-2), n_threads=n_threads)
        history = model.fit(x, y, epochs=2, batch_size=48)
        found.append((history["loss"], {**model.weights, **model.state}))
    for losses, arrays in found[1:]:
        assert losses == found[0][0]
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, found[0][1][name], err_msg=name)


# One thread, or all --------------------------------------------------------------------------------


def work(team, paces, seconds):
    """Let a team work for a while in calls of 3 ms; return how long each number of threads did."""
    spent = dict.fromkeys(paces, 0.0)
    while sum(spent.values()) < seconds:
        spent[team.threads] += 0.003
        team.worked(round(0.003 / paces[team.threads]), 0.003)
    return spent


@pytest.mark.parametrize("faster", [1, 4])
def test_a_team_is_as_large_as_is_faster(faster):
    team = Team([1, 4])
    assert team.threads == 1
    assert team.most == 4
    paces = {4: 1e-4, 1: 1e-4, faster: 5e-5}
    spent = work(team, paces, 1.0)
    assert team.threads == faster
    assert spent[5 - faster] < 3 * 0.03  # three rounds have begun


def test_a_team_looks_again_after_a_while():
    team = Team([1, 2])
    work(team, {2: 1e-4, 1: 2e-4}, 1.0)
    assert team.threads == 2
    spent = work(team, {2: 4e-4, 1: 2e-4}, 2 * ROUND)
    assert team.threads == 1
    assert spent[2] < 1.1 * ROUND
    assert work(team, {2: 4e-4, 1: 2e-4}, 2 * ROUND)[2] < 0.1


def test_who_begins(monkeypatch):
    """A short fit begins with one thread: it may be over before the others have woken up."""
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    net = cr.Sequential([cr.Dense(100, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.1))
    native = CompiledRun(*recorded(model, np.ones((4, 30)), np.ones((4, 2))))._native
    teams = [
        native.team(rows, None, steps) for rows, steps in ((10, 10**9), (50, 1000), (200, 200), (201, 500))
    ]
    assert [(team.threads, team.most) for team in teams] == [(1, 1), (1, 2), (1, 4), (4, 4)]
    assert native.team(200, None, 10**9) is teams[2]


def test_calls_without_steps_say_nothing():
    team = Team([1, 2])
    for _ in range(99):
        team.worked(0, 1.0)
    assert team.threads == 1


def test_the_first_steps_of_a_number_are_not_counted():
    """Of steps that take long a single one is enough, but not the one for which threads had to wake up."""
    team = Team([2, 1])
    tried = []
    for _ in range(9):
        awake = tried[-1:] == [team.threads]
        tried.append(team.threads)
        team.worked(1, {2: 0.015, 1: 0.025}[team.threads] + (not awake) * 0.1)
    assert tried == [2, 2, 1, 1, 2, 2, 2, 2, 2]


def test_what_was_asked_for_is_not_tried(monkeypatch):
    team = Team([3])
    work(team, {3: 1e-4}, 1.0)
    assert team.threads == 3
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")
    assert threads_asked_for(None) == 2
    assert threads_asked_for(5) == 5
    monkeypatch.delenv("CHAINRULE_NUM_THREADS")
    assert threads_asked_for(None) is None


def test_teams_that_change_leave_the_same_bits(monkeypatch):
    losses, arrays = fitted()
    numbers = itertools.cycle([3, 1])
    monkeypatch.setattr(Team, "worked", lambda team, *told: setattr(team, "threads", next(numbers)))
    own_losses, own = fitted()
    assert own_losses == losses
    for name, array in arrays.items():
        np.testing.assert_array_equal(own[name], array, err_msg=name)


# Threads that come late -------------------------------------------------------------------------


def fitted(monkeypatch=None, order=None):
    """Return what a fit with three threads leaves; in native code they come one after the other."""
    if order is not None:
        monkeypatch.setattr(Turns, "_call", lambda turns: call_in_order(turns, order))
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(300, 20)), generator.integers(0, 3, 300)
    net = cr.Sequential([cr.Dense(33, activation="tanh"), cr.BatchNorm(), cr.Dense(150), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(1e-2), n_threads=3, seed=1)
    history = model.fit(
        x,
        y,
        epochs=3,
        batch_size=64,
        validation_data=(x[:50], y[:50]),
        callbacks=[cr.EarlyStopping(patience=9)],
    )
    return dict(history), {**model.weights, **model.state}


def call_in_order(turns, order):
    """Let each thread enter native code when the one before has left it."""
    for thread in order:
        turns._function(turns._memory.address, 0, turns._memory.capacity, thread, turns._team.most, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_work_does_not_wait_for_threads_that_are_not_there(order, monkeypatch):
    """The first that comes does everything; the others find nothing left."""
    losses, arrays = fitted()
    own_losses, own = fitted(monkeypatch, order)
    assert own_losses == losses
    for name, array in arrays.items():
        np.testing.assert_array_equal(own[name], array, err_msg=name)


def test_threads_that_are_held_up_at_random_change_nothing():
    """Others keep the cores busy, so that threads are put aside in the middle of things."""
    losses, arrays = fitted()
    stop = threading.Event()

    def spin():
        x = np.ones((200, 200))
        while not stop.is_set():
            x @ x

    others = [threading.Thread(target=spin) for _ in range(4)]
    for other in others:
        other.start()
    try:
        for _ in range(5):
            own_losses, own = fitted()
            assert own_losses == losses
            for name, array in arrays.items():
                np.testing.assert_array_equal(own[name], array, err_msg=name)
    finally:
        stop.set()
        for other in others:
            other.join()
