"""What an estimator keeps from one call to the next; weights, a trainer and a pickle are made of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from chainrule.estimators.categories import Coded
from chainrule.estimators.embeddings import embedding_names
from chainrule.estimators.network import Network
from chainrule.estimators.predicting import Predictor
from chainrule.estimators.solver import RATE, as_solver
from chainrule.estimators.stopping import RateSchedule
from chainrule.graph.loop import LoopState
from chainrule.graph.types import FLOAT32, FLOAT64, ROWS, Array, ArrayType, DType
from chainrule.layers import Sequential
from chainrule.losses import L2, Loss
from chainrule.optimizers import Optimizer
from chainrule.training.task import Task
from chainrule.training.trainer import Trainer


class Left(NamedTuple):
    """Where a fit has left the training.

    Attributes
    ----------
    carried : mapping of arrays
        Parameters, the layers' and the optimizer's state, and a learning rate that has fallen.
    step, epoch : int
        How many there were.
    key : ndarray
        That of all random numbers.
    schedule : RateSchedule
        What becomes of the learning rate.
    """

    carried: Mapping[str, Array]
    step: int
    epoch: int
    key: Array
    schedule: RateSchedule


@dataclass(frozen=True)
class Seen:
    """What a fit has learnt of its table, by which later rows are read.

    Attributes
    ----------
    coded : tuple of Coded
        The categories of columns that were given as text or categories.
    link : str
        What the fit has made `out_activation_`.
    class_weights : dict, list of dict or None
        What a row's class multiplies its weight by.
    """

    coded: tuple[Coded, ...] = ()
    link: str = ""
    class_weights: Any = None


_NO_NETWORK = Network(Sequential([]), ())


@dataclass(frozen=True)
class Kept:
    """What a fit leaves for later calls, beside scikit-learn's attributes.

    Attributes
    ----------
    network : Network
        That whose Dense layers have `coefs_` and `intercepts_`.
    others, state : mapping of arrays
        Its other parameters, and its layers' state, by name.
    steps : int
        How many the fit might take: a schedule goes by them.
    left : Left or None
        Where partial_fit goes on; None where it begins anew.
    waiting : mapping of arrays
        The best so far, and the epochs without an improvement, from which warm_start goes on, too.
    """

    network: Network = _NO_NETWORK
    others: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    steps: int = 1
    left: Left | None = None
    waiting: Mapping[str, Array] = field(default_factory=dict)


class Fitted(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The part of an estimator that holds what a fit leaves for later calls; it is all declared here."""

    # What scikit-learn's estimators have, too; a user may set these.
    coefs_: list[Array]
    intercepts_: list[Array]
    n_outputs_: int
    out_activation_: str
    n_layers_: int
    n_iter_: int
    t_: int
    loss_: np.float64
    loss_curve_: list[np.float64]  # code for scikit-learn's calls NumPy's methods
    best_loss_: np.float64 | float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    validation_loss_curve_: list[float] | None

    #: What the rest of a fit has left; before the first, nothing.
    _seen = Seen()
    _kept = Kept()
    #: What trains and predicts, on copies of the weights. Of these a pickle has only the trainer's task.
    _trainer: Trainer
    _predictor: Predictor

    @property
    def categories_(self) -> dict[str | int, Array]:
        """The categories of each column that was given as text or categories, in the order of its vectors."""
        check_is_fitted(self)
        return {each.name: each.categories.copy() for each in self._seen.coded}

    @property
    def embeddings_(self) -> dict[str | int, Array]:
        """The vectors of each column of categories, shape (categories, units)."""
        check_is_fitted(self)
        paths = embedding_names(self._kept.network.embedded, "layers.0")
        return {name: np.array(self._kept.others[path]) for name, path in paths.items()}

    @property
    def _dtype(self) -> DType:
        """float32 if all of `coefs_` and `intercepts_` are, otherwise float64."""
        arrays = [*self.coefs_, *self.intercepts_]
        return FLOAT32 if all(getattr(array, "dtype", None) == FLOAT32 for array in arrays) else FLOAT64

    @abstractmethod
    def _make_loss(self, link: str) -> Loss:
        """Return the loss of outputs of which `link` makes predictions."""

    def _made_task(self, optimizer: Optimizer | None = None) -> Task:
        """Return what the parameters describe, perhaps with an optimizer that there is."""
        return Task(
            network=self._kept.network.layers,
            loss=self._make_loss(self._seen.link),
            objective=None,
            optimizer=optimizer or as_solver(self, self._kept.steps),
            penalties=(L2(float(self.alpha)),) if self.alpha else (),
            dtype=self._dtype,
            shared_penalties=True,
            epoch_by_rows=True,
        )

    def _renew(self) -> None:
        """Follow parameters that have changed since the last fit."""
        self._make_trainer(self._made_task())

    def _make_trainer(self, task: Task) -> None:
        """Make a trainer whose arrays are the present weights, with an optimizer that has seen nothing."""
        trainer, widths = Trainer(task, 0), self._kept.network.widths
        parameters, state = self._arrays(task.dtype)
        x, output = (ArrayType((ROWS, width), task.dtype) for width in (widths[0], widths[-1]))
        trainer.enter(x, output, parameters, state, task.optimizer.initial_state(parameters))
        self._trainer, self._predictor = trainer, Predictor(trainer)

    def _arrays(self, dtype: DType) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return parameters and layer state by name, as `coefs_` and `intercepts_` have them now."""
        parameters: dict[str, Array] = {}
        for path, coef, intercept in zip(
            self._kept.network.dense, self.coefs_, self.intercepts_, strict=True
        ):
            parameters[f"{path}.weight"] = np.ascontiguousarray(coef, dtype)
            parameters[f"{path}.bias"] = np.ascontiguousarray(intercept, dtype)
        others, state = (
            {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
            for arrays in (self._kept.others, self._kept.state)
        )
        return {**parameters, **others}, state

    def _take(self, carried: Mapping[str, Array]) -> None:
        """Make these arrays the estimator's weights; where weights are averaged, the averages."""
        names, kept = self._trainer.predicting_names(), self._kept
        self.coefs_ = [np.array(carried[names[f"{path}.weight"]]) for path in kept.network.dense]
        self.intercepts_ = [np.array(carried[names[f"{path}.bias"]]) for path in kept.network.dense]
        others = {name: np.array(carried[names[name]]) for name in kept.others}
        state = {name: np.array(carried[name]) for name in kept.state}
        self._kept = replace(kept, others=others, state=state)

    def _go_on(self, left: Left) -> None:
        """Let the trainer stand where the last fit has left it, but for weights that have been set since.

        Where weights are averaged, these take the place of both the weights and the averages.
        """
        carried, names = dict(left.carried), self._trainer.predicting_names()
        parameters, state = self._arrays(self._trainer.task.dtype)
        for name, array in parameters.items():
            before = carried[names[name]] if names[name] in carried else carried[name]
            if not np.array_equal(array, before, equal_nan=True):
                carried |= {name: array, names[name]: array}
        carried |= state
        arrays = {  # a solver that has been set since may have others
            name: np.asarray(carried.get(name, array), array.dtype)
            for name, array in self._trainer.loop_state.carried.items()
        }
        self._trainer.loop_state = LoopState(arrays, left.step, left.epoch)

    def _take_rate(self, left: Left) -> None:
        """Give the optimizer the learning rate to which a fit has let it fall, if it has a rule for that."""
        task = self._trainer.task
        if RATE in left.carried and isinstance(task.optimizer.learning_rate, float):
            rate = float(left.carried[RATE])
            self._make_trainer(replace(task, optimizer=replace(task.optimizer, learning_rate=rate)))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_predictor", None)
        trainer = state.pop("_trainer", None)
        return state if trainer is None else {**state, "_trainer": trainer.task}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not {"_task", "_network"}.isdisjoint(state):
            raise ValueError(
                f"this {type(self).__name__} was pickled by an earlier version of chainrule, which kept in "
                "another way what a fit leaves; load it there, or fit it anew"
            )
        others = dict(state)
        task = others.pop("_trainer", None)
        super().__setstate__(others)
        if task is not None:
            self._make_trainer(task)
