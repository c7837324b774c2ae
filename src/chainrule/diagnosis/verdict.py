"""A verdict: what is wrong, where, how one knows, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One thing that is wrong.

    Attributes
    ----------
    name : str
        What it is called.
    where : str
        The layer, parameter or column; empty where it is the whole.
    evidence : str
        What was measured.
    remedy : str
        What to do about it.

    Examples
    --------
    >>> import chainrule as cr
    >>> print(cr.Verdict("dead units", "layers.0", "60 % never fire", "lower the learning rate"))
    dead units in layers.0: 60 % never fire; lower the learning rate
    """

    name: str
    where: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        where = f" in {self.where}" if self.where else ""
        return f"{self.name}{where}: {self.evidence}; {self.remedy}"
