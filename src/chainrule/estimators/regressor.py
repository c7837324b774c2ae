"""MLPRegressor: scikit-learn's regressor."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils._param_validation import Interval, StrOptions

from chainrule.estimators.base import BaseMLP
from chainrule.estimators.losses import REGRESSOR_LOSSES, link_name, regressor_loss
from chainrule.estimators.parameters import CONSTRAINTS, keep_all
from chainrule.estimators.reading import Classes, Target
from chainrule.estimators.warned import as_one_dimension
from chainrule.graph.names import checked_options
from chainrule.graph.types import FLOAT64, ROWS, Array, ArrayType
from chainrule.losses import Loss, Quantile


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron that predicts one number, or several.

    Every parameter, attribute, method and warning of scikit-learn's class of this name is here, with its
    meaning and default, and trained by chainrule's compiled loop. `docs/scikit-learn.md` lists what differs.

    Parameters
    ----------
    loss : str, Loss or callable, default "squared_error"
        ``"squared_error"`` and ``"poisson"`` are scikit-learn's; ``"absolute_error"``, ``"gamma"``,
        ``"quantile"``, ``"huber"`` and other names, objects and functions of (prediction, target) are those
        of `Model`.
    hidden_layer_sizes : int or sequence of int, default (100,)
        The units of each hidden layer.
    activation : str, callable or a sequence of them, default "relu"
        Of the hidden layers: one for all, or one for each. ``"logistic"``, any name that `Activation` knows,
        or a function of one Value.
    solver : str or Optimizer, default "adam"
        ``"sgd"``, ``"adam"`` and ``"lbfgs"`` are scikit-learn's; other names, and objects, are chainrule's
        optimizers. A name takes its rate from `learning_rate_init`.
    alpha : float, default 0.0001
        The L2 penalty on `coefs_`, divided by the sum of a batch's weights.
    batch_size : int or "auto", default "auto"
        Rows in a batch; "auto" is min(200, rows).
    learning_rate : str or callable, default "constant"
        ``"constant"``, ``"invscaling"`` or ``"adaptive"``: how the rate of "sgd" changes. For any solver but
        "lbfgs" a schedule over the whole fit: ``"cosine_decay"``, ``"one_cycle"``, ``"polynomial_decay"``,
        ``"exponential_decay"`` (to a tenth), ``"step_decay"`` (to a tenth after each third), or a function
        of the step, such as ``CosineDecay(0.01, steps=1000)``.
    learning_rate_init, power_t : float
        The first rate (default 0.001), and the exponent of "invscaling" (0.5).
    max_iter : int, default 200
        Epochs at most; iterations of "lbfgs".
    shuffle : bool, default True
        Whether the rows come in a new order in each epoch.
    random_state : int, RandomState or None, default None
        Initial weights are drawn from it as scikit-learn draws them, then the validation split, then one key
        for all that is random in training.
    tol, n_iter_no_change : float
        Training stops after more than 10 epochs in a row that are not better by more than 1e-4.
    verbose : bool or int, default False
        Whether each epoch's loss is printed.
    warm_start : bool, default False
        Whether `fit` goes on from the weights of the last.
    momentum, nesterovs_momentum : float, bool
        Of "sgd": 0.9, Nesterov's.
    early_stopping, validation_fraction : bool, float
        Whether the score on held-out rows (a tenth) decides when to stop, and the best weights are kept.
    beta_1, beta_2, epsilon : float
        Of "adam": 0.9, 0.999, 1e-8.
    max_fun : int, default 15000
        Evaluations at most, of "lbfgs".
    dropout : float or sequence of float, default 0.0
        The part of a hidden layer's output that is dropped in training.
    normalization : {"batch", "layer"} or None
        What stands between a hidden layer and its activation.
    embeddings : dict, sequence or None
        Columns of text or of a frame's categories, or coded 0, 1, 2, ..., each of which becomes a learnt
        vector: a dict of column to the vector's length, such as ``{"city": 8}``, or the columns alone, by
        position, by name in a frame, or by a mask of bools. The length is then half the number of
        categories, 50 at most.
    residual : bool, default False
        Whether a hidden layer as wide as what it is given becomes x + f(x).
    weight_decay : float, default 0.0
        Decoupled from the gradient for "sgd", "adam", "adamw" and "lion"; added to it for the others.
    clip_value, clip_norm, clip_global_norm : float or None
        As for `Optimizer`.
    average : float, default 0.0
        The decay of the average of the weights, which predicts; 0 is off.
    scoring : str, callable or None
        scikit-learn's scorer for early stopping; None is R².
    callbacks : sequence or None
        `Callback` objects and functions of the `Progress`, as for `Model.fit`.
    quantile : float or sequence of float, default 0.5
        Of the loss ``"quantile"``; with several, `predict` returns a column for each.
    n_threads : int or None
        How many threads share a step; weights have the same bits at any number.
    checkpoint : str, path or None
        A file that `fit` writes every few seconds and at the end, whole or not at all. A fit that was killed
        or interrupted, started again with the same arguments, goes on from it to the same bits; a finished
        one is restored without training, which a line in the log says. `docs/scikit-learn.md` tells more.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        The weights (in, out) and biases of each layer; they can be set.
    loss_, loss_curve_, best_loss_ : float, list of float, float
        The last epoch's loss, every epoch's, and the least; penalties are in it.
    validation_scores_, best_validation_score_ : list of float, float
        With early stopping, otherwise None.
    validation_loss_curve_ : list of float
        The loss on the same rows; None where there are none.
    embeddings_ : dict of ndarray
        The vectors (categories, length) of each column of categories, by its name or position.
    categories_ : dict of ndarray
        The categories of each such column that was not given by codes, in the order of its vectors.
    n_iter_, t_ : int
        Epochs of the last fit, and rows seen.
    n_layers_, n_outputs_, out_activation_ : int, int, str
        Of the network.
    n_features_in_, feature_names_in_ : int, ndarray
        Of X.

    Examples
    --------
    >>> import chainrule as cr
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = cr.MLPRegressor(random_state=0, solver="lbfgs", max_iter=5000).fit(10 * x, y / 100)
    >>> bool(model.score(10 * x, y / 100) > 0.5)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({*REGRESSOR_LOSSES}), Loss, callable],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }
    _numeric_target = True

    @checked_options
    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        normalization: str | None = None,
        residual: bool = False,
        embeddings: Any = None,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        clip_global_norm: float | None = None,
        average: float = 0.0,
        scoring: Any = None,
        callbacks: Any = None,
        n_threads: int | None = None,
        checkpoint: Any = None,
        quantile: Any = 0.5,
    ) -> None:
        keep_all(self, locals())

    @checked_options
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch, from where the estimator is; with "lbfgs" for `max_iter` iterations.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)  # type: ignore[no-any-return]

    def _checked_target(self, y: Any, classes: Classes) -> Target:
        labels = y
        if y.ndim == 2 and y.shape[1] == 1:
            y = as_one_dimension(y)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        loss = self._make_loss()
        quantiles = _several_quantiles(loss)
        if quantiles and y.shape[1] > 1:
            raise ValueError(
                f"y has {y.shape[1]} columns, and several quantiles are of one; fit a regressor for each"
            )
        outputs = len(quantiles) or y.shape[1]
        numbers = loss.as_target(_as_numbers(y), ArrayType((ROWS, outputs), FLOAT64))
        return Target(labels, numbers, outputs, link_name(loss))

    def _assumed_link(self, outputs: int) -> str:
        self.n_outputs_ = getattr(self, "n_outputs_", outputs)
        link = link_name(self._make_loss())
        self.out_activation_ = getattr(self, "out_activation_", link)
        return link

    def _make_loss(self, link: str = "") -> Loss:
        return regressor_loss(self.loss, self.quantile)

    def _default_score(self, x: Array, y: Array, weight: Array | None) -> float:
        return self._scored(y, self._shaped(self._output(x, check=False)), weight)

    def _scored(self, y: Any, predicted: Array, weight: Any) -> float:
        quantiles = _several_quantiles(self._trainer.task.loss)  # of what is predicted
        if not quantiles:
            return float(r2_score(y, predicted, sample_weight=weight))
        columns = zip(quantiles, predicted.T, strict=True)
        scores = [d2_pinball_score(y, column, sample_weight=weight, alpha=q) for q, column in columns]
        return float(np.mean(scores))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the part of the variance that is explained; of several quantiles, the mean of their D².

        D² is scikit-learn's ``d2_pinball_score``: the part of the quantile's loss that is explained.
        """
        return self._scored(y, self.predict(X), sample_weight)

    @staticmethod
    def _shaped(output: Array) -> Array:
        return output.ravel() if output.shape[1] == 1 else output

    def predict(self, X: Any) -> Array:
        """Return the prediction of each row, shape (rows,), or a column for each output or quantile."""
        return self._shaped(self._output(X))


def _as_numbers(y: Any) -> Array:
    """Return a target as float64; a ValueError says that text, or a sparse matrix, is none."""
    if issparse(y):
        raise ValueError("y is a sparse matrix, and a regressor's targets are dense; give y.toarray()")
    if y.dtype.kind in "mM":
        raise ValueError("y holds dates or spans of time; give numbers, such as days since the first")
    try:
        return y.astype(FLOAT64, copy=False)  # type: ignore[no-any-return]
    except ValueError as problem:
        raise ValueError(
            f"y holds what is no number ({problem}); give numbers, or fit an MLPClassifier to classes"
        ) from None


def _several_quantiles(loss: Loss | None) -> tuple[float, ...]:
    quantiles = loss.quantiles if isinstance(loss, Quantile) else ()
    return quantiles if isinstance(quantiles, tuple) and len(quantiles) > 1 else ()
