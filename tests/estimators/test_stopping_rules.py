"""scikit-learn's rules as a graph: when a fit stops, its rate, its best weights; and what is measured."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import chainrule as cr
from chainrule.compiler import native_loop
from chainrule.estimators.solver import RATE
from chainrule.estimators.stopping import BEST, SCORE, WAITED, RateSchedule, Rules
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import run_stage
from chainrule.graph.types import FLOAT64, ArrayType

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = scale(X)


class Written:
    """The rules, written down as scikit-learn's class goes through them."""

    def __init__(self, rules):
        self.rules, self.rate = rules, rules.schedule.rate
        self.best = -math.inf if rules.scored else math.inf
        self.waited = self.seen = 0
        self.weights = np.full(2, -1.0)

    def end_epoch(self, number, weights):
        rules, stop = self.rules, False
        worse = number < self.best + rules.tol if rules.scored else number > self.best - rules.tol
        self.waited = self.waited + 1 if worse else 0
        if number > self.best if rules.scored else number < self.best:
            self.best, self.weights = number, weights
        elif rules.by_scorer and self.best == -math.inf:
            self.weights = weights
        self.seen += rules.rows
        if rules.schedule.kind == "invscaling":
            self.rate = rules.schedule.rate / (self.seen + 1) ** rules.schedule.power
        if self.waited > rules.patience:
            stop = rules.schedule.kind != "adaptive" or self.rate <= 1e-6
            if not stop:
                self.rate, self.waited = self.rate / 5, 0
        return stop


NUMBERS = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.sampled_from([math.nan, -math.inf])), min_size=1, max_size=25
)


@pytest.mark.parametrize("executor", ["numpy", "compiled"])
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("scored", [False, True])
@settings(max_examples=25, deadline=None)
@given(
    NUMBERS,
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([1.0, 2.0, math.inf]),
    st.floats(0.1, 2),
    st.booleans(),
)
def test_the_graph_is_what_is_written_down(
    scored, schedule, executor, numbers, tol, patience, power, by_scorer
):
    rules = Rules(scored, RateSchedule(schedule, 4e-6, power), tol, patience, 7, by_scorer and scored)
    written = Written(rules)
    stage = rules.stage({"w": ArrayType((2,), FLOAT64)})
    arrays = rules.carried({}, 0, {"w": written.weights})
    for number in numbers:
        weights = np.array([number, 1.0])
        seen = {"w": weights, SCORE if scored else "loss": np.asarray(number)}
        decided = run_stage(
            stage, {**rules.arguments(), **arrays, **seen}, EXECUTORS[executor].preparing(None)
        )
        arrays |= {name: decided[name] for name in arrays if name in decided}
        assert bool(decided["stop"]) == written.end_epoch(number, weights)
        assert (arrays[BEST], arrays[WAITED]) == (written.best, written.waited)
        if schedule != "constant":
            assert float(arrays[RATE]) == pytest.approx(written.rate, rel=1e-14)
        if scored:
            np.testing.assert_array_equal(arrays["best/w"], written.weights)


def test_a_search_over_numbers_compiles_once(monkeypatch):
    made, compiled = [], native_loop.NativeLoop
    monkeypatch.setattr(native_loop, "_loops", {})
    monkeypatch.setattr(native_loop, "NativeLoop", lambda *a, **k: made.append(a) or compiled(*a, **k))
    plain = {"hidden_layer_sizes": (5,), "solver": "sgd", "learning_rate": "invscaling", "max_iter": 3}
    changes = [
        {}, {"tol": 0.5}, {"n_iter_no_change": 2}, {"n_iter_no_change": np.inf}, {"power_t": 0.1},
        {"learning_rate_init": 0.02}, {"alpha": 0.5}, {"momentum": 0.3}, {"batch_size": 50},
        {"validation_fraction": 0.3}, {"random_state": 4}, {"max_iter": 4}, {"n_threads": 2},
        {"momentum": 0.0}, {"learning_rate": "constant"}, {"learning_rate": "constant", "momentum": 0.0},
    ]  # fmt: skip
    for change in changes:
        cr.MLPClassifier(**{**plain, "early_stopping": True, "random_state": 3, **change}).fit(X, Y)
    assert len(made) == 1


@pytest.mark.filterwarnings("ignore:the validation score became:RuntimeWarning")
@pytest.mark.parametrize("none", [math.nan, -math.inf])
def test_without_a_score_that_is_a_number_the_last_weights_are_kept(none):
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5}
    plain = cr.MLPClassifier(**options).fit(X, Y)
    for going_on in (0, 2):
        scores = [none] * (5 - going_on) + [0.5, 0.25][:going_on]
        model = cr.MLPClassifier(**options, early_stopping=True, scoring=lambda *_, left=scores: left.pop(0))
        model.fit(X, Y, validation_data=(X[:9], Y[:9]))
        assert np.isfinite(model.validation_scores_).sum() == going_on
        if not going_on:
            np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
        else:
            best = cr.MLPClassifier(**{**options, "max_iter": 4}).fit(X, Y)
            np.testing.assert_array_equal(model.coefs_[0], best.coefs_[0])
    with pytest.raises(
        ValueError, match="validation_data has 1 row, and R² needs 2; give more, or set scoring"
    ):
        cr.MLPRegressor(**options, early_stopping=True).fit(X, Y, validation_data=(X[:1], Y[:1]))
    alone = cr.MLPRegressor(**options).fit(X, Y, validation_data=(X[:1], Y[:1]))
    assert np.isfinite(alone.validation_loss_curve_).all()


def test_the_loss_of_held_rows():
    """It is measured beside the score, without penalties."""
    options = {"hidden_layer_sizes": (5,), "early_stopping": True, "max_iter": 4, "random_state": 3}
    model = cr.MLPClassifier(**options, alpha=10.0).fit(X, Y)
    state = np.random.RandomState(3)
    drawn = sum(array.size for array in [*model.coefs_, *model.intercepts_])
    state.uniform(size=drawn)
    _, x, _, y = train_test_split(X, Y, random_state=state, test_size=0.1)
    best = int(np.argmax(model.validation_scores_))
    losses = model.validation_loss_curve_
    assert losses[best] == pytest.approx(log_loss(y, model.predict_proba(x)))
    assert len(losses) == model.n_iter_
    own = cr.MLPClassifier(**{**options, "early_stopping": False}).fit(X, Y, validation_data=(X, Y))
    assert own.validation_loss_curve_[-1] == pytest.approx(log_loss(Y, own.predict_proba(X)))
    assert own.validation_scores_ is None
    assert cr.MLPClassifier(max_iter=1).fit(X, Y).validation_loss_curve_ is None


def test_a_score_that_is_no_mean_over_rows():
    """Where a target does not vary, R² is scikit-learn's own; so it is beside an output that overflows."""
    x, y = load_diabetes(return_X_y=True)
    constant = np.column_stack([y[:60] / 100, np.ones(60)])
    options = {"hidden_layer_sizes": (5,), "early_stopping": True, "max_iter": 3, "random_state": 0}
    model = cr.MLPRegressor(**options).fit(x[:60], constant)
    assert 0 < abs(model.validation_scores_[-1]) < 10
    far = cr.MLPRegressor(**options, solver="sgd", learning_rate_init=1e99).fit(x[:60], y[:60])
    assert np.isneginf(far.validation_scores_[0])  # the squared error overflows, and then the outputs
    assert np.isnan(far.validation_scores_[1:]).all()
    assert np.abs(far.coefs_[0]).max() < 2  # the best weights are the first


def test_a_plateau_lowers_an_estimators_rate():
    options = {"hidden_layer_sizes": (5,), "early_stopping": True, "max_iter": 5, "random_state": 0}
    rates = []
    plateau = cr.ReduceOnPlateau(0.5, patience=1, min_delta=9.0)
    look = lambda progress: rates.append(progress.logs["learning_rate"])
    lowered = cr.MLPClassifier(**options, callbacks=[plateau, look]).fit(X, Y)
    assert rates == [1e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4]
    curve = cr.MLPClassifier(**options).fit(X, Y).loss_curve_
    assert lowered.loss_curve_[:2] == curve[:2]
    assert lowered.loss_curve_[2:] != curve[2:]


def test_a_plateau_lowers_the_rate_of_sgd_unless_it_falls_by_itself():
    rates = []
    look = lambda progress: rates.append(progress.logs["learning_rate"])
    plateau = cr.ReduceOnPlateau(0.5, patience=1, min_delta=9.0, monitor="loss")
    options = {"hidden_layer_sizes": (5,), "solver": "sgd", "max_iter": 4, "random_state": 0}
    cr.MLPClassifier(**options, callbacks=[plateau, look]).fit(X, Y)
    assert rates == [1e-3, 1e-3, 5e-4, 2.5e-4]
    for rate in ("adaptive", "invscaling"):
        with pytest.raises(ValueError, match=f"'{rate}' lowers the rate .* ReduceOnPlateau; leave one"):
            cr.MLPClassifier(**options, learning_rate=rate, callbacks=[plateau]).fit(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lion"])
def test_a_plateau_waits_from_one_partial_fit_to_the_next(solver):
    rates = []
    look = lambda progress: rates.append(progress.logs["learning_rate"])
    plateau = cr.ReduceOnPlateau(0.5, patience=2, min_delta=9.0, monitor="loss")
    options = {"hidden_layer_sizes": (5,), "solver": solver, "random_state": 0, "callbacks": [plateau, look]}
    model = cr.MLPClassifier(**options, max_iter=6).fit(X, Y)
    one_by_one = cr.MLPClassifier(**options)
    for _ in range(6):
        one_by_one = pickle.loads(pickle.dumps(one_by_one.set_params(callbacks=[plateau])))
        one_by_one.set_params(callbacks=[plateau, look]).partial_fit(X, Y, classes=[0, 1, 2])
    assert rates == [1e-3, 1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4] * 2
    assert one_by_one.loss_curve_ == model.loss_curve_


def test_a_plateau_that_comes_and_goes_between_partial_fits():
    plateau = cr.ReduceOnPlateau(0.5, patience=1, min_delta=9.0, monitor="loss")
    model = cr.MLPClassifier((5,), solver="sgd", learning_rate_init=0.25, random_state=0)
    rates = []
    for callbacks in ([], [plateau], [plateau], [plateau], [], [plateau]):
        model.set_params(callbacks=[*callbacks, lambda progress: rates.append(progress.logs)])
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert [logs.get("learning_rate") for logs in rates] == [0.25, 0.25, 0.25, 0.125, None, 0.25]
    model.set_params(learning_rate="adaptive")
    with pytest.raises(ValueError, match=r"'adaptive' lowers the rate .* ReduceOnPlateau; leave one"):
        model.partial_fit(X, Y)


def test_what_is_recorded_is_recorded_for_estimators_too():
    seen = []
    look = lambda progress: seen.append(progress.history.recorded["gradient_norm"])
    cr.MLPClassifier((5,), max_iter=2, random_state=0, callbacks=[cr.Recorder(), look]).fit(X, Y)
    assert [len(norms) for norms in seen[-1].values()] == [2, 2]


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_warnings_point_at_the_call():
    with pytest.warns(UserWarning, match="going to be clipped") as told:
        cr.MLPClassifier((5,), max_iter=1, batch_size=1000, random_state=0).fit(X, Y)
    assert [warning.filename for warning in told] == [__file__] * 2  # the other is of the convergence


def test_any_number_of_epochs_may_be_allowed():
    few, many = (cr.MLPClassifier((3,), tol=9.0, max_iter=most, random_state=0) for most in (20, 10**19))
    assert few.fit(X, Y).loss_curve_ == many.fit(X, Y).loss_curve_


def test_a_scorer_is_given_the_epochs_so_far():
    seen = []

    def scored(model, x, y):
        seen.append((model.n_iter_, len(model.loss_curve_), model.t_, model.loss_))
        return 1.0

    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 4, "scoring": scored}
    model = cr.MLPClassifier(**options, early_stopping=True).fit(X, Y)
    assert seen == [(i, i, i * model.t_ // 4, model.loss_curve_[i - 1]) for i in range(1, 5)]
    assert model.validation_scores_ == [1.0] * 4
