"""Sparse x stays sparse: only a batch of it is dense, and the bits are those of dense x."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
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


def test_numbers_that_are_kept_twice_or_are_zero():
    """A negative zero that is kept, and two numbers in one place, are what the dense array has there."""
    x = sparse.csr_matrix((np.array([-0.0, 2.0, 3.0, 1.0]), [0, 1, 1, 0], [0, 1, 3, 4, 4]), shape=(4, 3))
    rows = SparseRows.of(x)
    for chosen in (slice(None), slice(1, 3), np.array([3, 1, 1, 0])):
        np.testing.assert_array_equal(rows[chosen], x.toarray()[chosen])
        assert not np.signbit(rows[chosen]).any()
    assert x.nnz == 4  # the user's own is left alone
    assert (len(rows), rows.shape, rows.dtype) == (4, (4, 3), np.float64)


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
    with pytest.raises(ValueError, match=r"is of another fit: x\.values"):
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
