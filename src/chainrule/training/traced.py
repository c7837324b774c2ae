"""Python functions and layers of a user's own, kept as graphs, so that a file of theirs needs no source.

A recorder stands in for a user's part while the network is traced once, and keeps the graph of what it did. A
traced part is built from that graph and takes the original's place in a loaded model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.graph.graph import Graph
from chainrule.graph.rewrite import inline
from chainrule.graph.types import INT32, UINT32, Array, ArrayType
from chainrule.graph.value import Value, as_value, input_value
from chainrule.layers import Context, Declaration, Layer, Variables

_OWN = "own/"  # keeps a parameter called key apart from the random key


@dataclass(frozen=True, eq=False)
class TracedFunction:
    """A function of values that was traced: calling it adds its graph."""

    graph: Graph

    def __call__(self, *arguments: Any) -> Value:
        values = [as_value(argument) for argument in arguments]
        return inline(self.graph, values)[0]


class RecordedFunction:
    """A user's function that keeps the graph of its last call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.graph: Graph | None = None

    def __call__(self, *arguments: Any) -> Any:
        values = [as_value(argument) for argument in arguments]
        inputs = [
            input_value(f"x{i}", value.shape, value.dtype, weak=value.weak) for i, value in enumerate(values)
        ]
        self.graph = Graph(inputs, [as_value(self._function(*inputs))])
        return self._function(*arguments)


@dataclass(frozen=True, eq=False)
class TracedPass:
    """A computation of a user's own that asks for variables, as a graph in training and one in prediction.

    Attributes
    ----------
    training, prediction : Graph
        Their inputs are the arguments, ``key``, ``step``, and by name with "own/" before it parameters and
        state; their outputs the result and, in the order of `declared_state`, the new state.
    arguments : tuple of str
        The names of the arguments.
    declared_parameters, declared_state : mapping of Declaration
        What it asks for.
    sites : int
        How many random draws it makes.
    """

    training: Graph
    prediction: Graph
    arguments: tuple[str, ...]
    declared_parameters: Mapping[str, Declaration]
    declared_state: Mapping[str, Declaration]
    sites: int

    def __call__(self, context: Context, *arguments: Value) -> Value:
        """Add the graph to the pass that the context belongs to."""
        variables = context.variables
        values = dict(zip(self.arguments, arguments, strict=True))
        values |= {"key": variables.key, "step": variables.step}
        for name, declared in self.declared_parameters.items():
            values[_OWN + name] = context.parameter(name, declared.shape, declared.initializer)
        for name, declared in self.declared_state.items():
            values[_OWN + name] = context.state(name, declared.shape, declared.initializer)
        graph = self.training if variables.training else self.prediction
        result, *state = inline(graph, [values[value.name] for value in graph.inputs])
        for name, new in zip(self.declared_state, state, strict=True):
            context.update(name, new)
        variables.sites += self.sites
        return result


def record_pass(
    function: Callable[..., Value], arguments: Mapping[str, ArrayType], variables: Variables
) -> TracedPass:
    """Return ``function(context, *arguments)`` as a traced pass; its draws follow those in `variables`."""

    def run(training: bool, bound: Variables | None) -> tuple[Variables, Graph]:
        """Trace once; the first time without bound variables, to learn what is declared."""
        own = Variables(variables.dtype, training=training, sites=variables.sites)
        if bound is not None:
            own.parameters, own.state = dict(bound.parameters), dict(bound.state)
        own.key, own.step = input_value("key", (2,), UINT32), input_value("step", (), INT32)
        inputs = [input_value(name, type_.shape, type_.dtype) for name, type_ in arguments.items()]
        result = function(Context(own), *inputs)
        given = [] if bound is None else [*bound.parameters.values(), *bound.state.values()]
        graph = Graph([*inputs, *given, own.key, own.step], [result, *own.state.values()])
        return own, graph

    def graph_of(training: bool) -> tuple[Variables, Graph]:
        found, _ = run(training, None)
        inputs = Variables(variables.dtype)
        inputs.parameters = _inputs(found.declared_parameters, variables)
        inputs.state = _inputs(found.declared_state, variables)
        return run(training, inputs)

    trained, training_graph = graph_of(True)
    _, prediction_graph = graph_of(False)
    return TracedPass(
        training_graph,
        prediction_graph,
        tuple(arguments),
        trained.declared_parameters,
        trained.declared_state,
        trained.sites - variables.sites,
    )


def _inputs(declared: Mapping[str, Declaration], variables: Variables) -> dict[str, Value]:
    return {name: input_value(_OWN + name, one.shape, variables.dtype) for name, one in declared.items()}


@dataclass(frozen=True, eq=False)
class TracedLayer(Layer):
    """A user's layer that was traced."""

    traced: TracedPass

    def forward(self, x: Value, context: Context) -> Value:
        """Add the layer's graph."""
        return self.traced(context, x)


class RecordedLayer(Layer):
    """A user's layer that keeps the graph of its last call."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self.traced: TracedPass | None = None

    def forward(self, x: Value, context: Context) -> Value:
        """Record the layer's graph and return its output."""
        self.traced = record_pass(
            lambda inner, x: as_value(self._layer.forward(x, inner)), {"x": x.type}, context.variables
        )
        return self._layer.forward(x, context)


def captured_arrays(graphs: Sequence[Graph]) -> list[Array]:
    """Return the arrays that graphs captured, in order."""
    return [value.data for graph in graphs for value in graph.captured if value.data is not None]
