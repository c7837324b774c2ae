"""Every optimizer, generated from the table: ten steps against the papers' formulas, inputs, convergence."""

import dataclasses

import numpy as np
import optimizer_references as references
import pytest
from optimizer_running import numbers_graph, step_graph, train, weights_and_gradients

import chainrule as cr
from chainrule.graph.hyperparameters import hyperparameters
from chainrule.optimizers import OPTIMIZERS

VARIANTS = {
    "sgd": [{"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}],
    "rmsprop": [{"momentum": 0.9}, {"centered": True}, {"momentum": 0.5, "centered": True, "rho": 0.8}],
    "adagrad": [{"epsilon": 0.1}],
    "adadelta": [{"rho": 0.5, "epsilon": 1e-3}],
    "adam": [{"beta_1": 0, "beta_2": 0}, {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1}],
    "amsgrad": [{"beta_2": 0.5}],
    "adamw": [{"weight_decay": 0.2}, {"weight_decay": 0.0}],
    "nadam": [{"momentum_decay": 0.1}, {"momentum_decay": 0.0}],
    "radam": [{"beta_2": 0.5}, {"beta_2": 0.95}, {"beta_2": 0.0, "epsilon": 0.1}],
    "lion": [{"beta_1": 0.3, "beta_2": 0.6}],
}
SHARED = {
    "weight_decay": 0.1,
    "clip_value": 1.5,
    "clip_norm": 2.0,
    "clip_global_norm": 2.5,
    "average": 0.8,
    "learning_rate_factors": {"layers.0": 0.5, "layers.0.weight": 2.0},
}
CASES = [
    pytest.param(key, OPTIMIZERS[key](0.1, **options), id=f"{key} {options}")
    for key in OPTIMIZERS
    for options in ({}, *VARIANTS.get(key, ()), SHARED)
]


def test_every_optimizer_has_variants_and_a_formula():
    assert VARIANTS.keys() == references.RULES.keys() == OPTIMIZERS.keys()


def assert_paths_agree(path, expected, **tolerance):
    for ours, theirs in zip(path, expected, strict=True):
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], **tolerance)


@pytest.mark.parametrize(("key", "optimizer"), CASES)
def test_ten_steps_follow_the_formulas(key, optimizer):
    weights, gradients_of = weights_and_gradients()
    path, _ = train(optimizer, weights, gradients_of, 10)
    assert_paths_agree(path, references.train(key, optimizer, weights, gradients_of, 10), rtol=1e-10)


@pytest.mark.parametrize(("key", "optimizer"), CASES)
def test_float32_stays_float32_and_near(key, optimizer):
    weights, gradients_of = weights_and_gradients("float32")
    path, state = train(optimizer, weights, gradients_of, 10)
    expected = references.train(key, optimizer, weights, gradients_of, 10)
    assert {a.dtype.name for a in [*path[-1].values(), *state.values()]} == {"float32"}
    assert_paths_agree(path, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("key", "optimizer"), CASES)
def test_numbers_as_inputs_change_nothing(key, optimizer):
    """Names and types of the state are the same, and so is every number to the last bit."""
    weights, gradients_of = weights_and_gradients("float32")
    path, state = train(optimizer, weights, gradients_of, 4)
    as_inputs, same_state = train(optimizer, weights, gradients_of, 4, as_inputs=True)
    assert list(state) == list(same_state)
    assert_paths_agree(as_inputs, path, rtol=0)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_one_graph_serves_all_numbers(key):
    weights, _ = weights_and_gradients()
    base = {"learning_rate": 0.1, "weight_decay": 0.1, "clip_norm": 1.0, "average": 0.9}
    first, second = OPTIMIZERS[key](**base), OPTIMIZERS[key](**{name: x / 2 for name, x in base.items()})
    texts = [str(numbers_graph(each, weights, each.initial_state(weights))[0]) for each in (first, second)]
    assert texts[0] == texts[1]
    assert {f"o.{name}" for name in base} <= set(hyperparameters(first, "o"))


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_state_is_named_by_parameter_and_of_its_type(key):
    weights, _ = weights_and_gradients("float32")
    optimizer = OPTIMIZERS[key](average=0.5)
    for name, array in optimizer.initial_state(weights).items():
        parameter, slot = name.split("/")
        assert slot
        assert array.dtype == weights[parameter].dtype
        assert array.shape in ((), weights[parameter].shape)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_the_initial_state_shares_no_memory(key):
    weights, _ = weights_and_gradients()
    arrays = [*weights.values(), *OPTIMIZERS[key](average=0.5).initial_state(weights).values()]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


FAST = {"adagrad": 1.0, "adadelta": 200.0, "sgd": 0.1, "rmsprop": 0.02}


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_goes_to_the_bottom_of_a_bowl(key):
    """f = Σ c (w - 1)² / 2 with curvatures c from 1 to 4: to a thousandth of what it was."""
    curvature, weights = np.array([1.0, 2.0, 4.0]), {"w": np.array([3.0, -2.0, 0.0])}
    rate = cr.CosineDecay(FAST.get(key, 0.1), steps=300)
    path, _ = train(
        OPTIMIZERS[key](rate, weight_decay=0.0), weights, lambda w: {"w": curvature * (w["w"] - 1)}, 300
    )
    losses = [np.sum(curvature * (w["w"] - 1) ** 2) / 2 for w in (weights, path[-1])]
    assert losses[1] < 1e-3 * losses[0]


OTHER_VALUES = {
    "learning_rate": 0.02,
    **SHARED,
    "clip_global_norm": 1.0,
    "momentum": 0.5,
    "nesterov": True,
    "rho": 0.3,
    "centered": True,
    "epsilon": 0.1,
    "beta_1": 0.3,
    "beta_2": 0.4,
    "momentum_decay": 0.5,
}
OPTIONS = [(key, field.name) for key in OPTIMIZERS for field in dataclasses.fields(OPTIMIZERS[key])]


@pytest.mark.parametrize(("key", "option"), OPTIONS)
def test_every_option_changes_training(key, option):
    base = {"momentum": 0.9} if option == "nesterov" else {}
    one = OPTIMIZERS[key](**{"learning_rate": 0.1, **base})
    other = OPTIMIZERS[key](**{"learning_rate": 0.1, **base, option: OTHER_VALUES[option]})
    weights, gradients_of = weights_and_gradients()
    (path, state), (other_path, other_state) = (train(o, weights, gradients_of, 10) for o in (one, other))
    assert list(state) != list(other_state) or any(
        not np.allclose(a, b, rtol=1e-6)
        for a, b in zip(
            [*path[-1].values(), *state.values()],
            [*other_path[-1].values(), *other_state.values()],
            strict=True,
        )
    )


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_values_know_their_part_of_the_network(key):
    weights, _ = weights_and_gradients()
    optimizer = OPTIMIZERS[key](0.1, clip_global_norm=1.0)
    graph = step_graph(optimizer, weights, optimizer.initial_state(weights))
    assert {value.origin.stage for value in graph.equations} == {"update"}
    assert {value.origin.part for value in graph.outputs} == {"layers.0", "layers.1"}
