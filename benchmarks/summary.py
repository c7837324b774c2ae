"""From times to ratios, and numbers to text."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.peers import OURS


@dataclass(frozen=True)
class Turns:
    """With how many threads, seconds of a step in each round, and how busy the machine was just before it."""

    threads: int
    seconds: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


Times = Mapping[str, Turns]
"""Turns by the name of who took them."""


@dataclass(frozen=True)
class Ratio:
    """Theirs divided by ours, round by round."""

    median: float
    low: float
    high: float

    def text(self, between: str = " ") -> str:
        return f"{digits(self.median)}{between}({digits(self.low)}–{digits(self.high)})"

    @classmethod
    def of(cls, theirs: Iterable[float], ours: Iterable[float]) -> Ratio:
        """Compare each of their times with ours of the same round."""
        ratios = [its / mine for its, mine in zip(theirs, ours, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))


def ratio(times: Times, peer: str) -> Ratio:
    """Compare a peer with us."""
    return Ratio.of(times[peer].seconds, times[OURS.name].seconds)


def others(results: Iterable[Times]) -> float:
    """Return the share of the machine that was busy, on average, while everyone here slept."""
    return statistics.fmean(share for times in results for turns in times.values() for share in turns.others)


def step(turns: Turns, between: str = " ") -> str:
    """Return the median time of a step in microseconds, and the best round's."""
    median, best = statistics.median(turns.seconds), min(turns.seconds)
    return f"{digits(median * 1e6)}{between}({digits(best * 1e6)})"


def digits(value: float) -> str:
    """Write a positive number to three digits, or all of them before the point."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
