"""How much memory training takes: a table is not copied, and after the first step nothing grows."""

import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler import table
from chainrule.compiler.compiled_loop import CompiledLoop
from chainrule.compiler.image import SUPPORTED, link
from chainrule.compiler.llvm import emit_object, host
from chainrule.compiler.table import Scratch, allocate

on_linux = pytest.mark.skipif(not SUPPORTED, reason="the peak of memory is read as Linux on x86 tells it")

MEASURES = """
import sys
import numpy as np
import chainrule as cr

def resident(word):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(word))

def begin():
    "Have the peak begin anew."
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return resident("VmRSS")

def model(dtype="float32"):
    net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dense(2)])
    return cr.Model(net, loss="cross_entropy", dtype=dtype, seed=0)
"""

LARGE = """
rows, features = 1 << 15, 640

def used(dtype, table):
    x, y = table(1 << 8).reshape(1 << 8, features), np.zeros(1 << 8, int)
    warm = model(dtype).fit(x, y, batch_size=256)
    before = begin()
    x, y = table(rows), np.zeros(rows, int)
    trained = model(dtype)
    trained.fit(x, y, batch_size=256)
    trained.predict(x)
    size = x.nbytes
    assert type(x) is not np.memmap or not x.flags.owndata
    return (resident("VmHWM") - before) / size

def drawn(dtype):
    return lambda count: np.random.default_rng(0).random((count, features), dtype)

def mapped(count):
    return np.memmap(sys.argv[1], np.float32, "r", shape=(count, features))

drawn("float32")(rows).tofile(sys.argv[1])
print(used("float32", mapped), used("float32", drawn("float32")), used("float32", drawn("float64")),
      used("float64", drawn("float64")))
"""

LONG = """
x, y = np.random.default_rng(0).random((20_000, 4)), np.arange(20_000) % 2
trained = model()
trained.fit(x, y, epochs=2, batch_size=4)
before = begin()
trained.fit(x, y, epochs=2, batch_size=4)
short = resident("VmHWM") - before
before = begin()
trained.fit(x, y, epochs=40, batch_size=4)
print(resident("VmHWM") - before - short)
"""


def measured(code, *arguments):
    """Return the numbers that a process prints."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURES + code, *arguments], capture_output=True, text=True, check=True
    )
    return [float(word) for word in ran.stdout.split()]


@on_linux
def test_a_large_table_is_not_copied(tmp_path):
    """Peak over the table's own size: one that is converted is there once more, in half its size."""
    in_a_file, as_it_is, converted, in_float64 = measured(LARGE, str(tmp_path / "table"))
    assert in_a_file < 1.1
    assert as_it_is < 1.1
    assert converted < 1.55
    assert in_float64 < 1.1


@on_linux
def test_a_long_fit_takes_no_more_memory_than_a_short_one():
    """Of 200,000 steps each would show that allocated two bytes."""
    (more,) = measured(LONG)
    assert more < 1 << 18


#: What native code may call: it moves bytes, and lets other threads run.
CALLED = {"memcpy", "memset", "memmove", "sched_yield"}


@pytest.mark.skipif(not SUPPORTED, reason="images are made on 64-bit Linux on x86 only")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_native_code_calls_nothing_that_allocates(dtype):
    layers = [cr.Dense(300, activation="gelu"), cr.BatchNorm(), cr.Dropout(0.1), cr.LayerNorm(), cr.Dense(3)]
    model = cr.Model(cr.Sequential(layers), loss="cross_entropy", optimizer=cr.Nadam(), dtype=dtype)
    model.build(features=20)
    trainer = model._trainer
    data = trainer.batch([[0.0] * 20] * 4, [0, 1, 2, 0], None)
    loop = trainer.loop(data, {}, shuffle=True)
    text = CompiledLoop(loop, sorted(trainer.loop_state.carried)).module.text
    assert set(link(emit_object(text, *host())).imports) <= CALLED


def lent(sizes=(1 << 21,)):
    return allocate(sizes, Scratch(), 16)


def test_memory_of_a_run_that_has_ended_is_taken_again_and_zeroed():
    memory, places = lent()
    memory[:] = 7.0
    del memory
    again, places_again = lent()
    assert places_again == places
    assert not again.any()


def test_memory_is_taken_again_only_when_nobody_sees_it_any_more():
    memory, places = lent()
    view = memory[:10]
    del memory
    other, others_places = lent()
    assert others_places != places
    view[:] = 7.0
    assert not other.any()


def test_memory_of_another_size_or_of_very_much_is_not_kept():
    lent((1 << 21,))
    assert lent((1 << 20,))[0].nbytes < 1 << 21
    lent((table.KEPT.stop,))
    assert all(array.nbytes < 1 << 21 for array in table._spare)


def test_equal_models_are_trained_in_the_same_memory():
    """To get new pages from the system can take longer than a short fit."""
    x, y = np.zeros((64, 300)), np.zeros((64, 1))
    found = set()
    for _ in range(4):
        model = cr.Model(cr.Sequential([cr.Dense(1000), cr.Dense(1)]), loss="mean_squared_error")
        model.fit(x, y, epochs=1)
        found.add(tuple(array.ctypes.data for array in table._spare))
    assert len(found) == 1
    assert found != {()}
