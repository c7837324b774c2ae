"""What the classifier and the regressor share: a fit from scikit-learn's parameters to its attributes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.compiler.threads import WORTH_WAKING
from chainrule.estimators.beginning import begin_epochs, draw_weights, keep_weights, prepare_epochs
from chainrule.estimators.embeddings import check_codes
from chainrule.estimators.epochs import run_fit
from chainrule.estimators.fitted import Fitted
from chainrule.estimators.inspection import Inspected
from chainrule.estimators.lbfgs import fit_lbfgs, refuse_options
from chainrule.estimators.network import as_sizes
from chainrule.estimators.parameters import nearest_name, validate
from chainrule.estimators.randomness import note_what_is_left, random_state_of
from chainrule.estimators.reading import Classes, Target, rows_to_fit, with_known_codes
from chainrule.estimators.rows import is_plain
from chainrule.estimators.solver import is_lbfgs, steps_of_fit
from chainrule.estimators.threads import thread_limit
from chainrule.estimators.validation import Held, held_out, own_rows
from chainrule.estimators.warned import warn
from chainrule.estimators.weights import activated, as_before_if_refused, follow_weights
from chainrule.graph.names import checked_options
from chainrule.graph.types import Array
from chainrule.training.checkpoint import opened
from chainrule.training.data import refuse_masked


class BaseMLP(Inspected, Fitted, ABC):
    """A multi-layer perceptron with scikit-learn's interface.

    A fit reads its table (`reading.py`), has a network that is drawn or gone on with (`beginning.py`), and
    trains it (`epochs.py`, `lbfgs.py`). Each of these sets attributes when it has succeeded: what is known of
    the table, the weights, and what training leaves. A fit that is refused has set none.
    """

    _numeric_target = False

    # What the two differ in -----------------------------------------------------------------------

    @abstractmethod
    def _checked_target(self, y: Any, classes: Classes) -> Target:
        """Return y, checked."""

    def _found_class_weights(self, labels: Any, weight: Array | None, known: Any = None) -> Any:
        """Return what each class multiplies a row's weight by, unless it is known; None for nothing."""
        return None

    @abstractmethod
    def _assumed_link(self, outputs: int) -> str:
        """Set what is known of y where weights with so many outputs were set, and no fit has been."""

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
        self._check_finite(failure)
        self._finish(held)
        return self

    def _trained(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any
    ) -> tuple[str | None, Held | None]:
        """Train; return where numbers were first not finite, and the rows that were not trained on."""
        sizes, validated = as_sizes(self.hidden_layer_sizes), validation_data is not None
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        self._check_use(incremental, validated)
        if not first:
            follow_weights(self)
        rows = rows_to_fit(self, X, y, sample_weight, first=first, incremental=incremental)
        x, data = rows.data["x"], rows.data
        steps = steps_of_fit(self, x.shape[0], validated)
        with opened(self.checkpoint) as checkpoint:
            random_state = random_state_of(self.random_state, checkpoint)
            if first:
                draw_weights(self, x, sizes, steps, random_state)
            else:
                keep_weights(self, x, sizes, steps)
            held = own_rows(self, validation_data) if validated else None
            if is_lbfgs(self):
                return fit_lbfgs(self, data, random_state), held
            schedule = prepare_epochs(self, incremental)
            if self.early_stopping and held is None:
                data, held = held_out(self, rows, random_state)
            begin_epochs(self, random_state)
            note_what_is_left(random_state, checkpoint)
            failure = run_fit(
                self, data, held, schedule, incremental=incremental, checkpoint=checkpoint, drawn=first
            )
        return failure, held

    def _check_finite(self, failure: str | None) -> None:
        """Raise a ValueError if weights are not finite, and warn if other numbers were not."""
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

    # Predicting -----------------------------------------------------------------------------------

    def _output(self, X: Any, link: bool = True, check: bool = True) -> Array:
        """Return the network's output for each row, as the loss reads it."""
        if check:
            check_is_fitted(self)
            follow_weights(self)
            refuse_masked(X, "x")
            X = with_known_codes(self, X)
            if hasattr(self, "feature_names_in_") or not is_plain(X, self.n_features_in_):
                X = validate_data(self, X, accept_sparse="csr", reset=False)
        own = link and self.out_activation_ != self._seen.link
        shared = X.shape[0] * self._trainer.size >= WORTH_WAKING  # or one thread does it anyway
        output = self._predictor(
            X,
            *self._arrays(self._trainer.task.dtype),
            link=link and not own,
            n_threads=thread_limit(self) if shared else 1,
            check=lambda x, start: check_codes(x, self._kept.network.embedded, start),
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
