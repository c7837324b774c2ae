"""Random numbers: fixed by key, step and site, and distributed as they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule.graph.evaluate import evaluate
from chainrule.graph.trace import trace
from chainrule.graph.types import FLOAT64, INT32, ROWS, UINT32, ArrayType
from chainrule.primitives.random import random_bits

KEY = cr.random_key(2024)
DRAWS = {
    "uniform": lambda key=KEY, shape=(50,), **options: cr.uniform(key, shape, **options),
    "normal": lambda key=KEY, shape=(50,), **options: cr.normal(key, shape, **options),
    "bernoulli": lambda key=KEY, shape=(50,), **options: cr.bernoulli(key, 0.5, shape, **options),
}


def test_key_holds_all_bits_of_the_seed():
    seed = 0x0123456789ABCDEF
    key = cr.random_key(seed)
    assert key.dtype == np.uint32
    assert int(key[0]) + (int(key[1]) << 32) == seed
    np.testing.assert_array_equal(cr.random_key(np.int64(3)), cr.random_key(3))


@pytest.mark.parametrize("name", DRAWS)
def test_key_step_and_site_fix_the_draw(name):
    draw = DRAWS[name]
    np.testing.assert_array_equal(draw(), draw())
    for other in (draw(key=cr.random_key(2025)), draw(step=1), draw(site=1), draw(key=cr.random_key(2**40))):
        assert (other != draw()).any()


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_in_a_graph_is_the_same(name):
    """Also with a symbolic key and step, and on any number of rows."""

    def in_graph(x, key, step):
        return DRAWS[name](key=key, shape=(x.shape[0], 3), step=step)

    types = ArrayType((ROWS, 1), FLOAT64), ArrayType((2,), UINT32), ArrayType((), INT32)
    graph = trace(in_graph, *types)
    for rows in (1, 4):
        (drawn,) = evaluate(graph, np.zeros((rows, 1)), KEY, np.asarray(7, np.int32))
        np.testing.assert_array_equal(drawn, DRAWS[name](shape=(rows, 3), step=7))


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_a_float32_draw_is_the_rounded_float64_draw(name):
    single, double = DRAWS[name](shape=1000), DRAWS[name](shape=1000, dtype="float64")
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))


def test_uniform_is_the_leading_53_bits_of_two_words():
    high, low = (
        random_bits.value(*KEY, np.int32(3), shape=(50,), site=2, word=word).astype(np.uint64)
        for word in (0, 1)
    )
    bits = (high << np.uint64(21)) | (low >> np.uint64(11))
    np.testing.assert_array_equal(DRAWS["uniform"](dtype="float64", step=3, site=2), bits * 2.0**-53)


def test_distributions():
    uniform, normal = (DRAWS[name](shape=20_000, dtype="float64") for name in ("uniform", "normal"))
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 0.01
    assert scipy.stats.kstest(normal, "norm").pvalue > 0.01
    assert 0 <= uniform.min() <= uniform.max() < 1
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 0.03


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_bernoulli(probability):
    drawn = cr.bernoulli(KEY, probability, (20_000,))
    assert drawn.dtype == np.bool_
    deviation = np.sqrt(probability * (1 - probability) / 20_000)
    assert abs(drawn.mean() - probability) <= 4 * deviation


def test_bernoulli_with_a_probability_for_each_column():
    drawn = cr.bernoulli(KEY, np.array([0.0, 0.5, 1.0]), (1000, 3))
    assert not drawn[:, 0].any()
    assert 0.4 < drawn[:, 1].mean() < 0.6
    assert drawn[:, 2].all()
