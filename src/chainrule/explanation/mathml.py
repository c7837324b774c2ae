"""A layout as MathML, which browsers draw without fonts or scripts of ours."""

from __future__ import annotations

from html import escape

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

_TAGS = {"letter": "mi", "number": "mn", "operator": "mo", "word": "mtext", "big": "mo"}


def to_mathml(layout: Layout) -> str:
    """Return the layout as a whole ``<math>`` element."""
    return f"<math>{elements(layout)}</math>"


def elements(layout: Layout) -> str:  # noqa: PLR0911  (one for each kind)
    """Return the layout as what stands inside ``<math>``: one element."""
    match layout:
        case Sign(text, _, kind):
            return f"<{_TAGS[kind]}>{escape(text)}</{_TAGS[kind]}>"
        case Row(items):
            return f"<mrow>{''.join(map(elements, items))}</mrow>"
        case Fraction(above, below):
            return f"<mfrac>{elements(above)}{elements(below)}</mfrac>"
        case Script(base, None, above) if above is not None:
            return f"<msup>{elements(base)}{elements(above)}</msup>"
        case Script(base, below, above):
            parts = [elements(part) for part in (base, below, above) if part is not None]
            tag = "msub" if above is None else "msubsup"
            return f"<{tag}>{''.join(parts)}</{tag}>"
        case Root(inside):
            return f"<msqrt>{elements(inside)}</msqrt>"
        case Fenced(left, inside, right):
            return f"<mrow><mo>{escape(left)}</mo>{elements(inside)}<mo>{escape(right)}</mo></mrow>"
        case Cases(branches):
            return f"<mrow><mo>{{</mo><mtable>{''.join(map(_branch, branches))}</mtable></mrow>"
        case Mark(inside, place, kind):
            return f'<mrow data-{kind}="{escape(place)}">{elements(inside)}</mrow>'
        case Slot(name):
            raise ValueError(f"the slot {name} was not filled")


def _branch(branch: tuple[Layout, Layout]) -> str:
    value, when = branch
    is_word = isinstance(when, Sign) and when.kind == "word"
    condition = elements(when) if is_word else f"<mrow><mtext>if </mtext>{elements(when)}</mrow>"
    return f"<mtr><mtd>{elements(value)}</mtd><mtd>{condition}</mtd></mtr>"
