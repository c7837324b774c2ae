"""Weights and other attributes that a user sets, fitted or not: they act as in scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._base import ACTIVATIONS
from sklearn.preprocessing import LabelBinarizer, scale

import chainrule as cr
from chainrule.estimators.inspection import _prepared

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X, NAMES, TARGET = scale(X), np.array(["a", "b", "c"])[Y], Y - 1.0
REGRESSORS, CLASSIFIERS = (MLPRegressor, cr.MLPRegressor), (MLPClassifier, cr.MLPClassifier)
SHAPE = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0, "shuffle": False}


def alike(kinds, change, method="predict", x=X, y=None, **options):
    """Fit scikit-learn's and ours, change both, and compare what they predict; return ours."""
    y = (TARGET if kinds is REGRESSORS else NAMES) if y is None else y
    models = [kind(**{**SHAPE, **options}).fit(x, y) for kind in kinds]
    expected, found = (getattr(change(model) or model, method)(x) for model in models)
    close = {"rtol": 1e-6, "atol": 1e-12} if expected.dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found, expected, **close)
    assert found.dtype == expected.dtype
    return models[1]


def prune(model):
    """Take the second unit away."""
    kept = [0, 2, 3]
    model.coefs_ = [model.coefs_[0][:, kept], model.coefs_[1][kept]]
    model.intercepts_[0] = model.intercepts_[0][kept]


def narrow(model):
    model.coefs_ = [coef.astype("f") for coef in model.coefs_]
    model.intercepts_ = [intercept.astype("f") for intercept in model.intercepts_]


# Of a fitted estimator ---------------------------------------------------------------------------


def test_units_that_are_pruned():
    ours = alike(REGRESSORS, prune)
    alike(CLASSIFIERS, prune, "predict_proba")
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))
    with pytest.raises(
        ValueError, match=r"hidden_layer_sizes is \(4,\), and coefs_.* has \(3,\); set it to that"
    ):
        ours.partial_fit(X, TARGET)
    before = np.mean((ours.predict(X) - TARGET) ** 2)
    ours.set_params(hidden_layer_sizes=(3,), warm_start=True, max_iter=30).fit(X, TARGET)
    assert [coef.shape for coef in ours.coefs_] == [(4, 3), (3, 1)]
    assert np.mean((ours.predict(X) - TARGET) ** 2) < before


def test_a_layer_more():
    def deepen(model):
        model.coefs_.insert(1, np.eye(4))
        model.intercepts_.insert(1, np.ones(4))
        model.n_layers_ = 4

    assert alike(REGRESSORS, deepen).n_layers_ == 4


def test_weights_of_float32():
    ours = alike(REGRESSORS, narrow, x=X.astype("f"))
    assert ours.predict(X.astype("f")).dtype == np.float32
    ours = alike(REGRESSORS, lambda model: narrow(model) or model.partial_fit(X, TARGET), x=X.astype("f"))
    assert ours.coefs_[0].dtype == np.float32
    model = cr.MLPRegressor(**SHAPE, normalization="batch", average=0.5).fit(X, TARGET)
    expected = model.predict(X)
    narrow(model)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4)
    assert model.partial_fit(X, TARGET).predict(X).dtype == np.float32


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu", "softmax"])
def test_another_activation_of_the_output(name):
    def bound(model):
        model.out_activation_ = name

    alike(REGRESSORS, bound)
    alike(CLASSIFIERS, bound, "predict_proba")
    alike(CLASSIFIERS, bound, "predict_proba", y=NAMES == "a")


def test_another_activation_of_calibrated_logits():
    model = cr.MLPClassifier(**SHAPE, early_stopping=True, calibrate=True).fit(X, NAMES)
    logits = np.log(model.predict_proba(X))
    model.out_activation_ = "identity"
    found = model.predict_proba(X)
    np.testing.assert_allclose(found - found[:, :1], logits - logits[:, :1], atol=1e-9)
    model.out_activation_ = "rely"
    with pytest.raises(ValueError, match=r"out_activation_ 'rely'.* did you mean 'relu'"):
        model.predict_proba(X)


@pytest.mark.parametrize(("best", "how"), [(np.inf, "fit"), (0.0, "partial_fit"), (0.0, "fit")])
def test_the_best_loss(best, how):
    epochs = []
    for kind in REGRESSORS:
        model = kind(**{**SHAPE, "max_iter": 30, "tol": 0.01, "n_iter_no_change": 1, "warm_start": True})
        model.fit(X, TARGET).best_loss_ = best
        getattr(model, how)(X, TARGET)
        epochs.append((model.n_iter_, pytest.approx(model.best_loss_)))
    assert epochs[0] == epochs[1]


def test_the_best_score():
    model = cr.MLPRegressor(**SHAPE, early_stopping=True, warm_start=True).fit(X, TARGET)
    model.best_validation_score_ = 5.0
    assert model.fit(X, TARGET).best_validation_score_ == 5.0


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_with_averages_what_is_set_is_where_training_goes_on(solver, how):
    """A small rate: one epoch stays near to where it began."""
    options = {**SHAPE, "average": 0.5, "solver": solver, "learning_rate_init": 1e-3, "max_iter": 1}
    model = cr.MLPRegressor(**options, warm_start=True).fit(X, TARGET)
    model.coefs_ = [np.full_like(coef, 0.5) for coef in model.coefs_]
    model.intercepts_[1][:] = 0.25
    getattr(model, how)(X, TARGET)
    for coef in model.coefs_:
        np.testing.assert_allclose(coef, 0.5, atol=0.02)
    np.testing.assert_allclose(model.intercepts_[1], 0.25, atol=0.02)


def test_with_averages_training_goes_on_from_the_weights_where_nothing_is_set():
    fit = lambda epochs: cr.MLPRegressor(**{**SHAPE, "max_iter": epochs}, average=0.9).fit(X, TARGET)
    model = fit(3)
    left = model._kept.left.carried
    assert np.abs(left["layers.0.weight"] - model.coefs_[0]).max() > 1e-4
    _, trainer, _ = _prepared(model, X, TARGET, None)  # what is explained is the step that comes next
    np.testing.assert_equal(
        trainer.loop_state.carried, {name: left[name] for name in trainer.loop_state.carried}
    )
    np.testing.assert_equal(model.partial_fit(X, TARGET).coefs_, fit(4).coefs_)


# Of an estimator that was never fitted -----------------------------------------------------------

COEFS = [np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(1, -1, 9).reshape(3, 3)]
INTERCEPTS = [np.array([0.1, 0.0, -0.1]), np.array([0.2, 0.0, 0.1])]


def given(kind, outputs=3, **attributes):
    """An estimator with the attributes that scikit-learn's needs to predict."""
    model = kind(hidden_layer_sizes=(3,), random_state=0)
    model.coefs_ = [COEFS[0], COEFS[1][:, :outputs]]
    model.intercepts_ = [INTERCEPTS[0], INTERCEPTS[1][:outputs]]
    for name, value in {"n_layers_": 3, "n_outputs_": outputs, "n_features_in_": 4, **attributes}.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", sorted({"identity", "exp"} & {*ACTIVATIONS}))  # exp since 1.7
def test_a_regressor_that_was_never_fitted_predicts(outputs, name):
    expected, found = (given(kind, outputs, out_activation_=name).predict(X) for kind in REGRESSORS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c"]])
def test_a_classifier_that_was_never_fitted_predicts(classes):
    outputs = 1 if len(classes) == 2 else 3
    activation = "logistic" if outputs == 1 else "softmax"
    models = [
        given(kind, outputs, out_activation_=activation, classes_=np.array(classes)) for kind in CLASSIFIERS
    ]
    models[0]._label_binarizer = LabelBinarizer().fit(classes)
    np.testing.assert_array_equal(models[1].predict(X), models[0].predict(X))
    np.testing.assert_allclose(models[1].predict_proba(X), models[0].predict_proba(X), rtol=1e-12)
    models[1].classes_ = classes  # a list will do
    np.testing.assert_array_equal(models[1].predict(X), models[0].predict(X))


def test_weights_and_classes_alone_are_enough():
    model = cr.MLPClassifier(hidden_layer_sizes=(3,), random_state=0, learning_rate_init=0.1)
    model.coefs_, model.intercepts_, model.classes_ = [*COEFS], [*INTERCEPTS], np.array(["a", "b", "c"])
    whole = given(cr.MLPClassifier, classes_=model.classes_)
    np.testing.assert_array_equal(model.predict_proba(X), whole.predict_proba(X))
    made_up = model.n_features_in_, model.n_outputs_, model.n_layers_, model.out_activation_
    assert made_up == (4, 3, 3, "softmax")
    labels = given(cr.MLPClassifier, classes_=np.arange(3), out_activation_="logistic").predict(X)
    assert labels.shape == (150, 3)
    for _ in range(30):
        model.partial_fit(X, NAMES)
    assert model.score(X, NAMES) > 0.85
    assert pickle.loads(pickle.dumps(given(cr.MLPRegressor))).fit(X, TARGET).predict(X).shape == (150,)


# What does not fit -------------------------------------------------------------------------------


def shapes(*coefs, intercepts=((3,), (3,))):
    return {"coefs_": [np.ones(s) for s in coefs], "intercepts_": [np.ones(s) for s in intercepts]}


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        (
            shapes((4, 3), (2, 3)),
            r"coefs_\[1\] has the shape \(2, 3\), and what comes before has 3 units; give",
        ),
        (shapes((4, 2), (2, 3)), r"intercepts_\[0\] has the shape \(3,\), and coefs_\[0\] 2 columns"),
        (shapes((12,), (3, 3)), r"coefs_\[0\] has the shape \(12,\)"),
        (shapes((4, 3)), "coefs_ has 1 array and intercepts_ 2; give one of each for every layer"),
        (shapes((5, 3), (3, 3)), r"coefs_\[0\] has a row for each of 5, and n_features_in_ is 4; set n_feat"),
        (
            shapes((4, 3), (3, 2), intercepts=[3, 2]),
            r"coefs_\[-1\] has a column for each of 2, and n_outputs_",
        ),
    ],
    ids=lambda each: "" if isinstance(each, dict) else each[:20],
)
@pytest.mark.parametrize("fitted", [False, True], ids=["not fitted", "fitted"])
def test_weights_that_do_not_fit_together(attributes, sentence, fitted):
    model = given(cr.MLPRegressor)
    if fitted:
        model.fit(X, np.eye(3)[Y])
    for name, value in attributes.items():
        setattr(model, name, value)
    with pytest.raises(ValueError, match=sentence):
        model.predict(X)


@pytest.mark.parametrize("fitted", [False, True], ids=["not fitted", "fitted"])
def test_after_a_refusal_all_is_as_before(fitted):
    model = given(cr.MLPRegressor).set_params(activation=["tanh"])
    model = model.fit(X, np.eye(3)[Y]) if fitted else model
    coefs, intercepts = [*model.coefs_], [*model.intercepts_]
    model.coefs_, model.intercepts_ = (
        [coefs[0], np.eye(3), coefs[1]],
        [intercepts[0], np.ones(3), intercepts[1]],
    )
    before = {*vars(model)}
    for _ in range(2):
        with pytest.raises(ValueError, match="activation has 1 entry, and hidden_layer_sizes 2"):
            model.predict(X)
    assert {*vars(model)} == before
    model.coefs_, model.intercepts_ = coefs, intercepts
    np.testing.assert_allclose(
        model.predict(X), np.tanh(X @ coefs[0] + intercepts[0]) @ coefs[1] + intercepts[1]
    )


def test_what_else_is_missing():
    model = cr.MLPRegressor()
    model.coefs_ = COEFS
    with pytest.raises(
        NotFittedError, match=r"has no weights yet\. Call 'fit', or set coefs_ and intercepts_ both"
    ):
        model.predict(X)
    with pytest.raises(ValueError, match="weights were set, and no classes_; set these too"):
        given(cr.MLPClassifier).predict(X)
    for options in ({"normalization": "batch"}, {"embeddings": [0]}):
        with pytest.raises(ValueError, match="have numbers of their own beside coefs_ and intercepts_"):
            given(cr.MLPRegressor).set_params(**options).predict(X)
    model = cr.MLPRegressor(**SHAPE, normalization="layer").fit(X, TARGET)
    prune(model)
    with pytest.raises(ValueError, match="have numbers of their own beside coefs_ and intercepts_"):
        model.predict(X)
