"""Every layer against its formula in NumPy, in training and in prediction."""

import inspect

import numpy as np
import pytest
from layer_cases import ACTIVATIONS, CASES
from layer_running import arrays_for, run

import chainrule as cr
from chainrule import layers


def test_every_exported_layer_has_a_case():
    exported = {item for item in map(layers.__dict__.get, layers.__all__) if inspect.isclass(item)}
    exported = {item for item in exported if issubclass(item, cr.Layer) and item is not cr.Layer}
    assert exported == {type(case.layer) for case in CASES}


def test_every_named_activation_has_a_case():
    assert list(layers.ACTIVATIONS) == list(ACTIVATIONS)


@pytest.mark.parametrize("as_inputs", [False, True], ids=["numbers", "inputs"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_and_state_follow_the_formula(case, training, as_inputs):
    parameters, state = arrays_for(case.layer, case.x)
    y, new = run(case.layer, case.x, parameters, state, training, as_inputs)
    expected, expected_state = case.formula(case.x, parameters, state, training)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    assert new.keys() == expected_state.keys()
    for name, array in new.items():
        np.testing.assert_allclose(array, expected_state[name], rtol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rows_prediction_does_not_depend_on_the_rows_beside_it(case):
    parameters, state = arrays_for(case.layer, case.x)
    whole, _ = run(case.layer, case.x, parameters, state, training=False)
    for start, stop in ((0, 1), (2, 5)):
        part, _ = run(case.layer, case.x[start:stop], parameters, state, training=False)
        np.testing.assert_allclose(part, whole[start:stop], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_dtype_is_the_models(case, dtype):
    net = cr.Sequential([case.layer, cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype=dtype)
    assert model.predict(case.x).dtype == dtype
    assert {array.dtype.name for array in [*model.weights.values(), *model.state.values()]} == {dtype}
