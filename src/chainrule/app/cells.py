"""What one cell of a table says: a number, some text, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

#: What people write where a value is missing, in any case.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing value.

    Examples
    --------
    >>> [is_missing(cell) for cell in ("NA", "?", "", "0")]
    [True, True, True, False]
    """
    return cell.casefold() in MISSING


def as_number(cell: str) -> float | None:
    """Return the finite number in a cell, or None where it holds something else.

    Examples
    --------
    >>> as_number("-1.5e3"), as_number("1,5"), as_number("inf")
    (-1500.0, None, None)
    """
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell else None


def about_commas(cell: str) -> str:
    """Return how a number is written whose cell has commas; it goes on after "is not a number".

    Examples
    --------
    >>> about_commas("1.234,5"), about_commas("a, b")
    (': write 1.5 and 1000, not 1,5 and 1,000', '')
    """
    digits = re.sub(r"[.,](?=\d)", "", cell)
    return ": write 1.5 and 1000, not 1,5 and 1,000" if "," in cell and as_number(digits) is not None else ""


def printable(text: str) -> str:
    r"""Return text as one line in which nothing steers a terminal: line ends and the like as escapes.

    Examples
    --------
    >>> print(printable("two\nlines"))
    two\nlines
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def quoted(names: Iterable[str], most: int = 12) -> str:
    """Return names for a sentence: quoted, and counted where there are too many to list.

    Examples
    --------
    >>> quoted("abcd", most=2)
    "'a', 'b' and 2 more"
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def mean_and_deviation(numbers: Sequence[float]) -> tuple[float, float] | None:
    """Return the mean and standard deviation, or None where they are no use: not finite, or no deviation.

    Examples
    --------
    >>> mean_and_deviation([1.0, 3.0]), mean_and_deviation([5.0, 5.0])
    ((2.0, 1.0), None)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(np.mean(numbers)), float(np.std(numbers))
    usable = (
        math.isfinite(mean) and math.isfinite(deviation) and deviation > 0 and min(numbers) < max(numbers)
    )
    return (mean, deviation) if usable else None
