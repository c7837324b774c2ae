"""Functions, names and learning rates that cannot work get one sentence; and the model stays as it was."""

import re

import numpy as np
import pytest

import chainrule as cr
from bad_input import FEATURES, ROWS, X, Y, refused, regression

# One's own functions -----------------------------------------------------------------------------


def with_activation(function):
    return cr.Model(cr.Sequential([cr.Dense(5, activation=function), cr.Dense(1)]), loss="huber")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda z: z if z > 0 else 0 * z, r"a Python condition.*bool\[rows, 5\] is symbolic.*use cr.where"),
        (lambda z: float(z), r"float\(\) needs a number.*is symbolic"),
        (lambda z: None, "an array of numbers is needed, not NoneType"),
    ],
)
def test_activations_that_are_not_of_values(function, sentence):
    model = with_activation(function)
    with refused(sentence, model, TypeError):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda z: cr.sum(z, axis=-1), r"\(rows,\)"),
        (lambda z: cr.mean(z), r"\(\)"),
        (lambda z: z[:, :2], r"\(rows, 2\)"),
    ],
)
def test_activations_that_return_another_shape(function, shape):
    model = with_activation(function)
    with refused(
        rf"layers.0 \(Dense\).*\(rows, 5\).*{shape}|layers.0 \(Dense\).*{shape}.*\(rows, 5\)", model
    ):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("loss", "kind", "sentence"),
    [
        (lambda p, t: (p - t) ** 2, ValueError, r"returned the shape \(rows, 2\).*one number a row"),
        (lambda p, t: p if p > t else t, TypeError, "a Python condition"),
        (lambda p, t: 1.0, TypeError, "returned float, and it should return one number a row"),
        (lambda p, t: np.mean(p), TypeError, "is symbolic|NumPy|ufunc"),
        (lambda p, t: p @ t, ValueError, "matmul|do not fit"),
    ],
)
def test_losses_that_are_not_of_values(loss, kind, sentence):
    model = cr.Model(cr.Sequential([cr.Dense(2)]), loss=loss)
    with refused(sentence, model, kind):
        model.fit(X, np.c_[Y, Y])
    built = cr.Model(cr.Sequential([cr.Dense(2)]), loss=loss)
    built.build(features=FEATURES)
    with refused(sentence, built, kind):
        built.step(X, np.c_[Y, Y])


def test_a_loss_class_with_another_shape():
    class Wrong(cr.Loss):
        def formula(self, prediction, target):
            return cr.sum((prediction - target) ** 2, axis=0)

    model = cr.Model(cr.Dense(2), loss=Wrong())
    with refused(r"the loss has the shape \(2,\), and one number a row is needed", model):
        model.fit(X, np.c_[Y, Y])


# Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: cr.Dense(3, activation="rellu"), "no activation 'rellu'; did you mean 'relu'"),
        (lambda: cr.Activation("tan"), "no activation 'tan'; did you mean 'tanh'"),
        (lambda: cr.Dense(3, bias_initializer="zero"), "no initializer 'zero'; did you mean 'zeros'"),
        (lambda: cr.Dense(3, activatoin="relu"), "no option 'activatoin'; did you mean 'activation'"),
        (lambda: cr.Model(cr.Dense(1), loss="hubert"), "no loss 'hubert'; did you mean 'huber'"),
        (lambda: regression(optimizer="sdg"), "no optimizer 'sdg'; did you mean 'sgd'"),
        (lambda: cr.Adam(0.1, beta1=0.5), "no option 'beta1'; did you mean 'beta_1'"),
        (lambda: cr.CosineDecay(0.1, step=5), "no option 'step'; did you mean 'steps'"),
        (lambda: cr.L2(strenght=0.1), "no option 'strenght'; did you mean 'strength'"),
        (lambda: cr.CrossEntropy(smoothing=0.1), "no option 'smoothing'; did you mean 'label_smoothing'"),
        (lambda: cr.EarlyStopping(monitors="loss"), "no option 'monitors'; did you mean 'monitor'"),
    ],
)
def test_unknown_names(make, sentence):
    with refused(sentence):
        make()


@pytest.mark.parametrize("kind", [ValueError, TypeError])
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model: model.build(feature=3), "Model.build: .* 'feature'; did you mean 'features'"),
        (
            lambda model: model.set_weights(weight={}),
            "Model.set_weights: .* 'weight'; did you mean 'weights'",
        ),
        (lambda model: model.save(pth="m"), "Model.save: there is no option 'pth'; did you mean 'path'"),
        (lambda model: cr.load(pth="m"), "load: there is no option 'pth'; did you mean 'path'"),
        (lambda model: model.predict(X, links=True), "Model.predict: .* 'links'; did you mean 'link'"),
    ],
)
def test_unknown_options(call, sentence, kind):
    """They are caught as Python's own error, and as bad input."""
    model = regression()
    with refused(f"^{sentence}", model, kind):
        call(model)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"penalties": cr.L2(0.1, parameters=("wieght",))}, "no parameter 'wieght'; did you mean 'weight'"),
        (
            {"optimizer": cr.SGD(0.1, learning_rate_factors={"layers.0.wieght": 0.5})},
            "no parameter 'layers.0.wieght'; did you mean 'layers.0.weight'",
        ),
    ],
)
def test_unknown_parameters(options, sentence):
    model = regression(**options)
    with refused(sentence, model):
        model.fit(X, Y)


# A loss that is not finite -----------------------------------------------------------------------


def test_a_loss_that_becomes_infinite():
    model = regression(optimizer=cr.SGD(1e15))
    model.build(features=FEATURES)
    with pytest.raises(
        ValueError, match=r"^the loss became inf in step \d+ \(epoch.*smaller learning rate"
    ) as caught:
        model.fit(X, Y, epochs=50, batch_size=None)
    step = int(re.search(r"in step (\d+)", str(caught.value))[1])
    assert model.steps == step - 1 > 0
    assert all(np.isfinite(w).all() for w in model.weights.values())
    short = regression(optimizer=cr.SGD(1e15))
    short.fit(X, Y, epochs=step - 1, batch_size=None)
    for name, w in short.weights.items():
        np.testing.assert_array_equal(w, model.weights[name])


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        (
            np.ones(3),
            "what it is to take holds a number there that is no category; give whole numbers from 0 to 2",
        ),
        (np.array([1, np.nan, 1, 1]), "a smaller learning rate"),
    ],
)
def test_a_nan_that_a_loss_has_taken(table, remedy):
    """Only a number outside the table is blamed on the data."""
    model = cr.Model(cr.Dense(1), loss=lambda p, t: p[:, 0] * cr.take(table, t[:, 0]), dtype="float64")
    with refused(
        rf"^the loss became nan in step 1 .*: the first is nan in row \d+, made by take .*; {remedy}"
    ):
        model.fit(X, np.arange(ROWS)[:, None] % 3 + 1, shuffle=False)


@pytest.mark.parametrize("call", ["fit", "step"])
def test_a_nan_names_the_layer_that_made_it_first(call):
    layers = [
        cr.Dense(5),
        cr.Dense(5, activation=lambda z: cr.log(z - 100)),
        cr.Activation("relu"),
        cr.Dense(1),
    ]
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error")
    model.build(features=FEATURES)
    with refused(
        r"the loss became nan in step 1 \(epoch 1\): the first is nan .* in layers.1 of the forward", model
    ):
        getattr(model, call)(X, Y)
