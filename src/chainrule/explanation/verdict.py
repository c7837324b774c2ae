"""The verdict: the gradient that was explained beside the same gradient computed in other ways."""

from __future__ import annotations

from dataclasses import dataclass

#: Where rounding makes more than this part of a derivative, its numbers are not said to agree.
COARSE = 1e-2


@dataclass(frozen=True)
class Comparison:
    """One parameter's gradient, as it was explained, beside what others make of it.

    Attributes
    ----------
    name : str
        The parameter.
    entries, checked : int
        How many derivatives there are, and at how many finite differences were taken.
    unjudged : int
        How many of these lie where the derivative jumps, or are too small to be measured by differences.
    differences : float
        The largest relative error of the step's graph in float64 beside finite differences.
    rounding : float
        How far the numbers of the step are from those of its graph in float64, as a part of the parameter's
        largest derivative; 0 for a float64 model. A float32 model that is nearly sure of the right class has
        few digits left in its gradient.
    error : float
        The same as a number, not as a part of another.
    compiled : float
        How far the compiled code's gradient is from that graph's, as a part of the layer's largest
        derivative.
    right : bool
        Whether all of them agree, up to what rounding explains.
    """

    name: str
    entries: int
    checked: int
    unjudged: int
    differences: float
    rounding: float
    error: float
    compiled: float
    right: bool

    @property
    def is_coarse(self) -> bool:
        """Whether few digits of its numbers are left after rounding, or none."""
        return max(self.rounding, self.compiled) > COARSE


@dataclass(frozen=True)
class Verdict:
    """What comes out when the gradient is computed in two other ways.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for each parameter.
    faults : tuple of str
        What is wrong, if anything is, as sentences.
    """

    comparisons: tuple[Comparison, ...]
    faults: tuple[str, ...] = ()

    @property
    def differences(self) -> float:
        """The largest relative error beside finite differences."""
        return max((one.differences for one in self.comparisons), default=0.0)

    @property
    def compiled(self) -> float:
        """The largest relative error of the compiled code."""
        return max((one.compiled for one in self.comparisons), default=0.0)

    @property
    def rounding(self) -> float:
        """The largest relative error that rounding makes."""
        return max((one.rounding for one in self.comparisons), default=0.0)

    @property
    def right(self) -> bool:
        """Whether all of them agree."""
        return all(one.right for one in self.comparisons)

    def __bool__(self) -> bool:
        return self.right

    def sentences(self) -> list[str]:
        """Return the verdict as sentences."""
        word = "right" if self.right else "WRONG"
        agree = "two other ways agree with it." if self._is_judged else "one other way agrees with it."
        found = agree if self.right else "another way gives something else."
        single = f" Rounding to float32: {self.rounding:.1e}." if self.rounding else ""
        if self.right and (coarse := [one for one in self.comparisons if one.is_coarse]):
            return self._rounded(coarse)
        return [
            f"The gradient is {word}: {found}",
            f"{self._by_differences()}{single}",
            f"The compiled code, all entries: relative error {self.compiled:.1e}.",
            *map(_as_sentence, self.faults),
        ]

    @property
    def _is_judged(self) -> bool:
        """Whether differences could tell anything."""
        return any(one.checked > one.unjudged for one in self.comparisons)

    def _by_differences(self, where: str = "") -> str:
        """Say what came out of finite differences; `where` is the type of their numbers."""
        checked = self._counted()
        if not self._is_judged:
            return (
                f"Finite differences at {checked}{where} judge nothing: "
                "each lies at a kink or is too small to measure."
            )
        unjudged = sum(one.unjudged for one in self.comparisons)
        at = f", {unjudged} of them at a kink or too small to measure, and not judged" if unjudged else ""
        return f"Finite differences at {checked}{at}{where}: relative error {self.differences:.1e}."

    def _counted(self) -> str:
        """Say at how many entries differences were taken: at all, or at some of each parameter."""
        checked = sum(one.checked for one in self.comparisons)
        entries = sum(one.entries for one in self.comparisons)
        if checked == entries:
            return f"all {entries} entries" if entries > 1 else "the one entry"
        most = max(one.checked for one in self.comparisons)
        each = f"up to {most} of each parameter" if most > 1 else "one of each parameter"
        return f"{checked} of {entries:,} entries, {each}, with its largest"

    def _rounded(self, coarse: list[Comparison]) -> list[str]:
        """Return the verdict where formulas are right, and rounding has taken the digits of some numbers."""
        names = ", ".join(one.name for one in coarse)
        where = f", in {names}" if len(coarse) < len(self.comparisons) else ""
        error = max(one.error for one in coarse)
        rounded = max(one.rounding for one in coarse)
        single = (
            f"Rounding to float32 moves these numbers by up to {error:.1e}, {rounded:.1e} of the largest."
        )
        return [
            "The formulas of the gradient are right, but rounding leaves few digits of its numbers, "
            f"or none{where}: they are too small beside the numbers that they are computed from.",
            self._by_differences(", in float64"),
            *([single] if rounded else []),
            "The compiled code, all entries: it differs from the formulas in float64 by up to "
            f"{self.compiled:.1e} of the largest number, no more than rounding explains.",
        ]


def _as_sentence(fault: str) -> str:
    """Return it with a full stop and a capital, unless it begins with the name of a parameter."""
    is_word = fault.partition(" ")[0].isalpha()
    return f"{fault[0].upper() if is_word else fault[0]}{fault[1:]}."
