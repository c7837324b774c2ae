"""Every row's notation can be written as text, LaTeX and MathML; numbers and parentheses are as on paper."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from explained_cases import ROWS, dense

import chainrule as cr
from chainrule.explanation.formula import Apply, Number, Total
from chainrule.explanation.latex import to_latex
from chainrule.explanation.layout import filled, letter, parse
from chainrule.explanation.mathml import to_mathml
from chainrule.explanation.plain import to_text
from chainrule.explanation.printer import Printer
from chainrule.explanation.simplify import simplified
from chainrule.graph.value import PRIMITIVES


class Letters(dict):
    """A letter for every slot."""

    def __missing__(self, name):
        return letter({"0": "x", "1": "y", "2": "z", "*": "x"}.get(name, name))


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_notation_can_be_written(name):
    layout = filled(parse(PRIMITIVES[name].notation.template), Letters())
    assert to_text(layout)
    assert "<" not in to_latex(layout).replace("x < y", "")
    assert ElementTree.fromstring(to_mathml(layout)).tag == "math"


def test_a_command_that_is_not_known_is_told():
    with pytest.raises(ValueError, match=r"has \\oint"):
        parse(r"\oint <0>")
    with pytest.raises(ValueError, match="slot 0 was not filled"):
        to_text(parse("<0>"))


def applied(name, *operands):
    return Apply(PRIMITIVES[name], tuple(Number(x) if isinstance(x, float) else x for x in operands), {})


@pytest.mark.parametrize(
    ("formula", "text", "latex"),
    [
        (applied("multiply", 2.0, applied("add", 3.0, 4.0)), "2 · (3 + 4)", r"2 \cdot \left( 3 + 4 \right)"),
        (applied("subtract", 1.0, applied("subtract", 2.0, 3.0)), "1 − (2 − 3)", r"1 - \left( 2 - 3 \right)"),
        (applied("multiply", 2.0, -3.0), "2 · (−3)", r"2 \cdot \left( -3 \right)"),
        (applied("divide", applied("add", 1.0, 2.0), 4.0), "(1 + 2)/4", r"\frac{1 + 2}{4}"),
        (applied("power", applied("negative", 2.0), 2.0), "(−2)²", r"{\left( - 2 \right)}^{2}"),
        (applied("exp", applied("negative", 0.5)), "e^(−0.5)", "e^{- 0.5}"),
        (applied("tanh", 1e-7), "tanh(10⁻⁷)", r"\tanh \left( 10^{-7} \right)"),
        (Total((Number(1.0), applied("negative", 2.0))), "1 − 2", "1 - 2"),
        (Number(-1.5e9), "−1.5 · 10⁹", r"-1.5 \cdot 10^{9}"),
    ],
)
def test_formulas_on_paper(formula, text, latex):
    layout = Printer(rows=1).layout(formula)
    assert to_text(layout) == text
    assert to_latex(layout) == latex
    assert ElementTree.fromstring(to_mathml(layout)).tag == "math"


def test_a_long_sum_shows_its_largest_terms():
    total = Total(tuple(Number(float(i)) for i in range(10)))
    assert to_text(Printer(rows=1).layout(total)) == "6 + 7 + 8 + 9 + ⋯"
    assert to_text(Printer(rows=1).layout(total, numbers=True)) == "6 + 7 + 8 + 9 + 15"


def test_what_is_simplified():
    x = Apply(PRIMITIVES["max"], (Number(1.0), Number(2.0)), {}, gathered=True)
    for formula, expected in (
        (applied("multiply", x, 1.0), x),
        (applied("multiply", 0.0, x), Number(0.0)),
        (applied("add", x, 0.0), x),
        (applied("subtract", 0.0, x), applied("negative", x)),
        (applied("negative", applied("negative", x)), x),
        (applied("divide", applied("multiply", 4.0, x), 2.0), applied("multiply", Number(2.0), x)),
        (applied("where", Number(True), x, 3.0), x),
        (applied("where", Number(False), x, 3.0), Number(3.0)),
    ):
        assert simplified(formula) == expected


def test_a_product_before_a_matrix_product_is_bracketed():
    """Element by element first: a · b C could be read as a · (b C)."""
    model = cr.Model(
        dense(), objective=lambda network, x, y: cr.sum((network(2 * x) - network(x)) ** 2, axis=-1)
    )
    model.build(features=4)
    told = str(model.explain(ROWS[:1]))
    assert "∂L/∂x = (∂L/∂a⁽⁰⁾* · (1 − a⁽⁰⁾*²)) W⁽⁰⁾ᵀ + 2 · ((∂L/∂a⁽⁰⁾ · (1 − a⁽⁰⁾²)) W⁽⁰⁾ᵀ)" in told
