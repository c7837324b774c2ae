"""Schedules: the learning rate as a function of the step.

A schedule is any function of the step that returns one number, written with Python's operators and the
functions of `chainrule`: ``lambda step: 0.1 / (1 + 0.01 * step)`` is one. The step is the number of updates
already done, so it is 0 at the first. Called on a number, or on an array of steps, the schedules here
evaluate at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias, final

from chainrule.functions import broadcast_to, cos, floor, identity, log, minimum, where
from chainrule.graph.hyperparameters import ABSENT_AT_ONE, is_one, is_zero
from chainrule.graph.options import (
    ABOVE_ZERO,
    AT_LEAST_ZERO,
    LENGTH,
    LENGTH_OR_NONE,
    PROPER_FRACTION,
    CheckedOptions,
)
from chainrule.graph.trace import array_function
from chainrule.graph.value import Operand, as_value

#: Whatever returns the learning rate when it is called with the step.
Schedule: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class _Formula(CheckedOptions, ABC):
    """A schedule that is a formula with numbers: `_at` writes it for a step that is a float."""

    def __call__(self, step: Operand) -> Any:
        """Return the learning rate at a step: a number, an array of steps, or a Value."""
        return array_function(self._at)(identity(step))

    @abstractmethod
    def _at(self, step: Any) -> Any: ...


@final
@dataclass(frozen=True)
class ConstantRate(_Formula):
    """The same learning rate at every step.

    Parameters
    ----------
    rate : float
        The learning rate; at least 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ConstantRate(0.1)(1000)
    0.1
    """

    rate: float = field(metadata=AT_LEAST_ZERO)

    def _at(self, step: Any) -> Any:
        return broadcast_to(self.rate, as_value(step).shape)


@final
@dataclass(frozen=True)
class StepDecay(_Formula):
    r"""A learning rate that falls by a factor every so many steps.

    .. math:: \eta_t = \eta \cdot f^{\lfloor t / n \rfloor}

    Parameters
    ----------
    rate : float
        η, the learning rate of the first `every` steps; at least 0.
    every : int
        n, the number of steps for which it stays.
    factor : float, default 0.1
        f, what it is multiplied by then; above 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> halved = cr.StepDecay(0.8, every=10, factor=0.5)
    >>> [halved(step) for step in (0, 9, 10, 19, 20)]
    [0.8, 0.8, 0.4, 0.4, 0.2]
    """

    rate: float = field(metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    every: int = field(metadata=LENGTH)
    factor: float = field(default=0.1, metadata=ABOVE_ZERO)

    def _at(self, step: Any) -> Any:
        return self.rate * self.factor ** floor(step / self.every)


@final
@dataclass(frozen=True)
class ExponentialDecay(_Formula):
    r"""A learning rate that falls evenly on a logarithmic scale, by a factor in so many steps.

    .. math:: \eta_t = \eta \cdot f^{t / n}

    Parameters
    ----------
    rate : float
        η, the learning rate of the first step; at least 0.
    every : int
        n, the number of steps in which it falls by the factor.
    factor : float, default 0.1
        f, what it is multiplied by in `every` steps; above 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> fading = cr.ExponentialDecay(0.8, every=10, factor=0.25)
    >>> [fading(step) for step in (0, 5, 10)]
    [0.8, 0.4, 0.2]
    """

    rate: float = field(metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    every: int = field(metadata=LENGTH)
    factor: float = field(default=0.1, metadata=ABOVE_ZERO)

    def _at(self, step: Any) -> Any:
        return self.rate * self.factor ** (step / self.every)


@final
@dataclass(frozen=True)
class PolynomialDecay(_Formula):
    r"""A learning rate that falls to a final one along a power of the steps that remain, and stays there.

    .. math:: \eta_t = \eta r + \eta_n (1 - r), \quad r = (1 - \min(t / n, 1))^p

    Parameters
    ----------
    rate : float
        η, the learning rate of the first step; at least 0.
    steps : int
        n, the number of steps until the final one is reached.
    final_rate : float, default 0.0
        :math:`\eta_n`, the learning rate from step n on; at least 0.
    power : float, default 1.0
        p, where 1 is a straight line; above 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import chainrule as cr
    >>> line = cr.PolynomialDecay(1.0, steps=4)
    >>> [line(step) for step in (0, 1, 2, 3, 4, 5)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    rate: float = field(metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    steps: int = field(metadata=LENGTH)
    final_rate: float = field(default=0.0, metadata=AT_LEAST_ZERO)
    power: float = field(default=1.0, metadata=ABOVE_ZERO)

    def _at(self, step: Any) -> Any:
        remaining = 1 - minimum(step / self.steps, 1)
        return _between(self.rate, self.final_rate, remaining**self.power)


@final
@dataclass(frozen=True)
class CosineDecay(_Formula):
    r"""A learning rate that falls along half a cosine, after a warm-up, and may start again.

    .. math:: \eta_t = \eta r + \eta_n (1 - r), \quad r = (1 + \cos \pi s) / 2

    with s the share of the period that has passed. During a warm-up of w steps the rate rises instead along a
    straight line, :math:`\eta (t + 1) / (w + 1)`, and the first period starts after it.

    Parameters
    ----------
    rate : float
        η, the learning rate at the start of a period; at least 0.
    steps : int
        n, the number of steps in the first period, in which the rate falls from η to :math:`\eta_n`.
    final_rate : float, default 0.0
        :math:`\eta_n`, the learning rate at the end of a period; at least 0.
    warmup_steps : int, default 0
        w, the number of steps before the first period.
    restarts : bool, default False
        Whether a new period starts when one has ended; otherwise the final rate stays.
    period_multiplier : int, default 1
        How many times as long as the one before it each further period is.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    References
    ----------
    Loshchilov, Hutter: SGDR: Stochastic gradient descent with warm restarts (2017).

    Examples
    --------
    >>> import chainrule as cr
    >>> wave = cr.CosineDecay(1.0, steps=4, warmup_steps=1, restarts=True, period_multiplier=2)
    >>> for step in range(10):
    ...     print(step, "*" * round(20 * wave(step)))
    0 **********
    1 ********************
    2 *****************
    3 **********
    4 ***
    5 ********************
    6 *******************
    7 *****************
    8 **************
    9 **********
    """

    rate: float = field(metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    steps: int = field(metadata=LENGTH)
    final_rate: float = field(default=0.0, metadata=AT_LEAST_ZERO)
    warmup_steps: int = field(default=0, metadata=LENGTH_OR_NONE)
    restarts: bool = False
    period_multiplier: int = field(default=1, metadata={**LENGTH, **ABSENT_AT_ONE})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period_multiplier > 1 and not self.restarts:
            raise ValueError(
                "CosineDecay: period_multiplier needs restarts=True; without, there is one period"
            )

    def _at(self, step: Any) -> Any:
        periods = (step - self.warmup_steps) / self.steps
        share = self._share_of_current(periods) if self.restarts else minimum(periods, 1)
        rate = _half_cosine(self.rate, self.final_rate, share)
        if is_zero(self.warmup_steps):
            return rate
        rising = self.rate * (step + 1) / (self.warmup_steps + 1)
        return where(step < self.warmup_steps, rising, rate)

    def _share_of_current(self, periods: Any) -> Any:
        """Return the share of the current period that has passed, from the time in first periods.

        Periods of 1, m, m², ... have together the length (m^k - 1) / (m - 1) when k of them are over.
        """
        m = self.period_multiplier
        if is_one(m):
            return periods - floor(periods)
        growth = 1 + (m - 1) * where(periods > 0, periods, 0)
        over = floor(log(growth) / log(m) + 1e-12)  # a logarithm just below a whole number is rounded
        return (growth - m**over) / ((m - 1) * m**over)


@final
@dataclass(frozen=True)
class OneCycle(_Formula):
    r"""A learning rate that rises to a peak and falls far below its start, each along half a cosine.

    It goes from :math:`\eta / a` to the peak η in the first part of the steps, and then down to
    :math:`\eta / (a b)`, where it stays.

    Parameters
    ----------
    rate : float
        η, the learning rate at the peak; at least 0.
    steps : int
        The number of steps of the whole cycle.
    warmup_fraction : float, default 0.3
        The share of the steps in which the rate rises; above 0 and below 1.
    start_divisor : float, default 25.0
        a, how many times smaller than the peak the rate is at first; above 0.
    final_divisor : float, default 10000.0
        b, how many times smaller than at first the rate is at last; above 0.

    Raises
    ------
    TypeError, ValueError
        If a number is outside its range.

    References
    ----------
    Smith, Topin: Super-convergence: very fast training of neural networks using large learning rates (2018).

    Examples
    --------
    >>> import chainrule as cr
    >>> cycle = cr.OneCycle(1.0, steps=10, warmup_fraction=0.4, start_divisor=10)
    >>> for step in range(11):
    ...     print(step, "*" * round(20 * cycle(step)) + "|")
    0 **|
    1 *****|
    2 ***********|
    3 *****************|
    4 ********************|
    5 *******************|
    6 ***************|
    7 **********|
    8 *****|
    9 *|
    10 |
    """

    rate: float = field(metadata=AT_LEAST_ZERO)
    _: KW_ONLY
    steps: int = field(metadata=LENGTH)
    warmup_fraction: float = field(default=0.3, metadata=PROPER_FRACTION)
    start_divisor: float = field(default=25.0, metadata=ABOVE_ZERO)
    final_divisor: float = field(default=1e4, metadata=ABOVE_ZERO)

    def _at(self, step: Any) -> Any:
        share = minimum(step / self.steps, 1)
        first = self.rate / self.start_divisor
        rising = _half_cosine(first, self.rate, share / self.warmup_fraction)
        passed = (share - self.warmup_fraction) / (1 - self.warmup_fraction)
        falling = _half_cosine(self.rate, first / self.final_divisor, passed)
        return where(share < self.warmup_fraction, rising, falling)


def _half_cosine(start: Any, end: Any, share: Any) -> Any:
    """Return the way from `start` (share 0) to `end` (share 1), level at both ends."""
    return _between(start, end, (1 + cos(math.pi * share)) / 2)


def _between(start: Any, end: Any, remaining: Any) -> Any:
    """Return `start` where all of the way remains (1), `end` where none does (0), exactly."""
    return start * remaining + end * (1 - remaining)
