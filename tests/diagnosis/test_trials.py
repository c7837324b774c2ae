"""What short trainings show: neither a loss whose least is not 0, nor few rows, is a fault."""

from types import SimpleNamespace

import numpy as np
import pytest
from patients import DATA, digits, iris, model_for, names

import chainrule as cr
from chainrule.diagnosis import trials
from chainrule.diagnosis.by_heart import two_rows
from chainrule.diagnosis.linear import is_linear
from chainrule.diagnosis.patient import Patient
from chainrule.diagnosis.use_of_input import sees_input

X = np.random.default_rng(0).normal(size=(300, 5))
PROBABILITIES = np.exp(2 * X[:, :3]) / np.exp(2 * X[:, :3]).sum(axis=1, keepdims=True)


def squared(factor=1.0, least=0.0):
    return lambda p, t: factor * cr.sum((p - t) ** 2, axis=-1) + least


#: A loss, the number of outputs, and targets: the least loss is not 0, or its size is unusual.
LOSSES = {
    "smoothed": (cr.CrossEntropy(label_smoothing=0.4), 10, None),
    "poisson": ("poisson", 1, np.random.default_rng(1).poisson(np.exp(X[:, 0])).astype(float)),
    "gamma": ("gamma", 1, np.random.default_rng(1).gamma(2.0, np.exp(X[:, 0]) / 2) + 0.01),
    "soft labels": (lambda p, t: -cr.sum(t * cr.log_softmax(p), axis=-1), 3, PROBABILITIES),
    "soft binary": (lambda p, t: cr.sum(cr.softplus(p) - t * p, axis=-1), 1, PROBABILITIES[:, 0]),
    "plus 1": (squared(least=1.0), 1, np.sin(X[:, :1])),
    "plus 100": (squared(least=100.0), 1, np.sin(X[:, :1])),
    "minus 1": (squared(least=-1.0), 1, np.sin(X[:, :1])),
    "tiny": (squared(1e-4), 1, np.sin(X[:, :1])),
    "absolute": ("mean_absolute_error", 1, np.sin(X[:, 0])),
}


def for_loss(name, activation="identity"):
    loss, outputs, y = LOSSES[name]
    net = cr.Sequential([cr.Dense(32, activation="relu"), cr.Dense(outputs, activation=activation)])
    return cr.Model(net, loss=loss, optimizer=cr.Adam(2e-3)), *(digits() if y is None else (X, y))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_may_have_any_least_value(name):
    model, x, y = for_loss(name)
    found = model.diagnose(x, y)
    assert found.sound, found


@pytest.mark.parametrize("name", LOSSES)
def test_an_output_that_cannot_reach_the_targets_is_found_with_any_loss(name):
    model, x, y = for_loss(name, activation=lambda z: 0.02 * cr.sin(2 * z))
    (verdict,) = two_rows(patient(model, x, y))
    assert verdict.name == "cannot overfit two rows"
    assert "predictions that are free to" in verdict.evidence


def patient(model, x, y):
    return Patient(model._trainer, model._trainer.batch(x, y, None)).copy()


@pytest.mark.parametrize("soft", [False, True])
def test_the_logarithm_of_probabilities(soft):
    """Of free numbers it has no least value, or none at all."""
    x, y = iris()
    y = (np.eye(3)[y] + 0.2 * soft) / (1 + 0.6 * soft)
    loss = lambda p, t: -cr.sum(t * cr.log(p), axis=-1)
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(3, activation="softmax")])
    found = cr.Model(net, loss=loss, optimizer=cr.Adam(0.01)).diagnose(x, y)
    assert found, found


def test_a_sigmoid_cannot_reach_larger_targets():
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1, activation="sigmoid")])
    model = cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(0.01))
    assert list(two_rows(patient(model, X, 2 + np.sin(X[:, 0]))))


@pytest.mark.parametrize("rows", [60, 100])
@pytest.mark.parametrize("name", DATA)
def test_an_input_that_helps_needs_few_rows(name, rows):
    (x, y), *_ = DATA[name]
    order = np.random.default_rng(rows).permutation(len(x))[:rows]
    assert not list(sees_input(patient(model_for(name), x[order], y[order])))
    found = list(sees_input(patient(model_for(name), x[order], y[np.roll(order, 7)])))
    assert [verdict.name for verdict in found] == ["input that does not help"]


def test_an_input_that_helps_little_helps():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2000, 3))
    y = 0.3 * x[:, 0] + generator.normal(size=2000)  # it explains 8 % of the variance
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error")
    assert "input that does not help" not in names(model.diagnose(x, y))


def test_an_input_that_tells_all_helps_though_it_is_learnt_late():
    line, square = np.linspace(-1, 1, 200)[:, None], np.random.default_rng(0).uniform(-1, 1, (400, 2))
    board = (np.floor(4 * square).sum(axis=1) % 2).astype(int)
    for x, y, hidden, outputs, loss in (
        (line, np.sin(5 * line), [32], 1, "mean_squared_error"),
        (line, np.sin(8 * line), [32, 32], 1, "mean_squared_error"),
        (square, board, [64, 64], 2, "cross_entropy"),
    ):
        layers = [*[cr.Dense(units, activation="tanh") for units in hidden], cr.Dense(outputs)]
        model = cr.Model(cr.Sequential(layers), loss=loss, optimizer=cr.Adam(0.01))
        assert not list(sees_input(patient(model, x, y)))
        mixed = np.random.default_rng(1).permutation(len(y))
        for useless in ((x, y[mixed]), (np.ones_like(x), y)):
            assert list(sees_input(patient(model, *useless)))


def test_parity_has_neighbours_that_differ_and_needs_steps():
    bits = np.random.default_rng(0).integers(0, 2, (400, 4)).astype(float)
    x = np.c_[bits, 0.3 * np.random.default_rng(1).normal(size=(400, 4))]
    net = cr.Sequential([cr.Dense(32, activation="tanh"), cr.Dense(2)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.01))
    assert not list(sees_input(patient(model, x, bits.sum(axis=1).astype(int) % 2)))


def test_an_objective_is_looked_at_in_groups():
    x, y = DATA["diabetes"][0]
    objective = lambda network, x, y: (network(x)[:, 0] - y) ** 2
    net = cr.Sequential([cr.Dense(16, activation="tanh"), cr.Dense(1)])
    useless = cr.Model(net, objective=objective).diagnose(x, np.random.default_rng(0).permutation(y))
    assert names(useless) == ["input that does not help"]


@pytest.mark.parametrize("seed", [8, 10, 12])
def test_numbers_of_categories_say_nothing_by_their_size(seed):
    """Of 140 rows two thirds hardly teach a network the 4 times 12 of them, and yet they help."""
    generator = np.random.default_rng(seed)
    x, effects = generator.integers(0, 12, (140, 4)), generator.normal(size=(4, 12))
    total = sum(effects[place][x[:, place]] for place in range(4))
    y = np.digitize(total, np.quantile(total, [1 / 3, 2 / 3]))
    net = cr.Sequential([cr.Embedding(12, 5), cr.Flatten(), cr.Dense(24, activation="tanh"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(2e-3))
    assert not list(sees_input(patient(model, x, y)))
    assert list(sees_input(patient(model, x, generator.permutation(y))))


def test_rows_without_weight_do_not_count():
    x, y = DATA["iris"][0]
    weight = np.r_[np.ones(100), np.zeros(50)]
    wrong = np.r_[y[:100], np.zeros(50, int)]
    assert model_for("iris").diagnose(x[:, :2], wrong, sample_weight=weight)


XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
CORNERS = np.repeat(XOR, 30, axis=0)[np.random.default_rng(0).permutation(120)]


@pytest.mark.parametrize("x", [XOR, CORNERS + np.random.default_rng(1).normal(0, 0.1, (120, 2))])
@pytest.mark.parametrize("layers", [[cr.Dense(1)], [cr.Dense(4), cr.Dense(1, activation="sigmoid")]])
def test_a_network_without_a_hidden_layer_is_told_of_what_no_line_separates(x, layers):
    y = ((x[:, 0] > 0.5) != (x[:, 1] > 0.5)) * 1.0
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    (verdict,) = model.diagnose(x, y).verdicts
    assert verdict.name == "input that does not help"
    assert "linear in the input" in verdict.evidence
    assert "hidden layer" in verdict.remedy
    assert model.diagnose(x, x.min(axis=1) > 0.5)


def test_which_networks_are_linear():
    x = np.random.default_rng(0).normal(size=(80, 3))
    wavy = lambda z: cr.sin(3 * z)
    for layers, linear in (
        ([cr.Dense(4), cr.Dropout(0.5), cr.BatchNorm(), cr.Dense(1)], True),
        ([cr.Residual([cr.Dense(3)]), cr.Dense(1, activation="tanh")], True),
        ([cr.Dense(4, activation="tanh"), cr.Dense(1)], False),
        ([cr.Dense(4, activation="relu"), cr.Dense(1, activation="sigmoid")], False),
        ([cr.Dense(1, activation=wavy)], False),
        ([cr.LayerNorm(), cr.Dense(1)], False),
    ):
        for optimizer in (cr.SGD(0.1), cr.SGD(0.1, average=0.9)):
            model = cr.Model(cr.Sequential(layers), loss="huber", optimizer=optimizer)
            assert is_linear(patient(model, x, x[:, 0])) == linear


def test_few_rows_that_are_alike_or_have_one_target():
    line = lambda x, y: names(cr.Model(cr.Dense(1), loss="huber").diagnose(x, y))
    assert line(np.ones((6, 2)), np.arange(6) % 2 * 1.0) == ["input that does not help"]
    assert not line(np.ones((6, 2)), np.ones(6))
    assert not line(XOR, XOR.all(axis=1) * 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_logistic_regression_learns_two_rows(seed):
    """Its weights have far to go."""
    x, y = DATA["iris"][0]
    model = cr.Model(cr.Dense(1), loss="binary_cross_entropy", optimizer=cr.SGD(0.5), seed=seed)
    found = model.diagnose(x[:, :2], y == 0)
    assert found, found


@pytest.mark.parametrize("number", [0.0, 1.0])
def test_rows_that_are_all_alike_are_no_fault_of_dead_units(number):
    net = cr.Sequential([cr.Dense(16, activation="relu"), cr.Dense(3)])
    found = cr.Model(net, loss="cross_entropy", seed=0).diagnose(np.full((60, 4), number), np.arange(60) % 3)
    assert names(found) == ["input that does not help"]


@pytest.mark.parametrize(("later", "told"), [(0.006, []), (0.11, ["learning rate too high"])])
def test_a_rate_that_catches_up_with_a_slower_one_is_no_fault(monkeypatch, later, told):
    """What a tenth of it reaches in few steps already is no reproach if many steps come further with it."""
    losses = {(1.0, trials.STEPS): 0.11, (1.0, trials.PATIENCE): later}
    losses |= {(0.1, trials.STEPS): 0.01, (0.1, trials.PATIENCE): 0.005}
    calm = SimpleNamespace(recorded={"update_ratio": {"layers.0": [0.06]}})

    def trial(patient, factor, steps=trials.STEPS):
        return trials.Trial(factor, losses.get((factor, steps), 0.02), calm, steps)

    monkeypatch.setattr(trials, "rate_trial", trial)
    task = SimpleNamespace(optimizer=cr.Adadelta(1.0))
    patient = SimpleNamespace(trained_loss=1.0, trainer=SimpleNamespace(task=task))
    usual = trial(patient, 1.0)
    assert usual.moved > trials.LIMITS.fast_update
    assert [verdict.name for verdict in trials.learning_rate(patient, usual)] == told


@pytest.mark.parametrize("seed", [3, 6])
def test_a_rate_that_is_too_high_in_the_long_run(seed):
    """In 200 steps a tenth of it comes somewhat further; in 1000 this one has come nowhere."""
    model = model_for("diabetes", depth=2, activation="tanh", optimizer=cr.Adam(1.0), seed=seed)
    assert names(model.diagnose(*DATA["diabetes"][0])) == ["learning rate too high"]
