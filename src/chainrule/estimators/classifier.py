"""MLPClassifier: scikit-learn's classifier."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from chainrule.estimators.base import BaseMLP
from chainrule.estimators.lbfgs import has_epochs
from chainrule.estimators.losses import CLASSIFIER_LOSSES, classifier_loss
from chainrule.estimators.parameters import CONSTRAINTS, keep_all
from chainrule.estimators.reading import Classes, Target
from chainrule.estimators.rows import as_dense, explicit_class_weights
from chainrule.estimators.solver import is_lbfgs
from chainrule.estimators.temperature import fitted_temperature, probabilities
from chainrule.estimators.validation import Held
from chainrule.estimators.warned import as_one_dimension
from chainrule.estimators.weights import activated, as_before_if_refused
from chainrule.graph.names import checked_options
from chainrule.graph.options import as_flag
from chainrule.graph.types import FLOAT64, ROWS, Array, ArrayType
from chainrule.losses import Loss


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron that tells classes apart, or says which of several labels apply.

    Every parameter, attribute, method and warning of scikit-learn's class of this name is here, with its
    meaning and default, and trained by chainrule's compiled loop. `docs/scikit-learn.md` lists what differs.

    Parameters
    ----------
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
        scikit-learn's scorer for early stopping; None is the accuracy.
    class_weight : dict, "balanced" or None
        What a row's class multiplies its weight by.
    loss : str, Loss or callable, default "log_loss"
        ``"log_loss"`` is scikit-learn's, and also called ``"cross_entropy"``; ``"focal"``, an object such as
        ``Focal(3.0)``, or a function of (logits, target). The target holds class numbers, of the shape
        (rows,); of two classes or several labels it holds 0 and 1, of the shape (rows, labels).
    label_smoothing : float, default 0.0
        The part of a target that is spread evenly over the classes.
    calibrate : bool, default False
        Whether a temperature, by which `predict_proba` divides the logits, is fitted on held-out rows: those
        of `early_stopping` or of ``fit(validation_data=...)``. Which class is predicted stays the same.
    callbacks : sequence or None
        `Callback` objects and functions of the `Progress`, as for `Model.fit`.
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
    classes_ : ndarray
        The labels.
    temperature_ : float
        With `calibrate`, otherwise None; above 1 where the network was too sure of itself.

    Examples
    --------
    >>> import chainrule as cr
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = cr.MLPClassifier(max_iter=1000, random_state=0).fit(x, y)
    >>> bool(model.score(x, y) > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({*CLASSIFIER_LOSSES}), Loss, callable],
        "calibrate": ["boolean"],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    @checked_options
    def __init__(
        self,
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
        class_weight: Any = None,
        loss: Any = "log_loss",
        label_smoothing: float = 0.0,
        calibrate: bool = False,
    ) -> None:
        keep_all(self, locals())

    @available_if(has_epochs)  # type: ignore[untyped-decorator]
    @checked_options
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train for one epoch, from where the estimator is.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like, optional
            All labels; needed at the first call, where y need not have each.
        """
        with as_before_if_refused(self, begun=lambda: hasattr(self, "coefs_")):
            self._check_same_classes(y, classes)
            return self._fit(X, y, sample_weight, incremental=True)  # type: ignore[no-any-return]

    def _check_same_classes(self, y: Any, classes: Any) -> None:
        """Learn all classes at the first partial_fit; later, refuse others."""
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            multilabel = type_of_target(y).startswith("multilabel")
            self._learn_classes(y if multilabel else unique_labels(classes))
            self.classes_ = unique_labels(classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, "
                f"was: {self.classes_!r}"
            )

    def _learn_classes(self, y: Any) -> None:
        self._label_binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._label_binarizer.classes_

    def _checked_target(self, y: Any, classes: Classes) -> Target:
        """Return class numbers for several classes, and one column of 0 and 1 for each label otherwise."""
        labels = _checked_labels(y)
        y = as_one_dimension(labels) if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if classes == "new" or not hasattr(self, "classes_"):
            self._learn_classes(y)
        else:
            self._check_classes(unique_labels(y), all_known=classes == "all known")
            self._check_form(y, held=classes == "held out")
        kind = self._label_binarizer.y_type_
        if kind == "multiclass":
            target, outputs = np.searchsorted(self.classes_, y).astype(np.int32), len(self.classes_)
        elif kind == "binary":
            target, outputs = np.searchsorted(self.classes_, y)[:, np.newaxis], 1
        else:
            target = as_dense(self._label_binarizer.transform(y))
            outputs = target.shape[1]
        link = "softmax" if kind == "multiclass" else "logistic"
        if not isinstance(self.loss, str):  # what has a name here takes such targets
            target = self._make_loss(link).as_target(target, ArrayType((ROWS, outputs), FLOAT64))
        return Target(labels, target, outputs, link)

    def _assumed_link(self, outputs: int) -> str:
        if not hasattr(self, "classes_"):
            raise ValueError("weights were set, and no classes_; set these too, or call fit")
        self.out_activation_ = getattr(self, "out_activation_", "softmax" if outputs > 1 else "logistic")
        several = outputs > 1 and self.out_activation_ != "logistic"
        if not hasattr(self, "_label_binarizer"):
            labels = outputs > 1 and not several
            self._label_binarizer = LabelBinarizer().fit(np.eye(outputs) if labels else self.classes_)
        self.n_outputs_ = getattr(self, "n_outputs_", 1 if len(self.classes_) == 2 else len(self.classes_))
        return "softmax" if several else "logistic"

    def _check_classes(self, classes: Array, all_known: bool) -> None:
        if all_known and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _check_form(self, y: Array, held: bool) -> None:
        """Refuse rows of several labels where rows had one class, and held-out ones the other way around.

        To train on, scikit-learn takes a class for the label of its number.
        """
        labels = self._label_binarizer.y_type_.startswith("multilabel")
        if y.ndim == 2 and not labels:
            raise ValueError(
                f"y has {y.shape[1]} labels in each row, and one class in each before; give one, or fit anew"
            )
        if held and y.ndim == 1 and labels:
            raise ValueError(
                f"validation_data has one class in each row, and {len(self.classes_)} labels are trained on; "
                "give it as many columns"
            )

    def _found_class_weights(self, labels: Any, weight: Array | None, known: Any = None) -> Any:
        if self.class_weight is None:
            return None
        if known is not None:
            return known
        classes = (0, 1) if np.ndim(labels) == 2 else self.classes_
        return explicit_class_weights(self.class_weight, labels, classes, weight)

    def _make_loss(self, link: str) -> Loss:
        return classifier_loss(self.loss, self.label_smoothing, link == "softmax")

    def _labels(self, probabilities: Array) -> Array:
        if self._label_binarizer.y_type_ == "multiclass":
            labels: Array = np.take(self.classes_, probabilities.argmax(axis=1))
            return labels
        flat = probabilities.ravel() if self.n_outputs_ == 1 else probabilities
        return self._label_binarizer.inverse_transform(flat)  # type: ignore[no-any-return]

    def _default_score(self, x: Array, y: Array, weight: Array | None) -> float:
        predicted = self._labels(self._output(x, check=False))
        return float(accuracy_score(y, predicted, sample_weight=weight))

    def _check_use(self, incremental: bool, validated: bool) -> None:
        super()._check_use(incremental, validated)
        split = self.early_stopping and not is_lbfgs(self)
        if self.calibrate and (incremental or not (validated or split)):
            raise ValueError(
                "calibrate needs rows that are not trained on: set early_stopping=True, or give fit a "
                "validation_data; lbfgs needs the latter, and partial_fit has none"
            )
        self.temperature_: float | None = None

    def _finish(self, held: Held | None) -> None:
        if self.calibrate and held is not None:
            rows = held.data
            logits = self._output(rows["x"], link=False, check=False)
            self.temperature_ = fitted_temperature(logits, rows["y"], rows.get("sample_weight"))

    def predict(self, X: Any, return_confidence: bool = False) -> Any:
        """Return the most probable class of each row, or 0 and 1 for each label.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (rows, features)
            Inputs.
        return_confidence : bool, default False
            Whether the probability of what is predicted is returned too: of each row, or of each label.
        """
        if not as_flag(return_confidence, "return_confidence"):
            return self._labels(self._output(X))
        y = self.predict_proba(X)
        if self.out_activation_ == "softmax":
            return self._labels(y), y.max(axis=1)
        if self.n_outputs_ == 1:
            return self._labels(y[:, 1:]), y.max(axis=1)
        return self._labels(y), np.maximum(y, 1 - y)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of `classes_`, shape (rows, classes)."""
        if getattr(self, "temperature_", None) is None:
            y = self._output(X)
        else:
            logits = self._output(X, link=False) / self.temperature_
            own = self.out_activation_ != self._seen.link
            y = (
                activated(logits, self.out_activation_)
                if own
                else probabilities(logits, self._seen.link == "softmax")
            )
        return np.hstack([1 - y, y]) if self.n_outputs_ == 1 else y

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _checked_labels(y: Any) -> Any:
    """Return labels without None; of several, each number but 0 is a 1, as in scikit-learn."""
    labels = y.tolist() if y.dtype == object else []
    if None in labels:  # which cannot be sorted with the others
        row = labels.index(None)
        raise ValueError(f"y holds None in row {row}; drop rows without a label, or give them one")
    if y.ndim == 2 and y.shape[1] > 1 and type_of_target(y) == "multilabel-indicator":
        return (y != 0).astype(y.dtype)
    return y
