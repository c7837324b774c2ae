"""During training: a sound fit gets no complaint, and planted faults get their names, once."""

import numpy as np
import pytest
from patients import ACTIVATIONS, DATA, combined, digits, iris, model_for, names

import chainrule as cr


def looked_after(model, data, **options):
    """The names of the verdicts on a fit."""
    doctor = cr.Doctor(tell=None)
    model.fit(*data, callbacks=[doctor], **options)
    return [verdict.name for verdict in doctor.verdicts]


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_sound_fit_gets_no_complaint(name, activation, capsys, thorough):
    seed = len(name) + len(activation)
    for optimizer in combined([cr.Adam(1e-3), cr.SGD(0.1)], name, activation, thorough):
        model = model_for(name, activation=activation, optimizer=optimizer, seed=seed)
        doctor = cr.Doctor()
        history = model.fit(*DATA[name][0], epochs=12, callbacks=[doctor])
        assert not doctor.verdicts
        assert history["loss"][-1] < history["loss"][0]
        assert capsys.readouterr().out == ""


def test_a_network_that_has_converged_is_sound():
    model = model_for("iris", optimizer=cr.Adam(lambda t: 0.01 * 0.99**t))
    assert looked_after(model, iris(), epochs=150) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fault", "options", "fit"),
    [
        ("dead units", {"bias_initializer": cr.Constant(-20.0)}, {}),
        ("dead units", {"optimizer": cr.SGD(200.0)}, {"epochs": 4}),
        ("saturated units", {"activation": "tanh", "optimizer": cr.Adam(5.0)}, {"epochs": 4}),
        ("vanishing gradients", {"depth": 9, "activation": "sigmoid"}, {}),
        ("updates too small", {"optimizer": cr.Adam(learning_rate_factors={"layers.0": 1e-7})}, {}),
        ("learning rate too low", {"optimizer": cr.SGD(1e-8)}, {"epochs": 2}),
        ("learning rate too low", {"optimizer": cr.SGD(1e-5)}, {"epochs": 2}),
        ("learning rate too low", {"activation": "tanh", "optimizer": cr.Adam(1e-6)}, {"epochs": 6}),
        ("learning rate too high", {"optimizer": cr.SGD(50.0)}, {"epochs": 2}),
        ("learning rate too high", {"activation": "tanh", "optimizer": cr.Adam(1.0)}, {"epochs": 2}),
        (
            "learning rate too high",
            {"activation": "leaky_relu", "optimizer": cr.SGD(2.0)},
            {"batch_size": 600},
        ),
    ],
)
def test_a_fault_gets_its_name(fault, options, fit, seed):
    assert fault in looked_after(model_for("digits", seed=seed, **options), digits(), **fit)


def test_steps_that_are_very_long_are_told_while_the_fit_goes_on():
    epochs = []
    doctor = cr.Doctor(tell=lambda verdict: told.append((verdict.name, epochs[-1])))
    model, told = model_for("digits", activation="leaky_relu", optimizer=cr.SGD(2.0)), []
    see = lambda progress: epochs.append(progress.epoch)
    model.fit(*digits(), epochs=6, batch_size=600, callbacks=[see, doctor])
    assert told == [("learning rate too high", 2)]


def test_a_layer_that_stands_still_behind_others_that_move(thorough):
    """Relu does not help so deep a network soon; no larger learning rate does."""
    deep = {"depth": 15, "hidden": 64, "activation": "sigmoid", "optimizer": cr.SGD(0.1)}
    for seed in range(3 if thorough else 1):
        told = looked_after(model_for("digits", seed=seed, **deep), digits(), epochs=6)
        assert told == ["vanishing gradients"]
        found = model_for("digits", seed=seed, **deep).diagnose(*digits())
        assert names(found) == ["vanishing gradients"]
        assert "learning rate" not in found.verdicts[0].remedy
        assert "a step changes the weights by" in found.verdicts[0].evidence  # no trial of a remedy tells it


def test_gradients_that_explode_in_all_layers_alike():
    """In the unit of the loss; a layer's own are not larger than another's."""

    class Wide(cr.Initializer):
        def __call__(self, generator, shape):
            return generator.normal(size=shape)

    net = cr.Sequential([*[cr.Dense(32, activation="relu", weight_initializer=Wide())] * 8, cr.Dense(1)])
    for factor in (1.0, 1e-6):
        loss = lambda prediction, target, factor=factor: factor * (target - prediction)[:, 0] ** 2
        assert "exploding gradients" in looked_after(cr.Model(net, loss=loss), DATA["diabetes"][0], epochs=2)


@pytest.mark.parametrize("seed", range(3))
def test_gradients_that_exploded_once_and_are_small_again(seed):
    """The first steps of RMSprop are long; the loss is above 100, and from the third epoch on below 1."""
    x = np.random.default_rng(0).uniform(-1, 1, (600, 3))
    he = {"weight_initializer": "he_uniform"}
    block = cr.Residual([cr.Dense(100, activation="relu", **he), cr.Dense(100, **he)])
    net = cr.Sequential([cr.Dense(100, activation="relu", **he), block, block, cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.RMSprop(1e-3), seed=seed)
    y = x[:, 0] ** 3 - x[:, 1] ** 2 + x[:, 2] * x[:, 0]
    assert looked_after(model, (x, y / y.std()), epochs=30, batch_size=256) == []


@pytest.mark.parametrize("rate", [1e-5, 1e-6])
def test_what_is_too_slow_has_one_verdict(rate):
    """Neither a layer nor the loss is told besides: they follow from it."""
    assert looked_after(model_for("digits", optimizer=cr.SGD(rate)), digits(), epochs=6) == [
        "learning rate too low"
    ]


def test_the_rate_comes_before_the_units_that_it_killed():
    found = looked_after(model_for("digits", optimizer=cr.SGD(50.0)), digits(), epochs=2)
    assert found == ["learning rate too high", "dead units"]
    dead = {"bias_initializer": cr.Constant(-20.0), "optimizer": cr.SGD(0.1)}
    assert looked_after(model_for("digits", **dead), digits(), epochs=2) == ["dead units"]


@pytest.mark.parametrize("rate", [1e-3, 1e-4])
def test_units_that_start_dead_are_no_fault_of_the_rate(rate):
    """Only biases move, and from 0: by a large part of themselves at any rate."""
    dead = cr.Dense(16, activation="relu", bias_initializer=cr.Constant(-20.0))
    net = cr.Sequential([dead, cr.Dense(3, weight_initializer="zeros")])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(rate))
    assert looked_after(model, iris(), epochs=8) == ["dead units"]


def test_what_is_wrong_from_the_start_has_one_verdict():
    net = cr.Sequential(
        [cr.Dense(16, activation="relu", weight_initializer="zeros"), cr.Dense(3, weight_initializer="zeros")]
    )
    model = cr.Model(net, loss="cross_entropy")
    assert looked_after(model, iris(), epochs=8) == ["units that are copies"]
    net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dropout(0.99), cr.Dense(3)])
    assert looked_after(cr.Model(net, loss="cross_entropy"), iris(), epochs=4) == ["dropout too high"]


def test_few_steps_prove_nothing():
    """Of a table of eight rows an epoch is one step."""
    x = np.indices((2, 2, 2)).reshape(3, -1).T.astype(float)
    y = x.all(axis=1).astype(int)
    for seed in range(3):
        slow = cr.Sequential([cr.Dense(32, activation="relu"), cr.Dense(2)])
        model = cr.Model(slow, loss="cross_entropy", optimizer=cr.Adam(1e-4), seed=seed)
        assert looked_after(model, (x, y), epochs=8) == []
        swinging = cr.Sequential([cr.Dense(100, activation="relu"), cr.LayerNorm(), cr.Dense(2)])
        model = cr.Model(swinging, loss="cross_entropy", optimizer=cr.SGD(0.1), seed=seed)
        assert looked_after(model, (x, y), epochs=40) == []


def test_nothing_is_learnt_from_no_input():
    x, y = digits()
    assert looked_after(model_for("digits", activation="tanh"), (0 * x, y), epochs=6) == ["nothing is learnt"]


@pytest.mark.parametrize("name", ["digits", "cancer", "diabetes"])
def test_rows_of_the_input_that_do_not_belong_to_the_targets(name):
    x, y = DATA[name][0]
    y = np.random.default_rng(0).permutation(y)
    assert looked_after(model_for(name), (x, y), epochs=6) == ["input that does not help"]
    by_heart = {"epochs": 60, "validation_data": (x[300:], y[300:])}
    model = model_for(name, hidden=200, optimizer=cr.Adam(3e-3))
    assert looked_after(model, (x[:300], y[:300]), **by_heart) == ["input that does not help"]


def test_a_fit_that_has_hardly_begun_may_have_an_input_that_helps():
    for name in ("cancer", "diabetes"):
        x, y = DATA[name][0]
        options = {"epochs": 1, "validation_data": (x[300:], y[300:])}
        model = model_for(name, activation="tanh", optimizer=cr.Adam(1e-4))
        assert looked_after(model, (x[:300], y[:300]), **options) == []


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1), cr.Adam(1e-3)], ids=["sgd", "adam"])
def test_a_fit_that_goes_on_where_there_is_little_left_to_learn(optimizer):
    model = model_for("iris", optimizer=optimizer)
    model.fit(*iris(), epochs=400)
    assert looked_after(model, iris(), epochs=4) == []


#: A column of noise beside four that help: what is left of the loss nobody learns.
NOISY = np.random.default_rng(0).normal(size=(200, 5))


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1, momentum=0.9), cr.Adam(1e-3)], ids=["sgd", "adam"])
@pytest.mark.parametrize("loss", ["mean_squared_error", "cross_entropy"])
def test_a_fit_that_goes_on_where_all_is_learnt(loss, optimizer):
    """The loss stays and steps become tiny: also of a new model that begins with the weights of another."""
    x, y = NOISY[:, :4], NOISY.sum(axis=1)
    data = (x, y > 0) if loss == "cross_entropy" else (x, y)
    net = cr.Dense(2 if loss == "cross_entropy" else 1)
    model, other = (cr.Model(net, loss=loss, optimizer=optimizer, seed=seed) for seed in (0, 1))
    model.fit(*data, epochs=2000, batch_size=200)
    other.build(features=4)
    other.set_weights(model.weights)
    assert looked_after(model, data, epochs=20, batch_size=200) == []
    assert looked_after(other, data, epochs=20, batch_size=200) == []


def test_a_fit_that_goes_on_too_slowly_where_there_is_much_to_learn():
    first, slow = (model_for("digits", optimizer=cr.SGD(rate)) for rate in (0.02, 1e-8))
    first.fit(*digits(), epochs=1)
    slow.build(features=64)
    slow.set_weights(first.weights)
    slow.fit(*digits())
    assert looked_after(slow, digits(), epochs=6) == ["learning rate too low"]


def test_a_rate_that_rises_until_the_loss_does():
    """By steps that are not long, beside weights that were near their best."""
    x, y = NOISY[:, :4], NOISY[:, :4].sum(axis=1) * 2 + NOISY[:, 4] / 3
    told = []
    for most in (0.05, 0.3):
        rising = cr.SGD(lambda t, most=most: most * cr.minimum(t / 200, 1.0))
        model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=rising)
        model.build(features=4)
        model.set_weights({"weight": np.full((4, 1), 2.1), "bias": [0.0]})
        told += [looked_after(model, (x, y), epochs=16, batch_size=4)]
    assert told == [[], ["learning rate too high"]]


@pytest.mark.parametrize(("name", "rate", "batch_size"), [("cancer", 0.3, 1), ("wine", 0.1, 4)])
def test_a_rate_that_is_too_high_for_small_batches_only(name, rate, batch_size):
    momentum = 0.9 if batch_size > 1 else 0.0
    fit = lambda size: looked_after(
        model_for(name, optimizer=cr.SGD(rate, momentum=momentum)), DATA[name][0], epochs=10, batch_size=size
    )
    assert fit(batch_size) == ["learning rate too high"]
    assert fit(32) == []


def test_a_rising_loss():
    x = np.random.default_rng(0).normal(size=(64, 4))
    model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.4))
    assert "learning rate too high" in looked_after(model, (3 * x, 5 * x[:, 0]), epochs=3, batch_size=16)


def test_each_verdict_is_told_once_and_anew_in_each_fit(capsys):
    told = []
    doctor = cr.Doctor(tell=told.append)
    model = model_for("iris", bias_initializer=cr.Constant(-20.0))
    model.fit(*iris(), epochs=9, callbacks=[doctor])
    assert told == doctor.verdicts
    assert [(verdict.name, verdict.where) for verdict in told] == [("dead units", "layers.0 (Dense)")]
    model.fit(*iris(), epochs=2, callbacks=[doctor])
    assert len(told) == 2
    assert len(doctor.verdicts) == 1
    model.fit(*iris(), callbacks=[cr.Doctor()])
    assert capsys.readouterr().out == f"{doctor.verdicts[0]}\n"


def test_it_looks_seldom_and_at_the_end(monkeypatch):
    epochs = []
    monkeypatch.setattr(cr.Doctor, "_look", lambda self, progress, **_: epochs.append(progress.epoch))
    looked_after(model_for("iris"), iris(), epochs=19)
    assert epochs[:5] == [1, 2, 4, 8, 16]
    assert epochs[-1] == 19


def test_looking_changes_nothing_also_beside_other_callbacks():
    x, y = iris()
    plain, watched = (model_for("iris", seed=3) for _ in range(2))
    stopping = cr.EarlyStopping(patience=2, monitor="loss", min_delta=0.05)
    first = plain.fit(x, y, epochs=30, callbacks=[stopping])
    second = watched.fit(x, y, epochs=30, callbacks=[stopping, cr.Doctor(), cr.Recorder()])
    assert first == second
    for name, array in plain.weights.items():
        np.testing.assert_array_equal(array, watched.weights[name])
    assert second.recorded


def test_a_fit_that_fails_or_is_interrupted():
    x, y = iris()
    doctor = cr.Doctor(tell=None)
    with pytest.raises(ValueError, match="became"):
        model_for("iris", optimizer=cr.SGD(1e38)).fit(x, y, epochs=9, callbacks=[doctor])

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model_for("iris").fit(x, y, epochs=9, callbacks=[interrupt, doctor])


def test_other_models():
    x, y = DATA["diabetes"][0]
    objective = lambda network, x, y: (network(x)[:, 0] - y) ** 2
    net = cr.Sequential([cr.BatchNorm(), cr.Dense(8, activation="relu"), cr.Dropout(0.3), cr.Dense(1)])
    for executor in ("compiled", "numpy"):
        model = cr.Model(net, objective=objective, executor=executor, dtype="float64")
        assert looked_after(model, (x, y), epochs=3) == []
    assert looked_after(cr.Model(cr.Dense(1), loss="huber"), (x, y), epochs=2) == []


def test_tell_that_is_no_function():
    with pytest.raises(TypeError, match="tell is a function of a verdict, or None, not 3"):
        cr.Doctor(tell=3)


def test_features_of_wildly_different_scale_are_the_cause_and_told_alone():
    x, y = DATA["wine"][0]
    assert looked_after(model_for("wine"), (x * [*[1] * 12, 1e4], y), epochs=2) == [
        "features of wildly different scale"
    ]


@pytest.mark.parametrize("limit", [0.3, 3.0])
def test_units_that_are_flat_in_most_rows_each_in_others_of_them(limit):
    """So they start; learning may bring it about as well, and then it is no fault."""
    start = {"activation": "tanh", "weight_initializer": cr.Uniform(limit)}
    found = looked_after(model_for("wine", **start), DATA["wine"][0], epochs=2)
    assert found == ["saturated units"] * (limit > 1)
    assert names(model_for("wine", **start).diagnose(*DATA["wine"][0])) == found
    learnt = model_for("wine", activation="tanh")
    learnt.fit(*DATA["wine"][0], epochs=1)
    learnt.set_weights({"layers.0.weight": 10 * learnt.weights["layers.0.weight"]})
    assert "saturated units" not in looked_after(learnt, DATA["wine"][0], epochs=1)


def test_updates_that_are_small_as_gradients_vanish_are_not_told_besides():
    assert looked_after(model_for("digits", depth=20, activation="sigmoid"), digits(), epochs=4) == [
        "vanishing gradients"
    ]


def test_what_is_wrong_with_columns_or_the_output_is_told_as_before_training():
    x, y = iris()
    for data, options, name in (
        ((np.c_[x, x[:, 1]], y), {}, "duplicated columns"),
        ((np.c_[x, y], y), {}, "leaking columns"),
        ((x, y), {"last": "softmax"}, "softmax twice"),
    ):
        assert looked_after(model_for("iris", **options), data, epochs=2) == [name]
        assert names(model_for("iris", **options).diagnose(*data)) == [name]


#: A table, and its network, that Adam(0.1) trains well: as the default rate does, or far better. And ones
#: that it trains far worse.
LIVELY = [
    *(("iris", "relu", 64, 2), ("wine", "relu", 64, 2)),
    *(("diabetes", "relu", 32, 1), ("diabetes", "tanh", 32, 2)),
]
TOO_LIVELY = [
    *(("digits", "relu", 64, 2), ("digits", "tanh", 32, 2)),
    *(("cancer", "relu", 64, 2), ("cancer", "tanh", 32, 2)),
]


def of_size(name, activation, hidden, depth, rate=0.1):
    return model_for(name, activation=activation, hidden=hidden, depth=depth, optimizer=cr.Adam(rate))


@pytest.mark.parametrize("case", LIVELY, ids=lambda case: "-".join(map(str, case)))
def test_a_high_rate_that_learns_is_no_fault(case):
    data = DATA[case[0]][0]
    assert looked_after(of_size(*case), data, epochs=30) == []
    assert of_size(*case).diagnose(*data)


@pytest.mark.parametrize("case", TOO_LIVELY, ids=lambda case: "-".join(map(str, case)))
def test_a_rate_that_is_too_high_is_told_with_one_that_helps(case):
    data, doctor = DATA[case[0]][0], cr.Doctor(tell=None)
    history = of_size(*case).fit(*data, epochs=30, callbacks=[doctor])
    (found,) = [verdict for verdict in doctor.verdicts if verdict.name == "learning rate too high"]
    slower = of_size(*case, rate=float(found.remedy.removeprefix("try "))).fit(*data, epochs=30)
    assert slower["loss"][-1] < history["loss"][-1] / 2
