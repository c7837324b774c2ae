"""Whole objectives: the network called at will, and differentiated again inside."""

import numpy as np
import pytest
from training_cases import FEATURES, assert_same, network, regression, table

import chainrule as cr


def slope(net):
    """Return the function x → du/dx for a network of one input and one output, row by row."""
    return cr.grad(lambda x: cr.sum(net(x)))


def fall(net, x, y):
    """u' = -u with u(0) = 1."""
    residual = slope(net)(x) + net(x)
    start = net(x * 0) - 1
    return cr.sum(residual**2 + start**2, axis=-1)


def oscillation(net, x, y):
    """u'' = -u with u(0) = 0 and u'(0) = 1."""
    curvature = cr.grad(lambda x: cr.sum(slope(net)(x)))(x)
    residual = curvature + net(x)
    start = net(x * 0) ** 2 + (slope(net)(x * 0) - 1) ** 2
    return cr.sum(residual**2 + start, axis=-1)


@pytest.mark.parametrize(("objective", "solution"), [(fall, lambda x: np.exp(-x)), (oscillation, np.sin)])
def test_physics_informed(objective, solution):
    """A differential equation is solved without any data."""
    x = np.linspace(0, 2, 41)[:, None]
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
    model = cr.Model(
        net, objective=objective, optimizer=cr.Adam(cr.CosineDecay(0.02, steps=1200)), dtype="float64", seed=1
    )
    history = model.fit(x, epochs=1200, batch_size=None)
    assert history["loss"][-1] < 1e-3 < history["loss"][0]
    assert np.abs(model.predict(x) - solution(x)).max() < 1e-2


@pytest.mark.parametrize("objective", [fall, oscillation])
def test_gradient_of_what_is_differentiated_inside(objective):
    """The derivative by every weight, against central differences of the loss."""
    x = np.linspace(0, 2, 5)[:, None]
    net = cr.Sequential([cr.Dense(4, activation="tanh"), cr.Dense(1)])
    model = cr.Model(net, objective=objective, dtype="float64")
    _, gradients = model.gradients(x)
    weights, h = model.weights, 1e-5
    for name, gradient in gradients.items():
        for place in np.ndindex(gradient.shape):
            losses = []
            for sign in (1, -1):
                moved = np.array(weights[name])
                moved[place] += sign * h
                model.set_weights({name: moved})
                losses.append(model.gradients(x)[0])
            model.set_weights({name: weights[name]})
            assert gradient[place] == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-6, abs=1e-8)


def test_an_objective_of_prediction_and_target_is_a_loss():
    x, y = table()
    with_loss = regression(optimizer=cr.Adam(0.05))
    objective = lambda net, x, y: cr.mean((net(x) - y) ** 2, axis=-1)
    with_objective = cr.Model(network(), objective=objective, optimizer=cr.Adam(0.05), dtype="float64")
    weights = np.linspace(0, 2, len(x))
    options = {"epochs": 3, "batch_size": 5, "sample_weight": weights, "validation_data": (x, y)}
    first, second = with_loss.fit(x, y, **options), with_objective.fit(x, y, **options)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-12)
    np.testing.assert_allclose(first["validation_loss"], second["validation_loss"], rtol=1e-12)
    for name, w in with_loss.weights.items():
        np.testing.assert_allclose(with_objective.weights[name], w, rtol=1e-9, atol=1e-12)
    assert with_objective.evaluate(x, y) == {"loss": pytest.approx(with_loss.evaluate(x, y)["loss"])}
    assert with_objective.loss is None


def test_one_number_is_a_loss_too():
    x, y = table()
    per_row = cr.Model(
        network(), objective=lambda net, x, y: cr.sum((net(x) - y) ** 2, axis=-1), dtype="float64"
    )
    whole = cr.Model(
        network(), objective=lambda net, x, y: cr.mean(cr.sum((net(x) - y) ** 2, axis=-1)), dtype="float64"
    )
    first, second = (model.fit(x, y, epochs=3, batch_size=6) for model in (per_row, whole))
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-12)
    assert whole.evaluate(x, y)["loss"] == pytest.approx(per_row.evaluate(x, y)["loss"], rel=1e-12)


def test_one_number_refuses_sample_weights():
    x, y = table()
    model = cr.Model(network(), objective=lambda net, x, y: cr.mean((net(x) - y) ** 2))
    for call in (model.fit, model.step, model.gradients, model.evaluate):
        with pytest.raises(
            ValueError, match="one number for the whole batch, so sample weights cannot act on it"
        ):
            call(x, y, sample_weight=np.ones(len(x)))


def test_integers_reach_an_objective_as_integers():
    """So they can index."""
    x, _ = table()
    y = np.arange(len(x)) % 3
    seen = []

    def objective(net, x, y):
        seen.append(y.dtype.name)
        return cr.sum((net(x) - cr.one_hot(y, 3)) ** 2, axis=-1)

    model = cr.Model(network(outputs=3), objective=objective)
    model.fit(x, y)
    assert set(seen) == {"int32"}
    with pytest.raises(ValueError, match="y holds 1099511627776 at row 0, which does not fit int32"):
        model.fit(x, y + 2**40)


def test_state_and_draws_in_an_objective():
    """Every call of the network is a pass of training: dropout draws anew in each."""
    x, _ = table()
    net = network(cr.BatchNorm(), cr.Dropout(0.5))
    difference = cr.Model(net, objective=lambda net, x, y: cr.sum((net(x) - net(x)) ** 2, axis=-1))
    assert difference.fit(x)["loss"][0] > 0
    assert (difference.state["layers.1.running_mean"] != 0).any()
    same = cr.Model(network(), objective=lambda net, x, y: cr.sum((net(x) - net(x)) ** 2, axis=-1))
    assert same.fit(x)["loss"] == [0]


def test_penalties_and_seeds_count_with_an_objective():
    x, y = table()
    objective = lambda net, x, y: cr.sum((net(x) - y) ** 2, axis=-1)
    plain, penalized, again = (
        cr.Model(network(), objective=objective, penalties=penalties, dtype="float64")
        for penalties in ((), cr.L2(0.3), ())
    )
    losses = [model.fit(x, y, epochs=2)["loss"] for model in (plain, penalized, again)]
    assert losses[0] == losses[2]
    assert losses[1][0] > losses[0][0]
    assert_same(plain.weights, again.weights)


@pytest.mark.parametrize(
    ("objective", "error", "sentence"),
    [
        (lambda net, x, y: net(x) ** 2, ValueError, r"the objective returned the shape \(rows, 1\), and it"),
        (lambda net, x, y: None, TypeError, "the objective returned NoneType"),
        (lambda net, x, y: 3.0, TypeError, "the objective returned float"),
        (lambda net, x, y: cr.sum(net(x)) > 0, TypeError, "only floats have derivatives"),
        (lambda net, x, y: cr.sum(net(x[:, :2]) ** 2), ValueError, r"layers.0 \(Dense\)"),
    ],
)
def test_what_an_objective_may_not_return(objective, error, sentence):
    model = cr.Model(network(), objective=objective)
    model.build(features=FEATURES)
    before = model.weights
    with pytest.raises(error, match=sentence):
        model.fit(table()[0])
    assert_same(model.weights, before)


@pytest.mark.parametrize("options", [{}, {"loss": "huber", "objective": fall}], ids=["neither", "both"])
def test_a_model_has_a_loss_or_an_objective(options):
    with pytest.raises(ValueError, match="either loss= or objective=, and not both"):
        cr.Model(network(), **options)
