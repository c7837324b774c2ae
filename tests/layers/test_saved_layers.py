"""Every layer in a model file: the same bits, the same options, and training that goes on."""

import numpy as np
import pytest
from layer_cases import CASES

import chainrule as cr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_is_the_same_after_loading(case, tmp_path):
    net = cr.Sequential([case.layer, cr.Dropout(0.1), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", optimizer="adam", seed=9)
    y = np.arange(len(case.x))
    model.fit(case.x, y, epochs=2, batch_size=4)
    model.save(tmp_path / "model")
    loaded = cr.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(case.x), model.predict(case.x))
    assert loaded.state.keys() == model.state.keys()
    histories = [each.fit(case.x, y, epochs=2, batch_size=4)["loss"] for each in (loaded, model)]
    assert histories[0] == histories[1]
    if "function" not in repr(case.layer):
        assert loaded.network == model.network


@pytest.mark.parametrize(
    "initializer", [cr.Constant(0.5), cr.Orthogonal(0.5), cr.HeUniform(), cr.LeCunNormal(), "glorot_normal"]
)
def test_initializers_are_kept(initializer, tmp_path):
    model = cr.Model(cr.Dense(2, weight_initializer=initializer), loss="mean_squared_error")
    model.build(3)
    model.save(tmp_path / "model")
    assert cr.load(tmp_path / "model").network == model.network
