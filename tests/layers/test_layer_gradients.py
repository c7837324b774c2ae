"""The derivatives of every layer by its parameters and its input, against central differences."""

import numpy as np
import pytest
from layer_cases import CASES
from layer_running import KEY, STEP, arrays_for, traced

import chainrule as cr
from chainrule.gradient.backward import backward
from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph

STEP_SIZE = 1e-5


def central_differences(function, array):
    """Return the derivative of a function of no argument by the elements of an array that it reads."""
    result = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + STEP_SIZE
        above = function()
        array[place] = kept - STEP_SIZE
        result[place] = (above - function()) / (2 * STEP_SIZE)
        array[place] = kept
    return result


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivatives_are_those_of_the_values(case, training):
    x = case.x
    parameters, state = arrays_for(case.layer, x)
    inputs, _, y = traced(case.layer, x, parameters, state, training)
    weights = np.random.default_rng(8).normal(size=(1, *y.shape[1:]))
    loss = cr.sum(y * y * weights + y * weights)
    names = [*parameters] if case.categories else ["x", *parameters]  # categories do not vary continuously
    variables = [value for value in inputs if value.name in names]
    arrays = [x, *parameters.values(), *state.values(), KEY, np.array(STEP, np.int32)]
    value = Evaluator(Graph(inputs, [loss]))
    derivatives = Evaluator(Graph(inputs, backward(loss, variables)))(*arrays)
    varied = {"x": x, **parameters}
    for name, derivative in zip(names, derivatives, strict=True):
        expected = central_differences(lambda: value(*arrays)[0], varied[name])
        np.testing.assert_allclose(derivative, expected, rtol=1e-6, atol=1e-7, err_msg=name)


def deep_model():
    block = cr.Residual([cr.LayerNorm(), cr.Dense(4, activation="tanh"), cr.Dropout(0.25)])
    wide = cr.Concatenate([cr.BatchNorm(), cr.Dense(3, activation="gelu")])
    net = cr.Sequential([cr.Dense(4, activation="silu"), block, wide, cr.Dense(2)])
    return cr.Model(net, loss="mean_squared_error", dtype="float64")


def test_gradients_of_a_whole_model():
    generator = np.random.default_rng(4)
    x, y = generator.normal(size=(7, 3)), generator.normal(size=(7, 2))
    model = deep_model()
    _, gradients = model.gradients(x, y)
    weights = model.weights
    assert gradients.keys() == weights.keys()

    def loss():
        model.set_weights(weights)
        return model.gradients(x, y)[0]

    for name, gradient in gradients.items():
        expected = central_differences(loss, weights[name])
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=name)
