"""An estimator's fit goes on from its checkpoint, bit for bit as if it had not been stopped."""

import logging
import os
from functools import partial

import numpy as np
import pandas
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

import chainrule as cr
from chainrule.compiler.epochs import CompiledRun
from chainrule.files import read_arrays, write_arrays
from chainrule.graph.loop import EvaluatedRun
from chainrule.training.checkpoint import Checkpoint
from every_write import keep_every_write

pytestmark = [
    pytest.mark.shares_code,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
X = scale(X)
XR, YR = load_diabetes(return_X_y=True)
XR, YR = 20 * XR[:150], scale(YR)[:150]
SHAPE = {"hidden_layer_sizes": (6,), "max_iter": 6, "batch_size": 40, "learning_rate_init": 0.01}
MEASURED = (
    "loss_", "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_",
    "validation_loss_curve_", "n_iter_", "t_",
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def classifier(**options):
    return cr.MLPClassifier(**{**SHAPE, "random_state": 3, **options})


def regressor(**options):
    return cr.MLPRegressor(**{**SHAPE, "random_state": 3, **options})


def fitted(model, **arguments):
    """Fit a model to its table, and return it."""
    x, y = (X, Y) if isinstance(model, cr.MLPClassifier) else (XR, YR)
    return model.fit(x, y, **arguments)


def end_of(model):
    """Return all that a fit leaves, to be compared bit for bit; and what partial_fit makes of it."""
    x, y = (X, Y) if isinstance(model, cr.MLPClassifier) else (XR, YR)
    end = {name: getattr(model, name) for name in MEASURED}
    end["prediction"] = model.predict_proba(x) if isinstance(model, cr.MLPClassifier) else model.predict(x)
    end |= {
        "coefs": [*model.coefs_, *model.intercepts_],
        "others": {**model._kept.others, **model._kept.state},
    }
    later = model.set_params(early_stopping=False, checkpoint=None, callbacks=None).partial_fit(x, y)
    return {**end, "later": [coef.copy() for coef in later.coefs_]}


def fall(progress):
    """A callback that Python comes in for."""
    progress.model.predict(X)


def fall_to(progress, power):
    """A callback with arguments of its own."""
    progress.model.seen = progress.epoch**power


RICH = {"dropout": 0.2, "normalization": "batch", "class_weight": "balanced"}
FITS = {
    "adam": (classifier, {}),
    "in order": (classifier, {"shuffle": False, "tol": 10.0, "n_iter_no_change": 2}),
    "adaptive": (classifier, {"solver": "sgd", "learning_rate": "adaptive", "tol": 9.0,
                              "n_iter_no_change": 1}),
    "invscaling": (regressor, {"solver": "sgd", "learning_rate": "invscaling", "early_stopping": True}),
    "score": (classifier, {"early_stopping": True, "tol": 0.1, "n_iter_no_change": 2, **RICH}),
    "scorer": (classifier, {"early_stopping": True, "scoring": "neg_log_loss", "solver": "sgd",
                            "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1}),
    "average": (regressor, {"solver": "adamw", "average": 0.9, "weight_decay": 0.1, "clip_norm": 0.1}),
    "schedule": (regressor, {"learning_rate": cr.CosineDecay(0.05, steps=20), "early_stopping": True}),
    "optimizer": (classifier, {"solver": cr.SGD(0.05, momentum=0.9), "residual": True}),
    "callbacks": (classifier, {"early_stopping": True, "dropout": 0.2, "callbacks": [
        fall, cr.ReduceOnPlateau(0.5, patience=1, min_delta=0.5), cr.Recorder()]}),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_goes_on_from_any_step(name, path, monkeypatch):
    make, options = FITS[name]
    expected = end_of(fitted(make(**options)))
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        np.testing.assert_equal(end_of(fitted(make(**options, checkpoint=path))), expected)
    assert len(copies) > 10
    places = [read_arrays(copy)[1]["state"]["position"] for copy in copies]
    assert any(places)
    for copy in copies[:: 1 + len(copies) // 8]:
        np.testing.assert_equal(end_of(fitted(make(**options, checkpoint=copy))), expected)


CITIES = pandas.DataFrame(X, columns=[*"abcd"]).assign(city=np.array(["Ulm", None, "Rome"], object)[Y[::-1]])
WIDE = sparse.random(150, 300, 0.02, "csr", random_state=0) + sparse.eye(150, 300, format="csr")
ROWS = {
    "sparse": (classifier, {"early_stopping": True, "dropout": 0.2}, WIDE, Y),
    "text": (classifier, {"embeddings": ["city"], "early_stopping": True, "calibrate": True,
                          "scoring": "neg_log_loss"}, CITIES, Y),
    "quantiles": (regressor, {"loss": "quantile", "quantile": [0.1, 0.9], "embeddings": {4: 2},
                              "average": 0.9, "normalization": "batch"},
                  np.column_stack([X, Y[::-1]]).astype("f"), YR),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_every_kind_go_on(name, path, monkeypatch):
    make, options, x, y = ROWS[name]

    def ended(checkpoint):
        model = make(**options, checkpoint=checkpoint).fit(x, y)
        measured = {name: getattr(model, name) for name in MEASURED}
        kept = {**model._kept.others, **model._kept.state, "coefs": model.coefs_}
        return {**measured, **kept, "calibrated": getattr(model, "temperature_", None),
                "prediction": model.predict(x)}  # fmt: skip

    expected = ended(None)
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        np.testing.assert_equal(ended(path), expected)
    # Whoever looks on may come and go; it has no part in what a fit is.
    for i, copy in enumerate(copies[1 :: 1 + len(copies) // 5]):
        options = {**options, "callbacks": [partial(fall_to, power=2)] if i % 2 else None}
        np.testing.assert_equal(ended(copy), expected)


def test_a_scorer_may_ask_how_many_epochs_there_were(path, monkeypatch):
    def less_for_longer(model, x, y):
        return model.score(x, y) - 0.01 * model.n_iter_

    def ended(copy=None):
        return end_of(fitted(classifier(early_stopping=True, scoring=less_for_longer, checkpoint=copy)))

    expected = ended()
    copies = keep_every_write(monkeypatch, path.parent)
    ended(path)
    for copy in copies[1::7]:
        np.testing.assert_equal(ended(copy), expected)


@pytest.mark.parametrize("given", ["none", "begun", "left"])
def test_what_was_drawn_is_drawn_again(given, path, monkeypatch):
    """Without a seed of its own a fit goes on with the weights, the split and the key that it has drawn."""
    mine = np.random.RandomState(8)
    state = None if given == "none" else mine
    options = {"early_stopping": True, "dropout": 0.1, "random_state": state}
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        expected = end_of(fitted(classifier(**options, checkpoint=path)))
    left = mine.get_state()
    after = mine.randint(2**31)
    for copy in copies[2::9]:
        before = np.random.get_state()[1].copy()
        other = np.random.RandomState(8)
        other.set_state(left if given == "left" else other.get_state())
        options["random_state"] = None if given == "none" else other
        np.testing.assert_equal(end_of(fitted(classifier(**options, checkpoint=copy))), expected)
        np.testing.assert_array_equal(np.random.get_state()[1], before)
        assert given == "none" or other.randint(2**31) == after


def test_rows_of_ones_own_and_weights(path, monkeypatch):
    weight = np.linspace(0, 2, len(X))
    arguments = {"sample_weight": weight, "validation_data": (X[::3], Y[::3], weight[::3])}
    options = {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.2}
    expected = end_of(fitted(classifier(**options), **arguments))
    copies = keep_every_write(monkeypatch, path.parent)
    fitted(classifier(**options, checkpoint=path), **arguments)
    for copy in copies[1::8]:
        np.testing.assert_equal(end_of(fitted(classifier(**options, checkpoint=copy), **arguments)), expected)
    other = {**arguments, "validation_data": (X[1::3], Y[1::3], weight[::3])}
    with pytest.raises(ValueError, match="of another fit: validation x holds other numbers"):
        fitted(classifier(**options, checkpoint=path), **other)


def test_each_fit_of_a_warm_start_has_its_file(path, monkeypatch):
    def both(first=None, second=None):
        model = classifier(warm_start=True, checkpoint=first)
        fitted(model)
        return end_of(fitted(model.set_params(checkpoint=second)))

    expected = both()
    copies = keep_every_write(monkeypatch, path.parent)
    np.testing.assert_equal(both(path, path.with_name("second")), expected)
    half = copies[3 * len(copies) // 4]
    np.testing.assert_equal(both(path, half), expected)
    with pytest.raises(ValueError, match="is of another fit: the random key holds other numbers"):
        both(path, path)


def test_a_fit_that_diverges(path, monkeypatch):
    options = {"solver": "sgd", "learning_rate_init": 1e6, "max_iter": 8}

    def ended(checkpoint=None):
        model = regressor(**options, checkpoint=checkpoint)
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            fitted(model)
        return {name: getattr(model, name) for name in (*MEASURED, "coefs_")}

    expected = ended()
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        np.testing.assert_equal(ended(path), expected)
    for copy in copies[::5]:
        np.testing.assert_equal(ended(copy), expected)


def test_a_loss_that_is_not_finite_in_one_step(path, monkeypatch):
    x, y = XR.astype("float32"), YR.astype("float32")
    y[7] = 1e25  # its square overflows, its clipped derivative does not
    options = {"solver": "sgd", "clip_value": 1.0, "activation": "tanh", "hidden_layer_sizes": (30,)}

    def ended(checkpoint=None):
        model = regressor(**options, checkpoint=checkpoint).fit(x, y)
        return {name: getattr(model, name) for name in (*MEASURED, "coefs_")}

    expected = ended()
    assert not np.isfinite(expected["loss_curve_"]).any()
    with monkeypatch.context() as patch:
        copies = keep_every_write(patch, path.parent)
        ended(path)
    for copy in copies[::3]:
        np.testing.assert_equal(ended(copy), expected)


def test_stopped_while_the_score_is_found(path):
    """An epoch that has no score yet gets it when the fit goes on."""
    calls, stop = [], [0]

    def accuracy(estimator, x, y):
        calls.append(len(calls))
        if len(calls) == stop[0]:
            raise KeyboardInterrupt
        return estimator.score(x, y)

    options = {"early_stopping": True, "scoring": accuracy, "tol": 0.5, "n_iter_no_change": 2, "max_iter": 9}
    expected = end_of(fitted(classifier(**options)))
    assert expected["n_iter_"] < 9
    for end in (1, 2, expected["n_iter_"]):
        calls.clear()
        stop[0] = end
        with pytest.warns(UserWarning, match="interrupted by user"):
            model = fitted(classifier(**options, checkpoint=path))
        assert len(model.validation_scores_) == model.n_iter_ - 1 == end - 1
        assert read_arrays(path)[1]["state"]["epoch"] == end
        stop[0] = 0
        np.testing.assert_equal(end_of(fitted(classifier(**options, checkpoint=path))), expected)
        path.unlink()


# A fit that had finished -------------------------------------------------------------------------


def forbid_steps(monkeypatch):
    def forbidden(*arguments):
        raise AssertionError("it trains")

    monkeypatch.setattr(CompiledRun, "_go_on", forbidden)
    monkeypatch.setattr(EvaluatedRun, "next_step", forbidden)


@pytest.mark.parametrize("name", ["adam", "score", "adaptive"])
def test_a_finished_fit_is_restored_without_training_and_says_so(name, path, caplog, monkeypatch):
    make, options = FITS[name]
    first = end_of(fitted(make(**options, checkpoint=path)))
    content = path.read_bytes()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "chainrule"):
        forbid_steps(patch)
        again = fitted(make(**options, checkpoint=str(path)))
    assert "the fit was finished after" in caplog.text
    assert "it is restored, not trained" in caplog.text
    assert path.read_bytes() == content
    np.testing.assert_equal(end_of(again), first)


def test_more_epochs_go_on_and_a_warning_comes_again(path):
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(6\)"):
            fitted(classifier(checkpoint=path))
    longer = fitted(classifier(checkpoint=path, max_iter=9))
    np.testing.assert_equal(end_of(longer), end_of(fitted(classifier(max_iter=9))))
    with pytest.raises(ValueError, match="it has begun 9 epochs, and max_iter is 8;"):
        fitted(classifier(checkpoint=path, max_iter=8))


def test_a_time_limit_pauses_a_fit(path):
    options = {"callbacks": [cr.TimeLimit(1e-9)], "checkpoint": path}
    for epoch in range(1, 4):
        assert fitted(classifier(**options)).n_iter_ == epoch
    end = fitted(classifier(checkpoint=path))
    np.testing.assert_equal(end_of(end), end_of(fitted(classifier())))


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"alpha": 0.5}, "alpha was 0.0001 and is 0.5"),
        ({"hidden_layer_sizes": (7,)}, "hidden_layer_sizes.0 was 6 and is 7"),
        ({"random_state": 4}, "random_state was 3 and is 4"),
        ({"random_state": None}, "random_state was 3 and is None"),
        ({"tol": 0.5}, "tol was 0.0001 and is 0.5"),
        ({"early_stopping": True}, "early_stopping was False and is True"),
        ({"batch_size": 30}, "batch_size was 40 and is 30"),
        ({"callbacks": [cr.ReduceOnPlateau(monitor="loss")]}, "plateau was None and is 'ReduceOnPlateau'"),
        ({"callbacks": [cr.Recorder()]}, "recording was False and is True"),
        ({"class_weight": "balanced"}, "class_weight was None and is 'balanced'"),
        ({"scoring": "f1_macro"}, "scoring was None and is 'f1_macro'"),
        (
            {"validation_fraction": 0.3, "early_stopping": True},
            "early_stopping was False .*; validation_fraction",
        ),
        ({"activation": lambda x: cr.tanh(x)}, "activation was 'relu' and is '<lambda>'"),
    ],
    ids=lambda option: next(iter(option)) if isinstance(option, dict) else "",
)
def test_other_options(options, difference, path):
    fitted(classifier(checkpoint=path))
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"is of another fit: {difference}.*; fit as it was begun, or name"):
        fitted(classifier(**options, checkpoint=path))
    assert path.read_bytes() == content


def test_an_option_in_another_form_is_the_same_option(path):
    first = fitted(classifier(hidden_layer_sizes=(6,), checkpoint=path))
    again = fitted(classifier(hidden_layer_sizes=6, checkpoint=path))
    assert again.loss_curve_ == first.loss_curve_


def test_a_schedule_that_ends_with_the_last_epoch(path):
    fitted(classifier(learning_rate="cosine_decay", checkpoint=path))
    with pytest.raises(ValueError, match=r"max_iter was \d+ and is 99"):
        fitted(classifier(learning_rate="cosine_decay", max_iter=99, checkpoint=path))


def test_sparse_rows_in_place_of_dense_ones(path):
    classifier(checkpoint=path).fit(X, Y)
    with pytest.raises(ValueError, match=r"x had the shape \(\d+, \d+\) and has \(\d+, \d+\), sparse"):
        classifier(checkpoint=path).fit(sparse.csr_array(np.where(X > 2, X, 0)), Y)


def beta_scorer(beta):
    return make_scorer(fbeta_score, beta=beta, average="macro")


def test_another_scorer_is_refused(path):
    options = {"early_stopping": True, "checkpoint": path}
    first = end_of(fitted(classifier(**options, scoring=beta_scorer(0.1))))
    with pytest.raises(
        ValueError, match=r"of another fit: scoring\.kwargs\.beta was 0\.1 and is 9\.0; fit as"
    ):
        fitted(classifier(**options, scoring=beta_scorer(9.0)))
    np.testing.assert_equal(end_of(fitted(classifier(**options, scoring=beta_scorer(0.1)))), first)


class Counting:
    """A scorer that keeps what it has seen, and stops a fit when it is told to."""

    def __init__(self, weight=1.0, stop=None):
        self.weight, self.stop, self.scores = weight, stop, []

    def __call__(self, estimator, x, y):
        self.scores.append(self.weight * estimator.score(x, y))
        if len(self.scores) == self.stop:
            raise KeyboardInterrupt
        return self.scores[-1]


def test_a_scorer_may_change_its_attributes(path):
    options = {"early_stopping": True, "checkpoint": path}
    expected = end_of(fitted(classifier(early_stopping=True, scoring=Counting())))
    scorer = Counting(stop=3)
    with pytest.warns(UserWarning, match="interrupted by user"):
        fitted(classifier(**options, scoring=scorer))
    again = Counting(stop=3)
    again.scores = [*scorer.scores]
    np.testing.assert_equal(end_of(fitted(classifier(**options, scoring=scorer))), expected)
    for known in (scorer, Counting(stop=3)):  # as the fit has left it, and as it was when it began
        np.testing.assert_equal(end_of(fitted(classifier(**options, scoring=known))), expected)
    assert len(scorer.scores) == SHAPE["max_iter"] + 1
    with pytest.raises(ValueError, match=r"scoring\.scores\.0 was absent and is 0"):
        fitted(classifier(**options, scoring=again))
    with pytest.raises(ValueError, match=r"scoring\.weight was 1\.0 and is 2\.0"):
        fitted(classifier(**options, scoring=Counting(2.0, stop=3)))


def test_a_callback_may_change_the_folder(path, monkeypatch):
    (path.parent / "other").mkdir()
    monkeypatch.chdir(path.parent)
    expected = end_of(fitted(classifier()))
    leave = lambda progress: os.chdir(path.parent / "other")
    fitted(classifier(checkpoint="run.ckpt", callbacks=[leave, cr.TimeLimit(1e-9)]))
    assert not list((path.parent / "other").iterdir())
    monkeypatch.chdir(path.parent)
    assert [item.name for item in path.parent.iterdir() if item.is_file()] == ["run.ckpt"]
    assert read_arrays(path)[1]["state"]["epoch"] == 1
    np.testing.assert_equal(end_of(fitted(classifier(checkpoint="run.ckpt"))), expected)


def test_options_that_do_not_matter(path):
    first = end_of(fitted(classifier(checkpoint=path)))
    same = {"verbose": False, "n_threads": 2, "callbacks": [fall], "max_fun": 7}
    np.testing.assert_equal(end_of(fitted(classifier(checkpoint=Checkpoint(path), **same))), first)


def test_other_data(path):
    fitted(classifier(checkpoint=path))
    with pytest.raises(ValueError, match="of another fit: x holds other numbers;"):
        classifier(checkpoint=path).fit(X + 1, Y)
    with pytest.raises(ValueError, match="x had the dtype float64 and has float32"):
        classifier(checkpoint=path).fit(X.astype("float32"), Y)
    with pytest.raises(ValueError, match=r"of another fit: classes\.0 was '0' and is 'a'"):
        classifier(checkpoint=path).fit(X, np.array(["a", "b", "c"])[Y])


def test_two_fits_at_once(path):
    def second(progress):
        with pytest.raises(ValueError, match="is in use by this process"):
            fitted(classifier(checkpoint=path))

    fitted(classifier(checkpoint=path, callbacks=[second]))


def test_another_program(path, caplog):
    first = end_of(fitted(classifier(checkpoint=path)))
    arrays, header = read_arrays(path)
    write_arrays(path, arrays, {**header, "program": {**header["program"], "cpu": "abacus"}})
    np.testing.assert_equal(end_of(fitted(classifier(checkpoint=path))), first)
    assert "was begun on another kind of CPU (abacus)" in caplog.text
    write_arrays(path, arrays, {**header, "program": {**header["program"], "version": "0.0.1"}})
    with pytest.raises(ValueError, match=r"by another version of chainrule \(0\.0\.1\); go on with that"):
        fitted(classifier(checkpoint=path))


@pytest.mark.parametrize(
    "notes",
    [
        {"random_state": 3},
        {"random_state": {"bit_generator": "MT19937"}},
        {"random_state": {"state": []}},
        {"scorer": 3},
        {"scorer": [{}]},
    ],
    ids=str,
)
def test_notes_that_make_no_sense(notes, path):
    fitted(classifier(checkpoint=path, random_state=None))
    arrays, header = read_arrays(path)
    write_arrays(path, arrays, {**header, "notes": {**header["notes"], **notes}})
    with pytest.raises(ValueError, match="is not a checkpoint of chainrule, or it is damaged"):
        fitted(classifier(checkpoint=path, random_state=None))


def test_what_has_no_checkpoint(path):
    with pytest.raises(ValueError, match="partial_fit is one epoch, and keeps no checkpoint"):
        classifier(checkpoint=path).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="lbfgs has no use for checkpoint: it has no epochs"):
        fitted(classifier(checkpoint=path, solver="lbfgs"))
    with pytest.raises(ValueError, match="'checkpoint' parameter"):
        fitted(classifier(checkpoint=3))
    assert not path.exists()


def test_a_search_with_a_checkpoint_says_what_is_wrong(path):
    fitted(clone(classifier(checkpoint=path)))
    with pytest.raises(ValueError, match="of another fit"):
        GridSearchCV(classifier(checkpoint=path), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise").fit(X, Y)


def test_early_stopping_as_a_callback_is_answered():
    with pytest.raises(ValueError, match="set early_stopping, n_iter_no_change, tol and scoring"):
        fitted(classifier(callbacks=[cr.EarlyStopping()]))
