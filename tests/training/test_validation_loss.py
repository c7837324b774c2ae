"""A validation or an evaluation that is not finite is no failure: a warning tells where it began, once."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

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


def logarithms(executor="compiled"):
    """A model, its data, and rows to validate on: at first w + b is such that log has no value at -1."""
    net = cr.Dense(1, weight_initializer=cr.Constant(1.0), bias_initializer=cr.Constant(0.5))
    loss = lambda p, t: cr.sum((cr.log(p) - t) ** 2, axis=-1)
    model = cr.Model(net, loss=loss, optimizer=cr.Adam(0.05), dtype="float64", executor=executor)
    return model, (np.array([[0.0], [1.0]]), np.full(2, 1.0)), (np.array([[-1.0]]), np.full(1, 1.0))


def test_one_that_becomes_finite_before_anybody_looks():
    """It is traced with the weights of its epoch all the same, and that changes no number."""
    results = []
    for callbacks in ([], [cr.Callback()]):
        model, data, ahead = logarithms()
        with pytest.warns(RuntimeWarning, match="validation loss became nan after epoch 1") as told:
            history = model.fit(*data, epochs=2000, validation_data=ahead, callbacks=callbacks)
        assert np.isnan(history["validation_loss"][0])
        assert np.isfinite(history["validation_loss"][-1])
        (warning,) = told
        results.append((str(warning.message), *history["validation_loss"], *history["loss"]))
    assert "the first is nan in row 0, made by log of the loss; log was given -0.5," in results[0][0]
    np.testing.assert_array_equal(*results)


def test_the_weights_are_those_of_the_epoch_though_others_come_at_once():
    """Both executors say the same, of an epoch amid many."""
    v, rate = np.array([[2.0]]), lambda t: cr.where(t == 400, 1.0, 0.05)
    told = []
    for executor in ("compiled", "numpy"):
        net = cr.Dense(1, weight_initializer=cr.Constant(0.5), use_bias=False)
        loss = lambda p, t: cr.sum((p - t) ** 2, axis=-1) + 1e-3 * cr.sum(cr.log(1.5 - p), axis=-1)
        model = cr.Model(net, loss=loss, optimizer=cr.SGD(rate), dtype="float64", executor=executor)
        with pytest.warns(RuntimeWarning, match="validation loss") as warned:
            model.fit(
                [[1.0], [1.0]],
                [0.8, 0.4],
                epochs=3000,
                batch_size=1,
                shuffle=False,
                validation_data=(v, [1.0]),
            )
        told.append(str(warned[0].message))
    assert "after epoch 201" in told[0]
    assert told[0] == told[1]


@pytest.mark.parametrize("category", ["default", "error"])
def test_ctrl_c(category):
    model, data, ahead = logarithms()

    def press(progress):
        raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(category)
        with pytest.raises(KeyboardInterrupt) as pressed:
            model.fit(*data, epochs=9, validation_data=ahead, callbacks=[press])
    notes = [str(warning.message) for warning in told] or pressed.value.__notes__
    assert "validation loss became nan after epoch 1; of the validation data, the first is nan" in notes[0]


class Logarithm(cr.Loss):
    """A loss with a score of its own, which has no value everywhere."""

    def formula(self, prediction, target):
        return (prediction - target) ** 2

    def scores(self, prediction, target):
        return {"logarithm": cr.sum(cr.log(prediction), axis=-1)}


def test_a_metric():
    net = cr.Dense(1, weight_initializer=cr.Ones())
    model = cr.Model(net, loss=Logarithm(), optimizer=cr.SGD(1e-6))
    with pytest.warns(RuntimeWarning, match=r"the validation logarithm became nan after epoch 1; .* row 1,"):
        model.fit([[1.0]], [1.0], epochs=3, validation_data=([[1.0], [-2.0]], [1.0, 1.0]))


def test_the_score_of_a_scorer():
    scores = iter([0.5, 0.6, np.nan, 0.7])
    model = cr.MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=4, early_stopping=True, scoring=lambda *given: next(scores)
    )
    told = "the validation score became nan after epoch 3; each row's loss is finite, and scoring gave this"
    with pytest.warns(RuntimeWarning, match=told), pytest.warns(ConvergenceWarning):
        model.fit(X, Y)


@pytest.mark.parametrize("executor", ["compiled", "numpy"])
def test_an_evaluation(executor):
    net = cr.Sequential([cr.Dense(8), cr.Dense(8, activation=lambda z: z * z), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", executor=executor)
    with pytest.warns(
        RuntimeWarning, match=r"the loss is nan; the first is inf in row 4321, made by"
    ) as told:
        assert np.isnan(model.evaluate(*held())["loss"])
    (warning,) = told
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(X, Y)


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
