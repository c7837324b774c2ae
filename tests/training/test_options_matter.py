"""Every option of Model, fit and the other calls changes what happens, and there are no others."""

import inspect

import numpy as np
import pytest
from training_cases import classes, classification, network, regression, table

import chainrule as cr

X, Y = table()
XV, YV = table(seed=50)


def trained(model_options=(), **fit_options):
    """Return what training with these options leaves: the weights, and the history."""
    model = regression(**dict(model_options))
    history = model.fit(X, Y, **{"epochs": 3, "batch_size": 6, **fit_options})
    return model.weights, history


def differ(first, second):
    """Whether two trainings ended differently."""
    weights = any(
        first[0][name].shape != second[0][name].shape or (first[0][name] != second[0][name]).any()
        for name in first[0]
    )
    return weights or first[1] != second[1]


MODEL_OPTIONS = {
    "network": None,  # the first argument
    "loss": "mean_absolute_error",
    "objective": None,  # takes the loss's place: test_objective
    "optimizer": cr.Adam(0.1),
    "penalties": cr.L2(0.1),
    "dtype": "float32",
    "seed": 1,
    "executor": None,  # both do the same: tests/compiler
    "n_threads": None,  # the same bits at any number: tests/compiler/test_threads.py
}
FIT_OPTIONS = {
    "x": None,
    "y": None,
    "epochs": 4,
    "batch_size": 5,
    "validation_data": (XV, YV),
    "sample_weight": np.linspace(0, 1, len(X)),
    "shuffle": False,
    "callbacks": [lambda progress: progress.stop()],
    "verbose": None,  # what it shows: test_callbacks
    "checkpoint": None,  # changes nothing: test_checkpoint
}


def test_equal_options_train_equally():
    assert not differ(trained(), trained())


@pytest.mark.parametrize("name", [name for name, value in MODEL_OPTIONS.items() if value is not None])
def test_option_of_a_model(name):
    assert differ(trained(), trained({name: MODEL_OPTIONS[name]}))


@pytest.mark.parametrize("name", [name for name, value in FIT_OPTIONS.items() if value is not None])
def test_option_of_fit(name):
    assert differ(trained(), trained(**{name: FIT_OPTIONS[name]}))


def test_the_tables_above_know_every_option():
    assert list(inspect.signature(cr.Model).parameters) == list(MODEL_OPTIONS)
    assert list(inspect.signature(cr.Model.fit).parameters)[1:] == list(FIT_OPTIONS)


def test_data_and_network_matter():
    model, other = regression(), regression(network(units=6))
    assert differ((model.fit(X, Y) and model.weights, {}), (other.fit(X, Y) and other.weights, {}))
    assert regression().fit(X, Y) != regression().fit(XV, Y)
    assert regression().fit(X, Y) != regression().fit(X, YV)


@pytest.mark.parametrize("part", ["network", "loss", "optimizer", "penalty", "schedule"])
def test_a_number_of_a_part_matters(part):
    """Numbers are run-time arguments of one graph, and reach it."""
    low, high = {
        "network": [(network(cr.Dropout(rate)), {}) for rate in (0.2, 0.4)],
        "loss": [(network(), {"loss": cr.Huber(delta)}) for delta in (0.1, 0.2)],
        "optimizer": [(network(), {"optimizer": cr.Adam(0.1, beta_1=beta)}) for beta in (0.5, 0.9)],
        "penalty": [(network(), {"penalties": cr.L1(strength)}) for strength in (0.1, 0.2)],
        "schedule": [
            (network(), {"optimizer": cr.SGD(cr.ExponentialDecay(rate, every=5))}) for rate in (0.1, 0.2)
        ],
    }[part]
    results = []
    for net, options in (low, high):
        model = regression(net, **options)
        history = model.fit(X, Y, epochs=3, batch_size=6)
        results.append((model.weights, history))
    assert differ(*results)


def test_options_of_the_other_calls():
    x, y = classes()
    model = classification(network(cr.Dropout(0.5), outputs=4))
    weights = np.linspace(0, 1, len(x))
    assert model.evaluate(x, y) != model.evaluate(x, y, sample_weight=weights)
    assert model.gradients(x, y)[0] != model.gradients(x, y, sample_weight=weights)[0]
    assert (model.predict(x) != model.predict(x, link=True)).any()
    same = classification(network(cr.Dropout(0.5), outputs=4))
    assert model.step(x, y) != same.step(x, y, sample_weight=weights)


# What there is not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: cr.Model(network(), los="huber"), "Model: there is no option 'los'; did you mean 'loss'"),
        (
            lambda m: cr.Model(network(), "huber", optimiser="sgd"),
            "no option 'optimiser'; did you mean 'optimizer'",
        ),
        (
            lambda m: cr.Adam(lr=0.1),
            "no option 'lr'; did you mean 'learning_rate' or 'learning_rate_factors'",
        ),
        (lambda m: cr.Adam(l=0.1), "there is no option 'l'; there are "),
        (lambda m: m.fit(X, Y, epoch=3), "Model.fit: there is no option 'epoch'; did you mean 'epochs'"),
        (lambda m: m.fit(X, Y, validation=(X, Y)), "no option 'validation'; did you mean 'validation_data'"),
        (
            lambda m: m.step(X, Y, sample_weights=Y),
            "Model.step: .*'sample_weights'; did you mean 'sample_weight'",
        ),
        (lambda m: m.gradients(X, Y, weight=Y), "Model.gradients: there is no option 'weight'"),
        (
            lambda m: m.evaluate(X, Y, batch_size=3),
            "Model.evaluate: there is no option 'batch_size'; there are",
        ),
        (
            lambda m: m.predict(X, links=True),
            "Model.predict: there is no option 'links'; did you mean 'link'",
        ),
    ],
)
@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_unknown_options(call, sentence, kind):
    with pytest.raises(kind, match=sentence):
        call(regression())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "mean_square_error"}, "no loss 'mean_square_error'; did you mean 'mean_squared_error'"),
        ({"optimizer": "adm"}, "no optimizer 'adm'; did you mean 'adam'"),
        ({"executor": "numpi"}, "no executor 'numpi'; did you mean 'numpy'"),
        ({"dtype": "int32"}, "computes in float32 or float64, not int32"),
        ({"dtype": "float16"}, "dtype 'float16' is not one of"),
        ({"seed": -1}, "a seed is an integer from 0 to"),
    ],
)
def test_unknown_values(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        regression(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"optimizer": cr.Adam}, r"write Adam\(\)"),
        ({"optimizer": 0.1}, "an optimizer is a name or an object"),
        ({"loss": cr.Huber}, r"make a loss of it with Huber\(\)"),
        ({"loss": 3}, "a loss is a name, a Loss or a function"),
        ({"penalties": [0.1]}, "a penalty is an object such as"),
        ({"penalties": None}, "a penalty is an object such as"),
        ({"seed": "a"}, "a seed is an integer"),
        ({"net": [cr.Dense(1)]}, "a model's network is a layer"),
    ],
)
def test_wrong_kinds(options, sentence):
    with pytest.raises(TypeError, match=sentence):
        regression(options.pop("net", None), **options)
