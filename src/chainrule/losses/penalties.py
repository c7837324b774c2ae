"""Penalties on the size of weights, which are added to the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from chainrule.functions import abs, square, sum
from chainrule.graph.names import unknown_name
from chainrule.graph.options import AT_LEAST_ZERO, CheckedOptions
from chainrule.graph.value import Value


@dataclass(frozen=True)
class Penalty(CheckedOptions, ABC):
    """What is added to the loss for the size of weights.

    Parameters
    ----------
    strength : float
        The factor of the penalty, at least 0.
    parameters : tuple of str, default ("weight",)
        The last part of the names of the parameters that it acts on: ``"weight"`` stands for
        ``layers.0.weight``, ``layers.1.weight``, ... Biases and the scales of normalization are left alone
        by default.

    Raises
    ------
    TypeError, ValueError
        If the strength is no such number, or `parameters` no tuple of names.

    Notes
    -----
    A penalty is called with all parameters of a network by name. One's own needs a dataclass and `size`.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Quartic(cr.Penalty):
    ...     def size(self, parameter):
    ...         return cr.sum(parameter**4)
    >>> float(Quartic(0.5)({"weight": np.array([1.0, 2.0])}))
    8.5
    """

    strength: float = field(metadata=AT_LEAST_ZERO)
    parameters: tuple[str, ...] = ("weight",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.parameters, tuple) or not self.parameters:
            raise ValueError(
                f'{type(self).__name__}: parameters is a tuple of names like ("weight",), '
                f"not {self.parameters!r}"
            )

    def __call__(self, parameters: Mapping[str, Value]) -> Value:
        """Return the penalty, a scalar: its strength times the size of the parameters it acts on.

        Parameters
        ----------
        parameters : mapping of str to Value
            All parameters of a network by name.

        Raises
        ------
        ValueError
            If no parameter has one of the names that the penalty should act on.
        """
        endings = {name: name.rpartition(".")[-1] for name in parameters}
        for ending in self.parameters:
            if ending not in endings.values():
                raise ValueError(
                    f"{type(self).__name__}: {unknown_name('parameter', ending, set(endings.values()))}"
                )
        sizes = [self.size(parameters[name]) for name, ending in endings.items() if ending in self.parameters]
        total = sizes[0]
        for size in sizes[1:]:
            total = total + size
        return self.strength * total

    @abstractmethod
    def size(self, parameter: Value) -> Value:
        """Return the size of one parameter, a scalar."""


@dataclass(frozen=True)
class L1(Penalty):
    r"""The sum of absolute weights (lasso), which makes weights exactly 0 attractive.

    .. math:: P = \lambda \sum |w|

    Its derivative is λ sign w, 0 at w = 0.

    Parameters
    ----------
    strength : float
        λ, at least 0.
    parameters : tuple of str, default ("weight",)
        The last part of the names of the parameters that it acts on.

    Raises
    ------
    TypeError, ValueError
        As for `Penalty`.

    References
    ----------
    Tibshirani, "Regression shrinkage and selection via the lasso", 1996.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> float(cr.L1(0.5)({"layers.0.weight": np.array([[1.0, -3.0]]), "layers.0.bias": np.ones(2)}))
    2.0
    """

    def size(self, parameter: Value) -> Value:
        """Return Σ |w|."""
        return sum(abs(parameter))


@dataclass(frozen=True)
class L2(Penalty):
    r"""Half the sum of squared weights (ridge), which keeps weights small.

    .. math:: P = \frac{\lambda}{2} \sum w^2

    Its derivative is λ w: under plain gradient descent it is weight decay.

    Parameters
    ----------
    strength : float
        λ, at least 0.
    parameters : tuple of str, default ("weight",)
        The last part of the names of the parameters that it acts on.

    Raises
    ------
    TypeError, ValueError
        As for `Penalty`.

    References
    ----------
    Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> float(cr.L2(0.5)({"layers.0.weight": np.array([[1.0, -3.0]]), "layers.0.bias": np.ones(2)}))
    2.5
    """

    def size(self, parameter: Value) -> Value:
        """Return Σ w² / 2."""
        return sum(square(parameter)) / 2
