"""Schedules: their corner steps, their shape, and the same numbers from a step, many steps, and a graph."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import optimizers
from chainrule.graph.evaluate import evaluate
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import hyperparameters, with_inputs
from chainrule.graph.types import INT32
from chainrule.graph.value import input_value
from chainrule.optimizers import schedules

ALL = [
    cr.ConstantRate(0.3),
    cr.StepDecay(0.3, every=4, factor=0.5),
    cr.ExponentialDecay(0.3, every=4, factor=0.5),
    cr.PolynomialDecay(0.3, steps=8, final_rate=0.1, power=2.0),
    cr.CosineDecay(0.3, steps=8, final_rate=0.1),
    cr.CosineDecay(0.3, steps=4, final_rate=0.1, warmup_steps=3, restarts=True),
    cr.CosineDecay(0.3, steps=2, warmup_steps=3, restarts=True, period_multiplier=2),
    cr.OneCycle(0.3, steps=9, warmup_fraction=0.25, start_divisor=10.0, final_divisor=50.0),
]
KINDS = {type(schedule) for schedule in ALL}
each_schedule = pytest.mark.parametrize("schedule", ALL, ids=lambda s: f"{type(s).__name__}")


def test_every_schedule_is_tried():
    public = [getattr(optimizers, name) for name in optimizers.__all__]
    assert {kind for kind in public if getattr(kind, "__module__", "") == schedules.__name__} == KINDS


@each_schedule
def test_a_number_gives_a_plain_number(schedule):
    assert all(type(schedule(step)) is float for step in (0, 5, np.int64(7), 2.5))


@each_schedule
def test_an_array_gives_the_numbers_of_its_steps(schedule):
    together = schedule(np.arange(20))
    np.testing.assert_allclose(together, [schedule(step) for step in range(20)], rtol=1e-15, strict=True)


@each_schedule
@pytest.mark.parametrize("dtype", [INT32, "float64"])
def test_a_graph_gives_the_same_numbers(schedule, dtype):
    """With the schedule's own numbers as inputs, which yield to the dtype of arrays."""
    numbers, step = {}, input_value("step", (), dtype)
    rate = with_inputs(schedule, "o", numbers)(step)
    known = hyperparameters(schedule, "o")
    graph = Graph([step, *numbers.values()], [rate * np.ones(1, "float32"), cr.multiply(rate, 1.0)])
    for at in range(20):
        narrow, rate_now = evaluate(graph, np.array(at, dtype), *[known[path] for path in numbers])
        assert narrow.dtype == "float32" or dtype != INT32
        assert rate_now == pytest.approx(schedule(at), rel=1e-14)


def test_constant_rate():
    assert [cr.ConstantRate(0.2)(step) for step in (0, 10**6)] == [0.2, 0.2]


@pytest.mark.parametrize("every", [1, 3, 7, 10, 49])
def test_step_decay_falls_exactly_at_its_steps(every):
    schedule = cr.StepDecay(1.0, every=every, factor=0.5)
    assert [schedule(step) for step in range(300)] == [0.5 ** (step // every) for step in range(300)]


def test_exponential_decay():
    schedule = cr.ExponentialDecay(2.0, every=5, factor=0.1)
    assert [schedule(step) for step in (0, 5, 10)] == pytest.approx([2.0, 0.2, 0.02])
    assert schedule(3) / schedule(2) == pytest.approx(0.1**0.2)


def test_polynomial_decay():
    schedule = cr.PolynomialDecay(0.7, steps=10, final_rate=0.1, power=2.0)
    assert [schedule(0), schedule(10), schedule(11), schedule(10**6)] == [0.7, 0.1, 0.1, 0.1]
    assert schedule(5) == pytest.approx(0.1 + 0.6 * 0.25)


def test_cosine_decay_without_restarts():
    schedule = cr.CosineDecay(0.7, steps=6, final_rate=0.1)
    assert [schedule(0), schedule(6), schedule(7), schedule(10**6)] == [0.7, 0.1, 0.1, 0.1]
    assert [schedule(2), schedule(3)] == pytest.approx([0.1 + 0.6 * 0.75, 0.4])


def test_cosine_warm_up_is_a_line_to_the_full_rate():
    schedule = cr.CosineDecay(0.8, steps=6, warmup_steps=3)
    assert [schedule(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [schedule(6), schedule(9)] == pytest.approx([0.4, 0.0])


@pytest.mark.parametrize("multiplier", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_cosine_restarts_at_exactly_the_right_steps(steps, multiplier):
    """Against a walk that counts the steps of each period one by one."""
    warmup = 2
    schedule = cr.CosineDecay(
        1.0, steps=steps, warmup_steps=warmup, restarts=True, period_multiplier=multiplier
    )
    length, passed = steps, 0
    for rate in schedule(warmup + np.arange(4000)):
        assert rate == pytest.approx((1 + math.cos(math.pi * passed / length)) / 2, abs=1e-9)
        passed += 1
        if passed == length:
            length, passed = length * multiplier, 0


def test_one_cycle_has_its_corners_where_it_says():
    schedule = cr.OneCycle(1.0, steps=20, warmup_fraction=0.25, start_divisor=10.0, final_divisor=100.0)
    assert [schedule(step) for step in (0, 5, 20, 50)] == pytest.approx([0.1, 1.0, 0.001, 0.001])
    rates = schedule(np.arange(21))
    assert np.all(np.diff(rates[:6]) > 0)
    assert np.all(np.diff(rates[5:]) < 0)


def test_a_schedule_is_a_value_like_any_other():
    one, same = (cr.CosineDecay(1, steps=np.int64(5)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert repr(one).startswith("CosineDecay(rate=1.0, steps=5, ")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: cr.ConstantRate(-1),
            ValueError,
            "rate is a finite number of at least 0, not -1",
        ),
        (lambda: cr.ConstantRate(math.nan), ValueError, "not nan"),
        (lambda: cr.ConstantRate("0.1"), TypeError, "is a finite number of at least 0, not '0.1'"),
        (
            lambda: cr.StepDecay(1, every=2.5),
            TypeError,
            "every is a whole number of at least 1, not 2.5",
        ),
        (lambda: cr.StepDecay(1, every=0), ValueError, "every is a whole number of at least 1, not 0"),
        (lambda: cr.StepDecay(1, every=True), TypeError, "not True"),
        (lambda: cr.ExponentialDecay(1, every=2, factor=0), ValueError, "factor is a finite number above 0"),
        (
            lambda: cr.PolynomialDecay(1, steps=2, power=math.inf),
            ValueError,
            "power is a finite number above 0, not inf",
        ),
        (
            lambda: cr.CosineDecay(1, steps=2, warmup_steps=-1),
            ValueError,
            "number of at least 0, not -1",
        ),
        (lambda: cr.CosineDecay(1, steps=2, period_multiplier=2), ValueError, "needs restarts=True"),
        (
            lambda: cr.OneCycle(1, steps=2, warmup_fraction=1),
            ValueError,
            "above 0 and below 1, not 1",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)
