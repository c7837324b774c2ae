"""The losses of the two estimators: by name, as an object, as a function, and what cannot be one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.preprocessing import scale

import chainrule as cr
from chainrule.estimators.losses import HalfSquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = scale(X)
OPTIONS = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0, "learning_rate_init": 0.01}
LABELS = make_multilabel_classification(80, n_features=5, n_classes=3, random_state=0)
PROBLEMS = {
    "three classes": (X, Y),
    "two classes": (X[Y > 0], Y[Y > 0]),
    "labels": (scale(LABELS[0]), LABELS[1]),
}


def own_cross_entropy(logits, target):
    """What `log_loss` is, written by a user: of class numbers, or of 0 and 1."""
    if len(target.shape) == 1:
        return cr.logsumexp(logits, axis=-1) - cr.sum(logits * cr.one_hot(target, 3), axis=-1)
    return cr.sum(cr.softplus(logits) - logits * target, axis=-1)


def fitted(problem, **options):
    return cr.MLPClassifier(**{**OPTIONS, **options}).fit(*PROBLEMS[problem])


every_problem = pytest.mark.parametrize("problem", PROBLEMS)


@every_problem
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "focal"},
        {"loss": cr.Focal(gamma=0.5)},
        {"label_smoothing": 0.2},
        {"loss": "focal", "label_smoothing": 0.2},
    ],
    ids=str,
)
def test_a_loss_of_the_classifier_changes_training(problem, options):
    plain, other = fitted(problem), fitted(problem, **options)
    assert np.abs(plain.coefs_[0] - other.coefs_[0]).max() > 1e-4
    assert np.isfinite(other.loss_curve_).all()
    x, y = PROBLEMS[problem]
    assert other.predict(x).shape == y.shape
    assert ((other.predict_proba(x) > 0) & (other.predict_proba(x) < 1)).all()


@pytest.mark.parametrize(
    ("problem", "loss"),
    [
        *((problem, loss) for problem in PROBLEMS for loss in ("cross_entropy", own_cross_entropy)),
        ("three classes", cr.Focal(gamma=0.0)),
        ("two classes", cr.Focal(gamma=0.0)),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_the_same_loss_in_other_words_trains_alike(problem, loss):
    plain, other = fitted(problem), fitted(problem, loss=loss)
    np.testing.assert_allclose(other.loss_curve_, plain.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(
        other.predict_proba(PROBLEMS[problem][0]), plain.predict_proba(PROBLEMS[problem][0]), rtol=1e-8
    )
    again = clone(other).fit(*PROBLEMS[problem])
    np.testing.assert_array_equal(again.coefs_[0], other.coefs_[0])


def test_smoothing_by_parameter_is_that_of_the_object():
    smooth = fitted("two classes", label_smoothing=0.3)
    for loss in (cr.CrossEntropy(0.3), cr.BinaryCrossEntropy(0.3)):
        np.testing.assert_allclose(
            fitted("two classes", loss=loss).loss_curve_, smooth.loss_curve_, rtol=1e-12
        )
    both = fitted("three classes", loss=cr.Focal(gamma=3.0), label_smoothing=0.1)
    assert both.loss_curve_ == fitted("three classes", loss=cr.Focal(3.0, label_smoothing=0.1)).loss_curve_


def test_smoothed_labels_make_predictions_less_sure():
    options = {"max_iter": 300, "learning_rate_init": 0.03}
    sure, smooth = (fitted("three classes", label_smoothing=s, **options) for s in (0.0, 0.3))
    x, y = PROBLEMS["three classes"]
    assert smooth.predict_proba(x).max() < 0.9 < np.median(sure.predict_proba(x).max(axis=1))
    assert smooth.score(x, y) > 0.95


def test_a_loss_object_is_pickled():
    model = fitted("three classes", loss=cr.Focal(gamma=3.0))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


def test_a_loss_of_ones_own_class_keeps_softmax():
    model = fitted("three classes", loss=own_cross_entropy)
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    logits = hidden @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.predict_proba(X), special.softmax(logits, axis=1), rtol=1e-10)


@pytest.mark.parametrize(
    ("problem", "options", "sentence"),
    [
        ("three classes", {"loss": "focall"}, "'loss' parameter"),
        ("three classes", {"loss": cr.Hinge()}, "Hinge is no loss of the logits of one class among several"),
        ("three classes", {"loss": cr.BinaryCrossEntropy()}, "BinaryCrossEntropy is no loss"),
        ("labels", {"loss": cr.MeanSquaredError()}, "MeanSquaredError is no loss .* two classes or labels"),
        ("labels", {"loss": cr.Focal}, "Focal is a class; make a loss of it with Focal()"),
        ("labels", {"loss": own_cross_entropy, "label_smoothing": 0.1}, "label_smoothing acts on"),
        ("labels", {"label_smoothing": 1.0}, "'label_smoothing' parameter"),
    ],
)
def test_what_is_no_loss_of_a_classifier(problem, options, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fitted(problem, **options)


# The regressor ------------------------------------------------------------------------------------


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return 20 * x, y / 100


def test_several_quantiles_are_columns_in_order():
    x, y = diabetes()
    quantiles = [0.1, 0.5, 0.9]
    options = {**OPTIONS, "learning_rate_init": 0.03, "max_iter": 200, "quantile": quantiles}
    model = cr.MLPRegressor("quantile", **options).fit(x, y)
    predicted = model.predict(x)
    assert predicted.shape == (len(y), 3)
    np.testing.assert_allclose((y[:, None] <= predicted).mean(axis=0), quantiles, atol=0.07)
    expected = [
        d2_pinball_score(y, column, alpha=q) for q, column in zip(quantiles, predicted.T, strict=True)
    ]
    assert model.score(x, y) == pytest.approx(np.mean(expected))
    set_since = clone(model).fit(x, y).set_params(quantile=0.5)
    assert set_since.score(x, y) == model.score(x, y) == set_since.set_params(loss="huber").score(x, y)
    stopped = cr.MLPRegressor("quantile", **options, early_stopping=True, n_iter_no_change=3)
    stopped.fit(x, y, validation_data=(x[:99], y[:99]))
    assert max(stopped.validation_scores_) == stopped.score(x[:99], y[:99])
    with pytest.raises(ValueError, match="the number of outputs has changed since the last fit"):
        model.set_params(quantile=[0.1, 0.9]).partial_fit(x, y)
    with pytest.raises(ValueError, match="y of validation_data has 2 columns, and 1 are trained on"):
        cr.MLPRegressor(**OPTIONS).fit(x, y, validation_data=(x, np.column_stack([y, y])))
    with pytest.raises(ValueError, match="y has 2 columns, and several quantiles are of one"):
        cr.MLPRegressor("quantile", **options).fit(x, np.column_stack([y, y]))


def test_one_quantile_by_name_is_that_of_the_object():
    x, y = diabetes()
    by_name = cr.MLPRegressor("quantile", **OPTIONS, quantile=0.8).fit(x, y)
    for loss in (cr.Quantile(0.8), cr.Quantile((0.8,))):
        assert cr.MLPRegressor(loss, **OPTIONS).fit(x, y).loss_curve_ == by_name.loss_curve_
    assert by_name.predict(x).shape == y.shape
    for options in ({"quantile": [0.8]}, {"loss": cr.Quantile((0.8,))}):
        listed = cr.MLPRegressor(**{"loss": "quantile", **OPTIONS, **options}, early_stopping=True).fit(x, y)
        assert len(listed.validation_scores_) == 5
        assert listed.score(x, y) == r2_score(y, listed.predict(x))
    pair = cr.MLPRegressor("quantile", **OPTIONS, quantile=0.8).fit(x, np.column_stack([y, y]))
    assert pair.predict(x).shape == (len(y), 2)


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_a_mean_above_zero(name):
    """They predict the mean itself, here of rows whose spread grows with it."""
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(2000, 1))
    mean = np.exp(3 * x[:, 0])
    y = generator.poisson(mean) if name == "poisson" else generator.gamma(4.0, mean / 4)
    options = {**OPTIONS, "max_iter": 60}
    model = cr.MLPRegressor(name, **options, activation="tanh").fit(x, y)
    assert model.out_activation_ == "exp"
    np.testing.assert_allclose(model.predict(x) / mean, 1, atol=0.25)


def test_losses_of_the_regressor_say_what_their_link_is():
    x, y = diabetes()
    fraction = special.expit(y - y.mean())
    model = cr.MLPRegressor("binary_cross_entropy", **OPTIONS).fit(x, fraction)
    assert model.out_activation_ == "logistic"
    assert ((model.predict(x) > 0) & (model.predict(x) < 1)).all()
    assert cr.MLPRegressor(cr.Poisson(), **OPTIONS).fit(x, y).out_activation_ == "exp"
    plain = cr.MLPRegressor("absolute_error", **OPTIONS).fit(x, y)
    assert plain.loss_curve_ == cr.MLPRegressor("mean_absolute_error", **OPTIONS).fit(x, y).loss_curve_


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "gamma"}, "y holds .* Gamma needs numbers above 0"),
        ({"loss": "poisson"}, "y holds .* the loss 'poisson' needs y >= 0"),
        ({"loss": cr.Poisson()}, "Poisson needs counts"),
        ({"loss": "quantile", "quantile": 1.0}, "'quantile' parameter"),
        ({"loss": "quantile", "quantile": [0.5, 1.5]}, "quantiles is a number between 0 and 1"),
        ({"loss": "quantiles"}, "'loss' parameter"),
    ],
)
def test_what_is_no_loss_of_a_regressor(options, sentence):
    x, y = diabetes()
    with pytest.raises(ValueError, match=sentence):
        cr.MLPRegressor(**{**OPTIONS, **options}).fit(x, y - 2)


def test_a_loss_that_overflows_is_infinite_and_no_nan():
    """As in scikit-learn, where an infinite loss counts as worse; a NaN would not be counted."""
    loss = HalfSquaredError()
    assert np.isinf(loss(np.array([[1e200, 0.0]]), np.zeros((1, 2)))).all()


def test_a_new_loss_brings_its_link_with_it_into_a_fit_that_goes_on():
    x, y = diabetes()
    counts = np.round(y - y.min())
    model = cr.MLPRegressor(**OPTIONS, warm_start=True).fit(x, counts)
    assert (model.predict(x) < 0).any()
    before = model.predict(x)
    np.testing.assert_array_equal(model.set_params(loss="poisson").predict(x), before)
    model.fit(x, counts)
    assert model.out_activation_ == "exp"
    assert np.isfinite(model.loss_curve_).all()
    assert (model.predict(x) > 0).all()


@pytest.mark.parametrize("quantile", [[[0.1]], ["a"], [None], np.array(0.5)], ids=str)
def test_quantiles_that_are_no_numbers(quantile):
    with pytest.raises(
        ValueError, match="quantile is a number between 0 and 1, or a list of such numbers, not"
    ):
        cr.MLPRegressor(loss="quantile", quantile=quantile).fit(np.eye(4), np.arange(4.0))
