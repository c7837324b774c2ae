"""A loss or a gradient that is not finite: where that began is told, and nobody else is accused."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.diagnosis import gradients

ROWS, CLASSES = np.array([[1.0, 2.0], [0.0, 0.0]]), [0, 1]


def root(z):
    return cr.sqrt(cr.abs(z))


def logarithm(z):
    return cr.log(cr.abs(z))


def model_with(activation, **options):
    net = cr.Sequential([cr.Dense(3, activation=activation, use_bias=False), cr.Dense(2)])
    return cr.Model(net, loss="cross_entropy", seed=0, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_is_nan_is_no_fault_of_the_compiler(dtype):
    report = model_with(root, dtype=dtype).check_gradients(ROWS, CLASSES)
    where = "the first is -inf in row 1, made by divide in layers.0 of the backward pass"
    assert not report
    assert report.miscompiled == ()
    assert np.isfinite(list(report.compiled.values())).all()
    assert report.faults[-1] == f"the gradient of layers.0.weight is not finite: {where}"
    with pytest.raises(
        ArithmeticError, match=r"; the gradient of layers\.0\.weight is not finite: .* row 1,"
    ):
        report.raise_if_wrong()


def test_a_gradient_that_is_nan_where_nothing_can_be_judged():
    """Derivatives jump where sqrt(|z|) begins; NaN is not right for that."""
    net = cr.Sequential([cr.Dense(1, activation=root, weight_initializer="zeros"), cr.Dense(2)])
    report = cr.Model(net, loss="cross_entropy", seed=0).check_gradients(ROWS[:1], CLASSES[:1])
    assert {entry.name for entry in report.kinks} >= {"layers.0.weight", "layers.0.bias"}
    assert report.wrong == report.miscompiled == ()
    assert not report
    with pytest.raises(ArithmeticError, match="is not finite: the first is"):
        report.raise_if_wrong()


def test_a_gradient_that_is_nan_in_an_explanation():
    verdict = model_with(root).explain(ROWS, CLASSES).verdict
    told = " ".join(verdict.sentences())
    assert not verdict
    assert "made by divide in layers.0 of the backward pass" in told
    assert "ompiled gradient" not in told
    assert "explained gradient" not in told
    assert verdict.compiled < 1e-6
    assert verdict.rounding < 1e-6


def test_one_number_that_is_finite_beside_one_that_is_not_is_a_difference():
    nan, inf = np.nan, np.inf
    assert gradients._distance(np.array([nan, 1.0, inf]), np.array([nan, 1.5, inf])) == 0.5
    for other in (nan, inf, -inf):
        assert gradients._distance(np.array([1.0, other]), np.array([1.0, 2.0])) == inf
        assert gradients._distance(np.array([1.0, 2.0]), np.array([1.0, other])) == inf


def test_a_loss_that_is_nan_is_not_checked():
    with pytest.raises(ValueError, match=r"nan, .*; the first is -inf in row 1, made by log in layers\.0"):
        model_with(logarithm).check_gradients(ROWS, CLASSES)


@pytest.mark.parametrize(
    ("activation", "name", "made", "remedy"),
    [
        (logarithm, "loss is not finite", "log in layers.0 of the forward pass", "log(z + 1e-6)"),
        (root, "gradient is not finite", "divide in layers.0 of the backward pass", "sqrt(z + 1e-6)"),
    ],
)
@pytest.mark.parametrize("rows", [200, 1500])
def test_a_network_is_diagnosed_by_where_it_began(activation, name, made, remedy, rows):
    generator = np.random.default_rng(0)
    x, y = np.abs(generator.normal(size=(rows, 4))) + 0.1, generator.integers(0, 2, rows)
    x[rows - 137] = 0
    found = model_with(activation).diagnose(x, y)
    assert [(verdict.name, verdict.where) for verdict in found.verdicts] == [(name, "layers.0 (Dense)")]
    assert found.verdicts[0].evidence.endswith(f"inf in row {rows - 137}, made by {made}")
    assert remedy in found.verdicts[0].remedy


def test_a_category_that_does_not_exist_has_its_own_remedy():
    net = cr.Sequential([cr.Embedding(5, 3), cr.Flatten(), cr.Dense(2)])
    found = cr.Model(net, loss="cross_entropy").diagnose(np.array([[1], [7], [2]] * 20), np.arange(60) % 2)
    assert "whole numbers from 0 to 4" in next(v for v in found.verdicts if "finite" in v.name).remedy
