"""What fit returns, that it goes on from where the model is, seeds, validation, penalties, averaging."""

import numpy as np
import pytest
from training_cases import (
    CLASSES,
    arrays_of,
    assert_differ,
    assert_same,
    classes,
    classification,
    network,
    regression,
    table,
)

import chainrule as cr

RICH = network(cr.BatchNorm(), cr.Dropout(0.3), outputs=CLASSES)
OPTIMIZERS = [
    cr.SGD(0.1),
    cr.SGD(cr.CosineDecay(0.1, steps=20, warmup_steps=3), momentum=0.9, nesterov=True),
    cr.Adam(cr.OneCycle(0.05, steps=30), average=0.8),
    cr.AMSGrad(cr.StepDecay(0.05, every=4)),
    cr.AdamW(0.05, clip_global_norm=0.5),
    cr.Nadam(0.01),
    cr.RAdam(0.01),
    cr.RMSprop(0.01, momentum=0.5),
    cr.Adagrad(0.1),
    cr.Adadelta(1.0),
    cr.Lion(0.001),
]


# History -----------------------------------------------------------------------------------------


def test_history_is_of_this_call():
    x, y = classes()
    model = classification()
    first = model.fit(x, y, epochs=3)
    second = model.fit(x, y, epochs=2, validation_data=(x, y))
    assert (first.epochs, list(first)) == (3, ["loss"])
    assert second.epochs == 2
    assert list(second) == ["loss", "validation_loss", "validation_accuracy"]
    assert all(len(numbers) == 2 and set(map(type, numbers)) == {float} for numbers in second.values())
    assert (model.epochs, model.steps) == (5, 5)


def test_unbuilt_model_has_done_nothing():
    assert (regression().epochs, regression().steps) == (0, 0)
    with pytest.raises(ValueError, match="no weights yet"):
        regression().weights  # noqa: B018  (asking is what fails)


# Going on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_fits_are_one(optimizer, dtype):
    """2 + 3 epochs give the very weights, state and losses of 5."""
    x, y = classes()
    whole, parts = (classification(RICH, optimizer=optimizer, dtype=dtype, seed=4) for _ in range(2))
    history = whole.fit(x, y, epochs=5, batch_size=6)
    first = parts.fit(x, y, epochs=2, batch_size=6)
    second = parts.fit(x, y, epochs=3, batch_size=6)
    assert first["loss"] + second["loss"] == history["loss"]
    assert_same(arrays_of(whole), arrays_of(parts))
    assert {array.dtype.name for array in arrays_of(whole).values()} == {dtype}


def test_same_seed_same_bits():
    x, y = classes()
    models = [classification(RICH, seed=seed) for seed in (3, 3, 4)]
    losses = [model.fit(x, y, epochs=3, batch_size=6)["loss"] for model in models]
    assert losses[0] == losses[1] != losses[2]
    assert_same(arrays_of(models[0]), arrays_of(models[1]))
    assert_differ(arrays_of(models[0]), arrays_of(models[2]))


@pytest.mark.parametrize("what", ["initial weights", "order of rows", "draws"])
def test_the_seed_fixes(what):
    x, y = classes()
    net = RICH if what == "draws" else network(outputs=CLASSES)
    models = [classification(net, seed=seed) for seed in (3, 4)]
    for model in models:
        model.build(features=x.shape[1])
    if what != "initial weights":
        models[1].set_weights(models[0].weights)
        for model in models:
            model.fit(x, y, batch_size=6 if what == "order of rows" else None, shuffle=what != "draws")
    assert_differ(models[0].weights, models[1].weights)


def test_without_draws_and_shuffling_the_seed_has_no_say():
    x, y = classes()
    models = [classification(seed=seed) for seed in (3, 4)]
    for model in models:
        model.build(features=x.shape[1])
        model.set_weights({name: np.full(w.shape, 0.1) for name, w in model.weights.items()})
        model.fit(x, y, epochs=2, batch_size=6, shuffle=False)
    assert_same(models[0].weights, models[1].weights)


# Validation --------------------------------------------------------------------------------------


def test_validation_measures_the_new_weights_and_trains_on_nothing():
    x, y = classes()
    xv, yv = classes(40, seed=99)
    plain, validated = classification(RICH), classification(RICH)
    losses = plain.fit(x, y, epochs=3, batch_size=6)["loss"]
    history = validated.fit(x, y, epochs=3, batch_size=6, validation_data=(xv, yv))
    assert history["loss"] == losses
    assert_same(arrays_of(plain), arrays_of(validated))
    measured = plain.evaluate(xv, yv)
    assert history["validation_loss"][-1] == pytest.approx(measured["loss"], rel=1e-12)
    assert history["validation_accuracy"][-1] == pytest.approx(measured["accuracy"], rel=1e-12)


def test_validation_weights():
    x, y = classes()
    xv, yv = classes(40, seed=99)
    weights = np.repeat([0.0, 1.0, 3.0, 0.5], 10)
    model = classification()
    history = model.fit(x, y, validation_data=(xv, yv, weights))
    p = model.predict(xv, link=True)
    rows = -np.log(p[np.arange(40), yv])
    right = p.argmax(axis=1) == yv
    assert history["validation_loss"][0] == pytest.approx(np.average(rows, weights=weights), rel=1e-12)
    assert history["validation_accuracy"][0] == pytest.approx(np.average(right, weights=weights), rel=1e-12)


def test_validation_in_chunks():
    """More rows than are evaluated at once."""
    x, y = classes()
    xv, yv = classes(10_000, seed=99)
    model = classification()
    history = model.fit(x, y, validation_data=(xv, yv))
    p = model.predict(xv, link=True)
    assert history["validation_loss"][0] == pytest.approx(-np.log(p[np.arange(10_000), yv]).mean(), rel=1e-10)


# Penalties ---------------------------------------------------------------------------------------


def test_penalties_count_in_loss_and_gradient():
    x, y = table()
    plain, penalized = regression(), regression(penalties=[cr.L2(0.3), cr.L1(0.2, parameters=("bias",))])
    for model in (plain, penalized):
        model.build(features=x.shape[1])
        model.set_weights({"layers.0.bias": np.linspace(-1, 1, 5)})
    weights = plain.weights
    (loss, gradients), (more, penalized_gradients) = plain.gradients(x, y), penalized.gradients(x, y)
    matrices = [w for name, w in weights.items() if name.endswith("weight")]
    vectors = [w for name, w in weights.items() if name.endswith("bias")]
    penalty = 0.15 * sum((w**2).sum() for w in matrices) + 0.2 * sum(np.abs(w).sum() for w in vectors)
    assert more == pytest.approx(loss + penalty, rel=1e-12)
    for name, w in weights.items():
        slope = 0.3 * w if name.endswith("weight") else 0.2 * np.sign(w)
        np.testing.assert_allclose(penalized_gradients[name], gradients[name] + slope, rtol=1e-10, atol=1e-14)
    assert penalized.evaluate(x, y)["loss"] == pytest.approx(more, rel=1e-12)
    assert penalized.step(x, y) == pytest.approx(more, rel=1e-12)


def test_penalty_may_stand_alone():
    x, y = table()
    alone, listed = regression(penalties=cr.L2(0.3)), regression(penalties=[cr.L2(0.3)])
    assert alone.fit(x, y)["loss"] == listed.fit(x, y)["loss"]


def test_validation_loss_has_the_penalty_once():
    """However many chunks there are."""
    xv, yv = table(9000, seed=99)
    plain, penalized = regression(), regression(penalties=cr.L2(0.3))
    for model in (plain, penalized):
        model.build(features=xv.shape[1])
    size = sum((w**2).sum() for name, w in plain.weights.items() if name.endswith("weight"))
    difference = penalized.evaluate(xv, yv)["loss"] - plain.evaluate(xv, yv)["loss"]
    assert difference == pytest.approx(0.15 * size, rel=1e-9)


# Averaging ---------------------------------------------------------------------------------------


def test_average_of_the_weights_is_what_is_used(tmp_path):
    x, y = classes()
    decay, path = 0.8, []
    plain = classification()
    plain.fit(x, y, epochs=6, batch_size=None, callbacks=[lambda p: path.append(p.model.weights)])
    model = classification(optimizer=cr.SGD(0.1, average=decay))
    history = model.fit(x, y, epochs=6, batch_size=None, validation_data=(x, y))
    assert_same(model.weights, plain.weights)  # training itself sees no average
    shares = decay ** np.arange(6)[::-1]
    mean = {n: sum(s * w[n] for s, w in zip(shares, path, strict=True)) / shares.sum() for n in path[0]}
    averaged = classification()
    averaged.build(features=x.shape[1])
    averaged.set_weights(mean)
    np.testing.assert_allclose(model.predict(x), averaged.predict(x), rtol=1e-10)
    assert model.evaluate(x, y)["loss"] == pytest.approx(averaged.evaluate(x, y)["loss"], rel=1e-10)
    assert history["validation_loss"][-1] == pytest.approx(averaged.evaluate(x, y)["loss"], rel=1e-10)
    assert model.step(x, y) == pytest.approx(plain.step(x, y), rel=1e-12)
    model.save(tmp_path / "averaged.safetensors")
    loaded = cr.load(tmp_path / "averaged.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert_same(loaded.weights, model.weights)


def test_weights_that_are_set_are_predicted_with():
    """Also where predictions use an average, which starts anew from them."""
    x, y = classes()
    plain, averaging = classification(), classification(optimizer=cr.SGD(0.1, average=0.9))
    averaging.fit(x, y, epochs=2)
    plain.build(features=x.shape[1])
    averaging.set_weights(plain.weights)
    np.testing.assert_array_equal(averaging.predict(x), plain.predict(x))
