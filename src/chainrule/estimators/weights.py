"""Weights, and the output's activation, that a user has set on an estimator in place of what a fit found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import NotFittedError

from chainrule.estimators.fitted import Seen
from chainrule.estimators.network import Network, build_network
from chainrule.functions import exp
from chainrule.graph.names import unknown_name
from chainrule.graph.types import Array, str_shape
from chainrule.graph.words import counted
from chainrule.layers import ACTIVATIONS

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

_OUT_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    **ACTIVATIONS,
    "logistic": ACTIVATIONS["sigmoid"],
    "exp": exp,
}


def activated(output: Array, name: str) -> Array:
    """Return a network's output after the activation that a user has named in `out_activation_`."""
    if name not in _OUT_ACTIVATIONS:
        raise ValueError(unknown_name("out_activation_", name, _OUT_ACTIVATIONS))
    return _OUT_ACTIVATIONS[name](output)


@contextmanager
def as_before_if_refused(estimator: BaseMLP, begun: Callable[[], object] = bool) -> Iterator[None]:
    """Let an estimator have the attributes that it has now, if an error comes before something has begun."""
    before = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        if not begun():
            estimator.__dict__.clear()
            estimator.__dict__.update(before)
        raise


def follow_weights(estimator: BaseMLP) -> None:
    """Let an estimator have the network that `coefs_` and `intercepts_` are of.

    They may have been set since the last fit, to other widths (units were pruned) or another dtype, or where
    no fit has been; other attributes are then made up for, as far as they follow from these.

    Raises
    ------
    ValueError
        If the arrays do not fit together, or to layers with weights of their own.
    """
    widths = _widths(estimator)
    known = bool(estimator._kept.network.widths)
    if known and widths == _known_widths(estimator._kept.network):
        if estimator._dtype != estimator._trainer.task.dtype:
            estimator._renew()
        return
    with as_before_if_refused(estimator):
        _check_others(estimator)
        if not known:
            _begin(estimator, widths)
        _check_outside(estimator, widths)
        estimator.n_layers_ = len(widths)
        estimator._kept = replace(estimator._kept, network=build_network(estimator, widths), left=None)
        estimator._renew()


def _known_widths(network: Network) -> list[int]:
    """Return the widths of a network, the first as its first matrix has it."""
    columns, *units = network.widths
    return [columns + sum(each.units - 1 for each in network.embedded), *units]


def _widths(estimator: BaseMLP) -> list[int]:
    """Return the number of inputs and the units of each layer, if the arrays fit together."""
    if not (hasattr(estimator, "coefs_") and hasattr(estimator, "intercepts_")):
        raise NotFittedError(
            f"This {type(estimator).__name__} instance has no weights yet. Call 'fit', or set coefs_ and "
            "intercepts_ both."
        )
    coefs, intercepts = (
        [np.shape(array) for array in arrays] for arrays in (estimator.coefs_, estimator.intercepts_)
    )
    if len(coefs) != len(intercepts) or not coefs:
        raise ValueError(
            f"coefs_ has {counted(len(coefs), 'array')} and intercepts_ {len(intercepts)}; "
            "give one of each for every layer"
        )
    widths = [coefs[0][0] if coefs[0] else 0]
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if len(coef) != 2 or coef[0] != widths[-1]:
            raise ValueError(
                f"coefs_[{i}] has the shape {str_shape(coef)}, and what comes before has "
                f"{counted(widths[-1], 'unit')}; give it {counted(widths[-1], 'row')}, and a column for "
                "each unit"
            )
        if intercept != coef[1:]:
            raise ValueError(
                f"intercepts_[{i}] has the shape {str_shape(intercept)}, and coefs_[{i}] "
                f"{counted(coef[1], 'column')}; give it a number for each"
            )
        widths.append(coef[1])
    return widths


def _check_outside(estimator: BaseMLP, widths: list[int]) -> None:
    """Raise a ValueError if the network has other inputs or outputs than the estimator is known to have."""
    for name, known, found in (
        ("n_features_in_", estimator.n_features_in_, widths[0]),
        ("n_outputs_", estimator.n_outputs_, widths[-1]),
    ):
        if known != found:
            array = "coefs_[0] has a row" if name == "n_features_in_" else "coefs_[-1] has a column"
            raise ValueError(f"{array} for each of {found}, and {name} is {known}; set {name} too")


def _begin(estimator: BaseMLP, widths: list[int]) -> None:
    """Give an estimator that was never fitted what a fit would have left besides its weights."""
    estimator.n_features_in_ = getattr(estimator, "n_features_in_", widths[0])
    estimator._seen = Seen(link=estimator._assumed_link(widths[-1]))
    estimator.n_iter_ = estimator.t_ = 0


def _check_others(estimator: BaseMLP) -> None:
    """Raise a ValueError if the network has, or would have, weights beside `coefs_` and `intercepts_`."""
    options = estimator.embeddings, estimator.normalization
    if estimator._kept.others or any(option is not None for option in options):
        raise ValueError(
            "embeddings and normalization have numbers of their own beside coefs_ and intercepts_, of the "
            "widths that a fit has left; set arrays of these shapes, or fit anew"
        )
