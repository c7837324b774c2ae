"""A layout as one line of Unicode text."""

from __future__ import annotations

from chainrule.explanation.layout import (
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

_BELOW = str.maketrans("0123456789+-−=(),.", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎,.")
_ABOVE = str.maketrans("0123456789+-−=()nT·′*", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿᵀ·′*")
_SPACED = set("=+−·×←→≈≤≥≠<>∧∨⊙")


def to_text(layout: Layout) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the layout as text: x·W + b, ∂L/∂z₀⁽¹⁾."""
    match layout:
        case Sign(text, _, _):
            return text
        case Row(items):
            return _row(items)
        case Fraction(above, below):
            return f"{_grouped(above)}/{_grouped(below, product=True)}"
        case Script(base, below, above):
            return _grouped(base) + _script(below, _BELOW, "_") + _script(above, _ABOVE, "^")
        case Root(inside):
            return f"√({to_text(inside)})"
        case Fenced(left, inside, right):
            return f"{left}{to_text(inside)}{right}"
        case Cases(branches):
            written = ", ".join(f"{to_text(value)} {_when(when)}" for value, when in branches)
            return f"{{{written}}}"
        case Mark(inside):
            return to_text(inside)
        case Slot(name):
            raise ValueError(f"the slot {name} was not filled")


def _row(items: tuple[Layout, ...]) -> str:
    """Write items side by side: spaces around operators that stand between two, and between factors."""
    written = ""
    for previous, item in zip((None, *items), items, strict=False):
        text = to_text(item)
        if _is_operator(item):
            between = text in _SPACED and previous is not None and not _is_operator(previous)
            between = between or text in "=←"
            if between:
                written += f" {text} "
            else:
                written += ", " if text == "," else text
        else:
            written += text if _touches(previous, item) else f" {text}"
    return written


def _is_operator(layout: Layout | None) -> bool:
    return isinstance(layout, Sign) and layout.kind == "operator"


def _is_big(layout: Layout) -> bool:
    base = layout.base if isinstance(layout, Script) else layout
    return isinstance(base, Sign) and base.kind == "big"


def _touches(previous: Layout | None, item: Layout) -> bool:
    """Whether nothing stands between two things: a function and its argument, ∂ and its variable."""
    if previous is None or _is_operator(previous):
        return True
    base = previous.base if isinstance(previous, Script) else previous
    return isinstance(base, Sign) and (base.text == "∂" or (isinstance(item, Fenced) and base.kind != "big"))


def _script(layout: Layout | None, letters: dict[int, int], mark: str) -> str:
    """Write a script in raised or lowered letters, where there are such."""
    if layout is None:
        return ""
    text = to_text(layout).replace(" ", "")
    if all(ord(sign) in letters for sign in text) and len(text) < 12:
        return text.translate(letters)
    if text.isalnum() or (text[0] == "(" and text.find(")") == len(text.rstrip("′*")) - 1):
        return f"{mark}{text}"
    spaced = to_text(layout)
    return f"{mark}({spaced if ' if ' in spaced else text})"


def _grouped(layout: Layout, product: bool = False) -> str:
    """Write something in parentheses where a fraction's bar, or a raised script, held it together."""
    text = to_text(layout)
    match layout:
        case Row(items) if any(_is_operator(item) or _is_big(item) for item in items):
            return f"({text})"
        case Row(items) if product and not _is_one(items):
            return f"({text})"
        case Fraction() | Cases():
            return f"({text})"
    return text


def _is_one(items: tuple[Layout, ...]) -> bool:
    """Whether things side by side are one: ∂L;  max(a, b)."""
    first, *others = items
    if not isinstance(first, Sign):
        return False
    return first.text == "∂" or (first.kind == "word" and [type(one) for one in others] == [Fenced])


def _when(when: Layout) -> str:
    text = to_text(when)
    return text if isinstance(when, Sign) and when.kind == "word" else f"if {text}"
