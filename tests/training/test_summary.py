"""A network as a table."""

from training_cases import regression

import chainrule as cr
from bad_input import refused


def table_of(network, features):
    model = cr.Model(network, loss="mean_squared_error")
    model.build(features)
    return [line.split() for line in model.summary().splitlines()], model


def test_layers_within_layers_stand_below_them():
    block = cr.Residual([cr.LayerNorm(), cr.Dense(4, use_bias=False)])
    net = cr.Sequential(
        [cr.Flatten(), cr.Dense(4), block, cr.Dropout(0.5), cr.Concatenate([cr.Dense(2)] * 2)]
    )
    lines, model = table_of(net, (2, 3))
    assert [(line[0], line[-1]) for line in lines[1:]] == [
        ("x", "3)"),
        ("layers.0", "6)"),
        ("layers.1", "28"),
        ("layers.2", "4)"),
        ("layers.2.layers.0", "8"),
        ("layers.2.layers.1", "16"),
        ("layers.3", "4)"),
        ("layers.4", "4)"),
        ("layers.4.layers.0", "10"),
        ("layers.4.layers.1", "10"),
        ("all", "72"),
    ]
    assert lines[2][1:] == ["(Flatten)", "(rows,", "6)"]
    assert lines[-1][1:3] == ["(rows,", "4)"]
    assert sum(array.size for array in model.weights.values()) == 72


def test_a_layer_by_itself_is_named_by_its_kind():
    lines, _ = table_of(cr.Dense(1000), 1000)
    assert lines[2] == ["Dense", "(rows,", "1000)", "1,001,000"]


def test_a_loaded_model_has_the_same_summary(tmp_path):
    model = regression()
    model.build(3)
    model.save(tmp_path / "model.safetensors")
    assert cr.load(tmp_path / "model.safetensors").summary() == model.summary()


def test_a_model_without_weights_says_what_to_do():
    with refused(r"^the model has no weights yet: fit it, or build it with model\.build\(features=\.\.\.\)"):
        regression().summary()


def test_what_is_not_trained_is_not_counted():
    lines, _ = table_of(cr.Sequential([cr.BatchNorm()]), 3)
    assert lines[2][-1] == "6"
