"""What parameters hold before training."""

import inspect
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.layers.initializers import INITIALIZERS

SHAPE = (240, 160)


def draw(initializer, shape=SHAPE, seed=0):
    return initializer(np.random.default_rng(seed), shape)


VARIANCES = [
    (cr.GlorotUniform(), 2 / 400),
    (cr.GlorotNormal(), 2 / 400),
    (cr.HeUniform(), 2 / 240),
    (cr.HeNormal(), 2 / 240),
    (cr.LeCunUniform(), 1 / 240),
    (cr.LeCunNormal(), 1 / 240),
    (cr.Uniform(0.3), 0.3**2 / 3),
]
FIXED = [(cr.Zeros(), 0), (cr.Ones(), 1), (cr.Constant(0.25), 0.25), (cr.Constant(-3), -3)]


def test_every_initializer_is_tested():
    exported = {item for item in map(layers.__dict__.get, layers.__all__) if inspect.isclass(item)}
    exported = {item for item in exported if issubclass(item, cr.Initializer) and item is not cr.Initializer}
    assert exported == {type(one) for one, _ in VARIANCES + FIXED} | {cr.Orthogonal}
    assert exported == set(INITIALIZERS.values())


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES, ids=str)
def test_mean_variance_and_shape_of_the_distribution(initializer, variance):
    weight = draw(initializer)
    assert weight.shape == SHAPE
    assert abs(weight.mean()) < 5 * np.sqrt(variance / weight.size)
    assert abs(weight.var() / variance - 1) < 0.03
    kurtosis = np.mean((weight - weight.mean()) ** 4) / weight.var() ** 2
    if "Uniform" in str(initializer):
        limit = np.sqrt(3 * variance)
        assert 0.999 * limit < np.abs(weight).max() <= limit
        assert kurtosis == pytest.approx(9 / 5, abs=0.03)
    else:
        assert kurtosis == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES, ids=str)
def test_all_axes_but_the_last_are_inputs(initializer, variance):
    assert np.array_equal(draw(initializer, (8, 30, 160)).reshape(SHAPE), draw(initializer))
    vector = draw(initializer, (240,))
    assert vector.shape == (240,)
    assert np.abs(vector).max() < 5 * np.sqrt(2 / 240)


@pytest.mark.parametrize(("initializer", "number"), FIXED, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_fixed_numbers(initializer, number, shape):
    np.testing.assert_array_equal(draw(initializer, shape), np.full(shape, float(number)))


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 5), (7,), ()])
def test_orthogonal(shape, gain):
    weight = draw(cr.Orthogonal(gain), shape)
    assert weight.shape == shape
    matrix = weight.reshape(-1, shape[-1] if shape else 1)
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_evenly():
    """Every entry of such a matrix has mean 0 and, in 4 dimensions, mean square 1/4."""
    drawn = np.array([draw(cr.Orthogonal(), (4, 4), seed) for seed in range(2000)])
    assert np.abs(drawn.mean(axis=0)).max() < 5 * np.sqrt(0.25 / 2000)
    assert np.abs((drawn**2).mean(axis=0) - 0.25).max() < 0.03


@pytest.mark.parametrize("name", sorted(set(INITIALIZERS) - {"constant", "uniform"}))
def test_by_name_and_by_object(name):
    def weight(initializer):
        model = cr.Model(cr.Dense(3, weight_initializer=initializer), loss="mean_squared_error", seed=5)
        model.build(4)
        return model.weights["weight"]

    np.testing.assert_array_equal(weight(name), weight(INITIALIZERS[name]()))


def test_seeds():
    def weights(seed, dtype="float64"):
        net = cr.Sequential([cr.Dense(3), cr.Dense(3)])
        model = cr.Model(net, loss="mean_squared_error", seed=seed, dtype=dtype)
        model.build(3)
        return model.weights

    first, same, other = weights(1), weights(1), weights(2)
    for name in ("layers.0.weight", "layers.1.weight"):
        assert np.array_equal(first[name], same[name])
        assert not np.array_equal(first[name], other[name])
        assert np.array_equal(weights(1, "float32")[name], first[name].astype(np.float32))
    assert not np.array_equal(first["layers.0.weight"], first["layers.1.weight"])


@dataclass(frozen=True)
class Returning(cr.Initializer):
    """An initializer of a user's own."""

    shape: tuple
    number: float = 0.5

    def __call__(self, generator, shape):
        return np.full(self.shape, self.number)


def test_an_initializer_of_ones_own():
    model = cr.Model(cr.Dense(3, weight_initializer=Returning((2, 3))), loss="mean_squared_error")
    model.build(2)
    assert (model.weights["weight"] == 0.5).all()


@pytest.mark.parametrize(
    ("initializer", "sentence"),
    [
        (Returning((3, 2)), r"weight has the shape \(2, 3\), and Returning\(.*\) returned \(3, 2\)"),
        (Returning((2, 3), np.nan), r"Returning\(.*\) gives weight numbers that are not finite in float32"),
        (cr.Constant(1e39), r"Constant\(value=1e\+39\) gives weight numbers that are not finite in float32"),
    ],
)
def test_numbers_that_cannot_be_weights(initializer, sentence):
    model = cr.Model(cr.Dense(3, weight_initializer=initializer), loss="mean_squared_error")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        model.build(2)
