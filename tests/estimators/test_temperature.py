"""Probabilities that are calibrated on held-out rows, and predictions with their confidence."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OPTIONS = {"hidden_layer_sizes": (60,), "max_iter": 150, "random_state": 0, "learning_rate_init": 0.02}
PROBLEMS = ["two classes", "three classes", "labels"]
every_problem = pytest.mark.parametrize("problem", PROBLEMS)


def noisy(problem, seed):
    """Rows whose labels nobody can be sure of."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(240, 4))
    scores = x[:, :3] + generator.logistic(size=(240, 3))
    if problem == "labels":
        return x, (scores > 0).astype(int)
    if problem == "two classes":
        return x, np.where(scores[:, 0] > 0, "yes", "no")
    return x, scores.argmax(axis=1)


def log_loss_of(problem, probabilities, y):
    if problem == "labels":
        return np.mean([log_loss(y[:, i], probabilities[:, i]) for i in range(3)])
    return log_loss(y, probabilities)


@every_problem
def test_probabilities_become_honest(problem):
    (x, y), held, (new_x, new_y) = (noisy(problem, seed) for seed in range(3))
    plain = cr.MLPClassifier(**OPTIONS).fit(x, y, validation_data=held)
    model = cr.MLPClassifier(**OPTIONS, calibrate=True).fit(x, y, validation_data=held)
    assert plain.temperature_ is None
    assert model.temperature_ > 1.5  # it is much too sure of noise
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    np.testing.assert_array_equal(model.predict(new_x), plain.predict(new_x))
    before, after = (log_loss_of(problem, one.predict_proba(new_x), new_y) for one in (plain, model))
    assert after < 0.9 * before
    np.testing.assert_allclose(np.exp(model.predict_log_proba(new_x)), model.predict_proba(new_x))


@every_problem
def test_no_other_temperature_is_better(problem):
    (x, y), (held_x, held_y) = noisy(problem, 0), noisy(problem, 1)
    weight = np.linspace(0, 2, 240)
    model = cr.MLPClassifier(**OPTIONS, calibrate=True).fit(x, y, validation_data=(held_x, held_y, weight))
    p = np.clip(model.predict_proba(held_x), 1e-300, 1)
    logits = special.logit(p) if problem == "labels" else np.log(p)
    rows = np.arange(240)

    def loss(factor):  # of the temperature
        if problem == "labels":
            each = -special.log_expit(np.where(held_y == 1, logits, -logits) / factor).sum(axis=1)
        else:
            each = -special.log_softmax(logits / factor, axis=1)[
                rows, np.searchsorted(model.classes_, held_y)
            ]
        return weight @ each

    assert loss(1.0) < min(loss(1.001), loss(0.999))


@every_problem
def test_a_prediction_with_its_confidence(problem):
    x, y = noisy(problem, 0)
    model = cr.MLPClassifier(**{**OPTIONS, "max_iter": 5}, early_stopping=True, calibrate=True).fit(x, y)
    labels, confidence = model.predict(x, return_confidence=True)
    np.testing.assert_array_equal(labels, model.predict(x))
    p = model.predict_proba(x)
    expected = np.where(labels == 1, p, 1 - p) if problem == "labels" else p.max(axis=1)
    np.testing.assert_array_equal(confidence, expected)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(x), p)


def test_lbfgs_and_searches_calibrate_too():
    (x, y), held = noisy("two classes", 0), noisy("two classes", 1)
    model = cr.MLPClassifier((60,), solver="lbfgs", random_state=0, max_iter=60, calibrate=True)
    assert model.fit(x, y, validation_data=held).temperature_ > 1.5
    searched = cr.MLPClassifier(**{**OPTIONS, "max_iter": 10}, early_stopping=True)
    search = GridSearchCV(searched, {"calibrate": [False, True]}, scoring="neg_log_loss", cv=2).fit(x, y)
    plain, calibrated = search.cv_results_["mean_test_score"]
    assert plain != calibrated


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs", "early_stopping": True}], ids=str)
def test_without_held_out_rows_one_sentence_says_so(options):
    x, y = noisy("two classes", 0)
    with pytest.raises(ValueError, match="calibrate needs rows that are not trained on"):
        cr.MLPClassifier(**options, calibrate=True).fit(x, y)
    model = cr.MLPClassifier(max_iter=2, early_stopping=True, calibrate=True).fit(x, y)
    with pytest.raises(ValueError, match="partial_fit has none"):
        model.set_params(early_stopping=False).partial_fit(x, y)
    assert model.set_params(calibrate=False).partial_fit(x, y).temperature_ is None
