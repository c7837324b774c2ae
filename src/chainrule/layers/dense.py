"""Dense: every output unit sees every input."""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.graph.options import COUNT
from chainrule.graph.value import Value
from chainrule.layers.activation import ActivationFunction, activated, as_activation
from chainrule.layers.context import Context
from chainrule.layers.initializers import Initializer, as_initializer
from chainrule.layers.layer import Layer, feature_count


@dataclass(frozen=True)
class Dense(Layer):
    r"""A fully connected layer: :math:`y = f(x W + b)`.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or callable, default "identity"
        f: a name (``"relu"``, ``"tanh"``, ...) or a function of one Value.
    use_bias : bool, default True
        Whether b is added.
    weight_initializer, bias_initializer : str or Initializer
        What W and b hold before training: ``"glorot_uniform"`` and ``"zeros"``.

    Raises
    ------
    TypeError, ValueError
        If `units` is no whole number of at least 1, or an activation or initializer is unknown (with the
        nearest names).

    Notes
    -----
    x has the shape (rows, ..., in), W (in, units), b (units,), y (rows, ..., units). The parameters are
    called ``weight`` and ``bias``.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(2, activation="tanh"), loss="mean_squared_error")
    >>> model.build(features=3)
    >>> {name: array.shape for name, array in model.weights.items()}
    {'weight': (3, 2), 'bias': (2,)}
    """

    units: int = field(metadata=COUNT)
    activation: str | ActivationFunction = "identity"
    use_bias: bool = True
    weight_initializer: str | Initializer = "glorot_uniform"
    bias_initializer: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        as_activation(self.activation)
        as_initializer(self.weight_initializer)
        as_initializer(self.bias_initializer)

    def forward(self, x: Value, context: Context) -> Value:
        """Return f(x W + b)."""
        weight = context.parameter("weight", (feature_count(x), self.units), self.weight_initializer)
        z = x @ weight
        if self.use_bias:
            z = z + context.parameter("bias", (self.units,), self.bias_initializer)
        return activated(z, self.activation, context)
