"""Calls of every function on arrays, each with what NumPy or SciPy says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr


@dataclass(frozen=True)
class FunctionCase:
    """One call: float64 arguments are cast to the dtype under test; integers and bools stay."""

    name: str
    reference: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def call(self, arguments: tuple[Any, ...]) -> Any:
        return getattr(cr, self.name)(*arguments, **self.options)

    def expected(self, arguments: tuple[Any, ...]) -> Any:
        with np.errstate(all="ignore"):
            return self.reference(*map(_wide, arguments), **self.options)

    def cast(self, dtype: str) -> tuple[Any, ...]:
        return tuple(
            x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
            for x in self.arguments
        )


def _wide(x: Any) -> Any:
    return x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def case(name: str, reference: Callable[..., Any], *arguments: Any, **options: Any) -> FunctionCase:
    return FunctionCase(name, reference, arguments, options)


def drawn(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Different numbers, none within 0.01 of a multiple of a half, where kinks are."""
    x = np.random.default_rng([seed, *shape]).uniform(low, high, shape)
    near = np.abs(x - np.round(2 * x) / 2) < 0.01
    return np.where(near, x + 0.025, x)


X, Y, POSITIVE = drawn(3, 4), drawn(3, 4, seed=1), drawn(3, 4, low=0.2, high=3)
ROW, CUBE = drawn(4, seed=2), drawn(2, 3, 4)
INTEGERS = np.array([3, 0, -2, 7], np.int32)
BOOLS, OTHER_BOOLS = X > 0, Y > 0
STRANGE = np.array([1.0, -np.inf, np.inf, np.nan, 0.0])
SPECIAL = scipy.special

ELEMENTWISE = [
    case("abs", np.abs, X),
    case("abs", np.abs, INTEGERS),
    case("add", np.add, X, ROW),
    case("add", np.add, INTEGERS, INTEGERS),
    case("astype", lambda x, dtype: x.astype(dtype), X, "int32"),
    case("astype", lambda x, dtype: x.astype(dtype), STRANGE, "bool"),
    case("ceil", np.ceil, X),
    case("ceil", np.ceil, INTEGERS),
    case("clip", lambda x, min, max: np.clip(x, min, max), X, min=-1, max=0.75),
    case("clip", lambda x, max: np.minimum(x, max), STRANGE, max=0.5),
    case("cos", np.cos, X),
    case("cosh", np.cosh, X),
    case("divide", np.divide, X, Y),
    case("divide", np.divide, STRANGE, np.zeros(5)),
    case("equal", np.equal, X, X),
    case("equal", np.equal, STRANGE, STRANGE),
    case("erf", SPECIAL.erf, X),
    case("exp", np.exp, X),
    case("expm1", np.expm1, X * 1e-3),
    case("floor", np.floor, X),
    case("floor", np.floor, INTEGERS),
    case("floor_divide", np.floor_divide, X, Y),
    case("floor_divide", np.floor_divide, INTEGERS, np.array([-2, 5, 3, -1], np.int32)),
    case("greater", np.greater, X, Y),
    case("greater_equal", np.greater_equal, X, Y),
    case("isfinite", np.isfinite, STRANGE),
    case("isfinite", np.isfinite, INTEGERS),
    case("isinf", np.isinf, STRANGE),
    case("isinf", np.isinf, INTEGERS),
    case("isnan", np.isnan, STRANGE),
    case("isnan", np.isnan, BOOLS),
    case("less", np.less, X, ROW),
    case("less_equal", np.less_equal, X, Y),
    case("log", np.log, POSITIVE),
    case("log10", np.log10, POSITIVE),
    case("log1p", np.log1p, POSITIVE * 1e-3),
    case("log2", np.log2, POSITIVE),
    case("logaddexp", np.logaddexp, X, ROW),
    case("logical_and", np.logical_and, BOOLS, OTHER_BOOLS),
    case("logical_not", np.logical_not, BOOLS),
    case("logical_or", np.logical_or, BOOLS, OTHER_BOOLS),
    case("maximum", np.maximum, X, Y),
    case("maximum", np.maximum, STRANGE, STRANGE[::-1].copy()),
    case("minimum", np.minimum, X, Y),
    case("minimum", np.minimum, STRANGE, STRANGE[::-1].copy()),
    case("multiply", np.multiply, X, ROW),
    case("negative", np.negative, X),
    case("not_equal", np.not_equal, X, X),
    case("remainder", np.remainder, X, Y),
    case("remainder", np.remainder, INTEGERS, np.array([-2, 5, 3, -1], np.int32)),
    case("pow", np.power, POSITIVE, Y),
    case("pow", np.power, X, 3),
    case("pow", np.power, X, 2),
    case("pow", lambda x, y: np.power(x.astype(np.float64), y), INTEGERS, 3),
    case("reciprocal", np.reciprocal, POSITIVE),
    case("sign", np.sign, X),
    case("sign", np.sign, STRANGE),
    case("sin", np.sin, X),
    case("sinh", np.sinh, X),
    case("sqrt", np.sqrt, POSITIVE),
    case("square", np.square, X),
    case("stop_gradient", np.array, X),
    case("subtract", np.subtract, X, Y),
    case("tan", np.tan, X * 0.6),
    case("tanh", np.tanh, X),
    case("where", np.where, BOOLS, X, ROW),
]


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, 0)


ACTIVATIONS = [
    case("elu", _elu, X),
    case("elu", _elu, X, alpha=0.5),
    case("gelu", lambda x: x * SPECIAL.ndtr(x), X),
    case("identity", np.array, X),
    case("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), X),
    case("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), X, slope=0.3),
    case("log_softmax", lambda x: SPECIAL.log_softmax(x, axis=-1), X),
    case("log_softmax", SPECIAL.log_softmax, X, axis=0),
    case("mish", lambda x: x * np.tanh(_softplus(x)), X),
    case("relu", lambda x: np.maximum(x, 0), X),
    case("selu", lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772), X),
    case("sigmoid", SPECIAL.expit, X),
    case("silu", lambda x: x * SPECIAL.expit(x), X),
    case("softmax", lambda x: SPECIAL.softmax(x, axis=-1), CUBE),
    case("softmax", SPECIAL.softmax, CUBE, axis=1),
    case("softplus", _softplus, X),
]


def _var(x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    return np.var(x, axis=axis, ddof=correction, keepdims=keepdims)


REDUCTIONS = [
    case("all", np.all, BOOLS, axis=0),
    case("all", np.all, STRANGE),
    case("any", np.any, BOOLS, axis=(0, 1)),
    case("any", np.any, np.array([[0.5, 0.0], [0.0, 0.0]]), axis=1),
    case("any", np.any, np.array([1, -1], np.int32)),
    case("any", np.any, np.zeros((0, 2), bool), axis=0),
    case("argmax", np.argmax, X, axis=1),
    case("argmax", np.argmax, STRANGE, axis=0, keepdims=True),
    case("argmin", np.argmin, X, axis=-2, keepdims=True),
    case("argmin", np.argmin, STRANGE, axis=0),
    case("argmin", np.argmin, np.array([0, -(2**31), 2**31 - 1], np.int32), axis=0),
    case("argmin", np.argmin, BOOLS, axis=0),
    case("logsumexp", SPECIAL.logsumexp, X, axis=1, keepdims=True),
    case("logsumexp", SPECIAL.logsumexp, CUBE, axis=(0, -1)),
    case("logsumexp", SPECIAL.logsumexp, X),
    case("max", np.max, X),
    case("max", np.max, CUBE, axis=(0, 2), keepdims=True),
    case("max", np.max, STRANGE),
    case("max", np.max, INTEGERS),
    case("mean", np.mean, CUBE, axis=(0, -1)),
    case("mean", np.mean, X, keepdims=True),
    case("mean", np.mean, np.array([[1, 2], [2, 2]], np.int32), axis=1),
    case("mean", np.mean, BOOLS, axis=0),
    case("min", np.min, X, axis=-1),
    case("min", np.min, STRANGE),
    case("row_count", len, X),
    case("std", np.std, X, axis=0),
    case("sum", np.sum, X),
    case("sum", np.sum, CUBE, axis=()),
    case("sum", np.sum, CUBE, axis=(-1, 0), keepdims=True),
    case("sum", np.sum, BOOLS, axis=1),
    case("sum", np.sum, np.zeros((0, 3)), axis=0),
    case("var", _var, CUBE, axis=(0, 1), correction=1, keepdims=True),
    case("var", _var, X, axis=None, correction=0.0, keepdims=False),
]


def _take(x: Any, indices: Any, axis: int = 0) -> Any:
    return np.take(x, indices, axis=axis)


def _scatter_add(indices: Any, updates: Any, size: int) -> Any:
    y = np.zeros((size, *updates.shape[1:]))
    for i, update in zip(indices, updates, strict=True):
        y[i] += update
    return y


SHAPES = [
    case("broadcast_to", np.broadcast_to, ROW, (2, 3, 4)),
    case("broadcast_to", np.broadcast_to, drawn(3, 1), (3, 4)),
    case("expand_dims", np.expand_dims, X, axis=-2),
    case("matrix_transpose", np.transpose, X),
    case("matrix_transpose", lambda x: np.swapaxes(x, -1, -2), CUBE),
    case("matmul", np.matmul, X, X.T.copy()),
    case("matmul", np.matmul, ROW, X.T.copy()),
    case("matmul", np.matmul, X, ROW),
    case("matmul", np.matmul, ROW, ROW),
    case("matmul", np.matmul, CUBE, X.T.copy()),
    case("matmul", np.matmul, CUBE, ROW),
    case("matmul", np.matmul, X, drawn(5, 1, 4, 2)),
    case("matmul", np.matmul, drawn(5, 1, 3, 4), drawn(2, 4, 2)),
    case("matmul", np.matmul, ROW, drawn(2, 4, 3)),
    case("permute_dims", np.transpose, CUBE, (1, -1, 0)),
    case("reshape", np.reshape, X, (2, -1)),
    case("reshape", np.reshape, X, 12),
    case("scatter_add", _scatter_add, np.array([1, 0, 1]), X, size=5),
    case("squeeze", np.squeeze, drawn(1, 3, 1), (0, -1)),
    case("take", _take, X, np.array([[2, 0], [1, 1]])),
    case("take", _take, CUBE, np.array([3, 0]), axis=-1),
    case("take", _take, CUBE, 1, axis=1),
    case("vecdot", lambda x, y: np.sum(x * y, axis=-1), X, ROW),
]

LISTS = [  # these take a list of arrays
    case("concat", lambda x, y: np.concatenate([x, y]), X, drawn(2, 4)),
    case("concat", lambda x, y, axis: np.concatenate([x, y], axis=axis), X, Y, axis=-1),
    case("stack", lambda x, y: np.stack([x, y]), X, Y),
    case("stack", lambda x, y, axis: np.stack([x, y], axis=axis), X, Y, axis=-1),
]

CREATED = [  # their dtype is an option, or fixed
    case("arange", np.arange, 5),
    case("arange", np.arange, 0),
    case("full", np.full, (2, 3), 1.5),
    case("one_hot", lambda i, n: np.eye(n)[i], np.array([[2, 0], [1, 1]]), 4),
    case("ones", np.ones, (2, 3)),
    case("ones_like", np.ones_like, X),
    case("zeros", np.zeros, 4),
    case("zeros_like", np.zeros_like, X),
]

RANDOM = {"bernoulli", "normal", "random_key", "uniform"}  # see test_random.py


def parameters(*tables: list[FunctionCase]) -> list[Any]:
    """Each case with a readable name, for pytest."""
    return [
        pytest.param(item, id=f"{item.name}-{number}")
        for table in tables
        for number, item in enumerate(table)
    ]
