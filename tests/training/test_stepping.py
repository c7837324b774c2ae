"""Single steps: those of a fit, to the bit, whatever is asked for between them."""

import copy
import pickle
import signal
import threading

import numpy as np
import pytest
from training_cases import assert_same

import chainrule as cr

BATCH = 16


def table(rows=96):
    x = np.random.default_rng(0).normal(size=(rows, 5))
    return x, np.sin(x[:, 0]) - x[:, 1]


def new_model(**options):
    layers = [cr.Dense(12, activation="tanh"), cr.BatchNorm(), cr.Dropout(0.2), cr.Dense(1)]
    given = {"loss": "huber", "optimizer": cr.Adam(1e-2, average=0.9), "seed": 3, **options}
    return cr.Model(cr.Sequential(layers), **given)


def batches(x, y, size=BATCH):
    return [(x[start : start + size], y[start : start + size]) for start in range(0, len(x), size)]


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_have_the_bits_of_a_fit(executor, dtype):
    x, y = table(100)  # the last batch is short
    stepped, fitted = (new_model(executor=executor, dtype=dtype) for _ in range(2))
    losses = [stepped.step(*batch) for batch in batches(x, y)]
    history = fitted.fit(x, y, batch_size=BATCH, shuffle=False)
    assert_same(stepped.weights, fitted.weights)
    assert_same(stepped.state, fitted.state)
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=[16] * 6 + [4]), rel=1e-12)
    assert (stepped.steps, stepped.epochs) == (fitted.steps, 0)


def test_the_loss_is_that_of_the_gradients():
    x, y = table()
    model = new_model(dtype="float64")
    for batch in batches(x, y):
        expected, _ = model.gradients(*batch)
        assert model.step(*batch) == pytest.approx(expected, rel=1e-13)


def test_batches_of_any_size_and_form():
    x, y = table()
    models = [new_model(executor=executor, dtype="float64") for executor in ("compiled", "numpy")]
    rng = np.random.default_rng(1)
    for rows in (1, 40, 16, 7, 90, 2):
        chosen = rng.integers(0, len(x), rows)
        for given in ({}, {"sample_weight": rng.random(rows)}):
            losses = [model.step(np.asfortranarray(x[chosen]), y[chosen], **given) for model in models]
            assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    for name, array in models[0].weights.items():
        np.testing.assert_allclose(array, models[1].weights[name], rtol=1e-7, atol=1e-9)


def test_what_is_asked_for_between_steps_changes_nothing(tmp_path):
    x, y = table()
    calm, busy = new_model(), new_model()
    for batch in batches(x, y):
        assert calm.step(*batch) == busy.step(*batch)
        busy.predict(x)
        busy.evaluate(x, y)
        busy.gradients(*batch)
        busy.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(calm.predict(x), busy.predict(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_by_itself(copied):
    x, y = table()
    model, calm = new_model(), new_model()
    for one in (model, calm):
        one.step(x[:16], y[:16])
    twin = copied(model)
    twin.step(x[16:32], y[16:32])
    assert_same(model.weights, calm.weights)
    for one in (model, calm):
        one.step(x[16:32], y[16:32])
    assert_same(model.weights, calm.weights)
    assert_same(twin.weights, calm.weights)


def test_weights_that_are_set_and_fits_are_gone_on_from():
    x, y = table()
    compiled, evaluated = (
        new_model(executor=executor, dtype="float64") for executor in ("compiled", "numpy")
    )
    for model in (compiled, evaluated):
        model.step(x, y)
        model.set_weights({"layers.0.weight": model.weights["layers.0.weight"] / 2})
        model.step(x, y)
        model.fit(x, y, batch_size=BATCH)
        model.step(x, y)
        assert (model.steps, model.epochs) == (9, 1)
    for name, array in compiled.weights.items():
        np.testing.assert_allclose(array, evaluated.weights[name], rtol=1e-7, atol=1e-9)


def test_a_step_that_fails_changes_nothing_and_the_next_goes_on():
    x, y = table()
    model, calm = (new_model(loss="mean_squared_error") for _ in range(2))
    for one in (model, calm):
        one.step(x, y)
    spoilt = y.copy()
    spoilt[7] = 1e38  # its square is infinite
    with pytest.raises(ValueError, match=r"the loss became inf in step 2 .*kept the weights"):
        model.step(x, spoilt)
    assert_same(model.weights, calm.weights)
    for one in (model, calm):
        one.step(x, y)
    assert_same(model.weights, calm.weights)
    assert model.steps == 2


def test_another_learning_rate_is_gone_on_with():
    x, y = table()
    changed, slow, fast = (new_model(optimizer=cr.Adam(rate)) for rate in (1e-3, 1e-3, 1e-1))
    for model in (changed, slow, fast):
        model.step(x, y)
    fast.set_weights({**slow.weights, **slow.state})
    fast._trainer.loop_state = slow._trainer.loop_state
    changed.optimizer = cr.Adam(1e-1)
    assert changed.optimizer == cr.Adam(1e-1)
    for model in (changed, fast):
        model.step(x, y)
        model.fit(x, y, epochs=2)
    assert_same(changed.weights, fast.weights)
    assert changed.steps == 8


def test_an_optimizer_with_other_arrays_is_refused():
    x, y = table()
    model, calm = new_model(), new_model()
    model.optimizer = "sgd"  # nothing is there yet
    model.optimizer = calm.optimizer
    for one in (model, calm):
        one.step(x, y)
    with pytest.raises(ValueError, match="SGD keeps other numbers of a parameter than Adam, with which"):
        model.optimizer = cr.SGD(0.1)
    with pytest.raises(ValueError, match="no optimizer"):
        model.optimizer = "adom"
    for one in (model, calm):
        one.step(x, y)
    assert_same(model.weights, calm.weights)


def test_threads_lose_no_step():
    x, y = table(16)
    model = new_model()
    model.step(x, y)

    def steps():
        for _ in range(100):
            model.step(x, y)

    threads = [threading.Thread(target=steps) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = new_model()
    for _ in range(401):
        alone.step(x, y)
    assert model.steps == 401
    assert_same(model.weights, alone.weights)


class Late(Exception):  # noqa: N818
    """What the handler of an alarm raises."""


def test_what_a_handler_raises_takes_a_step_back_or_leaves_it():
    x, y = table(64)
    model, alone = new_model(), new_model()
    model.step(x, y)

    def late(number, frame):
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    raised = 0
    try:
        for moment in range(1, 60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 37e-6 * moment)
                for _ in range(60):
                    model.step(x, y)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Late:
                raised += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert raised
    for _ in range(model.steps):
        alone.step(x, y)
    assert_same(model.weights, alone.weights)
