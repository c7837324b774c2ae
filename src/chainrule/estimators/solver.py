"""What an estimator's solver and losses are, as chainrule's parts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from chainrule.estimators.optimizers import PlainAdam, VelocitySGD
from chainrule.graph.names import unknown_name
from chainrule.optimizers import (
    OPTIMIZERS,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Optimizer,
    PolynomialDecay,
    StepDecay,
)
from chainrule.optimizers.schedules import Schedule

#: The optimizer's number that may change from epoch to epoch.
RATE = "task.optimizer.learning_rate"

#: The schedules by name, made from the first (or highest) rate and the number of steps of the whole fit.
SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "step_decay": lambda rate, steps: StepDecay(rate, every=math.ceil(steps / 3)),
    "exponential_decay": lambda rate, steps: ExponentialDecay(rate, every=steps),
    "polynomial_decay": lambda rate, steps: PolynomialDecay(rate, steps=steps),
    "cosine_decay": lambda rate, steps: CosineDecay(rate, steps=steps),
    "one_cycle": lambda rate, steps: OneCycle(rate, steps=steps),
}


def is_lbfgs(estimator: Any) -> bool:
    """Whether SciPy's L-BFGS is asked for, which takes all rows at once."""
    return isinstance(estimator.solver, str) and estimator.solver == "lbfgs"


def has_schedule(estimator: Any) -> bool:
    """Whether the learning rate is a function of the step."""
    rate = estimator.learning_rate
    return callable(rate) or rate in SCHEDULES


def steps_of_fit(estimator: Any, rows: int, validated: bool) -> int:
    """Return how many steps the whole fit may take; `validated` says if there is validation_data."""
    if estimator.early_stopping and not validated:
        rows -= math.ceil(estimator.validation_fraction * rows)
    rows = max(rows, 1)
    return int(estimator.max_iter * math.ceil(rows / batch_size_of(estimator, rows)))


def batch_size_of(estimator: Any, rows: int) -> int:
    """Return how many of so many rows a step takes."""
    size = 200 if isinstance(estimator.batch_size, str) else estimator.batch_size
    return int(min(size, rows))


def as_solver(estimator: Any, steps: int) -> Optimizer:
    """Return the optimizer that the estimator's parameters describe, for a fit of so many steps."""
    rate: Any = float(estimator.learning_rate_init)
    solver = estimator.solver
    if isinstance(solver, Optimizer) and not callable(solver.learning_rate):
        rate = solver.learning_rate
    if has_schedule(estimator):
        schedule = estimator.learning_rate
        rate = schedule if callable(schedule) else SCHEDULES[schedule](rate, steps)
    shared = {
        "weight_decay": estimator.weight_decay,
        "clip_value": estimator.clip_value,
        "clip_norm": estimator.clip_norm,
        "clip_global_norm": estimator.clip_global_norm,
        "average": estimator.average,
    }
    asked: dict[str, Any] = {name: float(number) for name, number in shared.items() if number}
    if isinstance(solver, Optimizer):
        asked |= {"learning_rate": rate} if has_schedule(estimator) else {}
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
