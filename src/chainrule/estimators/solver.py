"""What an estimator's solver and losses are, as chainrule's parts."""

from __future__ import annotations

import dataclasses
from typing import Any

from chainrule.estimators.rules import PlainAdam, VelocitySGD
from chainrule.graph.names import unknown_name
from chainrule.optimizers import OPTIMIZERS, Optimizer

#: The optimizer's number that may change from epoch to epoch.
RATE = "task.optimizer.learning_rate"


def is_lbfgs(estimator: Any) -> bool:
    """Whether SciPy's L-BFGS is asked for, which takes all rows at once."""
    return isinstance(estimator.solver, str) and estimator.solver == "lbfgs"


def as_solver(estimator: Any) -> Optimizer:
    """Return the optimizer that the estimator's parameters describe."""
    rate, solver = estimator.learning_rate_init, estimator.solver
    if callable(estimator.learning_rate):
        rate = estimator.learning_rate
    shared = {
        "weight_decay": estimator.weight_decay,
        "clip_value": estimator.clip_value,
        "clip_norm": estimator.clip_norm,
        "clip_global_norm": estimator.clip_global_norm,
        "average": estimator.average,
    }
    asked = {name: number for name, number in shared.items() if number}
    if isinstance(solver, Optimizer):
        return dataclasses.replace(solver, **asked)
    if solver == "sgd":
        return VelocitySGD(
            rate, momentum=estimator.momentum, nesterov=bool(estimator.nesterovs_momentum), **asked
        )
    if solver in ("adam", "lbfgs"):
        return PlainAdam(
            rate, beta_1=estimator.beta_1, beta_2=estimator.beta_2, epsilon=estimator.epsilon, **asked
        )
    if solver not in OPTIMIZERS:
        raise ValueError(unknown_name("solver", solver, {*OPTIMIZERS, "lbfgs"}))
    named: Any = OPTIMIZERS[solver]
    made: Optimizer = named(rate, **asked)
    return made
