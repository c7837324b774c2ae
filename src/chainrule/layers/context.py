"""What a layer is handed besides its input: parameters, state, randomness, and whether this is training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chainrule.functions import bernoulli, normal, uniform
from chainrule.graph.origin import origin
from chainrule.graph.types import INT32, ROWS, UINT32, Array, DType, Shape, str_shape
from chainrule.graph.value import Operand, Value, as_value, cast_value, input_value
from chainrule.layers.initializers import Initializer, as_initializer

if TYPE_CHECKING:
    from chainrule.layers.layer import Layer


@dataclass(frozen=True)
class Declaration:
    """One parameter, or one array of state, as a layer has declared it."""

    shape: tuple[int, ...]
    initializer: Initializer


@dataclass
class Variables:
    """The arrays of a network for one pass, by name; what is missing is declared as the pass asks for it.

    Attributes
    ----------
    dtype : dtype
        Of parameters and state.
    parameters, state : dict of Value
        By path: ``layers.0.weight``, ``layers.1.running_mean``. State that a layer updates is replaced here.
    training : bool
        Whether dropout drops and batch statistics are used and gathered.
    key, step : Value
        The random key, uint32 (2,), and the number of the step: together with the site they fix every draw.
    declared_parameters, declared_state : dict of Declaration
        All that the pass has asked for.
    activations : list of (path, Value, Value)
        What was activated in the pass: the layer, its sums, and what became of them.
    layers : dict of (Layer, shape)
        The layers by path, in the order in which the pass came to them, and what they returned.
    """

    dtype: DType
    parameters: dict[str, Value] = field(default_factory=dict)
    state: dict[str, Value] = field(default_factory=dict)
    training: bool = False
    key: Value = field(default_factory=lambda: input_value("key", (2,), UINT32))
    step: Value = field(default_factory=lambda: input_value("step", (), INT32))
    declared_parameters: dict[str, Declaration] = field(default_factory=dict)
    declared_state: dict[str, Declaration] = field(default_factory=dict)
    activations: list[tuple[str, Value, Value]] = field(default_factory=list)
    layers: dict[str, tuple[Layer, Shape]] = field(default_factory=dict)
    sites: int = 0


class Context:
    """What `Layer.forward` is handed: the layer's parameters and state, under its own path, and randomness.

    Attributes
    ----------
    training : bool
        Whether this pass trains the network.
    path : str
        Where the layer stands in the network: ``layers.2.layers.0``; empty for the network itself.
    variables : Variables
        The arrays of the whole network in this pass.

    Examples
    --------
    A layer with state and randomness: noise as large as the data have been so far.

    >>> import chainrule as cr
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Noise(cr.Layer):
    ...     amount: float = 0.1
    ...     def forward(self, x, context):
    ...         if not context.training:
    ...             return x
    ...         size = cr.maximum(context.state("size", ()), cr.max(cr.abs(x)))
    ...         context.update("size", size)
    ...         return x + self.amount * size * context.normal(x.shape)
    >>> model = cr.Model(cr.Sequential([Noise(), cr.Dense(1)]), loss="mean_squared_error")
    >>> loss = model.step([[1.0], [-3.0]], [0.0, 1.0])
    >>> model.state["layers.0.size"]
    array(3., dtype=float32)
    """

    def __init__(self, variables: Variables, path: str = "") -> None:
        self.variables = variables
        self.path = path

    @property
    def training(self) -> bool:
        """Whether this pass trains the network."""
        return self.variables.training

    def parameter(self, name: str, shape: Shape, initializer: str | Initializer = "glorot_uniform") -> Value:
        """Return the parameter of this name: an array that training changes.

        Parameters
        ----------
        name : str
            Its name within the layer, such as ``"weight"``: letters, digits and _. Asked for again, it is the
            same parameter.
        shape : tuple of int
            Its shape. It may depend on the input's shape, but not on the number of rows.
        initializer : str or Initializer, default "glorot_uniform"
            What it holds before training.

        Returns
        -------
        Value
            Of this shape and the network's dtype.

        Raises
        ------
        ValueError
            If the name, the shape or the initializer cannot be one.
        """
        variables = self.variables
        return self._declare(name, shape, initializer, variables.parameters, variables.declared_parameters)

    def state(self, name: str, shape: Shape, initializer: str | Initializer = "zeros") -> Value:
        """Return the state of this name: an array that the layer itself keeps up with `update`.

        Its parameters are those of `parameter`. It has no gradient, and prediction leaves it as it is.
        """
        return self._declare(name, shape, initializer, self.variables.state, self.variables.declared_state)

    def update(self, name: str, value: Operand) -> None:
        """Replace a state, which has been asked for before, from this pass on.

        Parameters
        ----------
        name : str
            Of the state.
        value : Value
            Of its shape and dtype.

        Raises
        ------
        ValueError
            If there is no such state, or the value is of another type.
        """
        path = self._path_of(name)
        if path not in self.variables.declared_state:
            raise ValueError(f"there is no state {name!r} to update; ask for it first with context.state")
        old, new = self.variables.state[path], as_value(value)
        if new.weak:
            new = cast_value(new, old.dtype)
        if new.type != old.type:
            raise ValueError(f"the state {name} is {old.type}, and its update {new.type}")
        self.variables.state[path] = new

    def layer(self, name: str, layer: Layer, x: Value) -> Value:
        """Return the output of a layer inside this one, whose path goes on with `name`."""
        path = self._path_of(name)
        with origin(part=path):
            return _forward(layer, x, Context(self.variables, path))

    def bernoulli(self, probability: Operand, shape: Shape) -> Value:
        """Return bools that are true with this probability, drawn anew in each step."""
        variables, site = self.variables, self._next_site()
        return as_value(bernoulli(variables.key, probability, shape, step=variables.step, site=site))

    def uniform(self, shape: Shape) -> Value:
        """Return numbers drawn evenly from [0, 1), anew in each step, in the dtype of the parameters."""
        variables, site = self.variables, self._next_site()
        return as_value(uniform(variables.key, shape, dtype=variables.dtype, step=variables.step, site=site))

    def normal(self, shape: Shape) -> Value:
        """Return numbers of mean 0 and variance 1, normally distributed, as `uniform` does."""
        variables, site = self.variables, self._next_site()
        return as_value(normal(variables.key, shape, dtype=variables.dtype, step=variables.step, site=site))

    def _next_site(self) -> int:
        self.variables.sites += 1
        return self.variables.sites

    def _path_of(self, name: str) -> str:
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise ValueError(f"a name is made of letters, digits, _ and dots between them, not {name!r}")
        return f"{self.path}.{name}" if self.path else name

    def _declare(
        self,
        name: str,
        shape: Shape,
        initializer: str | Initializer,
        values: dict[str, Value],
        declared: dict[str, Declaration],
    ) -> Value:
        """Return the bound value, or a new input where none is bound yet."""
        path = self._path_of(name)
        if ROWS in shape:
            raise ValueError(f"the shape of its {name}, {str_shape(shape)}, depends on the number of rows")
        wanted = tuple(int(dim) for dim in shape)
        declared[path] = Declaration(wanted, as_initializer(initializer))
        value = values.get(path)
        if value is None:
            value = values[path] = input_value(path, wanted, self.variables.dtype)
        if value.shape != wanted:
            raise ValueError(
                f"its {name} has the shape {str_shape(value.shape)}, and {str_shape(wanted)} is needed"
            )
        return value


class LayerError(ValueError):
    """An error whose sentence says in which layer it happened."""


def _forward(layer: Layer, x: Value, context: Context) -> Value:
    """Return a layer's output; an error's sentence starts with the layer, its path and what it was given."""
    context.variables.layers[context.path] = layer, x.shape  # it stands before the layers within it
    try:
        y = as_value(layer.forward(x, context))
    except LayerError:
        raise
    except ValueError as error:
        name = type(layer).__name__
        place = f"{context.path} ({name})" if context.path else name
        raise LayerError(f"{place} was given {x.type}: {error}") from error
    context.variables.layers[context.path] = layer, y.shape
    return y


def apply(network: Layer, x: Value, variables: Variables) -> Value:
    """Return the network's output for x; state that the layers update is replaced in `variables`."""
    with origin("forward"):
        return _forward(network, x, Context(variables))


def declare(network: Layer, shape: Shape, dtype: DType) -> tuple[Variables, Value]:
    """Trace the network once on an input of this shape; return the variables it declares, and its output."""
    variables = Variables(dtype, training=True)
    output = apply(network, input_value("x", shape, dtype), variables)
    both = set(variables.declared_parameters) & set(variables.declared_state)
    if both:
        raise ValueError(f"{min(both)} is declared both as a parameter and as state")
    return variables, output


def initial_values(
    declarations: Mapping[str, Declaration], dtype: DType, generator: np.random.Generator
) -> dict[str, Array]:
    """Return the arrays before training: drawn in float64, in order, then rounded to the dtype."""
    values: dict[str, Array] = {}
    for name, declaration in declarations.items():
        drawn = np.asarray(declaration.initializer(generator, declaration.shape))
        with np.errstate(over="ignore"):
            values[name] = drawn.astype(dtype)
        if drawn.shape != declaration.shape:
            shapes = str_shape(declaration.shape), str_shape(drawn.shape)
            raise ValueError(
                f"{name} has the shape {shapes[0]}, and {declaration.initializer} returned {shapes[1]}"
            )
        if not np.isfinite(values[name]).all():
            raise ValueError(f"{declaration.initializer} gives {name} numbers that are not finite in {dtype}")
    return values
