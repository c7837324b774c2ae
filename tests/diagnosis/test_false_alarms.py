"""Sound networks and tables that once got a complaint, beside the faults that they look like."""

from dataclasses import dataclass

import numpy as np
import pytest
from patients import DATA, model_for, names

import chainrule as cr
from chainrule.diagnosis import vanishing
from chainrule.diagnosis.data import feature_scale
from chainrule.diagnosis.flow import told_of_tiny, weight_sizes
from chainrule.diagnosis.thresholds import LIMITS


def told(x):
    return [verdict.name for verdict in feature_scale(x)]


def told_in_a_fit(model, data, epochs=8):
    doctor = cr.Doctor(tell=None)
    model.fit(*data, epochs=epochs, callbacks=[doctor])
    return names(doctor)


def standard(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def test_what_standardizing_does_not_mend_is_no_fault_of_the_scale():
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(20_000, 2))
    rare = np.arange(len(numbers)) % 5_000 == 0
    assert np.max(standard(rare)) > 50
    tail = generator.standard_t(2, size=len(numbers))
    assert told(standard(np.column_stack([numbers, rare, tail]))) == []
    assert told(np.column_stack([numbers, 2.0 * rare - 1])) == []  # it lies around -1, and varies by 0.03
    assert told(np.column_stack([10 * numbers[:, 0], 0.01 * rare])) == []


@pytest.mark.parametrize("rows", [256, 1797])
def test_columns_between_minus_1_and_1_of_which_some_hardly_vary(rows):
    """A pixel at the edge is -1 in nearly all rows."""
    x = 2 * DATA["digits"][0][0][:rows] - 1
    assert told(x) == []
    assert told(np.column_stack([x, 100 + x[:, 20]])) == ["features far from unit scale"]
    assert told(1 + 0.01 * x[:, [20, 30]]) == ["features far from unit scale"]


def test_what_standardizing_mends_is_one():
    numbers = np.random.default_rng(0).normal(size=(2_000, 2))
    far = ["features far from unit scale"]
    assert told(numbers * [1, 1e-3]) == ["features of wildly different scale"]
    assert told(numbers * 100) == told(numbers[:, :1] + 100) == far
    once = np.where(np.arange(len(numbers)) == 7, 1e6, numbers[:, 0])
    assert told(np.column_stack([once, numbers[:, 1]])) == ["features of wildly different scale"]
    assert told(once[:, None]) == far


def test_two_rows_in_which_few_units_are_silent_are_not_all_rows():
    (x, y), outputs, loss = DATA["iris"]
    hidden = [cr.Dense(units, activation="relu") for units in (64, 16, 4)]
    assert names(cr.Model(cr.Sequential([*hidden, cr.Dense(outputs)]), loss=loss).diagnose(x, y)) == []


@pytest.mark.parametrize(
    ("name", "hidden", "depth", "batch"), [("iris", 64, 2, 128), ("diabetes", 32, 3, 32)]
)
def test_the_long_first_steps_of_rmsprop_are_no_fault(name, hidden, depth, batch):
    for rate, is_found in ((0.01, False), (1.0, True)):
        doctor = cr.Doctor(tell=None)
        model = model_for(name, hidden=hidden, depth=depth, seed=2, optimizer=cr.RMSprop(rate))
        model.fit(*DATA[name][0], epochs=8, batch_size=batch, callbacks=[doctor])
        assert bool(doctor.verdicts) is is_found, (rate, doctor.verdicts)


@pytest.mark.parametrize("hidden", [[], [cr.Dense(16, activation="relu")]], ids=["alone", "after another"])
def test_a_last_layer_that_starts_at_0_does_not_give_probabilities(hidden):
    net = cr.Sequential([*hidden, cr.Dense(1, weight_initializer="zeros")])
    model = cr.Model(net, loss="binary_cross_entropy", optimizer=cr.Adam(0.01))
    found = model.diagnose(*DATA["cancer"][0])
    assert found, found
    assert told_in_a_fit(model, DATA["cancer"][0]) == []


def two_wide_layers():
    x = np.random.default_rng(0).normal(size=(1000, 3))
    y = x[:, 0] ** 2 + x[:, 1] * x[:, 2]
    layers = [cr.Dense(256, activation="sigmoid") for _ in range(2)]
    model = cr.Model(
        cr.Sequential([*layers, cr.Dense(1)]), loss="huber", optimizer=cr.Adam(0.01), seed=18, dtype="float64"
    )
    model.build(features=3)
    return model, x, (y - y.mean()) / y.std()


def test_a_wide_layer_after_few_features_starts_with_usual_weights(monkeypatch):
    """Gradients are far smaller at the start than those of what adds up 256 sigmoids, and it learns.

    A remedy that came further in a fifth of the steps would be told.
    """
    model, x, y = two_wide_layers()
    assert model.diagnose(x, y)
    assert told_in_a_fit(two_wide_layers()[0], (x, y), epochs=16) == []
    assert weight_sizes(model.weights, 1.0)["layers.0.weight"] < LIMITS.tiny_weights
    assert told_of_tiny(model.weights) == ""
    monkeypatch.setattr(vanishing, "PATIENCE", 1)
    (found,) = model.diagnose(x, y).verdicts
    assert found.name == "vanishing gradients"
    assert "and 200 with relu for its activations to 0.0" in found.evidence
    model.set_weights({"layers.0.weight": model.weights["layers.0.weight"] / 10})
    assert "times smaller than usual in layers.0" in told_of_tiny(model.weights)


def with_dropout(rate):
    units = {"activation": "relu", "weight_initializer": "he_uniform"}
    hidden = [cr.Dense(64, **units), cr.Dropout(rate)] * 5
    return cr.Model(cr.Sequential([*hidden, cr.Dense(1)]), loss="mean_absolute_error", seed=3)


def test_dropout_that_is_usual_may_make_the_loss_at_the_start_high():
    data = DATA["diabetes"][0]
    model = with_dropout(0.5)
    model.build(features=10)
    assert model.gradients(*data)[0] > 5 * np.mean(np.abs(data[1])) > 2 * model.evaluate(*data)["loss"]
    assert names(with_dropout(0.5).diagnose(*data)) == []
    (found,) = with_dropout(0.9).diagnose(*data).verdicts
    assert (found.name, found.where) == ("dropout too high", "layers.1 (Dropout)")
    assert "its rate is 0.9, and the loss at the start is" in found.evidence
    assert "; without it " in found.evidence
    assert told_in_a_fit(with_dropout(0.9), data) == ["dropout too high"]


def test_counts_are_no_fault_of_a_fresh_network():
    """Of e^z a few outputs above the others make most of the loss."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 6))
    y = generator.poisson(np.exp(0.2 * x[:, 0]))
    net = cr.Sequential([cr.Dense(64), cr.BatchNorm(), cr.Activation("selu"), cr.Dense(1)])
    for seed in range(6):
        model = cr.Model(net, loss="poisson", optimizer=cr.Adam(3e-3), seed=seed)
        assert "loss at the start too high" not in names(model.diagnose(x, y))
    far = cr.Dense(1, bias_initializer=cr.Constant(6.0))
    assert names(cr.Model(far, loss="poisson").diagnose(x, y)) == ["loss at the start too high"]


@dataclass(frozen=True)
class Times(cr.Layer):
    """Its input times a number; or held, where there is none."""

    factor: float | None

    def forward(self, x, context):
        return cr.stop_gradient(x) if self.factor is None else x * self.factor


def test_a_layer_that_is_held_is_no_fault_and_one_that_is_blocked_has_the_remedy():
    def model(factor):
        layers = [cr.Dense(32, activation="tanh"), Times(factor), cr.Dense(10)]
        return cr.Model(cr.Sequential(layers), loss="cross_entropy", optimizer=cr.Adam(0.01))

    data = DATA["digits"][0]
    assert names(model(None).diagnose(*data)) == []
    assert told_in_a_fit(model(None), data) == []
    assert names(model(0.0).diagnose(*data)) == ["cannot overfit two rows"]
    doctor = cr.Doctor(tell=None)
    model(0.0).fit(*data, epochs=2, callbacks=[doctor])
    (found,) = doctor.verdicts
    assert (found.name, found.where) == ("vanishing gradients", "layers.0 (Dense)")
    assert "what lets no derivative through between it and the loss, as a factor of 0" in found.remedy


def test_gradients_of_0_are_a_fault_where_they_stay_so():
    """A block that starts as the identity lets nothing through at first; one times 0 never does."""
    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(400, 4)), generator.normal(size=400)

    def diagnosed(block, y):
        net = cr.Sequential([cr.Residual([cr.Dense(16, activation="tanh"), *block]), cr.Dense(1)])
        return cr.Model(net, loss="mean_squared_error", optimizer=cr.Adam(1e-3)).diagnose(x, y)

    faint = x[:, 0] / 2 + noise
    assert names(diagnosed([cr.Dense(4, weight_initializer="zeros")], faint / faint.std())) == []
    (found,) = diagnosed([cr.Dense(4), Times(0.0)], x[:, 0] * x[:, 1]).verdicts
    assert found.name == "vanishing gradients"
    assert "what lets no derivative through between it and the loss" in found.remedy


@dataclass(frozen=True)
class Squashed(cr.Layer):
    """A layer of one's own, whose activation is no name that is known."""

    activation: str = "squash"

    def forward(self, x, context):
        return cr.sigmoid(x @ context.parameter("weight", (x.shape[-1], 8)))


def test_the_activation_of_a_layer_of_ones_own_is_left_as_it_is():
    """Others are tried in its place where gradients vanish."""
    layers = [cr.Dense(8, activation="sigmoid") for _ in range(8)]
    model = cr.Model(cr.Sequential([*layers, Squashed(), cr.Dense(1)]), loss="mean_squared_error")
    (found,) = model.diagnose(*DATA["diabetes"][0]).verdicts
    assert found.name == "vanishing gradients"
    assert "and 200 with selu for its activations to 0." in found.evidence


@pytest.mark.parametrize(
    "schedule",
    [cr.StepDecay(1e-3, every=50), cr.OneCycle(2e-3, steps=250), cr.CosineDecay(1e-3, steps=250)],
    ids=["steps", "one cycle", "cosine"],
)
def test_a_rate_that_its_schedule_has_lowered_is_not_too_low(schedule):
    """Neither in the fit, at whose end steps are tiny, nor in a trial, which may go on for longer."""
    data = DATA["iris"][0]
    model = model_for("iris", optimizer=cr.Adam(schedule))
    assert names(model.diagnose(*data)) == []
    assert told_in_a_fit(model, data, epochs=50) == []
    still = model_for("iris", optimizer=cr.Adam(cr.StepDecay(1e-7, every=50)))
    assert told_in_a_fit(still, data, epochs=50) == ["learning rate too low"]


def test_a_schedule_of_ones_own_takes_one_step_at_a_time():
    """It may compare the step with an array, as long as it returns one number."""
    ends = np.array([10.0, 20.0, 30.0])

    def halved(step):
        return 0.01 * 0.5 ** cr.sum(cr.where(step >= ends, 1.0, 0.0))

    assert told_in_a_fit(model_for("iris", optimizer=cr.Adam(halved)), DATA["iris"][0], epochs=2) == []


def test_a_layer_whose_weights_alone_are_tiny_makes_no_gradient_explode():
    """The gradients of others are small beside its own, which is as steep as the loss."""
    model = model_for("iris", depth=2, activation="tanh")
    model.build(features=4)
    model.set_weights({"layers.1.weight": 1e-4 * model.weights["layers.1.weight"]})
    assert "exploding gradients" not in names(model.diagnose(*DATA["iris"][0]))


def test_what_is_recorded_is_no_reason_to_fail():
    """The square of a gradient of 1e200 is infinite, also in float64."""
    x, y = DATA["iris"][0]
    huge = lambda prediction, target: 1e200 * cr.mean(prediction * prediction, axis=-1)
    fits = []
    for callbacks in ([], [cr.Recorder()]):
        model = cr.Model(cr.Dense(3), loss=huge, optimizer=cr.SGD(1e-203), dtype="float64")
        fits.append((model.fit(x, y, epochs=2, callbacks=callbacks), model.weights["weight"]))
    (plain, weights), (recorded, same) = fits
    assert plain["loss"] == recorded["loss"]
    np.testing.assert_array_equal(weights, same)
    assert np.isfinite(recorded.recorded["gradient_norm"][""]).all()


def test_steps_that_are_tiny_as_the_rate_is_by_then_are_not_too_small():
    """A trial may last longer than the schedule was made for."""
    model = model_for("cancer", optimizer=cr.SGD(cr.StepDecay(0.1, every=20), momentum=0.9))
    assert "updates too small" not in names(model.diagnose(*DATA["cancer"][0]))


@pytest.mark.parametrize("seed", range(3))
def test_layers_that_vanish_and_learn_all_the_same(seed):
    """A tenth is off the loss after 200 steps, and after 1000 nearly as much as with relu."""
    wide = cr.Concatenate([cr.Dense(512, activation="sigmoid"), cr.Columns([0, 1])])
    layers = [wide, cr.Dropout(0.5), cr.Dense(512, activation="sigmoid"), cr.Dropout(0.5), cr.Dense(1)]
    x = np.random.default_rng(seed).normal(size=(400, 10))
    y = x[:, 0] + 2 * x[:, 1] - 2 * x[:, 2] - 1.5 * x[:, 3] + np.random.default_rng(seed).normal(size=400)
    model = cr.Model(cr.Sequential(layers), loss="mean_squared_error", optimizer=cr.Lion(1e-4), seed=seed)
    assert names(model.diagnose(x, y / y.std())) == []


@pytest.mark.parametrize("seed", range(3))
def test_steps_that_overshoot_say_nothing_of_what_can_be_learnt(seed):
    """One of 0.001 changes each of 512 weights, and the prediction is the exponential of a sum of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 5))
    y = rng.poisson(np.exp(0.5 + 0.4 * x[:, 0] - 0.3 * x[:, 1])).astype(float)
    wide = [cr.Dense(512, activation="sigmoid"), cr.LayerNorm()] * 2
    model = cr.Model(
        cr.Sequential([*wide, cr.Dense(1)]),
        loss="poisson",
        optimizer=cr.SGD(0.01, clip_global_norm=1.0),
        seed=seed,
    )
    assert names(model.diagnose(x, y)) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_of_0_moves_nothing_any_more(seed):
    """Rows beyond their margin have no hinge loss: after some epochs steps are tails of the momentum."""
    x, y = DATA["iris"][0]
    net = cr.Sequential([cr.Dense(64, activation="gelu"), cr.Dense(32, activation="gelu"), cr.Dense(1)])
    model = cr.Model(net, loss="hinge", optimizer=cr.SGD(0.01, momentum=0.9), seed=seed)
    assert names(model.diagnose(x[y < 2], 2 * y[y < 2] - 1)) == []


@dataclass(frozen=True)
class WithNothing(cr.Layer):
    """A layer that has a parameter without elements, as one of a variable number of parts may have."""

    def forward(self, x, context):
        nothing, weight = context.parameter("nothing", (0, 3)), context.parameter("weight", (x.shape[-1], 3))
        return x @ weight + cr.sum(nothing)


def test_there_is_nothing_to_say_of_a_parameter_without_elements():
    x = np.random.default_rng(0).normal(size=(200, 4))
    y = x @ np.random.default_rng(1).normal(size=(4, 3))
    model = cr.Model(WithNothing(), loss="mean_squared_error", optimizer=cr.Adam(0.01), seed=0)
    assert "nothing is wrong" in str(model.diagnose(x, y))
    assert told_in_a_fit(model, (x, y)) == []
