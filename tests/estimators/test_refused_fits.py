"""A fit that is refused leaves a fitted estimator as it was."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris

import chainrule as cr
from every_write import keep_every_write

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Unwilling(cr.Callback):
    def __init__(self, problem):
        self.problem = problem

    def on_start(self, progress):
        raise self.problem


def _fitted(**options):
    return cr.MLPClassifier((4,), max_iter=3, random_state=0, **options).fit(X, Y)


def _fitted_attributes(model):
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


REFUSED = {
    "rows that are held out": {"early_stopping": True, "validation_fraction": 0.001},
    "a loss": {"loss": lambda logits, target: logits},
    "a loss of lbfgs": {"loss": lambda logits, target: logits, "solver": "lbfgs"},
    "an activation": {"activation": cr.sum},
    "layers": {"dropout": [0.1, 0.2]},
    "a schedule": {"learning_rate": lambda step: "fast"},
    "a scorer": {"scoring": "speed", "early_stopping": True},
    "a callback": {"callbacks": [cr.EarlyStopping()]},
    "a file": {"callbacks": [cr.CSVLogger("no folder/losses.csv")]},
    "a folder": {"checkpoint": "no folder/run.ckpt"},
    "an error of one's own": {"callbacks": [Unwilling(RuntimeError("not today"))]},
}


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_a_refused_fit_leaves_all_that_was_fitted(options, warm_start):
    model = _fitted(warm_start=warm_start)
    before, predicted, kept = _fitted_attributes(model), model.predict_proba(X), model.get_params()
    with pytest.raises((ValueError, TypeError, OSError, RuntimeError)):
        model.set_params(**options).fit(X, Y)
    now = _fitted_attributes(model.set_params(**kept))
    assert now.keys() == before.keys()
    assert all(now[name] is before[name] for name in before)
    np.testing.assert_array_equal(model.predict_proba(X), predicted)
    np.testing.assert_array_equal(
        model.partial_fit(X, Y).predict_proba(X), _fitted().partial_fit(X, Y).predict_proba(X)
    )


def test_a_fit_that_is_refused_its_validation_data_or_checkpoint_leaves_all_that_was_fitted(tmp_path):
    path = tmp_path / "run.ckpt"
    _fitted(alpha=0.5, checkpoint=path)
    model = _fitted()
    predicted = model.predict_proba(X)
    with pytest.raises(ValueError, match="3 features"):
        model.fit(X, Y, validation_data=(X[:, :3], Y))
    with pytest.raises(ValueError, match=r"alpha was 0\.5"):
        model.set_params(checkpoint=path).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), predicted)


@pytest.mark.parametrize("finished", [False, True])
def test_a_random_state_that_the_checkpoint_does_not_know_is_refused(finished, tmp_path, monkeypatch):
    copies = keep_every_write(monkeypatch, tmp_path)
    path, mine = tmp_path / "run.ckpt", np.random.RandomState(0)
    asked = cr.MLPClassifier((4,), max_iter=3, random_state=mine, checkpoint=path)
    expected = asked.fit(X, Y).predict_proba(X)
    copy = path if finished else copies[2]
    other = np.random.RandomState(1)
    with pytest.raises(ValueError, match="of another fit: random_state is neither as that fit found it"):
        asked.set_params(random_state=other, checkpoint=copy).fit(X, Y)
    assert other.randint(2**31) == np.random.RandomState(1).randint(2**31)
    again = asked.set_params(random_state=np.random.RandomState(0)).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    mine.randint(2)
    with pytest.raises(ValueError, match="nor as it left it; fit as it was begun, or name another file"):
        asked.set_params(random_state=mine).fit(X, Y)


def test_a_first_fit_that_is_refused_leaves_the_estimator_unfitted():
    asked = cr.MLPClassifier(loss=REFUSED["a loss"]["loss"])
    with pytest.raises(ValueError, match="one number a row"):
        asked.fit(X, Y)
    assert not _fitted_attributes(asked)
    with pytest.raises(ValueError, match="NaN"):
        asked.partial_fit(X * np.nan, Y, classes=[0, 1, 2])
    assert not _fitted_attributes(asked)


def test_ctrl_c_before_the_first_step_leaves_all_that_was_fitted(monkeypatch):
    model = _fitted()
    predicted = model.predict_proba(X)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.estimators.beginning.drawn_key", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), predicted)


def test_what_an_interrupted_fit_has_trained_is_kept():
    model = _fitted()

    def stop(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.set_params(callbacks=[stop], random_state=1).fit(X, Y)
    assert len(model.loss_curve_) == model.n_iter_ == 1
    assert not np.array_equal(model.coefs_[0], _fitted().coefs_[0])


def test_weights_that_are_too_large_for_float32_are_refused():
    weight = np.full(len(X), 1e39)
    cr.MLPClassifier((4,), max_iter=2).fit(X, Y, weight)
    with pytest.raises(ValueError, match="Input sample_weight contains infinity or a value too large for"):
        cr.MLPClassifier((4,)).fit(X.astype(np.float32), Y, weight)
