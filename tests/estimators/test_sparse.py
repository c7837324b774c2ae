"""Sparse x stays sparse: only a batch of it is dense, and the bits are those of dense x."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from chainrule.estimators import base, lbfgs, predicting
from chainrule.estimators import sparse as estimators_sparse
from chainrule.graph.loop import EvaluatedRun
from chainrule.graph.sparse import SparseRows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FORMS = [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_array]
RANDOM = np.random.default_rng(0)
X = np.where(RANDOM.random((130, 21)) < 0.2, RANDOM.normal(size=(130, 21)), 0.0)
X[5] = 0
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
OPTIONS = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0, "batch_size": 16}


def end(model):
    curves = model.loss_curve_, model.validation_scores_, model.validation_loss_curve_
    return [*model.coefs_, *model.intercepts_, model.predict(X), *curves]


@pytest.mark.parametrize(
    ("form", "dtype"),
    [*zip(FORMS, ["float32", "float64", "float64", "int64"], strict=True)],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_sparse_rows_train_and_predict_as_dense_ones(form, dtype):
    x = (X * 3).astype(dtype)
    for options in ({"early_stopping": True, "n_threads": 2}, {"early_stopping": True, "shuffle": False}):
        ours, plain = (cr.MLPClassifier(**OPTIONS, **options).fit(one, Y) for one in (form(x), x))
        np.testing.assert_equal(end(ours), end(plain))
        np.testing.assert_array_equal(ours.predict_proba(form(x)), plain.predict_proba(x))
        assert ours.score(form(x), Y) == plain.score(x, Y)
        ours.set_params(early_stopping=False).partial_fit(form(x), Y)
        plain.set_params(early_stopping=False).partial_fit(x, Y)
        np.testing.assert_equal(ours.coefs_, plain.coefs_)


def test_lbfgs_own_rows_scorers_and_weights():
    weight = RANDOM.random(len(Y))
    for options, held in (
        ({"solver": "lbfgs"}, None),
        ({"early_stopping": True, "scoring": "neg_log_loss"}, None),
        ({"early_stopping": True, "calibrate": True}, (X[:40], Y[:40])),
    ):
        fits = []
        for form in (np.asarray, sparse.csr_array):
            rows = None if held is None else (form(held[0]), held[1])
            model = cr.MLPClassifier(**{**OPTIONS, **options}).fit(form(X), Y, weight, validation_data=rows)
            fits.append([*model.coefs_, model.n_iter_, model.temperature_])
        np.testing.assert_equal(*fits)
    sparse_held = cr.MLPClassifier(**OPTIONS).fit(X, Y, validation_data=(sparse.csr_array(X), Y))
    dense_held = cr.MLPClassifier(**OPTIONS).fit(sparse.csr_array(X), Y, validation_data=(X, Y))
    np.testing.assert_equal(end(sparse_held), end(dense_held))


WIDE = sparse.random(150, 400, 0.02, "csr", random_state=0) + sparse.eye(150, 400, format="csr")
LABELS = (np.asarray(WIDE[:, :200].sum(axis=1)).ravel() > 2).astype(int)


@pytest.fixture
def listed(monkeypatch):
    """Return what `_pays` has answered in the fits of a test."""
    answers, pays = [], estimators_sparse._pays
    monkeypatch.setattr(estimators_sparse, "_pays", lambda *a: answers.append(pays(*a)) or answers[-1])
    return answers


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "n_threads": 2},
        {"solver": "sgd", "learning_rate": "adaptive", "early_stopping": True, "class_weight": "balanced"},
        {"normalization": "batch", "dropout": 0.2, "average": 0.9, "callbacks": [cr.Doctor()]},
    ],
    ids=["adam", "adaptive", "callbacks"],
)
def test_rows_of_few_numbers_train_by_these_alone(options, dtype, listed):
    options = {**OPTIONS, **options}
    x = WIDE.astype(dtype)
    ours, plain = (cr.MLPClassifier(**options).fit(one, LABELS) for one in (x, x.toarray()))
    assert listed
    assert all(listed)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for one, other in zip(ours.coefs_, plain.coefs_, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.loss_curve_, plain.loss_curve_, rtol=tolerance)
    ours.set_params(early_stopping=False).partial_fit(x, LABELS)
    plain.set_params(early_stopping=False).partial_fit(x.toarray(), LABELS)
    np.testing.assert_allclose(ours.coefs_[0], plain.coefs_[0], rtol=tolerance, atol=tolerance)


def test_sparse_and_dense_rows_beside_each_other(listed):
    rows = [WIDE, WIDE.toarray()]
    fits = [
        cr.MLPClassifier(**OPTIONS).fit(x, LABELS, validation_data=(held, LABELS))
        for x in rows
        for held in rows
    ]
    assert len(listed) == 4
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.validation_loss_curve_, fits[0].validation_loss_curve_)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (sparse.random(40, 40, 0.5, "csr", random_state=0), "half of the numbers are there"),
        (sparse.csr_matrix(np.eye(40, 999) + (np.arange(40) == 3)[:, None] * np.eye(1, 999, 5)), ""),
        (
            sparse.vstack([sparse.eye(39, 999), np.arange(999)[None] < 50], format="csr"),
            "one row is much longer",
        ),
        (sparse.csr_matrix((40, 999)), "there are none"),
    ],
    ids=["dense", "fit", "one long row", "zeros"],
)
def test_when_rows_are_listed(rows, why, listed):
    cr.MLPClassifier(**OPTIONS).fit(rows, np.arange(40) % 2)
    assert listed == [not why]


@pytest.mark.parametrize(
    "options",
    [{"alpha": 1.0}, {"normalization": "layer", "residual": True, "hidden_layer_sizes": (6, 6)}],
    ids=["alpha", "layers"],
)
def test_lbfgs_takes_sparse_rows_some_at_a_time(options, monkeypatch):
    weight = RANDOM.random(150) * (np.arange(150) // 30 != 2)
    options = {**OPTIONS, "solver": "lbfgs", **options}
    plain = cr.MLPClassifier(**options).fit(WIDE.toarray(), LABELS, weight)
    monkeypatch.setattr(lbfgs, "_NUMBERS", 30 * 400)
    sizes, run_stage = [], lbfgs.run_stage
    monkeypatch.setattr(
        lbfgs,
        "run_stage",
        lambda stage, arrays, prepare: sizes.append(len(arrays["x"])) or run_stage(stage, arrays, prepare),
    )
    ours = cr.MLPClassifier(**options).fit(WIDE, LABELS, weight)
    assert set(sizes) == {30}
    assert len(sizes) % 4 == 0  # thirty rows weigh nothing
    np.testing.assert_allclose(ours.coefs_[0], plain.coefs_[0], rtol=1e-9, atol=1e-9)
    assert ours.loss_ == pytest.approx(plain.loss_, rel=1e-12)


@pytest.mark.parametrize("options", [{"dropout": (0.0, 0.5)}, {"normalization": "batch"}], ids=str)
def test_lbfgs_keeps_rows_together_that_are_not_apart(options, monkeypatch):
    options = {**OPTIONS, "solver": "lbfgs", "hidden_layer_sizes": (6, 6), "residual": True, **options}
    plain = cr.MLPClassifier(**options).fit(WIDE.toarray(), LABELS)
    monkeypatch.setattr(lbfgs, "_NUMBERS", 30 * 400)
    ours = cr.MLPClassifier(**options).fit(WIDE, LABELS)
    np.testing.assert_allclose(ours.coefs_[0], plain.coefs_[0], rtol=1e-9, atol=1e-9)


def test_numbers_that_are_kept_twice_or_are_zero():
    """A negative zero that is kept, and two numbers in one place, are what the dense array has there."""
    x = sparse.csr_matrix((np.array([-0.0, 2.0, 3.0, 1.0]), [0, 1, 1, 0], [0, 1, 3, 4, 4]), shape=(4, 3))
    rows = SparseRows.of(x)
    for chosen in (slice(None), slice(1, 3), np.array([3, 1, 1, 0])):
        np.testing.assert_array_equal(rows[chosen], x.toarray()[chosen])
        assert not np.signbit(rows[chosen]).any()
    assert x.nnz == 4  # the user's own is left alone
    assert (len(rows), rows.shape, rows.dtype) == (4, (4, 3), np.float64)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_sparse_row_is_predicted_by_its_own_numbers_whatever_rows_stand_beside_it(dtype, monkeypatch):
    full = sparse.csr_matrix(RANDOM.normal(size=(20, 400)))
    x = sparse.vstack([WIDE[:30], full, WIDE[30:]], format="csr").astype(dtype)
    options = {**OPTIONS, "hidden_layer_sizes": (6, 5), "average": 0.9, "normalization": "layer"}
    model = cr.MLPClassifier(**options).fit(WIDE.astype(dtype), LABELS)
    y = model.predict_proba(x)
    assert y.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(y, model.predict_proba(x.toarray()), rtol=tolerance, atol=tolerance)
    for rows in (slice(0, 30), slice(30, 50), slice(25, 40), slice(60, 61)):
        np.testing.assert_array_equal(model.predict_proba(x[rows]), y[rows])
    products = []
    matmul = sparse.csr_matrix.__matmul__
    monkeypatch.setattr(
        sparse.csr_matrix, "__matmul__", lambda *two: products.append(two[0].shape[0]) or matmul(*two)
    )
    monkeypatch.setattr(predicting, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(base, "WORTH_WAKING", 1)
    for n_threads in (1, 3):
        np.testing.assert_array_equal(model.set_params(n_threads=n_threads).predict_proba(x), y)
    assert sorted(products) == [50, 50, 50, 150]


def test_codes_of_categories_in_a_sparse_table():
    x = np.column_stack([X, np.arange(len(X)) % 4])
    ours, plain = (
        cr.MLPRegressor(**OPTIONS, embeddings={21: 2}).fit(one, Y) for one in (sparse.csr_matrix(x), x)
    )
    np.testing.assert_array_equal(ours.predict(sparse.csr_matrix(x)), plain.predict(x))
    x[7, -1] = 4
    with pytest.raises(ValueError, match="column 21 of x holds 4 in row 7"):
        ours.predict(sparse.csr_matrix(x))


def test_both_executors_take_sparse_rows(monkeypatch):
    """The evaluator is the definition of what a loop does with them."""
    fits = []
    for run in (None, EvaluatedRun):
        with monkeypatch.context() as patch:
            if run is not None:
                patch.setattr("chainrule.compiler.epochs.CompiledRun", run)
            model = cr.MLPClassifier(**OPTIONS, early_stopping=True).fit(sparse.csr_matrix(X), Y)
        fits.append(model)
    np.testing.assert_allclose(fits[0].coefs_[0], fits[1].coefs_[0], rtol=1e-9, atol=1e-12)


def test_a_checkpoint_knows_sparse_rows(tmp_path):
    options = {**OPTIONS, "checkpoint": tmp_path / "run.ckpt"}
    x = sparse.csr_matrix(X)
    model = cr.MLPClassifier(**options).fit(x, Y)
    np.testing.assert_equal(end(cr.MLPClassifier(**options).fit(x, Y)), end(model))
    with pytest.raises(ValueError, match=r"is of another fit: x holds other numbers"):
        cr.MLPClassifier(**options).fit(2 * x, Y)


def test_a_table_that_would_not_fit_into_memory_when_dense():
    """6,000 × 20,000 numbers are 0.96 GB; a fifth of that is enough."""
    rows, features, each = 6_000, 20_000, 8
    columns = RANDOM.integers(0, features, (rows, each))
    columns[:, 0] = np.arange(rows) % 2  # which tells the class
    starts = np.arange(0, rows * each + 1, each)
    x = sparse.csr_matrix((np.ones(rows * each), columns.ravel(), starts), shape=(rows, features))
    model = cr.MLPClassifier((2,), max_iter=1, batch_size=100, learning_rate_init=0.1, random_state=0)
    tracemalloc.start()
    try:
        right = model.fit(x, np.arange(rows) % 2).predict(x) == np.arange(rows) % 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert right.mean() > 0.95
    assert peak < 2e8
