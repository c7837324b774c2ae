"""A layout as LaTeX."""

from __future__ import annotations

from chainrule.explanation.layout import (
    FENCES,
    Cases,
    Fenced,
    Fraction,
    Layout,
    Mark,
    Root,
    Row,
    Script,
    Slot,
    Symbol,
)

_COMMANDS = {sign: command + " " for command, sign in FENCES.items()}


def to_latex(layout: Layout) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the layout as LaTeX, to stand in mathematics mode; amsmath has what it needs."""
    match layout:
        case Symbol(_, latex, _):
            return latex
        case Row(items):
            return " ".join(map(to_latex, items))
        case Fraction(above, below):
            return rf"\frac{{{to_latex(above)}}}{{{to_latex(below)}}}"
        case Script(base, below, above):
            sub = f"_{{{to_latex(below)}}}" if below else ""
            sup = f"^{{{to_latex(above)}}}" if above else ""
            return (
                f"{{{to_latex(base)}}}{sub}{sup}"
                if not isinstance(base, Symbol)
                else to_latex(base) + sub + sup
            )
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


def _when(when: Layout) -> str:
    is_word = isinstance(when, Symbol) and when.kind == "word"
    return to_latex(when) if is_word else rf"\text{{if }} {to_latex(when)}"
