"""When a fit stops, and how its learning rate falls: scikit-learn's rules, decided after each epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainrule.graph.types import Array

#: Below this rate 'adaptive' stops instead of dividing by 5.
SMALLEST_RATE = 1e-6


@dataclass
class Patience:
    """What is remembered from epoch to epoch, also over calls with warm_start and partial_fit.

    Attributes
    ----------
    tol, epochs : float
        How much better is better, and how many epochs without it are too many.
    scored : bool
        Whether a validation score decides, where larger is better, and not the loss.
    best : float
        The best loss or score so far.
    waited : int
        Epochs without an improvement.
    """

    tol: float
    epochs: float
    scored: bool
    best: float = field(init=False)
    waited: int = 0

    def __post_init__(self) -> None:
        self.best = -float("inf") if self.scored else float("inf")

    def look(self, number: float) -> bool:
        """Take in an epoch's loss or score; return whether it is the best so far. A NaN is not counted."""
        worse = number < self.best + self.tol if self.scored else number > self.best - self.tol
        better = number > self.best if self.scored else number < self.best
        self.waited = self.waited + 1 if worse else 0
        if better:
            self.best = number
        return better

    @property
    def exhausted(self) -> bool:
        """Whether there has been no improvement for too long."""
        return self.waited > self.epochs

    @property
    def sentence(self) -> str:
        """What is said when it is exhausted."""
        what = "Validation score" if self.scored else "Training loss"
        return f"{what} did not improve more than tol={self.tol:f} for {self.epochs:g} consecutive epochs."


@dataclass
class Rate:
    """The learning rate over the epochs.

    Attributes
    ----------
    schedule : str
        ``"constant"``, ``"invscaling"`` or ``"adaptive"``.
    initial, power : float
        The first rate, and the exponent of 'invscaling'.
    """

    schedule: str
    initial: float
    power: float
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.initial

    def end_epoch(self, rows_seen: int) -> None:
        """Let 'invscaling' fall with the rows that have been seen."""
        if self.schedule == "invscaling":
            self.now = self.initial / (rows_seen + 1) ** self.power

    def end_patience(self) -> tuple[bool, str]:
        """Return whether training stops where patience has ended, and what is said about it."""
        if self.schedule != "adaptive":
            return True, "Stopping."
        if self.now <= SMALLEST_RATE:
            return True, "Learning rate too small. Stopping."
        self.now /= 5
        return False, f"Setting learning rate to {self.now:f}"


@dataclass
class Best:
    """The weights of the best epoch."""

    arrays: dict[str, Array]
    score: Any = None
