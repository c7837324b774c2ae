"""LaTeX that a TeX reads: formulas by a parser of another project, whole documents by pdflatex."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import CLASSES, NETWORKS, NUMBERS, ROWS, built, dense
from reading_latex import is_well_formed

import chainrule as cr
from chainrule.examples import EXAMPLES
from chainrule.explanation import layout
from chainrule.explanation.latex import to_display


@dataclass(frozen=True)
class Gate(cr.Layer):
    """A layer whose parts have letters of several languages."""

    def forward(self, x, context):
        factors = (context.parameter(name, (4,), "ones") for name in ("größe_1", "θ", "Δx", "ш"))
        return math.prod(factors, start=context.layer("fläche", cr.Dense(4), x))


WHOLE = ["net", "weights", "own", "nested", "factors", "letters", "why", "sigmoid sheet", "xor answers"]
FORMULA = re.compile(r"\\\[ (.*?) \\\]|(?<!\\)\$(.*?)(?<!\\)\$")


@pytest.fixture(scope="module")
def documents():
    """By name: the worked examples, weights of rows, and a network whose title has all of TeX's own signs."""
    sheets = {f"{name} sheet": example.worksheet("latex") for name, example in EXAMPLES.items()}
    answers = {f"{name} answers": example.answers("latex") for name, example in EXAMPLES.items()}
    net = built(dense("gelu"), "cross_entropy", cr.Adam(0.01)).explain(ROWS, CLASSES)
    net.title = r"row 3 of C:\a_b^c {100 %} & #1 ~$5 é.csv"
    weights = built(dense()).explain(ROWS, NUMBERS, sample_weight=[1, 0, 2])
    net.call(["length_mm", "a & b", "100 %", "mass"], ["yes", "no"])
    own = built(
        dense(), penalties=[cr.L1(0.1)], optimizer=cr.SGD(cr.CosineDecay(0.1, steps=9), clip_norm=1.0)
    )
    factors = built(dense(), optimizer=cr.SGD(0.1, learning_rate_factors={"layers.0.bias": 0.5}))
    letters = built(cr.Sequential([Gate(), cr.Dense(2)])).explain(ROWS, NUMBERS)
    letters.call(["длина", "長さ", "ẞ", "e\u0301"], ["µm", "€ → ½"])
    wide = {
        "net": net.to_latex(),
        "weights": weights.to_latex(),
        "own": own.explain(ROWS, NUMBERS).to_latex(),
        "cases": built(dense("relu"), "huber").explain(ROWS, NUMBERS).to_latex(),
        "nested": built(NETWORKS["highway"]).explain(ROWS, NUMBERS).to_latex(),
        "factors": factors.explain(ROWS, NUMBERS).to_latex(),
        "letters": letters.to_latex(),
    }
    deep = built(cr.Sequential([cr.Dense(9, activation="gelu"), cr.Dense(9, activation="tanh"), cr.Dense(9)]))
    why = deep.explain(ROWS, np.ones((3, 9))).why("layers.0.weight[1, 0]").terms[0].expand()
    head, _, _ = wide["net"].partition(r"\section")
    return {**sheets, **answers, **wide, "why": f"{head}\n{why.to_latex()}\n\\end{{document}}\n"}


def test_every_formula_is_read_by_another_parser(documents):
    for name, document in documents.items():
        formulas = {shown or inline for shown, inline in FORMULA.findall(document.replace(r"\$", ""))}
        assert len(formulas) > 10
        for formula in formulas:
            assert is_well_formed(formula), f"{name}: {formula}"


@pytest.mark.parametrize(
    "formula",
    [r"\frac{1}{2", "x^2^3", r"\left( x", r"\right) x", r"\nosuchcommand x", r"\begin{cases} 1 & 2", "x_"],
)
def test_the_parser_finds_what_is_wrong(formula):
    assert not is_well_formed(formula)


@pytest.mark.parametrize("which", WHOLE)
def test_whole_documents_are_set_and_nothing_is_wider_than_the_page(which, documents, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex on this machine; apt-get install texlive-latex-base")
    (tmp_path / "told.tex").write_text(documents[which], "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "told.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-1500:]
    assert not re.findall(r"Overfull \\hbox .*|Missing character.*", log)


def test_a_nested_part_keeps_the_dot_between_its_numbers(documents):
    nested = built(NETWORKS["residual"]).explain(ROWS, NUMBERS).to_latex()
    assert r"W_{0 , 0}^{(0\cdot 1)}" in nested  # without the dot it would be layer 01
    assert nested.isascii()
    assert r"W_{0 , 0}^{(0\cdot \mathrm{body})}" in documents["nested"]


def test_only_a_formula_that_is_wide_is_broken():
    short, long = layout.letter("x"), layout.row(*[layout.letter("y"), layout.operator("+")] * 60)
    assert to_display(short) == r"\[ x  \]"
    assert to_display(long).startswith(
        r"{\par\smallskip\raggedright\noindent\hangindent=2em $\displaystyle y + y"
    )
    fraction = to_display(layout.Fraction(long, layout.number("3")))
    assert r"\frac" not in fraction
    assert r"\bigr) / \allowbreak 3" in fraction
    assert is_well_formed(FORMULA.search(fraction)[2])


def test_a_worksheet_in_latex_has_its_task(documents):
    for name, example in EXAMPLES.items():
        sheet = documents[f"{name} sheet"]
        assert re.sub(r"\W", "", example.task)[:30] in re.sub(r"\W", "", sheet)
