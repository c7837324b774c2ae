"""The estimators beside scikit-learn's own: the same loss curve, weights and predictions in float64."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from sklearn.utils.fixes import parse_version

import chainrule as cr
from chainrule.executors import EXECUTORS
from chainrule.graph.loop import EvaluatedRun

TOLERANCE = 1e-6
#: With 1.7 its own classes got sample weights, the poisson loss, and early stopping on labels of text.
since_1_7 = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"), reason="scikit-learn's own class cannot do it"
)
OURS = {MLPClassifier: cr.MLPClassifier, MLPRegressor: cr.MLPRegressor}


def _iris(rows=120):
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:rows]
    return scale(x)[order], np.array(["a", "b", "c"])[y[order]]


def _diabetes(outputs=1):
    x, y = load_diabetes(return_X_y=True)
    y = scale(y)
    return 20 * x[:90], y[:90] if outputs == 1 else np.column_stack([y[:90], y[:90] ** 2, x[:90, 0]])


def both(theirs, data, weight=None, **options):
    """Return both estimators, fitted alike."""
    options = {"hidden_layer_sizes": (7, 5), "max_iter": 15, "shuffle": False, "random_state": 3, **options}
    fitted = []
    for kind in (theirs, OURS[theirs]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            weights = {} if weight is None else {"sample_weight": weight}  # new in scikit-learn 1.7
            fitted.append(kind(**options).fit(*data, **weights))
    return fitted


def assert_alike(theirs, ours, x, tolerance=TOLERANCE):
    if hasattr(theirs, "loss_curve_"):
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=tolerance, atol=tolerance)
        for name in ("best_loss_", "best_validation_score_"):
            expected = getattr(theirs, name)
            assert getattr(ours, name) == (expected if expected is None else pytest.approx(expected))
        if theirs.validation_scores_ is None:
            assert ours.validation_scores_ is None
        else:
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=tolerance)
    assert types_of_losses(ours) == types_of_losses(theirs)
    for mine, its in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance)
    name = "predict_proba" if hasattr(theirs, "classes_") else "predict"
    np.testing.assert_allclose(getattr(ours, name)(x), getattr(theirs, name)(x), atol=tolerance)
    assert ours.predict(x).dtype == theirs.predict(x).dtype


def types_of_losses(model):
    """Return the types of what has been measured: NumPy's numbers can do more than Python's."""
    curves = (getattr(model, name, None) or [] for name in ("loss_curve_", "validation_scores_"))
    found = model.loss_, getattr(model, "best_loss_", None), getattr(model, "best_validation_score_", None)
    return [*map(type, found), *({*map(type, curve)} for curve in curves)]


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_activations_and_solvers(kind, solver, activation):
    data = _iris() if kind is MLPClassifier else _diabetes()
    assert_alike(*both(kind, data, solver=solver, activation=activation, alpha=0.1), data[0])


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": "invscaling", "power_t": 0.3},
        {"learning_rate": "adaptive", "learning_rate_init": 2.0, "n_iter_no_change": 1, "max_iter": 60},
        {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1, "max_iter": 60},
        {"momentum": 0.0},
        {"momentum": 1.0, "learning_rate_init": 1e-4},
        {"nesterovs_momentum": False},
        {"nesterovs_momentum": False, "learning_rate": "invscaling", "alpha": 0.0},
        {"batch_size": 33, "alpha": 3.0},
    ],
    ids=str,
)
def test_options_of_gradient_descent(options):
    data = _iris()
    assert_alike(*both(MLPClassifier, data, solver="sgd", **{"learning_rate_init": 0.1, **options}), data[0])


@pytest.mark.parametrize(
    "options",
    [
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"beta_1": 0.0, "beta_2": 0.0},
        {"batch_size": 16, "alpha": 0.0},
        {"batch_size": 1, "max_iter": 2},
        {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 100},
        {"n_iter_no_change": np.inf, "tol": 10.0},
        {"hidden_layer_sizes": 4},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": np.array([3, 3, 3])},
    ],
    ids=str,
)
def test_options_of_adam(options):
    data = _iris()
    assert_alike(*both(MLPClassifier, data, **{"learning_rate_init": 0.01, **options}), data[0])


@since_1_7
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_sample_weights(kind, solver):
    data = _iris() if kind is MLPClassifier else _diabetes()
    weight = np.random.default_rng(1).uniform(0, 3, len(data[0]))
    weight[::7] = 0
    assert_alike(*both(kind, data, weight, solver=solver, batch_size=25, alpha=0.5), data[0])


@since_1_7
@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize("shift", [-3, -1.2], ids=["all", "most"])
def test_weights_below_zero(shift, options):
    """What a batch divides by may be negative, too."""
    data = _iris()
    weight = np.random.default_rng(1).uniform(0, 2, len(data[0])) + shift
    assert_alike(*both(MLPClassifier, data, weight, batch_size=25, alpha=0.5, max_iter=6, **options), data[0])


@since_1_7
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_losses_and_several_targets(loss, outputs, solver):
    x, y = _diabetes(outputs)
    y = y if loss == "squared_error" else np.round(np.abs(y) * 2)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(x))
    assert_alike(*both(MLPRegressor, (x, y), weight, loss=loss, solver=solver, max_iter=8), x)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_two_classes_and_several_labels(solver):
    x, y = _iris()
    assert_alike(*both(MLPClassifier, (x[y != "c"], y[y != "c"]), solver=solver), x)
    x, labels = make_multilabel_classification(60, n_features=6, n_classes=4, random_state=0)
    assert_alike(*both(MLPClassifier, (scale(x), labels), solver=solver), scale(x))
    assert_alike(*both(MLPClassifier, (scale(x), labels), early_stopping=True), scale(x))


@since_1_7
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_on_scikit_learns_split(kind, weighted):
    data = _iris() if kind is MLPClassifier else _diabetes(3)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(data[0])) if weighted else None
    options = {"n_iter_no_change": 3, "max_iter": 80, "learning_rate_init": 0.02, "validation_fraction": 0.3}
    theirs, ours = both(kind, data, weight, early_stopping=True, **options)
    assert_alike(theirs, ours, data[0])
    assert len(ours.validation_scores_) == ours.n_iter_ < 80


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    "options", [{}, {"learning_rate": "adaptive"}, {"early_stopping": True}, {"solver": "adam"}], ids=str
)
def test_numbers_that_grow_beyond_all_bounds(options, activation, monkeypatch):
    """Training goes on as there, in compiled code, and fails only if the last weights are not finite."""
    evaluated, next_step = [], EvaluatedRun.next_step
    monkeypatch.setattr(EvaluatedRun, "next_step", lambda run: evaluated.append(run) or next_step(run))
    x, y = _diabetes()
    rate = 1e200 if options.get("solver") == "adam" else 1e6
    options = {"solver": "sgd", "learning_rate_init": rate, "n_iter_no_change": 2, "max_iter": 12, **options}
    ends, sentences = [], []
    for kind in (MLPRegressor, cr.MLPRegressor):
        model = kind(hidden_layer_sizes=9, activation=activation, shuffle=False, random_state=0, **options)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(x, y)
            sentences.append("")
        except ValueError as error:
            sentences.append(str(error).partition(".")[0])
        measured = {"loss": model.loss_curve_, "score": model.validation_scores_ or []}
        ends.append({**measured, "best": [model.best_loss_ or 0.0], "epochs": [model.n_iter_]})
    assert len(evaluated) <= 1, "the evaluator only looks at the step in which the numbers leave all bounds"
    assert sentences[0] == sentences[1]
    for name, numbers in ends[0].items():
        np.testing.assert_allclose(ends[1][name], numbers, rtol=1e-6)


def test_extreme_probabilities_are_clipped_as_there():
    x, y = _iris()
    assert_alike(*both(MLPClassifier, (1000 * x, y), max_iter=5), x)


@pytest.mark.parametrize("labels", [1, 3], ids=["two classes", "labels"])
@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate_init": 1e77},
        {"learning_rate_init": 1e80, "solver": "sgd"},
        {"learning_rate_init": 1e104, "solver": "sgd", "hidden_layer_sizes": (4, 4)},
        {"learning_rate_init": 1e77, "early_stopping": True},
    ],
    ids=["adam", "sgd", "two layers", "held-out rows"],
)
def test_infinite_logits_are_certain_as_there(labels, options):
    """The loss of a probability of 0 or 1 is finite, and so is its derivative.

    Where terms of a logit overflow to both sides, the order of the sum decides between infinity and NaN; with
    these weights they don't.
    """
    x = np.random.RandomState(0).normal(size=(40, 5))
    y = (x[:, :labels] > 0).astype(int)
    shared = {"hidden_layer_sizes": (4, 4, 4), "max_iter": 8, "shuffle": False, "random_state": 3}
    curves = []
    for kind in (MLPClassifier, cr.MLPClassifier):
        model = kind(**shared | options, alpha=1e-30)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError):  # after some epochs weights overflow, too
                model.fit(x, y.ravel() if labels == 1 else y)
        curves.append(np.array(model.loss_curve_))
    finite = np.isfinite(curves[0])
    assert finite[1], "after the first epoch there are infinite logits"
    np.testing.assert_allclose(curves[1][finite], curves[0][finite], rtol=1e-6)
    if model.validation_loss_curve_ is not None:
        assert np.isfinite(model.validation_loss_curve_[1])


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_rows(form):
    x, y = _iris()
    theirs, ours = both(MLPClassifier, (form(np.where(x > 0, x, 0)), y))
    assert_alike(theirs, ours, form(x))


def test_float32_is_kept():
    x, y = _diabetes()
    theirs, ours = both(MLPRegressor, (x.astype(np.float32), y.astype(np.float32)))
    assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {np.dtype("float32")}
    assert ours.predict(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    model = cr.MLPRegressor(max_iter=1, random_state=7, learning_rate_init=1e-30)
    with pytest.warns(ConvergenceWarning):
        wide = model.fit(x, y).coefs_[0]
    with pytest.warns(ConvergenceWarning):
        narrow = model.fit(x.astype("f"), y).coefs_[0]
    np.testing.assert_array_equal(wide.astype("f"), narrow)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on_with_the_optimizer(solver):
    x, y = _iris()
    fitted = []
    for kind in (MLPClassifier, cr.MLPClassifier):
        model = kind(
            shuffle=False, random_state=0, solver=solver, learning_rate="adaptive", n_iter_no_change=2
        )
        model.partial_fit(x[:60], y[:60], classes=["a", "b", "c"])
        for _ in range(9):
            model.partial_fit(x[60:], y[60:])
        fitted.append(model)
    assert_alike(*fitted, x)
    assert fitted[1].t_ == 600


def test_warm_start_goes_on_from_the_weights():
    x, y = _iris()
    fitted = []
    for kind in (MLPClassifier, cr.MLPClassifier):
        model = kind(shuffle=False, random_state=0, warm_start=True, max_iter=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.append(model.fit(x, y).set_params(learning_rate_init=0.01).fit(x, y))
    assert_alike(*fitted, x)
    assert len(fitted[1].loss_curve_) == 8


@pytest.mark.parametrize(
    "changed",
    [{"alpha": 3.0}, {"learning_rate_init": 0.1}, {"activation": "tanh"}, {"batch_size": 10}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_set_between_two_fits_acts_on_the_second(changed):
    """In partial_fit the optimizer stays as it was, and all else is followed."""
    x, y = _diabetes()
    fitted = []
    for kind in (MLPRegressor, cr.MLPRegressor):
        model = kind(hidden_layer_sizes=(6,), shuffle=False, random_state=0, max_iter=2, warm_start=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y).partial_fit(x, y).set_params(**changed).partial_fit(x, y)
            fitted.append(model.fit(x, y).partial_fit(x, y))
    assert_alike(*fitted, x)


def test_epochs_go_on_from_lbfgs():
    """scikit-learn's class fails here, without a loss curve to go on with."""
    x, y = _diabetes()
    model = cr.MLPRegressor(hidden_layer_sizes=6, solver="lbfgs", warm_start=True, max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        loss = model.fit(x, y).loss_
        model.set_params(solver="sgd", batch_size=len(x)).fit(x, y)
    assert len(model.loss_curve_) == model.n_iter_ == 2
    assert model.loss_curve_[0] == pytest.approx(loss, rel=0.1)


def test_random_states_keep_their_meaning():
    x, y = _iris()
    for kind in (MLPClassifier, MLPRegressor):
        data = (x, y) if kind is MLPClassifier else _diabetes()
        shared = [np.random.RandomState(5), np.random.RandomState(5)]
        for _ in range(2):  # an instance goes on from fit to fit
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                theirs = kind(max_iter=1, random_state=shared[0], shuffle=False).fit(*data)
                ours = OURS[kind](max_iter=1, random_state=shared[1], shuffle=False).fit(*data)
            for mine, its in zip(ours.coefs_, theirs.coefs_, strict=True):
                np.testing.assert_allclose(mine, its, atol=1e-9)
            shared = [np.random.RandomState(6), np.random.RandomState(6)]


@since_1_7
@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True},
        {"early_stopping": True, "solver": "sgd", "learning_rate": "adaptive"},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"max_iter": 3, "tol": 0.0},
    ],
    ids=str,
)
def test_verbose_prints_what_scikit_learn_prints(options, capsys):
    options = {"n_iter_no_change": 1, "max_iter": 40, "tol": 0.5, **options}
    both(MLPClassifier, _iris(), verbose=True, **options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert lines[-1].endswith("Stopping.") == (options["max_iter"] == 40)


def test_verbose_prints_each_iteration_of_lbfgs(capsys):
    """SciPy, whose printing scikit-learn relied on, has dropped it."""
    _, ours = both(MLPClassifier, _iris(), solver="lbfgs", verbose=True, max_iter=7)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Iteration {ours.n_iter_}, loss = {ours.loss_:.8f}"
    assert len(lines) == ours.n_iter_ == 7


def test_lbfgs_that_has_not_converged_says_so():
    x, y = _iris()
    for kind in (MLPClassifier, cr.MLPClassifier):
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge") as caught:
            kind(solver="lbfgs", max_iter=3, random_state=0).fit(x, y)
        assert kind is MLPClassifier or caught[0].filename == __file__  # whose line it shows


@pytest.mark.parametrize("kind", [MLPClassifier, cr.MLPClassifier])
@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"batch_size": 500}], ids=str)
def test_a_filter_for_the_warnings_of_scikit_learn_holds(kind, options):
    """Their gallery has this one, in the example of training curves."""
    model = kind((3,), max_iter=2, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
        warnings.filterwarnings("ignore", "Got `batch_size`", module="sklearn.neural_network")
        warnings.filterwarnings("ignore", category=DataConversionWarning, module="sklearn.neural_network")
        x, y = _iris()
        model.fit(x, y[:, None])


def test_weights_that_are_set_predict():
    x, y = _diabetes()
    theirs, ours = both(MLPRegressor, (x, y))
    for model in (theirs, ours):
        model.coefs_[-1][:] = 0
        model.intercepts_ = [*model.intercepts_[:-1], np.array([2.5])]
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_every_parameter_of_scikit_learn_has_its_default(kind):
    mine = OURS[kind]().get_params()
    assert {name: mine[name] for name in kind().get_params()} == kind().get_params()
    assert {name for name in dir(kind) if not name.startswith("_")} <= set(dir(OURS[kind]))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("executor", ["compiled", "numpy"])
@pytest.mark.parametrize("going_on", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}, {"sample_weight": np.ones(60)}])
def test_rows_of_another_dtype_are_weighed_as_before(monkeypatch, executor, going_on, options):
    """A network in float32 goes on with rows in float64: weights of 1, given or found, change nothing."""
    monkeypatch.setitem(EXECUTORS, "compiled", EXECUTORS[executor])
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    options = dict(options)
    weights = {"sample_weight": options.pop("sample_weight")} if "sample_weight" in options else {}
    models = []
    for given, own in (({}, {}), (options, weights)):
        model = cr.MLPClassifier((4,), max_iter=2, random_state=0, warm_start=True, **given)
        model.fit(x.astype("float32"), y)
        (model.partial_fit if going_on == "partial_fit" else model.fit)(x, y, **own)
        models.append(model)
    assert models[0].coefs_[0].dtype == np.float32
    np.testing.assert_allclose(models[1].loss_curve_, models[0].loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(models[1].coefs_[0], models[0].coefs_[0], rtol=1e-3, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_regressor_goes_on_by_lbfgs_in_partial_fit(early_stopping):
    x, y = _diabetes()
    options = {"solver": "lbfgs", "max_iter": 3, "random_state": 0, "early_stopping": early_stopping}
    ours, theirs = (kind(hidden_layer_sizes=(5,), **options) for kind in (cr.MLPRegressor, MLPRegressor))
    for model in (ours, theirs):
        model.partial_fit(x, y).partial_fit(x[:100], y[:100])
    assert ours.n_iter_ == theirs.n_iter_
    for mine, its in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)
