"""What a gradient check found, entry by entry, as a table that a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.graph.words import counted, subscript

SHOWN = 5  # how many wrong entries are written out


@dataclass(frozen=True)
class CheckedEntry:
    """One element of one array: its derivative by backpropagation and by differences.

    Attributes
    ----------
    name : str
        The array.
    index : tuple of int
        The element's place in it.
    analytic : float
        The derivative by the chain rule.
    numeric : float
        The derivative by differences; NaN at a kink.
    uncertainty : float
        How far the numeric derivative may be off, by its own estimate.
    relative_error : float
        The difference as a part of the larger of the two; where the uncertainty is more than the tolerance
        allows, as a part of the least derivative that could be told apart from zero.
    verdict : str
        "right"; "wrong"; "kink", where the derivative jumps and none is right or wrong; or "rough", where
        they agree only because the numeric derivative is too uncertain to tell.
    """

    name: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    uncertainty: float
    relative_error: float
    verdict: str

    @property
    def place(self) -> str:
        """The entry as Python writes it: ``layers.0.weight[1, 0]``."""
        return self.name + subscript(self.index)

    def __str__(self) -> str:
        return (
            f"{self.place}: analytic {self.analytic:.7g}, numeric {self.numeric:.7g}, "
            f"relative error {self.relative_error:.1e}"
        )


@dataclass(frozen=True)
class WrongPrimitive:
    """A primitive whose derivative disagrees with differences of its own value.

    Attributes
    ----------
    primitive : str
        Its name.
    origin : str
        The stage and the part of the network in which it was used, where they are known.
    operand : int
        The operand, counted from 0, whose derivative is wrong.
    entry : CheckedEntry
        The worst element of that operand, in a sum of the primitive's results with random weights.
    """

    primitive: str
    origin: str
    operand: int
    entry: CheckedEntry

    def __str__(self) -> str:
        where = f" ({self.origin})" if self.origin else ""
        return (
            f"the derivative of {self.primitive}{where} by its operand {self.operand} is wrong: "
            f"at a random dy, {self.entry}"
        )


@dataclass(frozen=True)
class GradientReport:
    """The result of `check_gradients`; it counts as true if no derivative is wrong.

    Attributes
    ----------
    entries : tuple of CheckedEntry
        Every element that was checked.
    sizes : dict of str to int
        The arrays, and how many elements each of them has.
    wrong_primitives : tuple of WrongPrimitive
        Which primitives' derivatives are to blame, where an entry is wrong.
    tolerance : float
        The relative error up to which an entry is right.
    not_finite : str
        Which primitive made the first number that is NaN or infinite, if a derivative is; empty otherwise.
    """

    entries: tuple[CheckedEntry, ...]
    sizes: dict[str, int]
    wrong_primitives: tuple[WrongPrimitive, ...]
    tolerance: float
    not_finite: str = field(default="", kw_only=True)

    @property
    def passed(self) -> bool:
        """Whether no derivative is wrong, NaN or infinite."""
        return not (self.wrong or self.not_finite)

    @property
    def wrong(self) -> tuple[CheckedEntry, ...]:
        """The wrong entries, the worst first."""
        wrong = [entry for entry in self.entries if entry.verdict == "wrong"]
        return tuple(sorted(wrong, key=lambda entry: -entry.relative_error))

    @property
    def kinks(self) -> tuple[CheckedEntry, ...]:
        """The entries at which the derivative jumps, which were not judged."""
        return tuple(entry for entry in self.entries if entry.verdict == "kink")

    @property
    def worst_relative_error(self) -> float:
        """The largest relative error of the entries that were judged."""
        return _worst(self.entries)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def faults(self) -> list[str]:
        """What is wrong, as sentences: the worst entries, and what is to blame."""
        more = len(self.wrong) - SHOWN
        entries = [str(entry) for entry in self.wrong[:SHOWN]]
        return [*entries, *([f"... and {more} more"] if more > 0 else []), *self._blame()]

    def __str__(self) -> str:
        title = "right" if self.passed else "not finite" if self.not_finite else "wrong"
        return "\n".join([f"gradients {title}", *self._table(), *self.faults])

    def raise_if_wrong(self) -> None:
        """Raise an ArithmeticError that names the worst entry and what is to blame, if one is wrong."""
        if not self.passed:
            number = len(self.wrong)
            told = f"{counted(number, 'derivative')} {'is' if number == 1 else 'are'} wrong"
            found = [told, str(self.wrong[0])] if self.wrong else []
            raise ArithmeticError("; ".join([*found, *self._blame()]))

    def _table(self) -> list[str]:
        """Return the table as lines: one for each array."""
        head = ("array", "entries", "checked", "worst error", "verdict")
        return aligned([head, *(self._row(name) for name in self.sizes)])

    def _row(self, name: str) -> tuple[str, ...]:
        mine = [entry for entry in self.entries if entry.name == name]
        return name, str(self.sizes[name]), str(len(mine)), f"{_worst(mine):.1e}", _verdict(mine)

    def _blame(self) -> list[str]:
        if self.not_finite:
            return [self.not_finite]
        if self.wrong and not self.wrong_primitives:
            return [
                "no primitive's derivative disagrees with its value at these numbers, so the error is in how "
                "they are put together"
            ]
        return [str(primitive) for primitive in self.wrong_primitives]


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as lines: words first and last, numbers between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:-1]), verdict]).rstrip()
        for name, *numbers, verdict in rows
    ]


def _worst(entries: Sequence[CheckedEntry]) -> float:
    return max((entry.relative_error for entry in entries if entry.verdict != "kink"), default=0.0)


def _verdict(entries: list[CheckedEntry]) -> str:
    """Return a word for the array, and what was not judged."""
    counts = Counter(entry.verdict for entry in entries)
    if counts["wrong"]:
        notes = [f"{counts['wrong']} wrong"]
    else:
        notes = ["right" if counts["right"] else "not judged"]
    for word, meaning in (("kink", "at a kink"), ("rough", "too rough to tell")):
        if counts[word]:
            notes.append(f"{counts[word]} {meaning}")
    return ", ".join(notes)
