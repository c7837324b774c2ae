"""Where a fit begins: at weights that it draws, or where the last one has left the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.estimators.embeddings import check_codes, chosen_columns, learnt_columns
from chainrule.estimators.network import Network, build_network
from chainrule.estimators.randomness import drawn_key
from chainrule.estimators.solver import has_schedule, is_lbfgs
from chainrule.estimators.stopping import RateSchedule
from chainrule.graph.types import ROWS, Array, ArrayType
from chainrule.layers import initial_values
from chainrule.training.memo import declared
from chainrule.training.plateau import ReduceOnPlateau

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

# The network --------------------------------------------------------------------------------------


def draw_weights(estimator: BaseMLP, x: Array, sizes: Sequence[int], steps: int, random_state: Any) -> None:
    """Draw the weights in scikit-learn's order, and forget what earlier fits have left.

    The network is for these rows, with hidden layers of these sizes; a schedule goes by the steps of the fit.
    """
    names = getattr(estimator, "feature_names_in_", None)
    embedded = learnt_columns(x, _chosen_columns(estimator), names)
    network = build_network(estimator, [x.shape[1], *sizes, estimator.n_outputs_], embedded)
    found = declared(network.layers, ArrayType((ROWS, x.shape[1]), x.dtype))
    parameters = initial_values(found.parameters, x.dtype, random_state)
    state = initial_values(found.state, x.dtype, random_state)
    estimator.coefs_ = [parameters.pop(f"{path}.weight") for path in network.dense]
    estimator.intercepts_ = [parameters.pop(f"{path}.bias") for path in network.dense]
    estimator._kept = replace(
        estimator._kept, network=network, others=parameters, state=state, steps=steps, left=None
    )
    estimator.n_layers_ = len(network.widths)
    estimator.n_iter_ = estimator.t_ = 0
    estimator.validation_loss_curve_ = None
    if not is_lbfgs(estimator):
        _begin_curves(estimator)


def keep_weights(estimator: BaseMLP, x: Array, sizes: Sequence[int], steps: int) -> None:
    """Go on from the weights that there are, in layers with the present activations and rates.

    Raises a ValueError if the network cannot go on with these rows and sizes.
    """
    network = estimator._kept.network
    if network.widths[1:-1] != tuple(sizes):
        raise ValueError(
            f"hidden_layer_sizes is {tuple(sizes)}, and coefs_, which warm_start and partial_fit go on "
            f"from, has {network.widths[1:-1]}; set it to that, or set warm_start=False"
        )
    if network.widths[-1] != estimator.n_outputs_:
        what = "the number of outputs"
    elif _chosen_columns(estimator) != {each.column: each.asked for each in network.embedded}:
        what = "embeddings"
    elif (followed := _followed(estimator, network, x)) is None:
        what = "normalization, residual, or whether there is dropout"
    else:
        check_codes(x, network.embedded)
        estimator._kept = replace(estimator._kept, network=followed, steps=steps)
        return
    raise ValueError(
        f"{what} has changed since the last fit, which warm_start and partial_fit go on from; set it "
        "back, or set warm_start=False"
    )


def _followed(estimator: BaseMLP, before: Network, x: Array) -> Network | None:
    """Return the network with layers of the present activations and rates; None if it has other arrays."""
    now = build_network(estimator, before.widths, before.embedded)
    if now.layers == before.layers:
        return before
    rows = ArrayType((ROWS, before.widths[0]), x.dtype)
    found = [declared(each.layers, rows) for each in (before, now)]
    parameters, state = ([set(getattr(one, kind)) for one in found] for kind in ("parameters", "state"))
    same = now.dense == before.dense and parameters[0] == parameters[1] and state[0] == state[1]
    return now if same else None


def _chosen_columns(estimator: BaseMLP) -> dict[int, int | None]:
    names = getattr(estimator, "feature_names_in_", None)
    return chosen_columns(estimator.embeddings, names, estimator.n_features_in_)


# The epochs ---------------------------------------------------------------------------------------


def _begin_curves(estimator: BaseMLP) -> None:
    """Forget what earlier epochs have measured."""
    scored = estimator.early_stopping
    estimator.loss_curve_ = []
    estimator.validation_scores_ = [] if scored else None
    estimator.validation_loss_curve_ = None
    estimator.best_loss_ = None if scored else np.inf
    estimator.best_validation_score_ = -np.inf if scored else None
    estimator._kept = replace(estimator._kept, waiting={})


def prepare_epochs(estimator: BaseMLP, incremental: bool) -> RateSchedule:
    """Follow parameters that have changed, and return what the learning rate does.

    partial_fit goes on with its optimizer, as scikit-learn's does.
    """
    if not hasattr(estimator, "loss_curve_"):  # lbfgs, which the fit goes on from, has none
        _begin_curves(estimator)
    lowered, left = _has_plateau(estimator), estimator._kept.left
    if incremental and left is not None:
        task = estimator._made_task(estimator._trainer.task.optimizer)
        if task != estimator._trainer.task:
            estimator._make_trainer(task)
        return left.schedule._replace(kind="constant") if lowered else left.schedule
    estimator._kept = replace(estimator._kept, left=None)
    estimator._renew()
    schedule, power = estimator.learning_rate, float(estimator.power_t)
    if estimator.solver != "sgd" or has_schedule(estimator):
        schedule = "constant"
    elif schedule == "constant" and not lowered:  # so that both are the same code
        schedule, power = "invscaling", 0.0
    return RateSchedule(schedule, float(estimator.learning_rate_init), power)


def _has_plateau(estimator: BaseMLP) -> bool:
    """Whether a callback lowers the learning rate; then nothing else may set it."""
    callbacks = () if estimator.callbacks is None else estimator.callbacks
    found = any(isinstance(callback, ReduceOnPlateau) for callback in callbacks)
    if found and estimator.solver == "sgd" and estimator.learning_rate in ("invscaling", "adaptive"):
        raise ValueError(
            f"learning_rate={estimator.learning_rate!r} lowers the rate after each epoch, and so does "
            "ReduceOnPlateau; leave one of them out"
        )
    return found


def begin_epochs(estimator: BaseMLP, random_state: Any) -> None:
    """Let training start anew, or after the last partial_fit with its optimizer's state."""
    left = estimator._kept.left
    if left is None:
        estimator._trainer.key = drawn_key(random_state)
    else:
        estimator._trainer.key = left.key
        estimator._go_on(left)
