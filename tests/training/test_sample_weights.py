"""Sample weights: 0 is no row, 2 is the row twice, and a batch that weighs nothing changes nothing."""

import numpy as np
import pytest
from training_cases import (
    CLASSES,
    FEATURES,
    arrays_of,
    assert_differ,
    assert_same,
    classes,
    classification,
    network,
    regression,
    table,
)

import chainrule as cr

OPTIMIZERS = [
    cr.SGD(0.2),
    cr.SGD(0.1, momentum=0.9),
    cr.Adam(0.05),
    cr.AdamW(0.05, average=0.5),
    cr.Lion(0.01),
]
LOSSES = [
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "poisson",
    cr.MeanSquaredError(),
    lambda prediction, target: cr.sum((prediction - target) ** 2, axis=-1),
]


def assert_close(first, second):
    for name, array in first.items():
        np.testing.assert_allclose(array, second[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_counts(loss):
    """Weights 0, 1, 2, ... in one batch are the rows so many times."""
    x, y = table()
    counts = np.arange(len(x)) % 4
    rows = np.repeat(np.arange(len(x)), counts)
    y = np.abs(y)
    weighted, repeated = (regression(loss=loss, optimizer=cr.Adam(0.05)) for _ in range(2))
    first = weighted.fit(x, y, epochs=4, batch_size=None, sample_weight=counts)
    second = repeated.fit(x[rows], y[rows], epochs=4, batch_size=None)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-9)
    assert_close(weighted.weights, repeated.weights)


@pytest.mark.parametrize("target", ["class numbers", "class probabilities"])
def test_weights_are_counts_for_classes(target):
    x, y = classes()
    y = y if target == "class numbers" else np.eye(CLASSES)[y] * 0.7 + 0.3 / CLASSES
    counts = np.arange(len(x)) % 4
    rows = np.repeat(np.arange(len(x)), counts)
    weighted, repeated = classification(), classification()
    weighted.fit(x, y, epochs=4, batch_size=None, sample_weight=counts)
    repeated.fit(x[rows], y[rows], epochs=4, batch_size=None)
    assert_close(weighted.weights, repeated.weights)
    means = weighted.evaluate(x, y, sample_weight=counts), weighted.evaluate(x[rows], y[rows])
    assert means[0] == pytest.approx(means[1], rel=1e-9)


def test_only_proportions_count():
    x, y = table()
    weights = np.linspace(0.1, 2, len(x))
    first, second = regression(), regression()
    first.fit(x, y, epochs=3, sample_weight=weights)
    second.fit(x, y, epochs=3, sample_weight=1000 * weights)
    assert_close(first.weights, second.weights)


def test_equal_weights_are_no_weights():
    x, y = table()
    weighted, plain = regression(), regression()
    weighted.fit(x, y, epochs=3, batch_size=4, sample_weight=np.ones(len(x)))
    plain.fit(x, y, epochs=3, batch_size=4)
    assert_close(weighted.weights, plain.weights)


def test_gradients_and_step_take_weights():
    x, y = table()
    counts = np.arange(len(x)) % 3
    rows = np.repeat(np.arange(len(x)), counts)
    weighted, repeated = regression(), regression()
    loss, gradients = weighted.gradients(x, y, sample_weight=counts)
    expected, repeated_gradients = repeated.gradients(x[rows], y[rows])
    assert loss == pytest.approx(expected)
    assert_close(gradients, repeated_gradients)
    assert weighted.step(x, y, sample_weight=counts) == pytest.approx(repeated.step(x[rows], y[rows]))
    assert_close(weighted.weights, repeated.weights)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_a_batch_that_weighs_nothing_changes_nothing(optimizer, tmp_path):
    """Not the weights, not the running statistics, not the optimizer's state.

    (The number of the step goes on: schedules, Adam's correction and random draws count it.)
    """
    x, y = classes()
    model = classification(network(cr.BatchNorm(), outputs=CLASSES), optimizer=optimizer)
    model.fit(x, y, epochs=2, batch_size=5)
    before = carried(model, tmp_path)
    loss = model.fit(x, y, epochs=2, batch_size=5, sample_weight=np.zeros(len(x)))["loss"]
    assert loss == [0, 0]
    assert_same(carried(model, tmp_path), before)
    model.step(x, y, sample_weight=np.zeros(len(x)))
    assert_same(carried(model, tmp_path), before)


def carried(model, folder):
    """Return all arrays of a model, the optimizer's too, as its file holds them."""
    from safetensors.numpy import load_file

    model.save(folder / "model.safetensors")
    return dict(sorted(load_file(folder / "model.safetensors").items()))


def test_penalties_alone_do_not_move_a_batch_that_weighs_nothing():
    x, y = table()
    model = regression(penalties=cr.L2(0.5))
    model.build(features=FEATURES)
    before = model.weights
    model.fit(x, y, sample_weight=np.zeros(len(x)))
    assert_same(model.weights, before)


def test_absent_rows_keep_their_numbers_to_themselves():
    """A row of weight 0 may be absurd: its loss, exp(prediction), and its gradient are infinite."""
    x, y = table()
    weights, absent = np.ones(len(x)), [3, 4]
    weights[absent] = 0
    x[absent] = [[1e5] * 3, [-1e5] * 3]
    present = weights > 0
    with_them, without = (regression(network(activation="identity"), loss="poisson") for _ in range(2))
    assert with_them.predict(x[absent]).max() > 800
    with_them.fit(x, np.abs(y), epochs=3, batch_size=None, sample_weight=weights)
    without.fit(x[present], np.abs(y[present]), epochs=3, batch_size=None)
    assert_close(with_them.weights, without.weights)


def test_batch_statistics_see_rows_and_the_loss_sees_weights():
    x, y = classes()
    net = network(cr.BatchNorm(), outputs=CLASSES)
    weights = np.ones(len(x))
    weights[:5] = 0
    with_them, without = classification(net), classification(net)
    with_them.fit(x, y, batch_size=None, sample_weight=weights)
    without.fit(x[5:], y[5:], batch_size=None)
    assert_differ(arrays_of(with_them), arrays_of(without))


def test_weights_of_zero_everywhere_evaluate_to_zero():
    x, y = classes()
    model = classification()
    assert model.evaluate(x, y, sample_weight=np.zeros(len(x))) == {"loss": 0, "accuracy": 0}
