"""Words beside numbers: how many, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex


def counted(number: int, noun: str, form: str = "") -> str:
    """Return how many there are of something, in the singular where there is one.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        What, in the singular.
    form : str, default ""
        How the number is written: "," separates thousands.

    Examples
    --------
    >>> counted(1, "row"), counted(0, "row"), counted(12000, "row", ",")
    ('1 row', '0 rows', '12,000 rows')
    >>> counted(2, "entry"), counted(3, "class"), counted(2, "day")
    ('2 entries', '3 classes', '2 days')
    """
    return f"{number:{form}} {noun if number == 1 else _plural(noun)}"


def subscript(index: Sequence[SupportsIndex]) -> str:
    """Return an index as Python writes it behind an array's name; nothing where the array is one number.

    Examples
    --------
    >>> "bias" + subscript((3,)), "weight" + subscript((1, 0)), "loss" + subscript(())
    ('bias[3]', 'weight[1, 0]', 'loss')
    """
    return f"[{', '.join(map(str, index))}]" if len(index) else ""


def place(index: Sequence[int], columns: Sequence[str] | None = None) -> str:
    """Return a place in an array in words, counted from 0; columns by their names if they have such.

    Examples
    --------
    >>> place((3,)), place((3, 1)), place((3, 1), ["age", "mass"]), place((3, 1, 2))
    ('row 3', 'row 3, column 1', "row 3, column 'mass'", 'row 3, column 1, index 2')
    """
    if not len(index):
        return "its only place"
    row, *others = map(int, index)
    column = [f"column {i if columns is None else repr(columns[i])}" for i in others[:1]]
    return ", ".join([f"row {row}", *column, *(f"index {i}" for i in others[1:])])


def _plural(noun: str) -> str:
    if noun.endswith("s"):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
