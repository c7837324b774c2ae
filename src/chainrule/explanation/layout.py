"""How a formula lies on paper: a small tree that is read from the LaTeX templates of the rows' notation.

    layout = Sign | Row(layouts) | Fraction(above, below) | Script(base, below, above) | Root(inside)
           | Fenced(left, inside, right) | Cases(branches) | Mark(inside, place) | Slot(name)

A `Slot` is where a template has ``<name>``; `filled` puts layouts into the slots. `latex.py`, `plain.py` and
`mathml.py` write a layout down.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

#: LaTeX commands that are one sign: what it looks like, and whether it is an operator.
SIGNS = {
    r"\cdot": "·", r"\times": "×", r"\odot": "⊙", r"\le": "≤", r"\ge": "≥", r"\ne": "≠", r"\land": "∧",
    r"\lor": "∨", r"\lnot": "¬", r"\leftarrow": "←", r"\to": "→", r"\dots": "…", r"\cdots": "⋯",
    r"\approx": "≈",
}  # fmt: skip
LETTERS = {
    r"\alpha": "α", r"\beta": "β", r"\gamma": "γ", r"\delta": "δ", r"\epsilon": "ε", r"\zeta": "ζ",
    r"\eta": "η", r"\theta": "θ", r"\iota": "ι", r"\kappa": "κ", r"\lambda": "λ", r"\mu": "μ", r"\nu": "ν",
    r"\xi": "ξ", r"\pi": "π", r"\rho": "ρ", r"\sigma": "σ", r"\tau": "τ", r"\upsilon": "υ", r"\varphi": "φ",
    r"\chi": "χ", r"\psi": "ψ", r"\omega": "ω", r"\Gamma": "Γ", r"\Delta": "Δ", r"\Theta": "Θ",
    r"\Lambda": "Λ", r"\Xi": "Ξ", r"\Pi": "Π", r"\Sigma": "Σ", r"\Phi": "Φ", r"\Psi": "Ψ", r"\Omega": "Ω",
    r"\partial": "∂",
}  # fmt: skip
_COMMANDS = {sign: command for command, sign in LETTERS.items()}
FENCES = {r"\lfloor": "⌊", r"\rfloor": "⌋"}
WORDS = (
    *(r"\sin", r"\cos", r"\tan", r"\sinh", r"\cosh", r"\tanh"),
    *(r"\ln", r"\log", r"\max", r"\min"),
)
BIG = {r"\sum": "∑"}


@dataclass(frozen=True)
class Sign:
    """One sign, letter, number or word; `kind` is letter, number, operator, word or big."""

    text: str
    latex: str
    kind: str = "letter"


@dataclass(frozen=True)
class Row:
    """Layouts side by side."""

    items: tuple[Layout, ...]


@dataclass(frozen=True)
class Fraction:
    """One above the other."""

    above: Layout
    below: Layout


@dataclass(frozen=True)
class Script:
    """A base with a subscript, a superscript or both."""

    base: Layout
    below: Layout | None = None
    above: Layout | None = None


@dataclass(frozen=True)
class Root:
    """A square root."""

    inside: Layout


@dataclass(frozen=True)
class Fenced:
    """Something in parentheses, bars or the like."""

    left: str
    inside: Layout
    right: str


@dataclass(frozen=True)
class Cases:
    """What it is, and when."""

    branches: tuple[tuple[Layout, Layout], ...]


@dataclass(frozen=True)
class Mark:
    """A layout that a page can find: an element "at" a place, "all" of an array, a "sum", "terms", "rest"."""

    inside: Layout
    place: str
    kind: str = "at"


@dataclass(frozen=True)
class Slot:
    """Where an operand or an attribute goes."""

    name: str


Layout = Sign | Row | Fraction | Script | Root | Fenced | Cases | Mark | Slot


def letter(text: str) -> Sign:
    """Return a letter, for which LaTeX may have a command."""
    return Sign(text, _COMMANDS.get(text, text))


def word(text: str) -> Sign:
    """Return an upright word; in LaTeX's mathematics, letters with accents are text."""
    escaped = text.replace("_", r"\_")
    return Sign(text, rf"\{'mathrm' if text.isascii() else 'text'}{{{escaped}}}", "word")


def number(text: str) -> Sign:
    """Return a number as it is written."""
    return Sign(text, text.replace("−", "-"), "number")


def operator(text: str, latex: str | None = None) -> Sign:
    """Return an operator."""
    return Sign(text, latex or text, "operator")


def row(*items: Layout) -> Layout:
    """Return layouts side by side; one alone stays as it is."""
    flat = [inner for item in items for inner in (item.items if isinstance(item, Row) else (item,))]
    return flat[0] if len(flat) == 1 else Row(tuple(flat))


def joined(items: Iterable[Layout], sign: Sign) -> Layout:
    """Return layouts side by side, with a sign between each two."""
    return row(*[part for item in items for part in (sign, item)][1:])


def listed(items: Iterable[Layout]) -> Layout:
    """Return layouts with commas between them."""
    return joined(items, operator(","))


def with_scripts(layout: Layout) -> Script:
    """Return a layout as a base with its subscript and superscript, of which it may have none."""
    return layout if isinstance(layout, Script) else Script(layout)


def equation(left: Layout, right: Layout) -> Layout:
    """Return left = right."""
    return row(left, operator("="), right)


def filled(layout: Layout, slots: Mapping[str, Layout]) -> Layout:
    """Return the layout with its slots filled."""

    def fill(part: Layout) -> Layout:  # noqa: PLR0911  (one for each kind)
        match part:
            case Slot(name):
                return slots[name]
            case Row(items):
                return row(*map(fill, items))
            case Fraction(above, below):
                return Fraction(fill(above), fill(below))
            case Script(base, below, above):
                return Script(fill(base), below and fill(below), above and fill(above))
            case Root(inside):
                return Root(fill(inside))
            case Fenced(left, inside, right):
                return Fenced(left, fill(inside), right)
            case Cases(branches):
                return Cases(tuple((fill(value), fill(when)) for value, when in branches))
        return part

    return fill(layout)


@functools.cache
def parse(template: str) -> Layout:
    """Return the layout of a LaTeX template; a ValueError names a command that is not known here."""
    reader = _Reader(template)
    layout = reader.row(stop="")
    reader.expect("")
    return layout


_TOKEN = re.compile(r"\\\\|\\[A-Za-z]+|\\[,;! ]|<[\w*]+>|\s+|\d+(?:\.\d+)?|.")


class _Reader:
    """Reads a template from left to right."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._tokens = [token for token in _TOKEN.findall(template) if not token.isspace()]
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise ValueError(
                f"the notation {self._template!r} lacks {token or 'nothing'!r} where it should be"
            )

    def row(self, stop: str, *stops: str) -> Layout:
        return row(*self._items((stop, *stops))) if self.peek() not in (stop, *stops) else Row(())

    def _items(self, stops: tuple[str, ...]) -> Iterator[Layout]:
        while self.peek() not in stops:
            item = self._atom()
            below = above = None
            while self.peek() in ("_", "^"):
                if self.take() == "_":
                    below = self._atom()
                else:
                    above = self._atom()
            yield Script(item, below, above) if below or above else item

    def _atom(self) -> Layout:
        token = self.take()
        if token == "{":
            inside = self.row("}")
            self.expect("}")
            return inside
        if token.startswith("<") and len(token) > 1:
            return Slot(token[1:-1])
        if token.startswith("\\"):
            return self._command(token)
        if token[0].isdigit():
            return number(token)
        return letter(token) if token.isalpha() else operator({"-": "−"}.get(token, token), token)

    def _command(self, command: str) -> Layout:
        if command in SIGNS:
            return operator(SIGNS[command], command)
        if command in LETTERS:
            return Sign(LETTERS[command], command)
        if command in WORDS:
            return Sign(command[1:], command, "word")
        if command in BIG:
            return Sign(BIG[command], command, "big")
        readers: dict[str, Callable[[], Layout]] = {
            r"\frac": lambda: Fraction(self._atom(), self._atom()),
            r"\sqrt": lambda: Root(self._atom()),
            r"\left": self._fenced,
            r"\begin": self._cases,
        }
        if command in readers:
            return readers[command]()
        if command in (r"\operatorname", r"\mathrm", r"\mathsf", r"\text"):
            return self._upright(command)
        raise ValueError(f"the notation {self._template!r} has {command}, which explanation/layout.py lacks")

    def _upright(self, command: str) -> Layout:
        """Read a word, or a slot in upright letters."""
        if self.peek() != "{":
            name = self.take()
            return Sign(name, rf"{command} {name}", "word")
        self.take()
        if self.peek().startswith("<"):
            slot = Slot(self.take()[1:-1])
            self.expect("}")
            return slot
        letters, latex = [], []
        while self.peek() != "}":
            token = self.take()
            latex.append(token)
            letters.append({r"\,": " "}.get(token, token))
        self.take()
        return Sign("".join(letters), f"{command}{{{''.join(latex)}}}", "word")

    def _fenced(self) -> Layout:
        left = self.take()
        inside = self.row(r"\right")
        self.expect(r"\right")
        right = self.take()
        return Fenced(FENCES.get(left, left), inside, FENCES.get(right, right))

    def _cases(self) -> Layout:
        for token in "{cases}":
            self.expect(token)
        branches = []
        while True:
            value = self.row("&")
            self.expect("&")
            when = self.row("\\\\", r"\end")
            branches.append((value, when))
            if self.take() == r"\end":
                break
        for token in "{cases}":
            self.expect(token)
        return Cases(tuple(branches))
