"""The verdict: the gradient that was explained beside the same gradient computed in other ways."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One parameter's gradient, as evaluated, beside what others make of it.

    Attributes
    ----------
    name : str
        The parameter.
    entries, checked : int
        How many derivatives there are, and at how many finite differences were taken.
    kinks : int
        How many of these lie where the derivative jumps, and are not judged.
    differences : float
        The largest distance from finite differences in float64, relative to the largest derivative.
    doubt : float
        How far the differences themselves may be off, relative to the largest derivative.
    compiled : float
        The largest distance from the compiled code, relative to the largest derivative.
    """

    name: str
    entries: int
    checked: int
    kinks: int
    differences: float
    doubt: float
    compiled: float


@dataclass(frozen=True)
class Verdict:
    """What comes out when the gradient is computed in two other ways.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for each parameter.
    tolerance : float
        The relative error up to which two gradients are the same.
    """

    comparisons: tuple[Comparison, ...]
    tolerance: float

    @property
    def differences(self) -> float:
        """The largest relative error beside finite differences."""
        return max((one.differences for one in self.comparisons), default=0.0)

    @property
    def compiled(self) -> float:
        """The largest relative error beside the compiled code."""
        return max((one.compiled for one in self.comparisons), default=0.0)

    @property
    def right(self) -> bool:
        """Whether all of them agree."""
        agreed = all(one.differences <= self.tolerance + one.doubt for one in self.comparisons)
        return agreed and self.compiled <= self.tolerance

    def __bool__(self) -> bool:
        return self.right

    def sentences(self) -> list[str]:
        """Return the verdict as sentences."""
        checked = sum(one.checked for one in self.comparisons)
        kinks = sum(one.kinks for one in self.comparisons)
        word = "right" if self.right else "WRONG"
        at = f", {kinks} of them at a kink and not judged" if kinks else ""
        found = "two other ways agree with it within" if self.right else "another way differs by more than"
        return [
            f"The gradient is {word}: {found} a relative error of {self.tolerance:.0e}.",
            f"Finite differences at {checked} entries{at}: relative error {self.differences:.1e}.",
            f"The compiled code, all entries: relative error {self.compiled:.1e}.",
        ]
