"""An estimator is copied with its callbacks, in a fit and after it; what they have open is not copied."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)


def look(progress):
    """A callback that is a function."""


CALLBACKS = {
    "CSVLogger": lambda folder: cr.CSVLogger(folder / "log.csv"),
    "Doctor": lambda folder: cr.Doctor(tell=None),
    "EpochLogger": lambda folder: cr.EpochLogger(),
    "ProgressBar": lambda folder: cr.ProgressBar(),
    "Recorder": lambda folder: cr.Recorder(),
    "ReduceOnPlateau": lambda folder: cr.ReduceOnPlateau(monitor="loss"),
    "TensorBoard": lambda folder: cr.TensorBoard(folder / "events"),
    "TimeLimit": lambda folder: cr.TimeLimit(600),
    "function": lambda folder: look,
}


class Copying(cr.Callback):
    """Takes a copy and a pickle of the model after each epoch."""

    _running = ("copies",)

    def on_start(self, progress):
        self.copies = []

    def on_epoch(self, progress):
        self.copies += [copy.deepcopy(progress.model), pickle.loads(pickle.dumps(progress.model))]


def small(*callbacks):
    return cr.MLPClassifier((4,), max_iter=3, random_state=0, callbacks=list(callbacks))


def test_every_callback_is_here():
    classes = {name for name in cr.__all__ if isinstance(getattr(cr, name), type)}
    shipped = {name for name in classes if issubclass(getattr(cr, name), cr.Callback)} - {"Callback"}
    assert {*CALLBACKS} == shipped | {"ReduceOnPlateau", "function"}


@pytest.mark.parametrize("name", CALLBACKS)
def test_copies_in_a_fit_and_after_it_are_whole(name, tmp_path):
    copying = Copying()
    model = small(CALLBACKS[name](tmp_path), copying).fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    after = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")]
    assert len(copying.copies) == 6
    for other in (*after, *copying.copies[-2:]):
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    for other in (clone(model), after[1], copying.copies[0]):  # its callback works as the first one did
        np.testing.assert_array_equal(other.fit(X, Y).coefs_[0], model.coefs_[0])
    assert type(other.callbacks[0]) is type(model.callbacks[0])


def test_scikit_learns_tools_take_a_fitted_estimator(tmp_path):
    model = small(*(make(tmp_path) for make in CALLBACKS.values())).fit(X, Y)
    assert len(cross_val_score(model, X, Y, cv=2)) == 2
    search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    for tool in (
        VotingClassifier([("one", model), ("two", model)]),
        BaggingClassifier(model, n_estimators=2),
    ):
        other = pickle.loads(pickle.dumps(tool.fit(X, Y)))
        np.testing.assert_array_equal(other.predict(X), tool.predict(X))
    joblib.dump(search, tmp_path / "search")
    assert joblib.load(tmp_path / "search").predict(X).shape == Y.shape


def test_a_model_is_copied_beside_its_callbacks(tmp_path):
    callbacks = [make(tmp_path) for make in CALLBACKS.values()]
    model = cr.Model(cr.Dense(3), loss="cross_entropy")
    model.fit(X, Y, epochs=2, callbacks=callbacks)
    for other in (copy.deepcopy((model, callbacks)), pickle.loads(pickle.dumps((model, callbacks)))):
        np.testing.assert_array_equal(other[0].predict(X), model.predict(X))
        other[0].fit(X, Y, epochs=1, callbacks=other[1])
