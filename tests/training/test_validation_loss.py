"""A validation loss that is not finite is no failure: a warning tells where it began, once."""

import warnings

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr

X = np.random.default_rng(0).normal(size=(50, 3))
Y = X[:, 0]


def held(rows=5000, place=4321, size=1e30):
    """Rows to validate on, one of which is very large."""
    v = np.random.default_rng(1).normal(size=(rows, 3))
    v[place] = size
    return v, v[:, 1]


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
@pytest.mark.parametrize("callbacks", [[], [lambda progress: None]], ids=["unseen", "seen"])
def test_where_it_began(executor, callbacks):
    net = cr.Sequential([cr.Dense(8), cr.Dense(8, activation=lambda z: z * z), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", executor=executor)
    with pytest.warns(RuntimeWarning, match="validation loss") as told:
        history = model.fit(X, Y, epochs=3, validation_data=held(), callbacks=callbacks)
    assert np.isnan(history["validation_loss"]).all()
    assert np.isfinite(history["loss"]).all()
    (warning,) = told
    assert warning.filename == __file__
    assert (
        "the validation loss became nan after epoch 1; of the validation data, the first is inf in row 4321, "
        "made by multiply in layers.1 of the forward pass; x reaches 1e+30 in row 4321"
        in str(warning.message)
    )


def test_an_estimator_on_sparse_rows():
    rows, y = (array.astype(np.float32) for array in held(60, 31))
    model = cr.MLPRegressor(hidden_layer_sizes=(4,), max_iter=9, tol=1e3, n_iter_no_change=1)
    with pytest.warns(RuntimeWarning, match=r"of the validation data, the first is inf in row 31, made by"):
        model.fit(
            scipy.sparse.csr_matrix(X.astype(np.float32)),
            Y.astype(np.float32),
            validation_data=(scipy.sparse.csr_matrix(rows), y),
        )


def test_one_that_becomes_finite_before_anybody_looks():
    """At first w + b is such that the logarithm has no value at -1."""
    start = {"weight_initializer": cr.Constant(1.0), "bias_initializer": cr.Constant(0.5)}
    net = cr.Dense(1, **start)
    loss = lambda p, t: cr.sum((cr.log(p) - t) ** 2, axis=-1)
    model = cr.Model(net, loss=loss, optimizer=cr.Adam(0.05), dtype="float64")
    data, ahead = (np.array([[0.0], [1.0]]), np.full(2, 1.0)), (np.array([[-1.0]]), np.full(1, 1.0))
    with pytest.warns(RuntimeWarning, match="validation loss became nan after epoch 1") as told:
        history = model.fit(*data, epochs=2000, validation_data=ahead)
    assert np.isnan(history["validation_loss"][0])
    assert np.isfinite(history["validation_loss"][-1])
    assert len(told) == 1


def test_finite_losses_and_training_that_fails_warn_of_nothing():
    model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y, epochs=3, validation_data=(X, Y))
        model.fit(X, Y, epochs=3)
        with pytest.raises(ValueError, match="the loss became"):
            cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(1e30)).fit(
                X, Y, epochs=3, validation_data=(X, Y)
            )
        with pytest.raises(ValueError, match=r"validation x.*nan"):
            model.fit(X, Y, validation_data=(np.full_like(X, np.nan), Y))
