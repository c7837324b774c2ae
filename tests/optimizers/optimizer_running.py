"""Optimizers traced and run: a graph of one update, repeated on NumPy."""

import numpy as np

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import hyperparameters, with_inputs
from chainrule.graph.types import INT32
from chainrule.graph.value import input_value
from chainrule.graph.verify import verify


def step_graph(optimizer, parameters, state):
    """Return the graph (parameters, gradients, state, step) → (parameters, state)."""

    def inputs(arrays, prefix=""):
        return {name: input_value(prefix + name, a.shape, a.dtype) for name, a in arrays.items()}

    w, g, s = inputs(parameters), inputs(parameters, "d_"), inputs(state)
    step = input_value("step", (), INT32)
    new_w, new_s = optimizer.update(w, g, s, step)
    return Graph([*w.values(), *g.values(), *s.values(), step], [*new_w.values(), *new_s.values()])


def numbers_graph(optimizer, parameters, state):
    """Return the same graph with further inputs for the optimizer's numbers, and these numbers."""
    inputs = {}
    graph = step_graph(with_inputs(optimizer, "o", inputs), parameters, state)
    numbers = hyperparameters(optimizer, "o")
    both = Graph([*graph.inputs, *inputs.values()], graph.outputs)
    return both, [np.asarray(numbers[path]) for path in inputs]


def train(optimizer, weights, gradients_of, steps, as_inputs=False):
    """Return the weights after each step, and the last state."""
    state, numbers = optimizer.initial_state(weights), []
    if as_inputs:
        graph, numbers = numbers_graph(optimizer, weights, state)
    else:
        graph = step_graph(optimizer, weights, state)
    verify(graph)
    run, path = Evaluator(graph), []
    for step in range(steps):
        gradients = gradients_of(weights).values()
        arrays = run(*weights.values(), *gradients, *state.values(), np.array(step, np.int32), *numbers)
        weights = dict(zip(weights, arrays, strict=False))
        state = dict(zip(state, arrays[len(weights) :], strict=True))
        path.append(weights)
    return path, state


def weights_and_gradients(dtype="float64"):
    """Return two parameters, and the gradient of a bowl with a different slope for every element."""
    generator = np.random.default_rng(3)
    weights = {
        "layers.0.weight": generator.normal(size=(3, 2)).astype(dtype),
        "layers.1.bias": generator.normal(size=4).astype(dtype),
    }
    slopes = {name: generator.uniform(0.5, 4, w.shape) for name, w in weights.items()}

    def gradients_of(w):
        return {name: (slopes[name] * np.sin(w[name]) + 0.1 * w[name]).astype(w[name].dtype) for name in w}

    return weights, gradients_of
