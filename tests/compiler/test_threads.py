"""The number of threads: asked for, set, or by the work; and what it must not change."""

import os

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.threads import WORTH_THREADS, cores, thread_count


def test_who_decides(monkeypatch):
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    assert thread_count(WORTH_THREADS - 1, None) == 1
    assert thread_count(WORTH_THREADS, None) == cores() <= os.cpu_count()
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    assert thread_count(1, None) == 3
    assert thread_count(1, 2) == 2


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_what_the_variable_cannot_be(monkeypatch, text):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", text)
    with pytest.raises(ValueError, match=r"CHAINRULE_NUM_THREADS is a whole number of at least 1, not '"):
        thread_count(1, None)


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
