"""One layer by itself, traced and run in float64 with arrays of one's own."""

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import hyperparameters, with_inputs
from chainrule.graph.types import FLOAT64, ROWS
from chainrule.graph.value import input_value
from chainrule.graph.verify import verify
from chainrule.layers import Variables, apply, declare

KEY = np.array([17, 4], np.uint32)
STEP = 3


def arrays_for(layer, x):
    """Return random parameters and state for rows like those of x; variances are positive."""
    variables, _ = declare(layer, (ROWS, *x.shape[1:]), FLOAT64)
    generator = np.random.default_rng(11)

    def drawn(declarations):
        return {
            name: generator.uniform(0.5, 2, one.shape)
            if name.endswith("variance")
            else generator.normal(size=one.shape)
            for name, one in declarations.items()
        }

    return drawn(variables.declared_parameters), drawn(variables.declared_state)


def traced(layer, x, parameters, state, training):
    """Return the input x, the variables after the pass, those of the graph's inputs, and the output."""
    variables = Variables(FLOAT64, training=training)
    variables.parameters = {name: input_value(name, a.shape, FLOAT64) for name, a in parameters.items()}
    variables.state = {name: input_value(name, a.shape, FLOAT64) for name, a in state.items()}
    x_value = input_value("x", (ROWS, *x.shape[1:]), FLOAT64)
    inputs = [x_value, *variables.parameters.values(), *variables.state.values()]
    inputs += [variables.key, variables.step]
    return inputs, variables, apply(layer, x_value, variables)


def run(layer, x, parameters, state, training, as_inputs=False, step=STEP):
    """Return the layer's output and its new state; its numbers may be inputs, as in a training step."""
    lifted = {}
    used = with_inputs(layer, "n", lifted) if as_inputs else layer
    inputs, variables, y = traced(used, x, parameters, state, training)
    graph = Graph([*inputs, *lifted.values()], [y, *variables.state.values()])
    verify(graph)
    numbers = hyperparameters(layer, "n")
    given = [x, *parameters.values(), *state.values(), KEY, np.array(step, np.int32)]
    result, *new = Evaluator(graph)(*given, *(np.asarray(numbers[path]) for path in lifted))
    assert y.shape == (ROWS, *result.shape[1:])
    return result, dict(zip(state, new, strict=True))
