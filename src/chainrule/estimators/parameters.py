"""What an estimator's parameters may be."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Hashable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_parameter_constraints

from chainrule.estimators.solver import SCHEDULES
from chainrule.graph.names import UnknownOptionError, unknown_name
from chainrule.layers import ACTIVATIONS
from chainrule.optimizers import OPTIMIZERS, Optimizer
from chainrule.training.checkpoint import Checkpoint

_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")
_FRACTION = Interval(Real, 0, 1, closed="left")

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions({"logistic", *ACTIVATIONS}), callable, "array-like"],
    "solver": [StrOptions({"lbfgs", *OPTIMIZERS}), Optimizer],
    "alpha": [_NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", *SCHEDULES}), callable],
    "learning_rate_init": [_POSITIVE],
    "power_t": [_NOT_NEGATIVE],
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_FRACTION],
    "beta_1": [_FRACTION],
    "beta_2": [_FRACTION],
    "epsilon": [_POSITIVE],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
    "dropout": [_FRACTION, "array-like"],
    "normalization": [StrOptions({"batch", "layer"}), None],
    "residual": ["boolean"],
    "weight_decay": [_NOT_NEGATIVE],
    "clip_value": [_POSITIVE, None],
    "clip_norm": [_POSITIVE, None],
    "clip_global_norm": [_POSITIVE, None],
    "average": [_FRACTION],
    "embeddings": [dict, "array-like", None],
    "scoring": [str, callable, None],
    "callbacks": ["array-like", None],
    "n_threads": [Interval(Integral, 1, 1024, closed="both"), None],
    "checkpoint": [str, os.PathLike, Checkpoint, None],
}


def keep_all(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set a constructor's arguments as they are, which is all that scikit-learn lets a constructor do."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def validate(estimator: Any) -> None:
    """Raise scikit-learn's InvalidParameterError for the first parameter that cannot be one, if it is to."""
    if get_config()["skip_parameter_validation"]:
        return
    # Defaults can be one; there are too many of them to look at in each of a thousand short fits.
    chosen = {
        name: getattr(estimator, name)
        for name, default in _defaults(estimator.__class__).items()
        if getattr(estimator, name) is not default
    }
    name = type(estimator).__name__
    validate_parameter_constraints(estimator._parameter_constraints, chosen, caller_name=name)


@functools.cache
def _defaults(kind: Hashable) -> dict[str, Any]:
    assert callable(kind)
    return {name: each.default for name, each in inspect.signature(kind).parameters.items()}


def nearest_name(estimator: Any, names: Iterable[str]) -> None:
    """Raise a sentence with the nearest names for the first that is no parameter."""
    known = estimator.get_params(deep=True)
    for name in names:
        first, _, nested = name.partition("__")
        if first not in known or (nested and not hasattr(known[first], "set_params")):
            raise UnknownOptionError(f"{type(estimator).__name__}: {unknown_name('parameter', name, known)}")
