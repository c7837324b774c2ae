"""Numbers that are not finite are traced to where they were made, with SciPy's solver, too."""

import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule as cr

X = np.random.default_rng(0).normal(size=(60, 4))
Y = X[:, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lbfgs_tells_the_row_the_layer_and_the_operation(dtype):
    x = np.abs(X).astype(dtype)
    x[37, 2] = -9.0
    model = cr.MLPRegressor(
        hidden_layer_sizes=(3,), activation=lambda z: cr.sqrt(z + 6), solver="lbfgs", random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="in row 37, made by sqrt in layers.0 of the forward pass"):
        model.fit(x, Y)
    with pytest.warns(ConvergenceWarning, match="the loss became nan in evaluation 1 of the loss: the first"):
        model.fit(x, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(activation="tanh", max_iter=1000, tol=1e-3).fit(x, Y)


def test_lbfgs_tells_of_a_derivative_that_is_infinite():
    """The square root's at 0."""
    x = np.abs(X)
    model = cr.MLPRegressor(hidden_layer_sizes=(3,), activation=lambda z: cr.sqrt(0 * z), solver="lbfgs")
    told = r"derivative by layers\.\d\.\w+ became .* of the backward pass"
    with pytest.warns(ConvergenceWarning, match=told):
        model.fit(x, Y)


def test_steps_of_ours_tell_it_in_the_error():
    model = cr.MLPRegressor(hidden_layer_sizes=(3,), activation=cr.log, solver="sgd", max_iter=2)
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(ValueError, match=r"in step 1 .* made by log in layers.0"),
    ):
        model.fit(X, Y)


@pytest.mark.parametrize("kind", [cr.MLPClassifier, cr.MLPRegressor])
def test_steps_of_ours_tell_it_where_the_best_weights_are_finite(kind):
    options = {"solver": "sgd", "learning_rate_init": 1e4, "early_stopping": True, "random_state": 0}
    x, y = np.float32(X), 1e3 * Y if kind is cr.MLPRegressor else np.int64(Y > 0)
    model = kind(hidden_layer_sizes=(16,), max_iter=50, **options)
    told = "weights are finite, but numbers in training were not: .* made by .* in layers"
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(x, y)
    assert np.isfinite(model.coefs_[0]).all()
    assert len([one for one in caught if re.search(told, str(one.message))]) == 1
    assert all(one.filename == __file__ for one in caught)


def test_a_loss_that_is_infinite_is_traced_to_the_row_in_the_loss():
    """Not to the backward pass, or the update, which it made infinite."""
    y = np.where(np.arange(len(Y)) == 7, 1e200, Y)
    model = cr.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
    told = "the first is inf in row 7, made by multiply of the loss; y reaches"
    with pytest.warns(ConvergenceWarning, match="Maximum"), pytest.warns(ConvergenceWarning, match=told):
        model.fit(X, y)
