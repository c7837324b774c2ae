"""The estimators inside of scikit-learn: its checks, its tools, and how they fail."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from contextlib import ExitStack

import joblib
import numpy as np
import pytest
import sklearn
from scipy import optimize, sparse
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, check_cv, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from threadpoolctl import threadpool_limits

import chainrule as cr
from chainrule.estimators import lbfgs, threads

KINDS = [cr.MLPClassifier, cr.MLPRegressor]
#: One needs an environment variable, one a method that scikit-learn's own classifier does not have.
NOT_CHECKED = {
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return scale(x), y


@pytest.mark.parametrize("kind", KINDS)
def test_check_estimator_passes_whole(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(), on_fail=None, on_skip=None)
    left = {result["check_name"] for result in results if result["status"] != "passed"}
    assert left <= NOT_CHECKED
    assert len(results) > 50


def _small(**options):
    return cr.MLPClassifier((8,), random_state=0, max_iter=30, learning_rate_init=0.02, **options)


def test_pipelines_searches_and_other_tools(iris):
    x, y = iris
    columns = ColumnTransformer([("scaled", StandardScaler(), [0, 1])], remainder="passthrough")
    pipeline = make_pipeline(columns, _small())
    assert pipeline.fit(x, y).score(x, y) > 0.9
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 100.0]}, cv=2).fit(x, y)
    assert search.best_params_ == {"mlpclassifier__alpha": 1e-4}
    assert cross_validate(_small(), x, y, cv=2)["test_score"].min() > 0.7
    assert CalibratedClassifierCV(_small(), cv=2).fit(x, y).predict_proba(x).shape == (150, 3)
    importance = permutation_importance(_small().fit(x, y), x, y, n_repeats=2, random_state=0)
    assert importance.importances_mean[2] > importance.importances_mean[0]


def test_joblib_clone_and_pickle_give_the_same_bits(iris, tmp_path):
    x, y = iris
    model = _small(callbacks=[cr.CSVLogger(tmp_path / "log.csv"), cr.ProgressBar()]).fit(x, y)
    again = joblib.Parallel(n_jobs=2)(joblib.delayed(clone(model).fit)(x, y) for _ in range(2))
    for other in (pickle.loads(pickle.dumps(model)), clone(model).fit(x, y), *again):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    found = cross_validate(model, x, y, cv=2, n_jobs=2, return_estimator=True)
    assert [each.n_iter_ for each in found["estimator"]] == [30, 30]
    copy = pickle.loads(pickle.dumps(model))
    assert copy.partial_fit(x, y).loss_curve_ == model.partial_fit(x, y).loss_curve_


@pytest.mark.parametrize("name", ["_task", "_network"])
def test_a_pickle_of_an_earlier_version_is_refused(iris, name):
    model = _small().fit(*iris)
    state = model.__getstate__()
    earlier = {**state, name: state["_trainer"]}
    with pytest.raises(ValueError, match=r"^this MLPClassifier was pickled by an earlier version .* anew"):
        cr.MLPClassifier().__setstate__(earlier)
    copy = cr.MLPClassifier()
    copy.__setstate__(state)
    np.testing.assert_array_equal(copy.predict(iris[0]), model.predict(iris[0]))
    assert "_trainer" in state  # what was given is left as it was


def test_a_limit_on_blas_threads_is_followed(monkeypatch):
    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    with threadpool_limits(1, user_api="blas"):
        assert threads.thread_limit(cr.MLPClassifier()) == 1
        assert threads.thread_limit(cr.MLPClassifier(n_threads=3)) == 3
    monkeypatch.setattr(threads, "cores", lambda: 1)
    assert threads.thread_limit(cr.MLPClassifier()) is None


def _blas_threads():
    return {library["num_threads"] for library in threads._controller().info()}


def test_lbfgs_keeps_blas_to_one_thread_and_gives_the_others_back(iris, monkeypatch):
    seen, minimize = [], optimize.minimize

    def watched(*arguments, **options):
        seen.append(_blas_threads())
        return minimize(*arguments, **options)

    monkeypatch.setattr(optimize, "minimize", watched)
    with threadpool_limits(2, user_api="blas"):
        _small().set_params(solver="lbfgs").fit(*iris)
        assert (seen, _blas_threads()) == ([{1}], {2})
        first, second = ExitStack(), ExitStack()
        first.enter_context(threads.one_blas_thread)
        second.enter_context(threads.one_blas_thread)
        first.close()
        assert _blas_threads() == {1}
        second.close()
        assert _blas_threads() == {2}


def _limit_of_a_worker(estimator):
    return threads.cores(), threads.thread_limit(estimator)


def test_joblib_workers_share_the_cores():
    """Two workers leave each other half of the cores, as joblib tells them."""
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(_limit_of_a_worker)(cr.MLPClassifier()) for _ in range(2)
    )
    for cores, limit in found:
        assert limit == (None if cores == 1 else max(cores // 2, 1))


def test_threads_leave_the_bits_alone(iris):
    x, y = iris
    one, two = (_small(n_threads=n).fit(x, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])


def test_metadata_is_routed(iris):
    x, y = iris
    weight = np.where(y == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(_small().set_fit_request(sample_weight=True)).fit(x, y, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict_proba(x), _small().fit(x, y, weight).predict_proba(x))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_in_fit_and_score_is_routed(kind, iris):
    x, y = iris
    y = y if kind is cr.MLPClassifier else y - 1.0
    weight, held = np.where(y == y[0], 0.0, 1.0), (x[::2], y[::2])
    one = kind(hidden_layer_sizes=(8,), random_state=0, max_iter=3)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = clone(one).set_score_request(sample_weight=True)
        asked.set_fit_request(validation_data=True, sample_weight=False)
        routed = make_pipeline(asked).fit(x, y, validation_data=held)
        score = routed.score(x, y, sample_weight=weight)
        searched = GridSearchCV(asked, {"alpha": [0.1]}, cv=2).fit(x, y, sample_weight=weight)
    plain = clone(one).fit(x, y, validation_data=held)
    assert routed[-1].validation_loss_curve_ == plain.validation_loss_curve_
    assert score == plain.score(x, y, weight) != plain.score(x, y)
    first = [clone(one).set_params(alpha=0.1).fit(x[fit], y[fit]).score(x[rest], y[rest], weight[rest])
             for fit, rest in check_cv(2, y, classifier=is_classifier(one)).split(x, y)]  # fmt: skip
    assert searched.best_score_ == pytest.approx(np.mean(first))


def test_classes_and_confidence_are_routed(iris):
    x, y = iris
    with sklearn.config_context(enable_metadata_routing=True):
        asked = _small().set_partial_fit_request(classes=True).set_predict_request(return_confidence=True)
        whole = MetadataRouter("whole").add(
            one=asked, method_mapping=MethodMapping().add(caller="fit", callee="partial_fit")
        )
        handed = whole.route_params(caller="fit", params={"classes": [0, 1, 2]}).one.partial_fit
        predicted = make_pipeline(asked.fit(x, y)).predict(x, return_confidence=True)
        assert {"sample_weight", "validation_data"} == {*asked.get_metadata_routing().fit.requests}
    assert clone(asked).partial_fit(x[:3], y[:3], **handed).predict_proba(x).shape == (150, 3)
    np.testing.assert_equal(predicted, asked.predict(x, return_confidence=True))


def test_its_html_shows_what_it_is(iris):
    """Its parameters, those that are new too, whether it is fitted, and where it stands in a pipeline."""
    model = _small(dropout=0.25, activation=lambda x: x)
    before, after = (re.sub("<style.*?</style>", "", each, flags=re.DOTALL)
                     for each in (model._repr_html_(), model.fit(*iris)._repr_html_()))  # fmt: skip
    assert re.search(r"<pre>MLPClassifier\(activation=&lt;function.*dropout=0.25", before, re.DOTALL)
    assert 'class="sk-estimator fitted' in after
    assert 'class="sk-estimator fitted' not in before
    pipeline = make_pipeline(StandardScaler(), cr.MLPRegressor(quantile=0.3))._repr_html_()
    assert re.search(r"StandardScaler</div>.*MLPRegressor</div>.*quantile.*0\.3", pipeline, re.DOTALL)


def test_its_tags():
    assert sklearn.utils.get_tags(cr.MLPClassifier()).classifier_tags.multi_label
    assert sklearn.utils.get_tags(cr.MLPRegressor()).input_tags.sparse
    assert repr(cr.MLPRegressor(alpha=1)) == "MLPRegressor(alpha=1)"


# How they fail ------------------------------------------------------------------------------------


def test_without_scikit_learn_one_sentence_says_so():
    code = "import sys; sys.modules['sklearn'] = None; import chainrule as cr; cr.MLPClassifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'chainrule[sklearn]'" in done.stderr.splitlines()[-1]
    for asking in ("help(chainrule)", "exec('from chainrule import *')", "inspect.getmembers(chainrule)"):
        code = f"import sys; sys.modules['sklearn'] = None; import chainrule, inspect; {asking}"
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, stdin=subprocess.DEVNULL, check=True
        )
    assert not hasattr(cr, "MLPClasifier")
    assert "MLPClassifier" in dir(cr)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alpha": -1}, "'alpha' parameter"),
        ({"activation": "rely"}, "'activation' parameter"),
        ({"activation": ["relu", "rely"]}, "did you mean 'relu'"),
        ({"activation": ["relu", "tanh", "tanh"]}, "3 entries, and hidden_layer_sizes 2"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"normalization": "batches"}, "'normalization' parameter"),
        ({"n_threads": 0}, "'n_threads' parameter"),
        ({"n_threads": 10**6}, "'n_threads' parameter"),
        ({"class_weight": {0: -1.0}}, "class 0 the weight -1.0; a weight is a finite number of at least 0"),
        ({"class_weight": {0: np.nan}}, "class 0 the weight nan"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "at least one non-zero number"),
        ({"class_weight": [{0: 1}, {0: 2}]}, "a list of 2, and y has 1 column;"),
        ({"validation_fraction": 0.001, "early_stopping": True}, "validation set|test_size"),
        ({"solver": "lbfgs", "callbacks": [print]}, "no use for callbacks: .* leave it out"),
        (
            {"solver": "lbfgs", "average": 0.9, "clip_norm": 1.0},
            "no use for average, clip_norm: .* leave them",
        ),
        ({"solver": "lbfgs", "learning_rate": "cosine_decay"}, "no use for learning_rate"),
        ({"solver": "lbfgs", "scoring": "accuracy"}, "no use for scoring: .* leave it"),
        (
            {
                "scoring": "neg_log_loss",
                "early_stopping": True,
                "validation_fraction": 0.02,
                "random_state": 1,
            },
            r"'neg_log_loss' failed on the held-out rows \(y_true .*that may be as none .* class \d: give",
        ),
        (
            {"scoring": lambda model, x, y: "good", "early_stopping": True},
            "returned 'good'; a scorer returns one number",
        ),
        (
            {"scoring": "roc_auc", "early_stopping": True, "random_state": 0},
            "^multi_class must be in",
        ),
        (
            {"scoring": "roc_auc", "early_stopping": True, "validation_fraction": 0.02, "random_state": 1},
            r"\(multi_class must be in .*\); that may be as none of them is of the class \d:",
        ),
        ({"hidden_layer_sizes": (3, 4.5)}, "hidden_layer_sizes must be whole numbers"),
        ({"hidden_layer_sizes": True}, r"must be whole numbers, got \[True\]"),
        ({"hidden_layer_sizes": (3, None)}, r"must be whole numbers, got \[3, None\]"),
        ({"hidden_layer_sizes": (3, np.inf)}, r"must be whole numbers, got \[3, inf\]"),
    ],
)
def test_bad_parameters(iris, options, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        cr.MLPClassifier(**{"hidden_layer_sizes": (4, 4), **options}).fit(*iris)


def test_parameters_are_not_looked_at_where_scikit_learn_is_told_not_to(iris):
    with sklearn.config_context(skip_parameter_validation=True):
        _small(shuffle=1).fit(*iris)
    with pytest.raises(ValueError, match="'shuffle' parameter"):
        _small(shuffle=1).fit(*iris)


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw"])
def test_true_is_one_as_in_scikit_learn(iris, solver):
    numbers = ("learning_rate_init", "alpha", "weight_decay", "clip_value", "clip_norm", "clip_global_norm")
    first, second = (
        cr.MLPClassifier((3,), solver=solver, random_state=0, max_iter=2, **dict.fromkeys(numbers, one))
        for one in (True, 1.0)
    )
    assert first.fit(*iris).loss_curve_ == second.fit(*iris).loss_curve_


def test_unknown_parameters_are_answered_with_the_nearest(iris):
    with pytest.raises(TypeError, match="did you mean 'dropout'"):
        cr.MLPClassifier(dropouts=0.1)
    with pytest.raises(ValueError, match="did you mean 'hidden_layer_sizes'"):
        cr.MLPClassifier().set_params(hidden_layers_sizes=3)
    with pytest.raises(ValueError, match=r"no parameter 'solver__momentum'; did you mean .*'momentum'"):
        cr.MLPClassifier(solver=cr.SGD(0.1)).set_params(solver__momentum=0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_unknown_arguments_of_a_method_are_answered_with_the_nearest(iris, kind, method):
    sentence = rf"^{kind.__name__}\.{method}: there is no option 'sample_weights'; .* mean 'sample_weight'"
    with pytest.raises(TypeError, match=sentence):
        getattr(kind(), method)(*iris, sample_weights=iris[1])


def test_calls_that_do_not_fit(iris):
    x, y = iris
    with pytest.raises(NotFittedError):
        cr.MLPClassifier().predict(x)
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'"):
        cr.MLPClassifier(solver="lbfgs").partial_fit  # noqa: B018
    with pytest.raises(ValueError, match="first call"):
        cr.MLPClassifier().partial_fit(x, y)
    with pytest.raises(ValueError, match="early_stopping"):
        cr.MLPRegressor(early_stopping=True).partial_fit(x, y)
    with pytest.raises(ValueError, match=r"lbfgs has no use for validation_data: .* leave it out"):
        _small(solver="lbfgs").fit(x, y, validation_data=(x, y))
    assert _small(solver="lbfgs").fit(x, y).validation_loss_curve_ is None
    model = _small(warm_start=True).fit(x, y)
    with pytest.raises(ValueError, match="same classes"):
        model.fit(x[y > 0], y[y > 0])
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is \(9,\), and coefs_"):
        model.set_params(hidden_layer_sizes=(9,)).fit(x, y)
    with pytest.raises(ValueError, match="whether there is dropout has changed since the last fit"):
        model.set_params(hidden_layer_sizes=(8,), dropout=0.1).fit(x, y)
    with pytest.raises(ValueError, match=r"not in `self\.classes_`"):
        _small().fit(x, y).partial_fit(x, y + 1)
    with pytest.raises(ValueError, match="y >= 0"):
        cr.MLPRegressor(loss="poisson").fit(x, y - 5.0)
    with pytest.raises(
        ValueError, match=r"y holds what is no number \(.*'a'.*give numbers, or fit an MLPClass"
    ):
        cr.MLPRegressor().fit(x, np.array(["a", "b", "c"])[y])
    with pytest.raises(ValueError, match=r"y is a sparse matrix, .* give y\.toarray\(\)"):
        cr.MLPRegressor().fit(x, sparse.csr_matrix(x))
    for weight, sentence in (
        (np.ones(3), r"shape \(3,\), and X has 150 rows"),
        (0 * y, "at least one non-zero"),
        (0.0, "at least one non-zero"),
        (np.nan, "sample_weight contains NaN"),
    ):
        with pytest.raises(ValueError, match=sentence):
            _small().fit(x, y, weight)
    with pytest.warns(
        UserWarning, match="Got `batch_size` less than 1 or larger than sample size. It is going"
    ):
        _small(batch_size=1000).fit(x, y)


@pytest.mark.parametrize("kind", [cr.MLPClassifier, cr.MLPRegressor])
def test_a_fitted_estimator_whose_next_rows_are_refused_predicts_as_before(kind, iris):
    x, y = iris
    model = kind(max_iter=3, random_state=0).fit(x, y)
    predict = getattr(model, "predict_proba", model.predict)
    expected = predict(x)
    labels_of_two = np.c_[y == 0, y > 0] * 1
    for rows, labels, weight in ((x, y > 0, np.ones(3)), (x[:, :2], y, 0 * y), (x, labels_of_two, 0 * y)):
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            model.fit(rows, labels, weight)
        np.testing.assert_array_equal(predict(x), expected)


def test_a_fit_that_diverges_goes_on_and_then_says_so(iris):
    x, y = iris
    model = cr.MLPRegressor(
        hidden_layer_sizes=(20,), solver="sgd", learning_rate_init=1e6, max_iter=8, random_state=0
    )
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(x, y)
    assert model.n_iter_ == len(model.loss_curve_) == 8


@pytest.mark.parametrize("checkpointed", [False, True])
def test_numbers_that_are_not_finite_are_traced_in_an_estimator_too(iris, checkpointed, tmp_path):
    x, y = iris
    x = np.array(x)
    x[17] = 1e308
    path = tmp_path / "run.ckpt" if checkpointed else None
    model = cr.MLPRegressor(hidden_layer_sizes=(8, 8), max_iter=4, random_state=0, checkpoint=path)
    for _ in range(1 + checkpointed):  # the second time from the checkpoint's end
        with pytest.raises(ValueError, match="non-finite parameter weights") as caught:
            model.fit(x, y)
        found = re.search(
            r"In training the loss became inf in step 1 \(epoch 1\): (.*)\.$", str(caught.value)
        )
        assert "in row 17, made by matmul in layers." in found[1]


def test_convergence_is_warned_of(iris):
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        _small().set_params(max_iter=2).fit(*iris)


def test_an_interrupted_fit_warns_and_returns_the_model(iris):
    x, y = iris

    def interrupt(progress):
        if progress.epoch == 4:
            raise KeyboardInterrupt

    model = _small(callbacks=[interrupt])
    with pytest.warns(UserWarning, match="interrupted by user"):
        assert model.fit(x, y) is model
    assert model.n_iter_ == 4
    assert model.predict(x).shape == y.shape


@pytest.mark.parametrize("iterations", [0, 3])
def test_an_interrupted_lbfgs_warns_and_returns_the_last_iteration(iris, iterations, monkeypatch):
    x, y = iris
    evaluations, run_stage = [], lbfgs.run_stage

    def interrupted(*arguments):
        evaluations.append(arguments)
        if len(evaluations) > after:
            raise KeyboardInterrupt
        return run_stage(*arguments)

    after = np.inf
    model = _small(solver="lbfgs").set_params(max_iter=iterations or 1)
    monkeypatch.setattr(lbfgs, "run_stage", interrupted)
    expected = model.fit(x, y).coefs_[0]
    after = len(evaluations) if iterations else 0  # in the first evaluation of the next iteration
    evaluations.clear()
    model.set_params(max_iter=300)
    with pytest.warns(UserWarning, match="interrupted by user") as caught:
        assert model.fit(x, y) is model
    assert caught[0].filename == __file__
    assert model.n_iter_ == iterations
    if iterations:
        np.testing.assert_array_equal(model.coefs_[0], expected)
    assert np.isnan(model.loss_) == (not iterations)
    assert model.predict(x).shape == y.shape


@pytest.mark.parametrize("kind", ["?", "i2", "u1", "f2", "f4", ">f8", "f8"])
def test_plain_rows_are_predicted_without_a_longer_check(kind, iris, monkeypatch):
    model = _small().fit(*iris)
    rows = np.abs(iris[0][:3]).astype(kind)
    expected = model.predict_proba(rows.tolist())
    monkeypatch.delattr("chainrule.estimators.base.validate_data")
    np.testing.assert_array_equal(model.predict_proba(rows), expected)
    np.testing.assert_array_equal(model.predict_proba(np.asfortranarray(rows)), expected)


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[1.0, np.nan, 2.0, 3.0]]),
        np.array([[1.0, np.inf, 2.0, 3.0]], np.float32),
        np.ones((2, 3)),
        np.ones(4),
        np.ones((1, 4, 4)),
        np.array(1.0),
        np.empty((0, 4)),
        np.ones((1, 4), complex),
        np.full((1, 4), "a"),
        np.array([[1.0, "a", 2.0, 3.0]], object),
    ],
    ids=repr,
)
def test_rows_that_are_not_plain_get_the_longer_check(rows, iris):
    with pytest.raises(ValueError) as ours:  # noqa: PT011  # the words are scikit-learn's, whatever they are
        _small().fit(*iris).predict(rows)
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        MLPClassifier((8,), max_iter=2).fit(*iris).predict(rows)
    assert str(ours.value) == str(theirs.value)
