"""Words beside numbers."""

from __future__ import annotations


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


def _plural(noun: str) -> str:
    if noun.endswith("s"):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
