"""How parameters and state are called, and that every option of every layer matters."""

import dataclasses
import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers


def built(network, features):
    model = cr.Model(network, loss="mean_squared_error", dtype="float64")
    model.build(features)
    return model


def test_names_and_shapes_of_a_nested_network():
    block = cr.Residual([cr.Dense(6), cr.BatchNorm(), cr.Dense(4, use_bias=False)])
    branches = cr.Concatenate([cr.LayerNorm(), cr.Sequential([cr.Flatten(), cr.Dense(2)])])
    model = built(cr.Sequential([cr.Dense(4), cr.Dropout(0.1), block, branches, cr.Dense(1)]), 3)
    assert {name: array.shape for name, array in model.weights.items()} == {
        "layers.0.weight": (3, 4),
        "layers.0.bias": (4,),
        "layers.2.layers.0.weight": (4, 6),
        "layers.2.layers.0.bias": (6,),
        "layers.2.layers.1.scale": (6,),
        "layers.2.layers.1.shift": (6,),
        "layers.2.layers.2.weight": (6, 4),
        "layers.3.layers.0.scale": (4,),
        "layers.3.layers.0.shift": (4,),
        "layers.3.layers.1.layers.1.weight": (4, 2),
        "layers.3.layers.1.layers.1.bias": (2,),
        "layers.4.weight": (6, 1),
        "layers.4.bias": (1,),
    }
    assert {name: array.shape for name, array in model.state.items()} == {
        "layers.2.layers.1.running_mean": (6,),
        "layers.2.layers.1.running_variance": (6,),
    }


def test_names_of_a_lone_layer():
    assert list(built(cr.Embedding(5, 2), 3).weights) == ["weight"]


def test_what_a_layer_holds_before_training():
    model = built(cr.Sequential([cr.Dense(3), cr.BatchNorm()]), 2)
    arrays = {**model.weights, **model.state}
    ones, zeros = ("1.scale", "1.running_variance"), ("0.bias", "1.shift", "1.running_mean")
    assert all((arrays[f"layers.{name}"] == 1).all() for name in ones)
    assert all((arrays[f"layers.{name}"] == 0).all() for name in zeros)
    assert np.all(np.abs(arrays["layers.0.weight"]) <= np.sqrt(6 / 5))
    assert len(np.unique(arrays["layers.0.weight"])) == 6


def test_one_layer_at_two_places_has_two_sets_of_parameters():
    dense = cr.Dense(3)
    model = built(cr.Sequential([dense, dense]), 3)
    assert not np.array_equal(model.weights["layers.0.weight"], model.weights["layers.1.weight"])


def test_a_layer_is_printed_compared_and_hashed_by_its_options():
    one, same = (cr.Sequential([cr.Dense(3), cr.Columns([0, 2])]) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != cr.Sequential([cr.Dense(3), cr.Columns([0, 1])])
    assert eval(repr(one), vars(cr)) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.layers[0].units = 4


OPTIONS = [  # the option, a layer, and one that differs in this option only
    ("units", cr.Dense(2), cr.Dense(3)),
    ("activation", cr.Dense(2), cr.Dense(2, activation="tanh")),
    ("use_bias", cr.Dense(2), cr.Dense(2, use_bias=False)),
    ("weight_initializer", cr.Dense(2), cr.Dense(2, weight_initializer="ones")),
    ("bias_initializer", cr.Dense(2), cr.Dense(2, bias_initializer="ones")),
    ("activation", cr.Activation("relu"), cr.Activation("tanh")),
    ("rate", cr.Dropout(0.5), cr.Dropout(0.25)),
    ("momentum", cr.BatchNorm(), cr.BatchNorm(0.5)),
    ("epsilon", cr.BatchNorm(), cr.BatchNorm(epsilon=1.0)),
    ("epsilon", cr.LayerNorm(), cr.LayerNorm(1.0)),
    ("categories", cr.Embedding(3, 2), cr.Embedding(4, 2)),
    ("units", cr.Embedding(3, 2), cr.Embedding(3, 1)),
    ("weight_initializer", cr.Embedding(3, 2), cr.Embedding(3, 2, "zeros")),
    ("positions", cr.Columns([0]), cr.Columns([1])),
    ("layers", cr.Sequential([cr.Dense(2)]), cr.Sequential([cr.Dense(2), cr.Activation("tanh")])),
    ("layers", cr.Residual([]), cr.Residual(cr.Activation("tanh"))),
    ("layers", cr.Concatenate([cr.Flatten()]), cr.Concatenate([cr.Flatten(), cr.Flatten()])),
]


def test_every_option_of_every_layer_is_listed():
    fields = {
        (item, field.name)
        for item in map(layers.__dict__.get, layers.__all__)
        if inspect.isclass(item) and issubclass(item, cr.Layer) and item is not cr.Layer
        for field in dataclasses.fields(item)
    }
    assert fields == {(type(one), option) for option, one, _ in OPTIONS}


@pytest.mark.parametrize(("option", "one", "other"), OPTIONS, ids=lambda part: str(part)[:50])
def test_an_option_changes_what_training_does(option, one, other):
    x = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 0.0]])
    assert dataclasses.replace(one, **{option: getattr(other, option)}) == other

    def trained(layer):
        net = cr.Sequential([layer, cr.Flatten(), cr.Dense(1)])
        model = cr.Model(net, loss="mean_squared_error", optimizer=cr.SGD(0.1))
        model.step(x, [1.0, 2.0, 3.0])
        return model.predict(x)

    assert not np.array_equal(trained(one), trained(other))


@pytest.mark.parametrize("network", [cr.Dropout(0.1), cr.BatchNorm(0.9), cr.LayerNorm(0.1)])
def test_equal_shapes_with_other_numbers_share_a_graph(network):
    """What is annotated float is an input of the step, so its number is not written into the graph."""
    numbers = cr.Model(network, loss="mean_squared_error")._trainer.task.hyperparameters()
    own = [path for path in numbers if path.startswith("task.network.")]
    assert len(own) == len(dataclasses.fields(network))
