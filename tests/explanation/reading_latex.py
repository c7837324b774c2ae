"""LaTeX formulas read by a parser of another project."""

from __future__ import annotations

import re

from latex2mathml.converter import convert


def is_well_formed(formula):
    """Whether braces, fences, scripts and environments close, and every command is known."""
    if formula.count("{") - formula.count(r"\{") != formula.count("}") - formula.count(r"\}"):
        return False
    try:
        plain = re.sub(r"\\allowbreak|\\(?=[_%&])", "", formula)  # what the parser need not know
        plain = plain.replace(r"\bigl\{", r"\bigl(").replace(r"\bigr\}", r"\bigr)")  # nor does it know these
        read = convert(plain)
    except Exception:
        return False
    return "\\" not in read  # a command that it does not know stays as it is
