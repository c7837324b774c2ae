"""What the classifier and the regressor share: a fit from scikit-learn's parameters to its attributes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.compiler.threads import WORTH_WAKING
from chainrule.estimators.categories import (
    as_table,
    is_float32_frame,
    learnt_categories,
    tell_text,
    with_codes,
)
from chainrule.estimators.embeddings import (
    Embedded,
    check_codes,
    chosen_columns,
    learnt_columns,
)
from chainrule.estimators.epochs import run_fit
from chainrule.estimators.fitted import Fitted
from chainrule.estimators.inspection import Inspected
from chainrule.estimators.lbfgs import minimize, refuse_options
from chainrule.estimators.network import Network, as_sizes, build_network
from chainrule.estimators.parameters import nearest_name, validate
from chainrule.estimators.randomness import drawn_key, note_what_is_left, random_state_of
from chainrule.estimators.rows import as_rows, as_sample_weight, is_plain
from chainrule.estimators.solver import as_solver, has_schedule, is_lbfgs, steps_of_fit
from chainrule.estimators.stopping import RateSchedule
from chainrule.estimators.threads import thread_limit
from chainrule.estimators.validation import Held, held_out, own_rows
from chainrule.estimators.warned import warn
from chainrule.estimators.weights import activated, as_before_if_refused, follow_weights, weights_dtype
from chainrule.executors import EXECUTORS
from chainrule.graph.names import checked_options
from chainrule.graph.types import ROWS, Array, ArrayType
from chainrule.layers import initial_values
from chainrule.losses import L2, Loss
from chainrule.optimizers import Optimizer
from chainrule.training.checkpoint import opened
from chainrule.training.data import refuse_masked
from chainrule.training.frames import column_names, refuse_dates
from chainrule.training.memo import declared
from chainrule.training.plateau import ReduceOnPlateau
from chainrule.training.task import Task


class BaseMLP(Inspected, Fitted, ABC):
    """A multi-layer perceptron with scikit-learn's interface."""

    _numeric_target = False

    # What the two differ in -----------------------------------------------------------------------

    @abstractmethod
    def _validated_target(self, y: Any, incremental: bool, held: bool = False) -> Array:
        """Return y as the loss takes it, after checking it; sets what is known of it."""

    @abstractmethod
    def _assume_outputs(self, outputs: int) -> None:
        """Set what is known of y where weights with so many outputs were set, and no fit has been."""

    @abstractmethod
    def _make_loss(self) -> Loss:
        """Return the loss."""

    @abstractmethod
    def _default_score(self, x: Array, y: Array, weight: Array | None) -> float:
        """Return how well held-out rows are predicted: what early stopping goes by."""

    # Fitting --------------------------------------------------------------------------------------

    @checked_options
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, ...] | None = None
    ) -> Any:
        """Fit the network to X and y, from the beginning unless ``warm_start`` is on.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (rows, features)
            Inputs. Computation is in float32 if X is, otherwise in float64.
        y : array-like of shape (rows,) or (rows, outputs)
            Class labels, or numbers.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Rows for early stopping, in place of a part of X that is held out.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any = None) -> Any:
        validate(self)
        with as_before_if_refused(self, begun=lambda: self.n_iter_):
            self.n_iter_ = 0
            failure, held = self._trained(X, y, sample_weight, incremental, validation_data)
        if not all(np.isfinite(array).all() for array in [*self.coefs_, *self.intercepts_]):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and "
                "need to be preprocessed; a smaller learning_rate_init may help as well."
                + (f" In training {failure}." if failure else "")
            )
        if failure and not is_lbfgs(self):  # SciPy's solver has warned of it
            warn(
                f"The weights are finite, but numbers in training were not: {failure}.",
                ConvergenceWarning,
            )
        self._finish(held)
        return self

    def _trained(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any
    ) -> tuple[str | None, Held | None]:
        """Train; return where numbers were first not finite, and the rows that were not trained on."""
        sizes = as_sizes(self.hidden_layer_sizes)
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        self._check_use(incremental, validation_data is not None)
        if not first:
            follow_weights(self)
        data, y = self._checked_data(X, y, sample_weight, incremental=incremental, reset=first)
        self._steps = steps_of_fit(self, data["x"].shape[0], validation_data is not None)
        with opened(self.checkpoint) as checkpoint:
            random_state = random_state_of(self.random_state, checkpoint)
            if first:
                self._initialize(data["x"], sizes, random_state)
            else:
                self._check_unchanged(data["x"], sizes)
            held = None if validation_data is None else own_rows(self, validation_data)
            if is_lbfgs(self):
                return self._fit_lbfgs(data, random_state), held
            schedule = self._prepare_epochs(incremental)
            if self.early_stopping and held is None:
                data, held = held_out(self, data, y, random_state)
            self._begin(random_state)
            note_what_is_left(random_state, checkpoint)
            failure = run_fit(
                self, data, held, schedule, incremental=incremental, checkpoint=checkpoint, drawn=first
            )
        return failure, held

    def _finish(self, held: Held | None) -> None:
        """Do what is to be done with the fitted network and the rows that were not trained on."""

    def _check_use(self, incremental: bool, validated: bool) -> None:
        """Refuse what partial_fit and lbfgs have no use for; `validated` says if there is validation_data."""
        if incremental and self.early_stopping and not is_lbfgs(self):  # which takes no notice of it
            raise ValueError("partial_fit does not support early_stopping=True; set it to False, or use fit")
        if incremental and self.checkpoint is not None:
            raise ValueError("partial_fit is one epoch, and keeps no checkpoint; set it to None, or use fit")
        if is_lbfgs(self):
            refuse_options(self, validated)

    def _check_unchanged(self, x: Array, sizes: Sequence[int]) -> None:
        """Raise a ValueError if the network cannot go on with these rows and widths."""
        widths, embedded = self._network.widths, self._network.embedded
        if widths[1:-1] != tuple(sizes):
            raise ValueError(
                f"hidden_layer_sizes is {tuple(sizes)}, and coefs_, which warm_start and partial_fit go on "
                f"from, has {widths[1:-1]}; set it to that, or set warm_start=False"
            )
        if widths[-1] != self.n_outputs_:
            what = "the number of outputs"
        elif self._chosen_columns() != {each.column: each.asked for each in embedded}:
            what = "embeddings"
        elif not self._follow_network(x.dtype):
            what = "normalization, residual, or whether there is dropout"
        else:
            check_codes(x, embedded)
            return
        raise ValueError(
            f"{what} has changed since the last fit, which warm_start and partial_fit go on from; set it "
            "back, or set warm_start=False"
        )

    def _follow_network(self, dtype: Any) -> bool:
        """Take over layers with other activations and rates; return whether they have the same parameters."""
        before = self._network
        now = self._made_network(before.widths, before.embedded)
        if now.layers == before.layers:
            return True
        x = ArrayType((ROWS, before.widths[0]), dtype)
        found = [declared(each.layers, x) for each in (before, now)]
        parameters, state = ([set(getattr(one, kind)) for one in found] for kind in ("parameters", "state"))
        if now.dense != before.dense or parameters[0] != parameters[1] or state[0] != state[1]:
            return False
        self._network = now
        return True

    def _checked_data(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool = False,
        reset: bool = False,
        held: bool = False,
        as_fitted: bool = False,
    ) -> tuple[dict[str, Array], Any]:
        """Return rows as the loop takes them, and y as scikit-learn does; `held` ones are not trained on.

        Where they are taken `as_fitted`, classes have the weights that they had in the fit.
        """
        x, y = self._validated(X, y, reset)
        target = self._validated_target(y, incremental, held)
        if held:
            check_codes(x, self._network.embedded)
        dtype = weights_dtype(self) if held else x.dtype
        target = target if target.dtype.kind == "i" and target.ndim == 1 else target.astype(dtype)
        data = {"x": x.astype(dtype, copy=False), "y": target}
        own = x.dtype if reset else weights_dtype(self)  # a fit that goes on keeps the network's
        weight = None if sample_weight is None else as_sample_weight(sample_weight, x.shape[0], own)
        weight = self._class_weighted(y, weight, own, held or as_fitted)
        return (data if weight is None else {**data, "sample_weight": weight}), y

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Array, Any]:
        X = self._with_codes(X, reset)
        refuse_dates(X)
        refuse_masked(X, "x")
        refuse_masked(y, "y")
        try:
            x, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                multi_output=True,
                y_numeric=self._numeric_target,
                dtype=np.float32 if is_float32_frame(X) else (np.float64, np.float32),
                reset=reset,
            )
        except ValueError as error:
            tell_text(error, X)
            raise
        return x, y

    def _with_codes(self, X: Any, reset: bool = False) -> Any:
        """Return a table with codes for the categories of embedded columns, which the first fit learns."""
        if reset:
            self._coded = ()
        table = None if self.embeddings is None else as_table(X)
        if table is None:
            return X
        if reset:
            chosen = chosen_columns(self.embeddings, column_names(table), table.shape[1])
            self._coded = learnt_categories(table, chosen)
        return with_codes(table, self._coded) if self._coded else X

    def _class_weighted(self, y: Any, weight: Array | None, dtype: Any, learnt: bool) -> Array | None:
        """Return the rows' weights, times their classes' where the estimator has class weights."""
        return weight

    # Where a fit starts ---------------------------------------------------------------------------

    def _initialize(self, x: Array, sizes: Sequence[int], random_state: Any) -> None:
        """Draw the weights in scikit-learn's order, and forget what earlier fits have left."""
        widths = [x.shape[1], *sizes, self.n_outputs_]
        self.n_layers_ = len(widths)
        self.n_iter_ = self.t_ = 0
        embedded = learnt_columns(x, self._chosen_columns(), self._column_names())
        self._network = self._made_network(widths, embedded)
        found = declared(self._network.layers, ArrayType((ROWS, x.shape[1]), x.dtype))
        parameters = initial_values(found.parameters, x.dtype, random_state)
        self._state = initial_values(found.state, x.dtype, random_state)
        self.coefs_ = [parameters.pop(f"{path}.weight") for path in self._network.dense]
        self.intercepts_ = [parameters.pop(f"{path}.bias") for path in self._network.dense]
        self._others = parameters
        self._left = None
        self.validation_loss_curve_: list[float] | None = None
        if not is_lbfgs(self):
            self._begin_curves()

    def _begin_curves(self) -> None:
        """Forget what earlier epochs have measured."""
        self.loss_curve_: list[np.float64] = []  # code for scikit-learn's calls NumPy's methods
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.validation_loss_curve_ = None
        self.best_loss_ = None if self.early_stopping else np.inf
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self._waiting = {}

    def _made_network(self, widths: Sequence[int], embedded: tuple[Embedded, ...] = ()) -> Network:
        return build_network(
            widths,
            activation=self.activation,
            dropout=self.dropout,
            normalization=self.normalization,
            residual=bool(self.residual),
            embedded=embedded,
        )

    def _column_names(self) -> Sequence[str] | None:
        return getattr(self, "feature_names_in_", None)

    def _chosen_columns(self) -> dict[int, int | None]:
        return chosen_columns(self.embeddings, self._column_names(), self.n_features_in_)

    def _made_task(self, dtype: Any, optimizer: Optimizer | None = None) -> Task:
        return Task(
            network=self._network.layers,
            loss=self._make_loss(),
            objective=None,
            optimizer=optimizer or as_solver(self, self._steps),
            penalties=(L2(float(self.alpha)),) if self.alpha else (),
            dtype=np.dtype(dtype),
            shared_penalties=True,
            epoch_by_rows=True,
        )

    # The two ways of fitting ----------------------------------------------------------------------

    def _fit_lbfgs(self, data: dict[str, Array], random_state: Any) -> str | None:
        """Fit by SciPy; return where numbers were first not finite, if there were such."""
        self._renew()
        self._trainer.key = drawn_key(random_state)
        paths = self._network.dense
        names = [f"{path}.weight" for path in paths] + [f"{path}.bias" for path in paths]
        names += self._others
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        prepare, verbose = EXECUTORS["compiled"].preparing(thread_limit(self)), bool(self.verbose)
        apart = not self._state and not np.any(self.dropout)
        result, found, failure = minimize(
            self._trainer, as_rows(data), names, prepare, apart=apart, options=options, verbose=verbose
        )
        self.n_iter_ = result.nit
        self.loss_ = np.float64(result.fun)
        self._take({**self._trainer.loop_state.carried, **found})
        return failure

    def _renew(self) -> None:
        """Follow parameters that have changed since the last fit."""
        self._make_trainer(self._made_task(weights_dtype(self)))

    def _prepare_epochs(self, incremental: bool) -> RateSchedule:
        """Follow parameters that have changed, and return what the learning rate does.

        partial_fit goes on with its optimizer, as scikit-learn's does.
        """
        if not hasattr(self, "loss_curve_"):  # lbfgs, which the fit goes on from, has none
            self._begin_curves()
        lowered = self._has_plateau()
        if incremental and self._left is not None:
            task = self._made_task(weights_dtype(self), self._trainer.task.optimizer)
            if task != self._trainer.task:
                self._make_trainer(task)
            left = self._left.schedule
            return left._replace(kind="constant") if lowered else left
        self._left = None
        self._renew()
        schedule, power = self.learning_rate, float(self.power_t)
        if self.solver != "sgd" or has_schedule(self):
            schedule = "constant"
        elif schedule == "constant" and not lowered:  # so that both are the same code
            schedule, power = "invscaling", 0.0
        return RateSchedule(schedule, float(self.learning_rate_init), power)

    def _has_plateau(self) -> bool:
        """Whether a callback lowers the learning rate; then nothing else may set it."""
        callbacks = () if self.callbacks is None else self.callbacks
        found = any(isinstance(callback, ReduceOnPlateau) for callback in callbacks)
        if found and self.solver == "sgd" and self.learning_rate in ("invscaling", "adaptive"):
            raise ValueError(
                f"learning_rate={self.learning_rate!r} lowers the rate after each epoch, and so does "
                "ReduceOnPlateau; leave one of them out"
            )
        return found

    def _begin(self, random_state: Any) -> None:
        """Let training start anew, or after the last partial_fit with its optimizer's state."""
        if self._left is None:
            self._trainer.key = drawn_key(random_state)
        else:
            self._trainer.key = self._left.key
            self._go_on(self._left)

    # Predicting -----------------------------------------------------------------------------------

    def _output(self, X: Any, link: bool = True, check: bool = True) -> Array:
        """Return the network's output for each row, as the loss reads it."""
        if check:
            check_is_fitted(self)
            follow_weights(self)
            refuse_masked(X, "x")
            X = self._with_codes(X)
            if hasattr(self, "feature_names_in_") or not is_plain(X, self.n_features_in_):
                X = validate_data(self, X, accept_sparse="csr", reset=False)
        own = link and self.out_activation_ != self._link
        shared = X.shape[0] * self._trainer.size >= WORTH_WAKING  # or one thread does it anyway
        output = self._predictor(
            X,
            *self._arrays(self._trainer.task.dtype),
            link=link and not own,
            n_threads=thread_limit(self) if shared else 1,
            check=lambda x, start: check_codes(x, self._network.embedded, start),
        )
        return activated(output, self.out_activation_) if own else output

    # What scikit-learn asks of an estimator -------------------------------------------------------

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name; an unknown name is answered with the nearest."""
        nearest_name(self, params)
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
