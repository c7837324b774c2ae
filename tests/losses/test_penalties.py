"""Penalties: value, derivative, and which parameters they act on."""

import numpy as np
import pytest
from loss_cases import exactly

import chainrule as cr
from chainrule import losses
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import with_inputs
from chainrule.graph.value import input_value

PARAMETERS = {
    "layers.0.weight": np.array([[1.0, -2.0], [0.0, 4.0]]),
    "layers.0.bias": np.array([10.0, -20.0]),
    "layers.1.weight": np.array([[-0.5], [0.0]]),
    "layers.2.scale": np.array([3.0]),
}
WEIGHTS = [name for name in PARAMETERS if name.endswith("weight")]


def test_l1():
    value, gradient = cr.value_and_grad(losses.L1(0.3))(PARAMETERS)
    assert value == pytest.approx(0.3 * sum(np.abs(PARAMETERS[name]).sum() for name in WEIGHTS))
    for name, array in PARAMETERS.items():
        expected = 0.3 * np.sign(array) if name in WEIGHTS else 0 * array
        np.testing.assert_allclose(gradient[name], expected, rtol=1e-15)


def test_l2():
    value, gradient = cr.value_and_grad(losses.L2(0.3))(PARAMETERS)
    assert value == pytest.approx(0.15 * sum((PARAMETERS[name] ** 2).sum() for name in WEIGHTS))
    for name, array in PARAMETERS.items():
        expected = 0.3 * array if name in WEIGHTS else 0 * array
        np.testing.assert_allclose(gradient[name], expected, rtol=1e-15)


def test_other_parameters():
    everything = losses.L1(1.0, parameters=("weight", "bias"))
    assert float(everything(PARAMETERS)) == 7.5 + 30
    assert float(losses.L1(1.0, parameters=("scale",))(PARAMETERS)) == 3
    assert float(losses.L1(1.0)({"weight": np.array([2.0])})) == 2


@pytest.mark.parametrize("penalty", [losses.L1(0.5), losses.L2(0.5)])
def test_strength_is_an_argument_of_the_graph(penalty):
    """In float32 the result stays float32, and another strength needs no other graph."""
    inputs = {}
    traced = with_inputs(penalty, "penalty", inputs)
    weight = input_value("weight", (2,), "float32")
    graph = Graph([weight, *inputs.values()], [traced({"weight": weight})])
    array = np.array([1.0, -3.0], "float32")
    half, double = (evaluate(graph, array, np.float64(strength))[0] for strength in (0.5, 1.0))
    assert half.dtype == np.float32
    assert half == float(penalty({"weight": array}))
    assert double == 2 * half


def test_strength_0_is_nothing():
    assert float(losses.L2(0.0)(PARAMETERS)) == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: losses.L1(-1), "L1: strength is a finite number of at least 0, not -1"),
        (lambda: losses.L2(np.nan), "L2: strength is a finite number of at least 0, not nan"),
        (
            lambda: losses.L2(1, parameters="weight"),
            "L2: parameters is a tuple of names like (\"weight\",), not 'weight'",
        ),
        (
            lambda: losses.L2(1, parameters=("wieght",))(PARAMETERS),
            "L2: there is no parameter 'wieght'; did you mean 'weight'?",
        ),
    ],
)
def test_sentences(make, sentence):
    with pytest.raises(ValueError, match=exactly(sentence)):
        make()


def test_a_strength_that_is_no_number():
    with pytest.raises(TypeError, match=exactly("L2: strength is a finite number of at least 0, not '1'")):
        losses.L2("1")
