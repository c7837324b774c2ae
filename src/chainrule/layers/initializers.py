"""What parameters hold before training.

An initializer is a frozen dataclass that draws an array of a shape from a NumPy generator. A weight has the
shape (in, out): fan_in is the number of inputs of a unit, fan_out the number of units it feeds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from chainrule.graph.names import unknown_name
from chainrule.graph.options import AT_LEAST_ZERO, FINITE, CheckedOptions
from chainrule.graph.types import Array


class Initializer(CheckedOptions, ABC):
    """What a parameter holds before training: ``initializer(generator, shape) -> array``.

    An initializer of one's own is a frozen dataclass that can be called so. Its numbers are finite.

    Examples
    --------
    >>> import chainrule as cr
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Exponential(cr.Initializer):
    ...     scale: float = 0.1
    ...     def __call__(self, generator, shape):
    ...         return generator.exponential(self.scale, shape)
    >>> model = cr.Model(cr.Dense(2, weight_initializer=Exponential()), loss="mean_squared_error")
    >>> model.build(features=3)
    >>> bool((model.weights["weight"] > 0).all())
    True
    """

    @abstractmethod
    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Return the array, drawn from the generator."""


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a parameter's shape, each at least 1; a vector counts as both."""
    if len(shape) < 2:
        return max(math.prod(shape), 1), max(math.prod(shape), 1)
    return max(math.prod(shape[:-1]), 1), max(shape[-1], 1)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], variance: float) -> Array:
    """Return numbers drawn evenly from (-a, a), whose variance is a² / 3."""
    limit = math.sqrt(3 * variance)
    return generator.uniform(-limit, limit, shape)


def _normal(generator: np.random.Generator, shape: tuple[int, ...], variance: float) -> Array:
    return generator.normal(0.0, math.sqrt(variance), shape)


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.Zeros()(np.random.default_rng(0), (3,))
    array([0., 0., 0.])
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All ones.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.Ones()(np.random.default_rng(0), (3,))
    array([1., 1., 1.])
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """All the same number.

    Parameters
    ----------
    value : float
        The number.

    Raises
    ------
    TypeError, ValueError
        If it is no finite number.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.Constant(0.1)(np.random.default_rng(0), (3,))
    array([0.1, 0.1, 0.1])
    """

    value: float = field(metadata=FINITE)

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.full(shape, float(self.value))


@dataclass(frozen=True)
class Uniform(Initializer):
    """Drawn evenly from (-limit, limit).

    Parameters
    ----------
    limit : float
        The largest absolute value, at least 0.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.Uniform(0.1)(np.random.default_rng(0), (300, 200))
    >>> bool(abs(weight).max() <= 0.1)
    True
    """

    limit: float = field(metadata=AT_LEAST_ZERO)

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return generator.uniform(-self.limit, self.limit, shape)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    r"""Uniform with mean 0 and variance 2 / (fan_in + fan_out).

    .. math::
        W_{ij} \sim \mathrm{U}(-a, a), \qquad a = \sqrt{\frac{6}{\mathrm{fan_{in}} + \mathrm{fan_{out}}}}

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.GlorotUniform()(np.random.default_rng(0), (300, 200))
    >>> bool(abs(weight).max() <= (6 / 500) ** 0.5)
    True
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 2 / sum(fans(shape)))


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    r"""Normal with mean 0 and variance 2 / (fan_in + fan_out).

    .. math:: W_{ij} \sim \mathcal{N}\!\left(0, \frac{2}{\mathrm{fan_{in}} + \mathrm{fan_{out}}}\right)

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.GlorotNormal()(np.random.default_rng(0), (300, 200))
    >>> round(float(weight.std() / (2 / 500) ** 0.5), 1)
    1.0
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 2 / sum(fans(shape)))


@dataclass(frozen=True)
class HeUniform(Initializer):
    r"""Uniform with mean 0 and variance 2 / fan_in, which keeps the size of signals through ReLU layers.

    .. math:: W_{ij} \sim \mathrm{U}(-a, a), \qquad a = \sqrt{\frac{6}{\mathrm{fan_{in}}}}

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.HeUniform()(np.random.default_rng(0), (300, 200))
    >>> bool(abs(weight).max() <= (6 / 300) ** 0.5)
    True
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 2 / fans(shape)[0])


@dataclass(frozen=True)
class HeNormal(Initializer):
    r"""Normal with mean 0 and variance 2 / fan_in, which keeps the size of signals through ReLU layers.

    .. math:: W_{ij} \sim \mathcal{N}\!\left(0, \frac{2}{\mathrm{fan_{in}}}\right)

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.HeNormal()(np.random.default_rng(0), (300, 200))
    >>> round(float(weight.std() / (2 / 300) ** 0.5), 1)
    1.0
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 2 / fans(shape)[0])


@dataclass(frozen=True)
class LeCunUniform(Initializer):
    r"""Uniform with mean 0 and variance 1 / fan_in, which keeps the size of signals through SELU layers.

    .. math:: W_{ij} \sim \mathrm{U}(-a, a), \qquad a = \sqrt{\frac{3}{\mathrm{fan_{in}}}}

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.LeCunUniform()(np.random.default_rng(0), (300, 200))
    >>> bool(abs(weight).max() <= (3 / 300) ** 0.5)
    True
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 1 / fans(shape)[0])


@dataclass(frozen=True)
class LeCunNormal(Initializer):
    r"""Normal with mean 0 and variance 1 / fan_in, which keeps the size of signals through SELU layers.

    .. math:: W_{ij} \sim \mathcal{N}\!\left(0, \frac{1}{\mathrm{fan_{in}}}\right)

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.LeCunNormal()(np.random.default_rng(0), (300, 200))
    >>> round(float(weight.std() / (1 / 300) ** 0.5), 1)
    1.0
    """

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 1 / fans(shape)[0])


@dataclass(frozen=True)
class Orthogonal(Initializer):
    r"""A random matrix with orthonormal columns, or rows where it is wider than high, times `gain`.

    .. math:: W^{\mathsf T} W = \mathrm{gain}^2 \, I

    It is drawn evenly from all such matrices. An array of more axes is one matrix of shape (..., out).

    Parameters
    ----------
    gain : float, default 1.0
        The length of the columns, or rows.

    Raises
    ------
    TypeError, ValueError
        If the gain is no finite number.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2013; Mezzadri, "How to generate random matrices from the classical compact groups", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> weight = cr.Orthogonal()(np.random.default_rng(0), (4, 3))
    >>> bool(np.allclose(weight.T @ weight, np.eye(3)))
    True
    """

    gain: float = field(default=1.0, metadata=FINITE)

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1] if shape else 1
        tall = generator.normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes it uniform over the orthogonal matrices
        return np.reshape(float(self.gain) * (q if rows >= columns else q.T), shape)


#: The initializers that have a name.
INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "uniform": Uniform,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LeCunUniform,
    "lecun_normal": LeCunNormal,
    "orthogonal": Orthogonal,
}


def as_initializer(initializer: str | Initializer) -> Initializer:
    """Return an initializer for an object or a name; a ValueError gives the nearest names."""
    if isinstance(initializer, Initializer):
        return initializer
    if isinstance(initializer, type):
        name = initializer.__name__
        raise TypeError(f"{name} is a class; make an initializer of it with {name}()")
    if initializer in ("constant", "uniform"):
        raise ValueError(
            f"the initializer {initializer!r} needs its number: {INITIALIZERS[initializer].__name__}(0.1)"
        )
    if not isinstance(initializer, str) or initializer not in INITIALIZERS:
        raise ValueError(unknown_name("initializer", initializer, INITIALIZERS))
    return INITIALIZERS[initializer]()
