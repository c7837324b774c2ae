"""Random bits are Philox's, and the draws made of them have the distributions they should."""

import numpy as np
import pytest
from scipy import stats
from test_lowering import lowered

import chainrule as cr
from chainrule.graph.value import PRIMITIVES
from chainrule.primitives.random import philox

DRAWS = (200, 250)


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known-answer vectors of Random123's philox4x32 with 10 rounds
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers(counter, key, expected):
    c = tuple(np.array([word], np.uint32) for word in words(counter))
    k = tuple(np.asarray(word, np.uint32) for word in words(key))
    assert [int(word[0]) for word in philox(c, k)] == words(expected)


@pytest.mark.parametrize("word", range(4))
def test_the_row_counts_places_steps_and_sites(word):
    """The counter is (place, step, site, 0)."""
    row = PRIMITIVES["random_bits"]
    operands = [
        np.asarray(number, dtype) for number, dtype in ((11, "uint32"), (12, "uint32"), (13, "int32"))
    ]
    attributes = {"shape": (2, 3), "site": 14, "word": word}
    counter = (np.arange(6, dtype=np.uint32), np.uint32(13), np.uint32(14), np.uint32(0))
    expected = philox(counter, (operands[0], operands[1]))[word].reshape(2, 3)
    np.testing.assert_array_equal(row.value(*operands, **attributes), expected)
    np.testing.assert_array_equal(lowered(row, operands, attributes), expected)


def test_a_key_is_the_seed_in_two_words():
    assert cr.random_key(2**32 * 7 + 5).tolist() == [5, 7]
    with pytest.raises(ValueError, match="-1"):
        cr.random_key(-1)
    with pytest.raises(ValueError, match="18446744073709551616"):
        cr.random_key(2**64)


KEY = cr.random_key(12)
DISTRIBUTIONS = [
    pytest.param(
        lambda **where: cr.uniform(KEY, DRAWS, dtype="float64", **where), stats.uniform, id="uniform"
    ),
    pytest.param(lambda **where: cr.normal(KEY, DRAWS, dtype="float64", **where), stats.norm, id="normal"),
]


@pytest.mark.parametrize(("draw", "distribution"), DISTRIBUTIONS)
@pytest.mark.parametrize("where", [{}, {"step": 9}, {"site": 3}])
def test_distribution(draw, distribution, where):
    """50,000 draws: Kolmogorov and Smirnov's test, mean and variance within five standard errors."""
    x = draw(**where)
    n = x.size
    assert stats.kstest(x.ravel(), distribution.cdf).pvalue > 1e-3
    mean, variance, kurtosis = (float(m) for m in distribution.stats(moments="mvk"))
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / n)
    assert abs(x.var() - variance) < 5 * variance * np.sqrt((kurtosis + 2) / n)


@pytest.mark.parametrize(("draw", "distribution"), DISTRIBUTIONS)
def test_draws_are_independent(draw, distribution):
    """Neighbours, steps and sites are not correlated, and each depends on all of them."""
    x = draw().ravel()
    others = [draw(step=1).ravel(), draw(site=1).ravel(), np.roll(x, 1), np.roll(x, DRAWS[1])]
    for other in others:
        assert abs(np.corrcoef(x, other)[0, 1]) < 5 / np.sqrt(x.size)
        assert np.mean(x == other) < 1e-3
    np.testing.assert_array_equal(x, draw().ravel())


def test_seeds_differ():
    first, second = (cr.uniform(cr.random_key(seed), (1000,)) for seed in (0, 2**32))
    assert np.mean(first == second) < 0.01


@pytest.mark.parametrize("draw", [cr.uniform, cr.normal])
def test_a_float32_draw_is_the_rounded_float64_draw(draw):
    rounded = draw(KEY, DRAWS, dtype="float64").astype(np.float32)
    single = draw(KEY, DRAWS, dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(
        single,
        np.minimum(rounded, np.nextafter(np.float32(1), np.float32(0))) if draw is cr.uniform else rounded,
    )


def test_uniform_is_below_one():
    for dtype in ("float32", "float64"):
        x = cr.uniform(KEY, DRAWS, dtype=dtype)
        assert x.min() >= 0
        assert x.max() < 1


@pytest.mark.parametrize("probability", [0.0, 0.03, 0.5, 1.0])
def test_bernoulli(probability):
    x = cr.bernoulli(KEY, probability, DRAWS)
    assert x.dtype == bool
    assert abs(x.mean() - probability) <= 5 * np.sqrt(probability * (1 - probability) / x.size)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 2, 3)])
def test_shapes(shape):
    for x in (cr.uniform(KEY, shape), cr.normal(KEY, shape), cr.bernoulli(KEY, 0.5, shape)):
        assert x.shape == shape


def test_the_first_draws_do_not_depend_on_how_many_follow():
    np.testing.assert_array_equal(cr.uniform(KEY, (5,)), cr.uniform(KEY, (50,))[:5])
