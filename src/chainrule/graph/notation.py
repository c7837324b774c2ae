"""How a formula shows a primitive: a LaTeX template and a precedence. One printer owns the layout."""

from __future__ import annotations

from dataclasses import dataclass

#: Precedences, loosest first. An operand that binds less tightly than its place needs gets parentheses.
RELATION, SUM, PRODUCT, PREFIX, POWER, ATOM = range(6)


@dataclass(frozen=True)
class Notation:
    r"""A template with a slot for each operand and, by name, for attributes.

    Attributes
    ----------
    template : str
        LaTeX in which ``<0>``, ``<1>`` stand for operands and ``<axes>`` for an attribute; ``<*>`` stands for
        all operands, separated by commas.
    precedence : int
        How tightly the whole binds.
    operands : tuple of int
        How tightly each operand must bind to stand without parentheses; the last one holds for the rest.
    """

    template: str
    precedence: int
    operands: tuple[int, ...] = (RELATION,)


def function(name: str, arity: int = 1) -> Notation:
    r"""Return the notation of a function: ``\tanh(x)``."""
    return Notation(rf"{name}\left({', '.join(f'<{i}>' for i in range(arity))}\right)", ATOM)


def infix(sign: str, precedence: int) -> Notation:
    """Return the notation of an operator between two operands, which groups to the left."""
    return Notation(f"<0> {sign} <1>", precedence, (precedence, precedence + 1))


def prefix(sign: str) -> Notation:
    """Return the notation of an operator before its operand."""
    return Notation(f"{sign}<0>", PREFIX, (PREFIX,))
