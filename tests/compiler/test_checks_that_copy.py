"""What a callback is shown is copied as it is looked at: the numbers are read once."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler import epochs
from chainrule.compiler.control import Control
from chainrule.compiler.copies import FEW, Copies

WIDTHS = (37, 203, 200)  # whole vectors and parts of one; many numbers


def large_model(**options):
    """A model with more weights than are copied one by one."""
    net = cr.Sequential(
        [*(cr.Dense(width, activation="tanh") for width in WIDTHS), cr.Dropout(0.1), cr.Dense(1)]
    )
    return cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(1e-3), seed=1, **options)


def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 5))
    return x, x[:, 0] * x[:, 1]


@pytest.fixture
def taken(monkeypatch):
    """How often copies of a check are taken."""
    calls, take = [], Copies.taken
    monkeypatch.setattr(Copies, "taken", lambda copies: (calls.append(copies), take(copies))[1])
    return calls


@pytest.mark.shares_code
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_callbacks_see_the_weights_of_each_epoch_and_keep_them(taken, dtype, threads):
    seen, expected = [], []
    model = large_model(dtype=dtype, n_threads=threads)
    model.fit(*rows(), epochs=5, batch_size=4, callbacks=[lambda p: seen.append(p.model._trainer.loop_state)])
    assert len(taken) == 5
    alone = large_model(dtype=dtype, n_threads=threads)
    for _ in range(5):
        alone.fit(*rows(), batch_size=4)
        expected.append(alone._trainer.loop_state)
    for run, one in zip(seen, expected, strict=True):  # those of earlier epochs are as they were
        assert (run.step, run.epoch) == (one.step, one.epoch)
        assert run.carried.keys() == one.carried.keys()
        for name, array in one.carried.items():
            np.testing.assert_array_equal(run.carried[name], array, name)
            assert run.carried[name].flags.c_contiguous


@pytest.mark.shares_code
def test_few_numbers_are_copied_one_by_one(taken):
    model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    model.fit(*rows(), epochs=3, callbacks=[lambda p: None])
    assert not taken


@pytest.mark.shares_code
def test_nobody_looks_so_nothing_is_copied(taken):
    large_model().fit(*rows(), epochs=3)
    assert not taken


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_is_copied_is_looked_at_number_by_number(monkeypatch, dtype, number, threads):
    runs, make = [], epochs.CompiledRun.__init__
    with monkeypatch.context() as patched:
        patched.setattr(epochs.CompiledRun, "__init__", lambda run, *a: (make(run, *a), runs.append(run))[0])
        large_model(dtype=dtype, n_threads=threads).fit(*rows())
    (run,) = runs
    plan = run._native.plan
    assert plan.copies_size >= FEW

    def look():
        copies = run._turns._copies
        run.memory.control[Control.ENDED] = 1
        run.memory.control[Control.COPIES] = copies.address()
        is_sound = run._turns.check()
        return copies.taken(), is_sound

    for name in plan.copies:
        array = run.memory.home[name].copy()
        for place in {0, array.size // 2, array.size - 1}:
            sound, array.flat[place] = array.flat[place], number
            run.memory.home[name].put(array)
            copies, is_sound = look()
            assert not is_sound, (name, place)
            for one, copy in copies.items():
                np.testing.assert_array_equal(copy, run.memory.home[one].copy(), one)
            array.flat[place] = sound
            run.memory.home[name].put(array)
    assert look()[1]
