"""Python functions and layers of a user's own, kept as graphs, so that a file of theirs needs no source.

A recorder stands in for a user's part while the network is traced once, and keeps the graph of what it did. A
traced part is built from that graph and takes the original's place in a loaded model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.graph.graph import Graph
from chainrule.graph.rewrite import inline
from chainrule.graph.types import INT32, UINT32, Array, ArrayType, Shape, is_float
from chainrule.graph.value import Operand, Value, as_value, input_like, input_value
from chainrule.layers import Context, Declaration, Layer, Variables
from chainrule.losses import Loss
from chainrule.losses.targets import as_floats, refuse

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
        self._graph: Graph | None = None

    def __call__(self, *arguments: Any) -> Any:
        values = [as_value(argument) for argument in arguments]
        inputs = [input_like(f"x{i}", value, value.weak) for i, value in enumerate(values)]
        self._graph = Graph(inputs, [as_value(self._function(*inputs))])
        return self._function(*arguments)

    def traced(self) -> TracedFunction:
        """Return what was recorded."""
        if self._graph is None:
            raise ValueError("a function of the model is never called, so there is no graph of it to save")
        return TracedFunction(self._graph)


@dataclass(frozen=True, eq=False)
class TracedLoss(Loss):
    """A user's loss that was traced on targets of one type.

    Attributes
    ----------
    graph : Graph
        From prediction and target to the loss of each output and the scores.
    score_names : tuple of str
        The names of the scores.
    link_graph : Graph
        From the prediction to what it says in the target's terms.
    target : ArrayType
        What a target is converted to.
    """

    graph: Graph
    score_names: tuple[str, ...]
    link_graph: Graph
    target: ArrayType

    def formula(self, prediction: Value, target: Value) -> Value:
        """Add the loss's graph."""
        return inline(self.graph, [prediction, target])[0]

    def scores(self, prediction: Value, target: Value) -> dict[str, Value]:
        """Add the graphs of the scores."""
        return dict(zip(self.score_names, inline(self.graph, [prediction, target])[1:], strict=True))

    def link(self, prediction: Operand) -> Value:
        """Add the link's graph."""
        return inline(self.link_graph, [as_value(prediction)])[0]

    def target_shapes(self, prediction: Shape) -> tuple[Shape, ...]:
        """Return the shape that it was traced on."""
        return (self.target.shape,)

    def convert(self, y: Array, prediction: ArrayType) -> Array:
        """Return y in the dtype that it was traced on."""
        if is_float(self.target.dtype):
            return as_floats(y, self.target.dtype)
        whole = y.astype(self.target.dtype)
        refuse(whole != y, y, "a target is a whole number")
        return whole


def trace_loss(loss: Loss, prediction: ArrayType, target: ArrayType | None) -> TracedLoss:
    """Return a loss as graphs; a target of unknown type is taken to be like the prediction."""
    if target is None:
        target = ArrayType((*loss.target_shapes(prediction.shape), prediction.shape)[0], prediction.dtype)
    p, y = input_like("prediction", prediction), input_like("target", target)
    scores = loss.scores(p, y)
    graph = Graph([p, y], [loss.formula(p, y), *scores.values()])
    return TracedLoss(graph, tuple(scores), Graph([p], [as_value(loss.link(p))]), target)


@dataclass(frozen=True, eq=False)
class TracedPass:
    """A computation of a user's own that asks for variables, as a graph in training and one in prediction.

    Attributes
    ----------
    training, prediction : Graph
        Their inputs are the arguments, ``key``, ``step``, and by name with "own/" before it parameters and
        state; their outputs the result and, in the order of `state`, the new state.
    arguments : tuple of str
        The names of the arguments.
    parameters, state : mapping of shapes
        What it asks for, by name.
    sites : int
        How many random draws it makes.
    """

    training: Graph
    prediction: Graph
    arguments: tuple[str, ...]
    parameters: Mapping[str, tuple[int, ...]]
    state: Mapping[str, tuple[int, ...]]
    sites: int

    def __call__(self, context: Context, *arguments: Value) -> Value:
        """Add the graph to the pass that the context belongs to."""
        variables = context.variables
        values = dict(zip(self.arguments, arguments, strict=True))
        values |= {"key": variables.key, "step": variables.step}
        for name, shape in self.parameters.items():
            values[_OWN + name] = context.parameter(name, shape, "zeros")
        for name, shape in self.state.items():
            values[_OWN + name] = context.state(name, shape, "zeros")
        graph = self.training if variables.training else self.prediction
        result, *state = inline(graph, [values[value.name] for value in graph.inputs])
        for name, new in zip(self.state, state, strict=True):
            context.update(name, new)
        variables.sites += self.sites
        return result


def record_pass(
    function: Callable[..., Value], arguments: Mapping[str, ArrayType], variables: Variables
) -> TracedPass:
    """Return ``function(context, *arguments)`` as a traced pass; its draws follow those in `variables`."""

    def run(
        training: bool, parameters: Mapping[str, Value], state: Mapping[str, Value]
    ) -> tuple[Variables, Graph]:
        """Trace once, with these parameters and this state bound."""
        own = Variables(variables.dtype, training=training, sites=variables.sites)
        own.parameters, own.state = dict(parameters), dict(state)
        own.key, own.step = input_value("key", (2,), UINT32), input_value("step", (), INT32)
        inputs = [input_like(name, type_) for name, type_ in arguments.items()]
        result = function(Context(own), *inputs)
        given = [*inputs, *parameters.values(), *state.values(), own.key, own.step]
        return own, Graph(given, [result, *own.state.values()])

    declared, _ = run(True, {}, {})
    parameters = _inputs(declared.declared_parameters, variables)
    state = _inputs(declared.declared_state, variables)
    _, training_graph = run(True, parameters, state)
    _, prediction_graph = run(False, parameters, state)  # it may ask for less
    return TracedPass(
        training_graph,
        prediction_graph,
        tuple(arguments),
        {name: one.shape for name, one in declared.declared_parameters.items()},
        {name: one.shape for name, one in declared.declared_state.items()},
        declared.sites - variables.sites,
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
        self._pass: TracedPass | None = None

    def forward(self, x: Value, context: Context) -> Value:
        """Record the layer's graph and return its output."""
        self._pass = record_pass(
            lambda inner, x: as_value(self._layer.forward(x, inner)), {"x": x.type}, context.variables
        )
        return self._layer.forward(x, context)

    def traced(self) -> TracedLayer:
        """Return what was recorded."""
        if self._pass is None:
            raise ValueError("a layer of the model is never called, so there is no graph of it to save")
        return TracedLayer(self._pass)


@dataclass(frozen=True, eq=False)
class TracedObjective:
    """A user's objective that was traced, together with the network's passes in it."""

    traced: TracedPass

    def __call__(self, network: Any, x: Value, y: Value | None) -> Value:
        """Add the objective's graph."""
        return self.traced(Context(network.variables), *([x] if y is None else [x, y]))
