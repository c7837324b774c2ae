"""What a layer cannot take gets one sentence: what, where, and what is needed."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr

TOO_MANY = 2**24 + 1
ACTIVATIONS = "elu, gelu, identity, leaky_relu, mish, relu, selu, sigmoid, silu, softmax, softplus, tanh"


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: cr.Dense(0), ValueError, "Dense: units is a whole number of at least 1, not 0"),
        (lambda: cr.Dense(2.5), TypeError, "Dense: units is a whole number of at least 1, not 2.5"),
        (lambda: cr.Dense("8"), TypeError, "Dense: units is a whole number of at least 1, not '8'"),
        (lambda: cr.Dense(True), TypeError, "Dense: units is a whole number of at least 1, not True"),
        (
            lambda: cr.Dense(3, activation="rellu"),
            ValueError,
            "there is no activation 'rellu'; did you mean 'relu' or 'elu' or 'selu'?",
        ),
        (
            lambda: cr.Activation(None),
            ValueError,
            "there is no activation None; here it is called 'identity'",
        ),
        (
            lambda: cr.Activation(3),
            ValueError,
            f"there is no activation 3; there are {ACTIVATIONS}",
        ),
        (
            lambda: cr.Dense(3, activation=["relu"]),
            ValueError,
            "there is no activation ['relu']; did you mean 'relu' or 'elu' or 'selu'?",
        ),
        (
            lambda: cr.Dense(3, weight_initializer="he"),
            ValueError,
            "there is no initializer 'he'; there are constant, glorot_normal, glorot_uniform, he_normal, "
            "he_uniform, lecun_normal, lecun_uniform, ones, orthogonal, uniform, zeros",
        ),
        (
            lambda: cr.Dense(3, bias_initializer=cr.Zeros),
            TypeError,
            "Zeros is a class; make an initializer of it with Zeros()",
        ),
        (
            lambda: cr.Dense(3, bias_initializer="zero"),
            ValueError,
            "there is no initializer 'zero'; did you mean 'zeros'?",
        ),
        (
            lambda: cr.Uniform(-0.1),
            ValueError,
            "Uniform: limit is a finite number of at least 0, not -0.1",
        ),
        (
            lambda: cr.Embedding(3, 2, "constant"),
            ValueError,
            "the initializer 'constant' needs its number: Constant(0.1)",
        ),
        (
            lambda: cr.Dense(3, activaton="relu"),
            ValueError,
            "Dense: there is no option 'activaton'; did you mean 'activation'?",
        ),
        (
            lambda: cr.Dropout(1.0),
            ValueError,
            "Dropout: rate is a number from 0 to below 1, not 1.0",
        ),
        (lambda: cr.Dropout(-0.1), ValueError, "Dropout: rate is a number from 0 to below 1, not -0.1"),
        (
            lambda: cr.Dropout(float("nan")),
            ValueError,
            "Dropout: rate is a number from 0 to below 1, not nan",
        ),
        (lambda: cr.Dropout("0.5"), TypeError, "Dropout: rate is a number from 0 to below 1, not '0.5'"),
        (
            lambda: cr.BatchNorm(momentum=1.0),
            ValueError,
            "BatchNorm: momentum is a number from 0 to below 1, not 1.0",
        ),
        (
            lambda: cr.BatchNorm(epsilon=0.0),
            ValueError,
            "BatchNorm: epsilon is a finite number above 0, not 0.0",
        ),
        (lambda: cr.LayerNorm(-1), ValueError, "LayerNorm: epsilon is a finite number above 0, not -1"),
        (lambda: cr.LayerNorm(None), TypeError, "LayerNorm: epsilon is a finite number above 0, not None"),
        (
            lambda: cr.Embedding(0, 2),
            ValueError,
            "Embedding: categories is a whole number from 1 to 16777216, not 0",
        ),
        (
            lambda: cr.Embedding(TOO_MANY, 2),
            ValueError,
            "Embedding: categories is a whole number from 1 to 16777216, not 16777217",
        ),
        (
            lambda: cr.Embedding(5, units=0),
            ValueError,
            "Embedding: units is a whole number of at least 1, not 0",
        ),
        (
            lambda: cr.Columns([0, -1]),
            ValueError,
            "Columns: positions are one or more whole numbers from 0 on, not (0, -1)",
        ),
        (
            lambda: cr.Columns([]),
            ValueError,
            "Columns: positions are one or more whole numbers from 0 on, not ()",
        ),
        (
            lambda: cr.Columns([0.5]),
            TypeError,
            "Columns: positions are whole numbers like [0, 2], not [0.5]",
        ),
        (lambda: cr.Columns(2), TypeError, "Columns: positions are whole numbers like [0, 2], not 2"),
        (lambda: cr.Sequential(3), TypeError, "Sequential: layers is a list of layers, not 3"),
        (
            lambda: cr.Sequential([cr.Flatten(), "relu"]),
            TypeError,
            "Sequential: layers[1] is not a layer but 'relu'; cr.Activation makes one of an activation",
        ),
        (
            lambda: cr.Dense(2, activation="swish"),
            ValueError,
            "there is no activation 'swish'; here it is called 'silu'",
        ),
        (
            lambda: cr.Sequential([cr.Flatten]),
            TypeError,
            f"Sequential: layers[0] is not a layer but {cr.Flatten}; write Flatten(...)",
        ),
        (lambda: cr.Residual([None]), TypeError, "Residual: layers[0] is not a layer but None"),
        (lambda: cr.Concatenate([]), ValueError, "Concatenate: it needs at least one layer"),
        (
            lambda: cr.Constant(float("inf")),
            ValueError,
            "Constant: value is a finite number, not inf",
        ),
        (lambda: cr.Orthogonal("big"), TypeError, "Orthogonal: gain is a finite number, not 'big'"),
    ],
)
def test_an_option_that_cannot_be(make, kind, sentence):
    with pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
        make()


def test_numbers_of_numpy_are_taken():
    assert repr(cr.Dense(np.int64(3)).units) == "3"
    assert repr(cr.Dropout(np.float64(0.25)).rate) == "0.25"
    assert cr.Columns(np.array([1, 0])).positions == (1, 0)
    assert cr.Sequential(cr.Dense(2) for _ in range(3)) == cr.Sequential([cr.Dense(2)] * 3)


@dataclass(frozen=True)
class RowSum(cr.Layer):
    """Leaves no features."""

    def forward(self, x, context):
        return cr.sum(x, axis=-1)


NO_FEATURES = "was given float32[rows]: it needs features: an x of shape (rows, features)"


@pytest.mark.parametrize(
    ("network", "features", "sentence"),
    [
        (
            cr.Columns([1, 4]),
            4,
            "Columns was given float32[rows, 4]: there is no feature 4 among 4, which are counted from 0",
        ),
        (
            cr.Sequential([cr.Dense(3), cr.Residual([cr.Dense(5), cr.Dense(2)])]),
            4,
            "layers.1 (Residual) was given float32[rows, 3]: its layers return (rows, 2), which cannot be "
            "added to their input",
        ),
        (
            cr.Sequential([cr.Residual([cr.Columns([3])])]),
            2,
            "layers.0.layers.0 (Columns) was given float32[rows, 2]: there is no feature 3 among 2, which "
            "are counted from 0",
        ),
        (
            cr.Sequential([cr.Concatenate([cr.Flatten(), cr.Dense(2)])]),
            (2, 3),
            "layers.0 (Concatenate) was given float32[rows, 2, 3]: its layers return (rows, 6) and "
            "(rows, 2, 2), which must agree in all axes but the last",
        ),
        *(
            (cr.Sequential([RowSum(), layer]), 3, f"layers.1 ({type(layer).__name__}) {NO_FEATURES}")
            for layer in (cr.Dense(1), cr.BatchNorm(), cr.LayerNorm(), cr.Columns([0]))
        ),
    ],
)
def test_an_input_that_does_not_fit_names_the_layer(network, features, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        cr.Model(network, loss="mean_squared_error").build(features)


@pytest.mark.parametrize("number", [3, -1, 0.5, -0.5, 1e9, 3e38])
def test_what_is_no_category_stops_the_fit_and_names_the_layer(number):
    net = cr.Sequential([cr.Embedding(3, 2), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error")
    model.build(2)
    before = model.weights
    x = np.array([[0, 1], [2, number]])
    sentence = (
        r"in step 1 .*: the first is nan in row 1, made by take in layers\.0 of the forward pass; "
        r"the input of layers\.0 holds a number there that is no category; "
        r"give whole numbers from 0 to 2 \(the model has"
    )
    with pytest.raises(ValueError, match=sentence):
        model.fit(x, [1.0, 2.0], shuffle=False)
    for name, array in model.weights.items():
        np.testing.assert_array_equal(array, before[name])
    warning = (
        r"^the predictions of 1 of 2 rows are not finite; the first is nan in row 1, made by take "
        r"in layers\.0 of the forward pass; the input of layers\.0 holds a number there that is no category; "
        r"give whole numbers from 0 to 2$"
    )
    with pytest.warns(RuntimeWarning, match=warning) as caught:
        predicted = model.predict(x)
    assert caught[0].filename == __file__
    assert np.isnan(predicted).tolist() == [[False], [True]]


@pytest.mark.parametrize("network", [cr.Sequential([]), cr.Activation("identity"), cr.Dropout(0.5)])
def test_a_network_without_parameters_predicts_and_cannot_be_trained(network):
    x = np.eye(3, dtype=np.float32)
    model = cr.Model(network, loss="mean_squared_error")
    assert np.array_equal(model.predict(x), x)
    for train in (model.fit, model.step, model.gradients):
        with pytest.raises(
            ValueError, match=r"^the network has no parameters to train; add a layer that has"
        ):
            train(x, x)


@dataclass(frozen=True)
class Asking(cr.Layer):
    """Asks its context for something."""

    ask: object

    def forward(self, x, context):
        self.ask(x, context)
        return x


def ask_twice(x, context):
    context.parameter("w", (2,))
    context.parameter("w", (3,))


def update_shape(x, context):
    context.state("s", (2,))
    context.update("s", x)


def ask_for_both(x, context):
    context.state("w", (2,))
    context.parameter("w", (2,))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (
            lambda x, context: context.parameter("w", x.shape),
            "Asking was given float32[rows, 2]: the shape of its w, (rows, 2), depends on the number of rows",
        ),
        (
            lambda x, context: context.parameter("my weight", (2,)),
            "Asking was given float32[rows, 2]: a name is made of letters, digits, _ and dots between them, "
            "not 'my weight'",
        ),
        (
            lambda x, context: context.update("mean", x),
            "Asking was given float32[rows, 2]: there is no state 'mean' to update; ask for it first with "
            "context.state",
        ),
        (ask_twice, "Asking was given float32[rows, 2]: its w has the shape (2,), and (3,) is needed"),
        (
            update_shape,
            "Asking was given float32[rows, 2]: the state s is float32[2], and its update float32[rows, 2]",
        ),
        (ask_for_both, "w is declared both as a parameter and as state"),
    ],
)
def test_a_layer_of_ones_own_that_asks_for_what_cannot_be(ask, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        cr.Model(Asking(ask), loss="mean_squared_error").build(2)
