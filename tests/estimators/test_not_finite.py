"""Numbers that are not finite are traced to where they were made, with SciPy's solver, too."""

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
