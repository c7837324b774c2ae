"""Every parameter of the estimators: one table says what changes training by itself; together, at random.

The table's hundreds of small fits run on the evaluator: what an option means is in the graph that both
executors run, and to compile each would take a minute.
"""

from __future__ import annotations

import inspect
import logging
import pickle
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import chainrule as cr
from chainrule.estimators.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from chainrule.estimators.solver import SCHEDULES
from chainrule.executors import EXECUTORS
from chainrule.layers import ACTIVATIONS
from chainrule.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 70
X, Y = load_iris(return_X_y=True)
chosen = np.random.default_rng(0).permutation(150)[:ROWS]
X, Y = np.column_stack([scale(X)[chosen], np.arange(ROWS) % 3]), Y[chosen]
TARGET = X[:, 3] + 3
PLAIN = {"hidden_layer_sizes": (5, 5), "max_iter": 3, "random_state": 0, "learning_rate_init": 0.02}
SGD = {"solver": "sgd"}
WATCHED = {"early_stopping": True, "max_iter": 12}


def own_activation(x):
    return x * cr.sigmoid(2 * x)


def own_classes_loss(logits, target):
    return cr.CrossEntropy()(logits, target) ** 2


def contrary(model, x, y):
    """A scorer to which the worst is the best."""
    return -model.score(x, y)


def own_loss(prediction, target):
    return cr.sum((prediction - target) ** 4, axis=-1)


def falling(step):
    return 0.05 / (1 + step)


#: Option, value, and what else is set in both fits.
BOTH = [
    ("hidden_layer_sizes", 5, {}),
    *(("activation", name, {}) for name in sorted({*ACTIVATIONS, "logistic"} - {"relu"})),
    ("activation", ("tanh", "relu"), {}),
    ("activation", own_activation, {}),
    *(("solver", name, {}) for name in sorted({*OPTIMIZERS, "lbfgs"} - {"adam"})),
    *(("solver", kind(0.02), {}) for name, kind in OPTIMIZERS.items() if name not in ("adam", "adadelta")),
    ("alpha", 1.0, {}),
    ("batch_size", 7, {}),
    *(("learning_rate", name, {}) for name in SCHEDULES),
    ("learning_rate", cr.CosineDecay(0.05, steps=3), {}),
    ("learning_rate", falling, {}),
    ("learning_rate", falling, {"solver": cr.RMSprop(0.02)}),
    ("learning_rate", "invscaling", SGD),
    ("learning_rate", "adaptive", {**SGD, "tol": 10.0, "n_iter_no_change": 1, "max_iter": 6}),
    ("learning_rate_init", 0.1, {}),
    ("power_t", 0.1, {**SGD, "learning_rate": "invscaling"}),
    ("max_iter", 4, {}),
    ("shuffle", False, {"batch_size": 7}),
    ("random_state", 1, {}),
    ("tol", 10.0, {"n_iter_no_change": 1, "max_iter": 6}),
    ("n_iter_no_change", 3, {"tol": 10.0, "max_iter": 6}),
    ("momentum", 0.1, SGD),
    ("nesterovs_momentum", False, SGD),
    ("early_stopping", True, {}),
    ("validation_fraction", 0.3, WATCHED),
    ("beta_1", 0.1, {}),
    ("beta_2", 0.9, {}),
    ("epsilon", 1.0, {}),
    ("max_fun", 3, {"solver": "lbfgs", "max_iter": 20, "activation": "tanh"}),
    ("dropout", 0.3, {}),
    ("dropout", (0.0, 0.3), {}),
    ("normalization", "batch", {}),
    ("normalization", "layer", {}),
    ("residual", True, {}),
    ("embeddings", [4], {}),
    ("embeddings", {4: 3}, {"embeddings": [4]}),
    ("weight_decay", 0.1, {}),
    ("weight_decay", 0.1, {"solver": "rmsprop"}),
    ("clip_value", 1e-3, SGD),
    ("clip_norm", 1e-2, SGD),
    ("clip_global_norm", 1e-2, SGD),
    ("average", 0.9, {}),
    ("callbacks", [lambda progress: progress.stop()], {}),
    ("callbacks", [cr.ReduceOnPlateau(0.1, patience=1, min_delta=10.0, monitor="loss")], {}),
    ("callbacks", [cr.ReduceOnPlateau(0.1, patience=1, min_delta=10.0)], {**WATCHED, "n_iter_no_change": 99}),
]
CLASSIFIER = [
    ("class_weight", {0: 5.0, 1: 1.0, 2: 1.0}, {}),
    ("class_weight", "balanced", {}),
    ("loss", "focal", {}),
    ("loss", cr.Focal(gamma=0.5), {}),
    ("loss", own_classes_loss, {}),
    ("label_smoothing", 0.2, {}),
    ("label_smoothing", 0.2, {"loss": "focal"}),
    ("calibrate", True, WATCHED),
    ("scoring", "neg_log_loss", WATCHED),
]
REGRESSOR = [
    *(("loss", name, {}) for name in sorted({*REGRESSOR_LOSSES} - {*CLASSIFIER_LOSSES, "squared_error"})),
    ("loss", cr.Huber(0.1), {}),
    ("loss", own_loss, {}),
    ("quantile", 0.9, {"loss": "quantile"}),
    ("quantile", [0.1, 0.9], {"loss": "quantile"}),
    ("scoring", contrary, WATCHED),
]
#: The losses that a regressor's target has to be special for.
SPECIAL = {"binary_cross_entropy": TARGET > 3, "binary_focal": TARGET > 3, "hinge": np.sign(TARGET - 3)}
#: What only looks on, or says where a fit goes on and how many threads share it.
NO_CHANGE = {"verbose", "warm_start", "n_threads", "checkpoint"}


FOUND = {}


def named(part):
    """Return a test's name, without addresses in memory."""
    return re.sub(r" at 0x\w+", "", getattr(part, "__name__", str(part)))[:60]


def outcome(kind, options):
    """Return all that a fit has found, as one vector."""
    key = kind, str(options)
    if key not in FOUND:
        FOUND[key] = found(kind, options)
    return FOUND[key]


def found(kind, options):
    target = Y if kind is cr.MLPClassifier else SPECIAL.get(str(options.get("loss")), TARGET)
    model = kind(**{**PLAIN, **options}).fit(X, target)
    further = *getattr(model, "loss_curve_", []), getattr(model, "temperature_", None) or 1.0
    return np.concatenate([part.ravel() for part in (*model.coefs_, *model.intercepts_, np.array(further))])


CASES = [
    *((cr.MLPClassifier, *case) for case in (*BOTH, *CLASSIFIER)),
    *((cr.MLPRegressor, *case) for case in (*BOTH, *REGRESSOR)),
]


@pytest.fixture
def evaluated(monkeypatch):
    """Run fits on NumPy."""
    monkeypatch.setitem(EXECUTORS, "compiled", EXECUTORS["numpy"])


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize(("kind", "option", "value", "others"), CASES, ids=named)
def test_an_option_changes_training(kind, option, value, others):
    plain, changed = outcome(kind, others), outcome(kind, {**others, option: value})
    assert np.isfinite(changed).all()
    assert plain.shape != changed.shape or np.abs(plain - changed).max() > 1e-7


def test_every_parameter_is_in_the_table():
    for kind, own in ((cr.MLPClassifier, CLASSIFIER), (cr.MLPRegressor, REGRESSOR)):
        assert {option for option, *_ in [*BOTH, *own]} | NO_CHANGE == set(kind().get_params())


def documented(kind):
    """Return the text of each parameter by name."""
    text = inspect.getdoc(kind).partition("Parameters\n")[2].partition("Attributes\n")[0]
    return dict(re.findall(r"^(\S.*?) : (.*\n(?:    .*\n)*)", text, re.MULTILINE))


def test_both_estimators_say_the_same_of_a_parameter_and_have_all_documented():
    """scikit-learn asks for a signature in each class, so their parameters are written twice."""
    texts = [documented(kind) for kind in (cr.MLPClassifier, cr.MLPRegressor)]
    for kind, text in zip((cr.MLPClassifier, cr.MLPRegressor), texts, strict=True):
        counted = Counter(name for names in text for name in names.split(", "))
        assert counted == Counter(list(kind().get_params()))
    shared = texts[0].keys() & texts[1].keys() - {"loss", "scoring"}
    assert {name: texts[0][name] for name in shared} == {name: texts[1][name] for name in shared}
    defaults = [kind().get_params() for kind in (cr.MLPClassifier, cr.MLPRegressor)]
    both = defaults[0].keys() & defaults[1].keys() - {"loss"}
    assert {name: defaults[0][name] for name in both} == {name: defaults[1][name] for name in both}


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_schedule_by_name_falls_over_the_whole_fit(early_stopping):
    """Rows that are held out are not stepped over: 63 of 70 are left, or 4 batches of 16 in each epoch."""
    options = {**PLAIN, "batch_size": 16, "early_stopping": early_stopping}
    steps = 3 * (4 if early_stopping else 5)
    by_name, by_object = (
        cr.MLPClassifier(**options, learning_rate=rate).fit(X, Y)
        for rate in ("cosine_decay", cr.CosineDecay(PLAIN["learning_rate_init"], steps=steps))
    )
    np.testing.assert_array_equal(by_name.coefs_[0], by_object.coefs_[0])


@pytest.mark.parametrize(
    "options",
    [
        {"loss": own_classes_loss, "embeddings": {4: 2}},
        {"loss": cr.Focal(gamma=3.0), "label_smoothing": 0.1, "calibrate": True, "early_stopping": True},
    ],
    ids=["own loss", "object"],
)
def test_a_checkpoint_knows_the_options(options, tmp_path):
    options = {**PLAIN, **options, "checkpoint": tmp_path / "run.ckpt"}
    model = cr.MLPClassifier(**options).fit(X, Y)
    again = cr.MLPClassifier(**options).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="loss"):
        cr.MLPClassifier(**{**options, "loss": "focal"}).fit(X, Y)


# Together -----------------------------------------------------------------------------------------

TOGETHER = {
    "hidden_layer_sizes": st.sampled_from([(4,), (4, 4), (4, 4, 3)]),
    "activation": st.sampled_from(["selu", "mish", "leaky_relu", own_activation]),
    "solver": st.sampled_from([*sorted(OPTIMIZERS), cr.Nadam(0.01, average=0.5)]),
    "learning_rate": st.sampled_from(["constant", "cosine_decay", "one_cycle", falling]),
    "dropout": st.sampled_from([0.0, 0.4]),
    "normalization": st.sampled_from([None, "batch", "layer"]),
    "residual": st.booleans(),
    "embeddings": st.sampled_from([None, {4: 2}]),
    "alpha": st.sampled_from([0.0, 0.1]),
    "weight_decay": st.sampled_from([0.0, 0.01]),
    "clip_global_norm": st.sampled_from([None, 0.5]),
    "average": st.sampled_from([0.0, 0.9]),
    "early_stopping": st.booleans(),
    "shuffle": st.booleans(),
    "batch_size": st.sampled_from(["auto", 16]),
    "n_threads": st.sampled_from([None, 2]),
}
OF_CLASSES = {
    "loss": st.sampled_from(["log_loss", "focal", own_classes_loss]),
    "class_weight": st.sampled_from([None, "balanced"]),
}
OF_NUMBERS = {
    "loss": st.sampled_from(["squared_error", "gamma", "quantile", "huber", own_loss]),
    "quantile": st.sampled_from([0.3, (0.1, 0.5, 0.9)]),
}


DRAWN = st.one_of(
    st.tuples(st.just(cr.MLPClassifier), st.fixed_dictionaries({}, optional={**TOGETHER, **OF_CLASSES})),
    st.tuples(st.just(cr.MLPRegressor), st.fixed_dictionaries({}, optional={**TOGETHER, **OF_NUMBERS})),
)
LIKE_THIS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=3, **LIKE_THIS)
@given(DRAWN)
def test_options_work_together(drawn):
    check_together(*drawn)


@pytest.mark.usefixtures("evaluated")
@settings(max_examples=12, **LIKE_THIS)
@given(DRAWN)
def test_more_options_work_together(drawn):
    check_together(*drawn)


def check_together(kind, options):
    """Fit, copy and go on with some options."""
    y = Y if kind is cr.MLPClassifier else TARGET
    model = kind(**{**PLAIN, "max_iter": 2, **options}).fit(X.astype("f"), y)
    assert np.isfinite(model.loss_curve_).all()
    several = options.get("loss") == "quantile" and isinstance(options.get("quantile"), tuple)
    predicted = model.predict(X)
    assert predicted.shape == ((ROWS, 3) if several else (ROWS,))
    again = clone(model).fit(X.astype("f"), y)
    np.testing.assert_array_equal(again.predict(X), predicted)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), predicted)
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert np.isfinite(model.loss_)


# What looks on ------------------------------------------------------------------------------------


def test_what_looks_on_leaves_the_bits_alone(tmp_path, caplog, capsys):
    watchers = [
        cr.CSVLogger(tmp_path / "log.csv"),
        cr.EpochLogger(),
        cr.TensorBoard(tmp_path / "events"),
        cr.TimeLimit(600),
        cr.ProgressBar(),
        cr.Recorder(),
    ]
    options = {"early_stopping": True, "max_iter": 3, "callbacks": watchers, "verbose": True}
    with caplog.at_level(logging.INFO):
        watched = found(cr.MLPClassifier, {**options, "checkpoint": tmp_path / "run.ckpt"})
    np.testing.assert_array_equal(watched, found(cr.MLPClassifier, {"early_stopping": True}))
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert {"epoch", "loss", "validation_loss", "validation_score"} <= set(header.split(","))
    assert len(lines) == len(caplog.records) == 3
    assert list((tmp_path / "events").iterdir())
    assert "Iteration 3, loss = " in capsys.readouterr().out


def test_validation_data_have_a_loss_curve_without_early_stopping():
    for kind, y in ((cr.MLPClassifier, Y), (cr.MLPRegressor, TARGET)):
        model = kind(**PLAIN, alpha=0.0, batch_size=ROWS).fit(X, y, validation_data=(X, y))
        assert model.validation_scores_ is None
        assert model.n_iter_ == len(model.validation_loss_curve_) == 3
        # Full batches: what the next epoch's only step starts from is what was validated.
        np.testing.assert_allclose(model.validation_loss_curve_[:2], model.loss_curve_[1:], rtol=1e-12)
