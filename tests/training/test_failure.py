"""A loss or weight that is not finite is traced to its first step, row, layer and operation."""

import re

import numpy as np
import pytest
from training_cases import assert_same, network, regression, table

import chainrule as cr
from chainrule.compiler import epochs
from chainrule.compiler.turns import Turns
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import EvaluatedRun, Inputs


def failure(model, *data, **options):
    """The sentence of a fit that fails, as step, epoch and what comes first."""
    with pytest.raises(ValueError, match="became") as caught:
        model.fit(*data, **options)
    found = re.match(
        r"(.*) became (\S+) in step (\d+) \(epoch (\d+)\): (.*) \(the model has", str(caught.value)
    )
    assert found, caught.value
    return found.groups()


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
@pytest.mark.parametrize("batch_size", [1, 4, 22])
@pytest.mark.parametrize("row", [0, 17, 21])
def test_the_row_of_the_data_is_named(executor, batch_size, row):
    x, y = table()
    y[row] = 1e200  # its square is infinite
    what, number, step, epoch, first = failure(regression(executor=executor), x, y, batch_size=batch_size)
    assert (what, number, epoch) == ("the loss", "inf", "1")
    assert f"the first is inf in row {row}, made by multiply of the loss" in first
    _, _, step, _, _ = failure(regression(executor=executor), x, y, batch_size=batch_size, shuffle=False)
    assert int(step) == row // batch_size + 1


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_the_layer_and_the_operation_in_the_forward_pass(executor):
    x, y = table()
    x[13] = 50
    guarded = lambda z: cr.log(100 - cr.sum(z * z, axis=-1, keepdims=True)) + z  # too large for one row only
    ones = cr.Ones()
    net = cr.Sequential([cr.Dense(3, weight_initializer=ones), cr.Dense(3, activation=guarded), cr.Dense(1)])
    _, _, _, _, first = failure(regression(net, executor=executor), x, y)
    assert first.startswith("the first is nan in row 13, made by log in layers.1 of the forward pass")


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_over_rows_tells_whose_part_is_the_largest(executor, dtype):
    x, y = table()
    large = 3e38 if dtype == "float32" else 1.5e308
    x[:, 0] = large * np.where(np.arange(len(x)) % 2, 0.1, 0.0)
    x[9, 0] = large
    net = cr.Sequential([cr.Dense(1, weight_initializer=cr.Zeros())])
    model = regression(net, executor=executor, dtype=dtype, loss=lambda p, t: 300 * cr.sum(p - t, axis=1))
    what, _, _, _, first = failure(model, x, y, batch_size=None)
    assert what == "layers.0.weight"
    assert re.search(r"most of it from row 9, made by matmul in layers.0 of the backward pass", first)


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_a_single_step_counts_the_rows_it_was_given(executor):
    x, y = table()
    y[5] = 1e200
    with pytest.raises(ValueError, match="the first is inf in row 5, made by"):
        regression(executor=executor).step(x, y)


@pytest.mark.parametrize(
    "options", [{}, {"validation": True}, {"callbacks": True}, {"stopping": True}], ids=str
)
@pytest.mark.parametrize("batch_size", [5, 22])
def test_both_executors_find_the_same_step_late_in_a_fit(options, batch_size):
    """Compiled fits look at the weights now and then only, and go back to where it began."""
    x, y = table()
    given = {"epochs": 400, "batch_size": batch_size}
    if "validation" in options:
        given["validation_data"] = (x, y)
    given["callbacks"] = (
        [lambda progress: seen.append(progress.model.weights)] if "callbacks" in options else []
    )
    if "stopping" in options:
        given["callbacks"] = [cr.EarlyStopping(patience=400, monitor="loss")]
    seen, told = [], []
    for executor in ("numpy", "compiled"):
        model = regression(
            network(), executor=executor, optimizer=cr.SGD(0.5), loss=lambda p, t: cr.sum(p**3, axis=1)
        )
        told.append(failure(model, x, y, **given))
        assert model.steps == int(told[-1][2]) - 1
        assert all(np.isfinite(array).all() for array in model.weights.values())
    assert told[0][1:4] == told[1][1:4]
    assert all(np.isfinite(array).all() for one in seen for array in one.values())


@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_a_weight_that_fails_while_the_loss_does_not(monkeypatch, save_every):
    """The last weights are checked, and the failing step is found however long ago the copies were made."""
    monkeypatch.setattr(epochs, "SAVE_EVERY", save_every)
    x, y = table()
    told = []
    for executor in ("numpy", "compiled"):
        rate = lambda t: cr.where(t < 30, 0.1, 1e308)  # in step 31 one weight is thrown out of range
        model = regression(
            executor=executor, optimizer=cr.SGD(rate), loss=lambda p, t: 1e3 * cr.sum(p - t, axis=1)
        )
        told.append(failure(model, x, y, epochs=31, batch_size=None))
        assert (model.steps, model.epochs) == (30, 30)
    assert told[0] == told[1]
    assert told[0][0] != "the loss"
    assert told[0][2:4] == ("31", "31")
    assert "of the update" in told[0][4]


@pytest.mark.parametrize(
    ("activation", "row", "remedy"),
    [
        (cr.log, 0.0, "log was given 0, and needs more than 0, as in log(z + 1e-6)"),
        (cr.log, -3.0, "log was given -3, and needs more than 0"),
        (lambda z: cr.log1p(-z), 1.0, "log1p was given -1, and needs more than -1"),
        (cr.sqrt, -0.5, "sqrt was given -0.5: keep it above 0"),
        (cr.sqrt, 0.0, "a derivative is infinite there, as those of log and sqrt at 0"),
        (lambda z: z**1.5, -2.0, "power was given -2: keep it above 0"),
        (lambda z: 1 / z, 0.0, "it divides by 0: add a small number to the divisor"),
        (cr.exp, 800.0, "exp of 800 is more than float64 holds; bound what it is given"),
        (
            lambda z: cr.exp(z / 9),
            9000.0,
            "or use smaller weights or features; x reaches 9e+03 in row 7; scale it",
        ),
        (lambda z: z * z, 1e200, "x reaches 1e+200 in row 7; scale it, or drop such rows"),
    ],
    ids=[
        "log of 0",
        "log",
        "log1p",
        "sqrt",
        "slope of sqrt",
        "power",
        "divide",
        "exp",
        "exp of data",
        "data",
    ],
)
def test_the_remedy_is_that_of_the_operation(activation, row, remedy):
    x, y = table()
    x = np.abs(x) / 9 + 0.1
    x[7] = row
    net = cr.Sequential([cr.Dense(2, activation=activation, weight_initializer=Eye()), cr.Dense(1)])
    *_, first = failure(regression(net), x, y, batch_size=None)
    assert "in row 7, made by" in first
    assert remedy in first, first


class Eye(cr.Initializer):
    """Hands on as many features as there are units."""

    def __call__(self, generator, shape):
        return np.eye(*shape)


def test_weights_that_have_come_to_be_large_are_the_learning_rates_fault():
    x, y = table()
    *_, first = failure(regression(network(), optimizer=cr.SGD(1e9)), x, y, epochs=99)
    assert re.search(r"; layers\.\d\.\w+ reaches \S+e\+\d+; a smaller learning rate, clipped", first)


def test_a_logarithm_in_a_loss_is_told_of_logits():
    x, y = table()
    loss = lambda prediction, target: -cr.sum(cr.log(cr.relu(prediction)), axis=-1)
    *_, first = failure(regression(loss=loss), x, y)
    assert "of probabilities, use cross_entropy, which takes logits" in first


def test_nobody_sees_weights_that_are_not_finite():
    """Not a callback, also where the fit would have gone on unchecked."""
    x, y = table()
    rate = lambda t: cr.where(t < 30, 0.1, 1e308)
    seen = []
    model = regression(optimizer=cr.SGD(rate), loss=lambda p, t: 1e3 * cr.sum(p - t, axis=1))
    look = lambda progress: seen.append(progress.model.weights)
    failure(model, x, y, epochs=99, batch_size=None, callbacks=[look])
    assert len(seen) == 30
    assert_same(seen[-1], model.weights)


def test_a_look_after_each_epoch_costs_no_call_of_its_own(monkeypatch):
    calls = []
    call = Turns._call
    monkeypatch.setattr(Turns, "_call", lambda turns: (calls.append(turns), call(turns)))
    regression().fit(*table(), epochs=40, batch_size=None, callbacks=[cr.Callback()])
    assert 40 <= len(calls) <= 45


def test_a_failure_that_only_native_code_sees_is_no_failure(monkeypatch):
    """Where the evaluator finds the step finite, its result is taken and the fit goes on."""
    x, y = table()
    sound, calls = epochs.CompiledRun._is_sound, []

    def unsound_once(self):
        calls.append(len(calls))
        return sound(self) and len(calls) not in (1, 2)

    alone, doubted = regression(), regression()
    first = alone.fit(x, y, epochs=3, batch_size=5)
    monkeypatch.setattr(epochs.CompiledRun, "_is_sound", unsound_once)
    second = doubted.fit(x, y, epochs=3, batch_size=5)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-9)
    for name, array in alone.weights.items():
        np.testing.assert_allclose(doubted.weights[name], array, rtol=1e-9)


def test_the_evaluator_tells_which_rows_a_batch_had():
    x, y = table()
    model = regression()
    data = model._trainer.batch(x, y, None)
    run = EvaluatedRun(
        model._trainer.loop(data, {}, True),
        model._trainer.loop_state,
        epochs.Inputs(data, model._trainer.arguments(), model._trainer.key, 4, 1),
    )
    y[11] = 1e200
    data["y"][11] = 1e200
    with pytest.raises(ArithmeticError) as caught:
        for _ in run:
            pass
    assert 11 in caught.value.rows
    np.testing.assert_array_equal(caught.value.arrays["x"], data["x"][caught.value.rows])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_number_of_the_weights_is_looked_at(dtype, number, threads):
    """At places of arrays that fill no, one and several vectors, whichever thread looks at them."""
    net = cr.Sequential([cr.Dense(37, activation="tanh"), cr.Dense(16, activation="tanh"), cr.Dense(1)])
    model = regression(net, dtype=dtype, optimizer=cr.Adam(), n_threads=threads)
    runs = []
    with pytest.MonkeyPatch.context() as patched:
        make = epochs.CompiledRun.__init__
        patched.setattr(epochs.CompiledRun, "__init__", lambda run, *a: (make(run, *a), runs.append(run))[0])
        model.fit(*table())
    (run,) = runs
    for name in run.memory.replaced:
        array = run.memory.home[name].whole
        for place in {*range(0, array.size, 13), array.size - 1}:
            sound, array.flat[place] = array.flat[place], number
            run._now = run._now._replace(is_finite=None)
            assert not run._is_sound(), (name, place)
            array.flat[place] = sound
            run._now = run._now._replace(is_finite=None)
            assert run._is_sound()


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_a_table_of_another_type_than_was_traced_is_refused(executor):
    """Native code would take the bytes of one dtype for those of another."""
    x, y = table()
    model = regression(executor=executor)
    model.fit(x, y)
    trainer = model._trainer
    data = trainer.batch(x, y, np.ones(len(x)))
    loop = trainer.loop(data, {}, shuffle=False)
    other = "float64" if data["sample_weight"].dtype == "float32" else "float32"
    data["sample_weight"] = data["sample_weight"].astype(other)
    inputs = Inputs(data, trainer.arguments(), trainer.key, batch_size=8, epochs=1)
    with pytest.raises(ValueError, match=f"sample_weight is float.*was given {other}"):
        next(iter(EXECUTORS[executor].run(loop, trainer.start(), inputs)))


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_a_row_that_takes_others_of_its_batch_with_it_is_named(executor):
    """The square of what is left of any row is infinite once the mean has been taken off."""
    x, y = table()
    x[13] = 1e200
    net = cr.Sequential([cr.BatchNorm(), cr.Dense(1)])
    _, _, _, _, first = failure(regression(net, executor=executor), x, y, batch_size=None)
    assert first.startswith("the first is inf in row 13, made by multiply in layers.0 of the forward pass")


@pytest.mark.parametrize("rate", [lambda t: 0.1 / (t - 5), lambda t: cr.where(t > 4, np.nan, 0.1)])
def test_a_schedule_that_gives_no_number(rate):
    what, _, step, _, first = failure(regression(optimizer=cr.SGD(rate)), *table(), batch_size=2)
    assert (what, step) == ("layers.0.weight", "6")
    assert "of the update; a schedule makes it of the number of the step" in first
