"""A layout, and text of a person's, as LaTeX."""

from __future__ import annotations

import re

from chainrule.explanation.layout import (
    FENCES,
    LETTERS,
    Cases,
    Fenced,
    Fraction,
    Layout,
    Mark,
    Root,
    Row,
    Script,
    Sign,
    Slot,
)

_COMMANDS = {sign: command + " " for command, sign in FENCES.items()}
#: How many letters a line of a page holds, and up to which width a piece may be one that TeX never breaks.
WIDEST, _UNBROKEN = 78.0, 40.0


def to_latex(layout: Layout) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the layout as LaTeX, to stand in mathematics mode; amsmath has what it needs."""
    match layout:
        case Sign(_, latex, _):
            return latex
        case Row(items):
            return " ".join(map(to_latex, items))
        case Fraction(above, below):
            return rf"\frac{{{to_latex(above)}}}{{{to_latex(below)}}}"
        case Script(base, below, above):
            held = to_latex(base)
            return (held if isinstance(base, Sign) else f"{{{held}}}") + _scripts(below, above)
        case Root(inside):
            return rf"\sqrt{{{to_latex(inside)}}}"
        case Fenced(left, inside, right):
            ends = (_COMMANDS.get(end, end) for end in (left, right))
            return rf"\left{next(ends)} {to_latex(inside)} \right{next(ends)}"
        case Cases(branches):
            lines = r" \\ ".join(f"{to_latex(value)} & {_when(when)}" for value, when in branches)
            return rf"\begin{{cases}} {lines} \end{{cases}}"
        case Mark(inside):
            return to_latex(inside)
        case Slot(name):
            raise ValueError(f"the slot {name} was not filled")


def _scripts(below: Layout | None, above: Layout | None) -> str:
    sub = f"_{{{to_latex(below)}}}" if below else ""
    return sub + (f"^{{{to_latex(above)}}}" if above else "")


def _when(when: Layout) -> str:
    is_word = isinstance(when, Sign) and when.kind == "word"
    return to_latex(when) if is_word else rf"\text{{if }} {to_latex(when)}"


def to_display(layout: Layout, beside: str = "") -> str:
    """Return the layout, and LaTeX beside it, as a formula of its own in a document, on lines if it is wide.

    TeX breaks a formula in a paragraph behind signs, but not within brackets that grow, fractions, roots and
    the like: wide ones are written so that they have signs to break at.
    """
    if width(layout) + len(beside) <= WIDEST:
        return rf"\[ {to_latex(layout)} {beside} \]"
    paragraph = r"\par\smallskip\raggedright\noindent\hangindent=2em"
    return rf"{{{paragraph} $\displaystyle {_breakable(layout)} {beside}$\par}}"


def width(layout: Layout) -> float:  # noqa: PLR0911  (one for each kind)
    """Return about how many letters wide a layout is."""
    match layout:
        case Sign(text, _, kind):
            return len(text) + (1.6 if kind == "operator" else 0.0)
        case Row(items):
            return sum(map(width, items))
        case Fraction(above, below):
            return max(width(above), width(below)) + 0.5
        case Script(base, below, above):
            return width(base) + 0.7 * max(width(part) if part else 0.0 for part in (below, above))
        case Root(inside) | Fenced(_, inside, _):
            return width(inside) + 1.5
        case Cases(branches):
            return max(width(value) for value, _ in branches) + max(width(when) for _, when in branches) + 4
        case Mark(inside):
            return width(inside)
    return 0.0


def _breakable(layout: Layout) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the layout as LaTeX in which nothing wide is in one piece."""
    if isinstance(layout, Row):
        return " ".join(_breakable(item) + r" \allowbreak" * _is_comma(item) for item in layout.items)
    if isinstance(layout, Mark):
        return _breakable(layout.inside)
    if width(layout) <= _UNBROKEN:
        return to_latex(layout)
    match layout:
        case Fraction(above, below):
            return rf"{_bracketed(above)} / \allowbreak {_bracketed(below)}"
        case Script(Sign("e"), None, above) if above is not None:
            return rf"\exp {_bracketed(above)}"
        case Script(base, below, above):
            return _breakable(base) + _scripts(below, above)
        case Root(inside):
            return rf"{_bracketed(inside)}^{{1/2}}"
        case Fenced(left, inside, right):
            opened, closed = (_COMMANDS.get(end, end) for end in (left, right))
            return rf"\bigl{opened} {_breakable(inside)} \bigr{closed}"
        case Cases(branches):
            told = (rf"{_breakable(value)} \allowbreak\ {_when(when)}" for value, when in branches)
            return r"\bigl\{ " + r", \allowbreak ".join(told) + r" \bigr\}"
    return to_latex(layout)


def _is_comma(layout: Layout) -> bool:
    return isinstance(layout, Sign) and layout.text == ","


def _bracketed(layout: Layout) -> str:
    return to_latex(layout) if isinstance(layout, Sign) else rf"\bigl( {_breakable(layout)} \bigr)"


def escaped(text: str) -> str:
    """Return text as LaTeX prints it: signs that belong to formulas go into mathematics mode."""
    text = "".join(_ESCAPES.get(sign, sign) for sign in text)
    return re.sub(f"[{''.join(_SIGNS)}]+", lambda found: f"${_mathematics(found[0])}$", text)


def _mathematics(text: str) -> str:
    """Return a run of signs: raised ones as one superscript, lowered ones as one subscript."""
    text = _as_scripts(_as_scripts(text, _RAISED, "^"), _LOWERED, "_")
    return "".join(_SIGNS.get(sign) or sign for sign in text)


def _as_scripts(text: str, signs: str, mark: str) -> str:
    """Return text with each run of these signs as one script of plain ones."""
    return re.sub(f"[{signs}]+", lambda run: f"{mark}{{{run[0].translate(_PLAIN)}}}", text)


_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾⁻′", "₀₁₂₃₄₅₆₇₈₉,"
_PLAIN = str.maketrans(
    {
        **dict(zip(_RAISED, [*"0123456789()-", r"\prime "], strict=True)),
        **dict(zip(_LOWERED, "0123456789,", strict=True)),
    }
)
_ESCAPES = {
    **{sign: f"\\{sign}" for sign in "_%&#${}"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},  # TeX's own font has others there
}
_SIGNS = {
    **{sign: f"{command} " for command, sign in LETTERS.items()},
    **{"−": "-", "·": r"\cdot ", "↔": r"\leftrightarrow "},
    **dict.fromkeys(_RAISED + _LOWERED[:-1], ""),
}
