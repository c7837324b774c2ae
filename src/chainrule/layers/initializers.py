"""What parameters hold before training.

An initializer is a frozen dataclass that draws an array of a shape from a NumPy generator. A weight has the
shape (in, out): fan_in is the number of inputs of a unit, fan_out the number of units it feeds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from chainrule.graph.names import CheckedOptions, unknown_name
from chainrule.graph.types import Array


class Initializer(CheckedOptions, ABC):
    """What a parameter holds before training: ``initializer(generator, shape) -> float64 array``."""

    @abstractmethod
    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Return the array, drawn from the generator."""


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a parameter's shape, each at least 1."""
    if len(shape) < 2:
        return max(math.prod(shape), 1), max(math.prod(shape), 1)
    return max(math.prod(shape[:-1]), 1), max(shape[-1], 1)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], variance: float) -> Array:
    limit = math.sqrt(3 * variance)
    return generator.uniform(-limit, limit, shape)


def _normal(generator: np.random.Generator, shape: tuple[int, ...], variance: float) -> Array:
    return generator.normal(0.0, math.sqrt(variance), shape)


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All ones."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """All the same number."""

    value: float

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.full(shape, float(self.value))


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Uniform with variance 2 / (fan_in + fan_out)."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 2 / sum(fans(shape)))


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """Normal with variance 2 / (fan_in + fan_out)."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 2 / sum(fans(shape)))


@dataclass(frozen=True)
class HeUniform(Initializer):
    """Uniform with variance 2 / fan_in, which keeps the size of signals through ReLU layers."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 2 / fans(shape)[0])


@dataclass(frozen=True)
class HeNormal(Initializer):
    """Normal with variance 2 / fan_in, which keeps the size of signals through ReLU layers."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 2 / fans(shape)[0])


@dataclass(frozen=True)
class LeCunUniform(Initializer):
    """Uniform with variance 1 / fan_in, for SELU."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _uniform(generator, shape, 1 / fans(shape)[0])


@dataclass(frozen=True)
class LeCunNormal(Initializer):
    """Normal with variance 1 / fan_in, for SELU."""

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _normal(generator, shape, 1 / fans(shape)[0])


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, times `gain`."""

    gain: float = 1.0

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1] if shape else 1
        tall = generator.normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes it uniform over the orthogonal matrices
        return np.reshape(float(self.gain) * (q if rows >= columns else q.T), shape)


INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
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
    if initializer == "constant":
        raise ValueError("the initializer 'constant' needs its number: Constant(0.1)")
    if initializer not in INITIALIZERS:
        raise ValueError(unknown_name("initializer", initializer, INITIALIZERS))
    return INITIALIZERS[initializer]()
