"""What all optimizers share: clipping, decay, factors, averaging, schedules, one's own rules, errors."""

import math
from dataclasses import dataclass

import numpy as np
import optimizer_references as references
import pytest
from optimizer_running import step_graph, train, weights_and_gradients

import chainrule as cr
from chainrule import optimizers
from chainrule.graph.types import INT32
from chainrule.graph.value import input_value
from chainrule.optimizers import OPTIMIZERS, as_optimizer

NAMES = ("layers.0.weight", "layers.1.bias")
CLIPS = [optimizers.clip_by_norm, optimizers.clip_by_global_norm]


# Clipping ----------------------------------------------------------------------------------------


def test_clip_by_value_limits_each_element():
    clipped = optimizers.clip_by_value({"w": np.array([-3.0, -0.5, 0.0, 2.0])}, 1.0)
    np.testing.assert_array_equal(clipped["w"], [-1, -0.5, 0, 1])


def test_clip_by_norm_takes_each_array_by_itself():
    clipped = optimizers.clip_by_norm({"long": np.array([[6.0], [8.0]]), "short": np.array([0.3])}, 2.0)
    np.testing.assert_allclose(clipped["long"], [[1.2], [1.6]], rtol=1e-15)
    np.testing.assert_array_equal(clipped["short"], [0.3])


@pytest.mark.parametrize("clip", CLIPS)
def test_a_gradient_without_elements_has_the_norm_0(clip):
    clipped = clip({"none": np.zeros((0, 3)), "w": np.array([6.0, 8.0])}, 5.0)
    assert clipped["none"].shape == (0, 3)
    np.testing.assert_allclose(clipped["w"], [3, 4], rtol=1e-15)


def test_clip_by_global_norm_keeps_the_direction():
    clipped = optimizers.clip_by_global_norm({"a": np.array([6.0]), "b": np.array([[0.0, 8.0]])}, 5.0)
    np.testing.assert_allclose(clipped["a"], [3], rtol=1e-15)
    np.testing.assert_allclose(clipped["b"], [[0, 4]], rtol=1e-15)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_gradient_within_the_limit_keeps_its_bits(clip):
    gradients = {"a": np.array([0.1, -0.7], "float32"), "b": np.array([0.3], "float32")}
    for name, clipped in clip(gradients, 1.0).items():
        np.testing.assert_array_equal(clipped, gradients[name])


@pytest.mark.parametrize("clip", [optimizers.clip_by_value, *CLIPS])
def test_zeros_stay_zeros_and_nan_stays_nan(clip):
    clipped = clip({"w": np.zeros(3), "b": np.zeros(())}, 1.0)
    assert not any(array.any() for array in clipped.values())
    assert np.isnan(clip({"w": np.array([1.0, math.nan])}, 1.0)["w"][1])


@pytest.mark.parametrize("clip", CLIPS)
def test_an_infinity_is_not_hidden(clip):
    assert not np.isfinite(clip({"w": np.array([1.0, -math.inf])}, 1.0)["w"]).all()


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_no_square_overflows_or_vanishes(clip, size):
    clipped = clip({"w": np.array([3 * size, 4 * size], "float32")}, size)["w"]
    assert clipped.dtype == "float32"
    np.testing.assert_allclose(clipped, [0.6 * size, 0.8 * size], rtol=1e-6)


@pytest.mark.parametrize("clip", CLIPS)
def test_gradients_of_two_dtypes_keep_theirs(clip):
    clipped = clip({"a": np.ones(2, "float32"), "b": np.ones(2)}, 0.5)
    assert [array.dtype.name for array in clipped.values()] == ["float32", "float64"]


# Weight decay, factors ---------------------------------------------------------------------------


def test_weight_decay_is_coupled_but_for_adamw_and_lion():
    """At a gradient of zero, decoupled decay shrinks by 1 - rate · decay; coupled Adam makes a full step."""
    weights = {"w": np.array([2.0, -4.0])}
    still = {"w": np.zeros(2)}
    shrunk, full = 0.9 * weights["w"], weights["w"] - 0.5 * np.sign(weights["w"])
    for key, expected in {"sgd": shrunk, "adamw": shrunk, "lion": shrunk, "adam": full}.items():
        path, _ = train(OPTIMIZERS[key](0.5, weight_decay=0.2), weights, lambda _: still, 1)
        np.testing.assert_allclose(path[0]["w"], expected, rtol=1e-6)


def test_the_longest_name_gives_the_factor():
    factors = {"layers": 3.0, "layers.1": 0.5, "layers.1.bias": 0.0}
    weights = {f"layers.{i}.{name}": np.ones(1) for i in (1, 10) for name in ("weight", "bias")}
    path, _ = train(cr.SGD(0.1, learning_rate_factors=factors), weights, lambda w: w, 1)
    steps = {name: 1 - array[0] for name, array in path[0].items()}
    assert steps == pytest.approx(
        {"layers.1.weight": 0.05, "layers.1.bias": 0.0, "layers.10.weight": 0.3, "layers.10.bias": 0.3}
    )


def test_an_unknown_name_gets_the_nearest():
    weights, _ = weights_and_gradients()
    with pytest.raises(
        ValueError, match=r"learning_rate_factors: there is no parameter 'layer.0'.*'layers.0'"
    ):
        cr.Adam(learning_rate_factors={"layer.0": 1.0}).initial_state(weights)


# Averaging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["sgd", "adam"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_average_is_the_weighted_mean_of_all_steps(key, steps):
    optimizer = OPTIMIZERS[key](0.1, average=0.7)
    weights, gradients_of = weights_and_gradients()
    path, state = train(optimizer, weights, gradients_of, steps)
    for name, averaged in optimizer.averaged(path[-1], state).items():
        np.testing.assert_allclose(averaged, references.average(path, 0.7, name), rtol=1e-12)


def test_averaging_does_not_change_the_weights():
    weights, gradients_of = weights_and_gradients()
    path, _ = train(cr.Adam(0.1), weights, gradients_of, 5)
    averaging, _ = train(cr.Adam(0.1, average=0.9), weights, gradients_of, 5)
    for name in weights:
        np.testing.assert_array_equal(averaging[-1][name], path[-1][name])


def test_before_the_first_update_the_average_is_the_initial_weights():
    weights, _ = weights_and_gradients()
    for optimizer in (cr.Adam(average=0.9), cr.Adam()):
        averaged = optimizer.averaged(weights, optimizer.initial_state(weights))
        assert list(averaged) == list(weights)
        assert all(np.array_equal(averaged[name], weights[name]) for name in weights)


# Schedules in an update --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        cr.StepDecay(0.2, every=2),
        lambda step: 1 / (1 + step),
        lambda step: 0.1 * cr.exp(-0.3 * step),
        lambda step: 1,
    ],
)
def test_a_schedule_sees_the_number_of_updates_done(schedule):
    weights, gradients_of = weights_and_gradients("float32")
    path, _ = train(cr.SGD(schedule), weights, gradients_of, 5)
    expected = references.train("sgd", cr.SGD(schedule), weights, gradients_of, 5)
    for ours, theirs in zip(path, expected, strict=True):
        for name in NAMES:
            assert ours[name].dtype == "float32"
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


def test_a_schedule_from_a_table_keeps_float32():
    table = np.array([0.5, 0.25, 0.125])
    schedule = lambda step: cr.take(table, cr.astype(step, "int32"))
    path, _ = train(cr.SGD(schedule), {"w": np.ones(1, "float32")}, lambda w: {"w": np.ones(1, "float32")}, 3)
    assert [w["w"].item() for w in path] == [0.5, 0.25, 0.125]
    assert path[-1]["w"].dtype == "float32"


def test_a_schedule_of_two_numbers_is_refused():
    weights, _ = weights_and_gradients()
    optimizer = cr.SGD(lambda step: cr.stack([step, step]))
    with pytest.raises(ValueError, match="the learning rate should be one number, not"):
        step_graph(optimizer, weights, optimizer.initial_state(weights))


# One's own optimizer -----------------------------------------------------------------------------


@dataclass(frozen=True)
class HeavyBall(cr.Optimizer):
    friction: float = 0.1
    spoiled: str = ""

    def slots(self, parameter):
        return {"velocity": 0.0 if self.spoiled == "number" else np.zeros_like(parameter)}

    def rule(self, parameter, gradient, slots, t, learning_rate):
        v = (1 - self.friction) * slots["velocity"] + gradient
        if self.spoiled == "type":
            return cr.sum(parameter - learning_rate * v), {"velocity": v}
        if self.spoiled == "alone":
            return parameter - learning_rate * v
        return parameter - learning_rate * v, {} if self.spoiled == "slot" else {"velocity": v}


def test_an_optimizer_of_ones_own_in_ten_lines():
    weights, gradients_of = weights_and_gradients()
    path, _ = train(HeavyBall(0.1), weights, gradients_of, 5, as_inputs=True)
    expected, _ = train(cr.SGD(0.1, momentum=0.9), weights, gradients_of, 5)
    for name in NAMES:
        np.testing.assert_allclose(path[-1][name], expected[-1][name], rtol=1e-14)


@pytest.mark.parametrize(
    ("spoiled", "kind", "words"),
    [
        ("type", ValueError, r"HeavyBall: layers.0.weight is float64\[3, 2\], and its update float64\[\]"),
        (
            "slot",
            ValueError,
            "HeavyBall: its slots and what its rule returns.*layers.0.weight/velocity does not",
        ),
        ("alone", TypeError, r"HeavyBall.rule should return \(new parameter, slots by name\), and returned"),
        ("number", TypeError, "HeavyBall.slots should return arrays by name, and velocity is 0.0"),
    ],
)
def test_a_rule_that_returns_something_else_is_told(spoiled, kind, words):
    weights, _ = weights_and_gradients()
    optimizer = HeavyBall(0.1, spoiled=spoiled)
    with pytest.raises(kind, match=words):
        step_graph(optimizer, weights, optimizer.initial_state(weights))


# Objects and names -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_names(key):
    optimizer = as_optimizer(key)
    assert type(optimizer) is OPTIMIZERS[key]
    assert type(optimizer).__name__.lower() == key
    assert as_optimizer(optimizer) is optimizer


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_an_optimizer_is_a_value_like_any_other(key):
    make = lambda factor: OPTIMIZERS[key](1, learning_rate_factors={"w": factor})
    assert make(2) == make(2.0)
    assert make(2) != make(3)
    assert hash(make(2)) == hash(make(2.0))
    assert eval(repr(make(2)), {cls.__name__: cls for cls in OPTIMIZERS.values()}) == make(2)


def test_the_factors_are_the_optimizers_own():
    factors = {"w": 2.0}
    optimizer = cr.SGD(0.1, learning_rate_factors=factors)
    factors["w"] = 3.0
    assert optimizer.learning_rate_factors == {"w": 2.0}


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: as_optimizer("adm"), ValueError, "there is no optimizer 'adm'; did you mean 'adam'"),
        (lambda: as_optimizer(cr.Adam), TypeError, "write Adam()"),
        (lambda: as_optimizer(3), TypeError, "a name or an object such as Adam(1e-3), not 3"),
        (
            lambda: cr.Adam("fast"),
            TypeError,
            "Adam: learning_rate is a finite number of at least 0, not 'fast'",
        ),
        (lambda: cr.Adam(-1), ValueError, "Adam: learning_rate is a finite number of at least 0, not -1"),
        (lambda: cr.Adam(math.inf), ValueError, "not inf"),
        (lambda: cr.Adam(beta_1=1), ValueError, "Adam: beta_1 is a number from 0 to below 1, not 1"),
        (lambda: cr.Adam(beta_1=None), TypeError, "beta_1"),
        (lambda: cr.Adam(epsilon=0), ValueError, "epsilon is a finite number above 0"),
        (lambda: cr.SGD(clip_value=0), ValueError, "clip_value is a finite number above 0"),
        (lambda: cr.SGD(average=1), ValueError, "average is a number from 0 to below 1"),
        (
            lambda: cr.SGD(weight_decay=math.nan),
            ValueError,
            "is a finite number of at least 0, not nan",
        ),
        (lambda: cr.SGD(nesterov=True), ValueError, "nesterov=True needs a momentum above 0"),
        (lambda: cr.SGD(learning_rate_factors={"w": -1}), ValueError, "learning_rate_factors['w'] is a"),
        (lambda: cr.SGD(learning_rate_factors=[1]), TypeError, "learning_rate_factors is a dict of numbers"),
    ],
)
def test_bad_options_are_refused(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize("slot", ["average", "first/second"])
def test_a_slot_whose_name_means_something_else_is_refused(slot):
    @dataclass(frozen=True)
    class Summed(cr.Optimizer):
        def slots(self, parameter):
            return {slot: np.zeros_like(parameter)}

        def rule(self, parameter, gradient, slots, t, learning_rate):
            return parameter, slots

    with pytest.raises(ValueError, match=f"Summed.slots: a slot cannot be called '{slot}'; choose a name"):
        Summed(0.1).initial_state({"w": np.ones(2)})


def test_a_step_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match="the step should be one number, not int32"):
        cr.SGD(0.1).update({}, {}, {}, input_value("step", (2,), INT32))
