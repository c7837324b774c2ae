"""Formulas are written as on paper: a letter stands for one thing, and each number in full."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import CLASSES, NUMBERS, ROWS, built, dense

import chainrule as cr
from chainrule.explanation.constants import constant
from chainrule.explanation.formula import names
from chainrule.explanation.plain import to_text


@dataclass(frozen=True)
class Common(cr.Layer):
    """Its parameters have the names of what an optimizer computes, and is given."""

    def forward(self, x, context):
        c, beta = (context.parameter(name, x.shape[-1:], cr.Constant(0.5)) for name in ("c", "beta_1"))
        return x * c + beta


def equations(explanation):
    return {
        step.quantity.symbol.key: to_text(step.quantity.equation)
        for step in explanation.steps
        if step.quantity.formula is not None
    }


def test_a_letter_of_a_place_is_not_summed_over():
    """One input goes through a matrix and is taken by its place, too."""
    model = built(cr.Sequential([cr.Concatenate([cr.Dense(2), cr.Columns([1, 3])]), cr.Dense(2)]))
    explanation = model.explain(ROWS, NUMBERS)
    told = equations(explanation)["d x"]
    assert "∑_j ∂L/∂z_(n,j)⁽⁰·⁰⁾ · W_(k,j)⁽⁰·⁰⁾" in told
    places, summed = re.match(r"∂L/∂x_\((.*?)\)", told)[1], re.findall("∑_([a-z])", told)
    assert summed
    assert not set(places.split(",")) & set(summed)


@pytest.mark.parametrize("net", [cr.BatchNorm(), cr.LayerNorm(), Common()], ids=repr)
@pytest.mark.parametrize(
    "optimizer", [cr.Adam(0.1, clip_global_norm=0.1), cr.SGD(lambda step: 0.1 / (1 + step))]
)
def test_no_element_looks_like_another_number(net, optimizer):
    """β₁ may be element 1 of β, or what Adam is given, and c₁ what a clipping computes."""
    model = built(net, optimizer=optimizer)
    explanation = model.explain(ROWS, ROWS)
    found = {}
    for step in explanation.steps:
        quantity = step.quantity
        for place in quantity.places():
            element = to_text(quantity.names.printer.symbol(quantity.symbol, quantity.value, place))
            found.setdefault(element, set()).add(quantity.symbol.key)
        for name in names(quantity.formula) if quantity.formula is not None else ():
            if name.value.name and not name.value.ndim:
                found.setdefault(to_text(name.symbol.layout), set()).add(name.symbol.key)
    assert not {text: keys for text, keys in found.items() if len(keys) > 1}


PROBABILITIES = np.random.default_rng(0).dirichlet([1, 1], 3)


@pytest.mark.parametrize(
    ("loss", "y", "weight", "factor"),
    [
        (cr.CrossEntropy(), CLASSES, None, "1/3 · "),
        (cr.CrossEntropy(label_smoothing=0.1), CLASSES, None, "1/3 · "),
        (cr.CrossEntropy(label_smoothing=0.1), CLASSES, [1.0, 2.0, 0.0], "ω/N · "),
        (cr.CrossEntropy(), PROBABILITIES, None, "1/3 · "),
        (cr.CrossEntropy(), PROBABILITIES, [1.0, 2.0, 3.0], "ω/N · "),
        (cr.CrossEntropy(), PROBABILITIES[:1], None, ""),
    ],
    ids=str,
)
def test_delta_of_a_softmax_is_what_is_predicted_without_the_target(loss, y, weight, factor):
    explanation = built(dense(), loss).explain(ROWS[: len(y)], y, sample_weight=weight)
    told = [one for one in equations(explanation).values() if one.startswith("∂L/∂") and "p" in one]
    inner = f"{factor}(p − t)" if factor else "p − t"
    assert any(one.endswith(f"= {inner}") for one in told), told


def test_what_is_known_of_a_condition_is_not_asked():
    slope = equations(built(dense(lambda z: z**3 / 3)).explain(ROWS, NUMBERS))["slope layers.0.a"]
    assert slope == "∂a⁽⁰⁾/∂z⁽⁰⁾ = z⁽⁰⁾²"
    focal = str(built(dense(), cr.Focal()).explain(ROWS, CLASSES))
    assert "1 − e^q" in focal
    assert "false" not in focal


def test_a_sign_within_a_sum_does_not_look_like_a_difference():
    told = equations(built(dense(), "cross_entropy").explain(ROWS, CLASSES))["loss"]
    assert "∑_n (−(∑_j" in told
    assert not re.search(r"∑_\w −", told)


def test_signs_of_factors_stand_before_the_product():
    told = equations(built(dense(lambda z: cr.exp(-(z**2)))).explain(ROWS, NUMBERS))
    assert told["slope layers.0.a"] == "∂a⁽⁰⁾/∂z⁽⁰⁾ = −(2 · (a⁽⁰⁾ · z⁽⁰⁾))"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1 / 3, r"\frac{1}{3}"),
        (np.float32(1 / 3), r"\frac{1}{3}"),
        (np.float32(2) / np.float32(301), r"\frac{2}{301}"),
        (5 / 12, r"\frac{5}{12}"),
        (math.pi, r"\pi"),
        (math.sqrt(0.5), r"\frac{1}{\sqrt{2}}"),
        (0.125, None),
        (0.1, None),
        (np.float32(0.1), None),
        (3, None),
        (True, None),
        (1.0507009873554805, None),
        (1e-300, None),
        (0.0, None),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_a_constant_is_written_in_full_where_that_is_short(number, written):
    assert constant(number, digits=6) == written


def test_constants_stand_in_formulas_in_full():
    explanation = built(dense("gelu")).explain(ROWS, NUMBERS)
    told = equations(explanation)
    assert told["d layers.1.z"] == "∂L/∂z⁽¹⁾ = 1/3 · (z⁽¹⁾ − t)"
    assert "erf(1/√(2) · z⁽⁰⁾)" in told["layers.0.a"]
    assert r"\frac{1}{3} \cdot" in explanation.to_latex()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ([1], "a_(n,0)⁽⁰⁾ = x_(n,1)"),
        ([2, 3], "a_(n,k)⁽⁰⁾ = x_(n,k+2)"),
        ([0, 3], "a_(n,k)⁽⁰⁾ = x_(n,(0,3)_k)"),
        ([0, 1, 3, 2, 0], "a_(n,k)⁽⁰⁾ = x_(n,(0,1,3,2,…)_k)"),
    ],
)
def test_columns_are_taken_by_their_places(columns, told):
    explanation = built(cr.Sequential([cr.Columns(columns), cr.Dense(2)])).explain(ROWS, NUMBERS)
    assert equations(explanation)["layers.0.a"] == told
    assert "constants" not in str(explanation)


def test_a_primed_name_of_a_part_by_words_has_no_second_parentheses():
    """And a function below a slash has none at all."""

    @dataclass(frozen=True)
    class Inner(cr.Layer):
        def forward(self, x, context):
            return context.layer("outer", cr.Dense(2), context.layer("inner", cr.Dense(2), x))

    net = cr.Sequential([Inner()])
    told = equations(built(net, optimizer=cr.SGD(0.1, clip_norm=0.1)).explain(ROWS, NUMBERS))
    assert told["layers.0.inner.bias′"].startswith("b^(0·inner)′ = b^(0·inner) − η · (")
    assert "/max(" in told["layers.0.inner.bias′"]


@dataclass(frozen=True)
class Attention(cr.Layer):
    def forward(self, x, context):
        query, key = (context.parameter(name, (4, 4), cr.GlorotUniform()) for name in ("query", "key"))
        return cr.softmax((x @ query) @ cr.matrix_transpose(x @ key)) @ x


@dataclass(frozen=True)
class Moved(cr.Layer):
    heads: int
    axes: tuple[int, ...]

    def forward(self, x, context):
        return cr.permute_dims(cr.reshape(x, (x.shape[0], 3, self.heads, 4 // self.heads)), self.axes)


def explained_places(layer, rows=2):
    parts = [cr.Embedding(5, 4), layer, cr.Flatten(), cr.Dense(2)]
    model = cr.Model(cr.Sequential(parts), loss="cross_entropy", dtype="float64", seed=3)
    return equations(model.explain(np.array([[1, 4, 1], [0, 2, 3]])[:rows], [1, 0][:rows]))


@pytest.mark.parametrize(("rows", "summed"), [(1, ""), (2, "∑_n ")])
def test_only_what_is_transposed_has_the_sign_of_it(rows, summed):
    """A product with one matrix takes the rows between other axes, and back."""
    told = explained_places(Attention(), rows)
    assert "v⁽¹⁾ = z⁽⁰⁾ query⁽¹⁾" in told.values()
    assert "h⁽¹⁾ = v⁽¹⁾ q⁽¹⁾ᵀ" in told.values()
    assert "∂L/∂q⁽¹⁾ = (v⁽¹⁾ᵀ ∂L/∂h⁽¹⁾)ᵀ" in told.values()
    assert "∂L/∂v⁽¹⁾ = ∂L/∂h⁽¹⁾ q⁽¹⁾" in told.values()
    assert told["d layers.1.query"] == f"∂L/∂query⁽¹⁾ = {summed}z⁽⁰⁾ᵀ ∂L/∂v⁽¹⁾"


@pytest.mark.parametrize(
    ("heads", "axes", "told"),
    [
        (2, (0, 1, 3, 2), "a⁽¹⁾ = z⁽⁰⁾ᵀ"),
        (1, (0, 2, 3, 1), "a_(n,0,j,i)⁽¹⁾ = z_(n,i,j)⁽⁰⁾"),
        (2, (0, 2, 1, 3), "a_(n,k,j,i)⁽¹⁾ = z_(n,j,2·k+i)⁽⁰⁾"),
    ],
)
def test_other_orders_of_axes_are_no_transposes(heads, axes, told):
    assert told in explained_places(Moved(heads, axes)).values()


@dataclass(frozen=True)
class Heads(cr.Layer):
    """Attention of two heads, which share four numbers."""

    def forward(self, x, context):
        def split(name):
            z = x @ context.parameter(name, (4, 4), cr.GlorotUniform())
            return cr.permute_dims(cr.reshape(z, (x.shape[0], 3, 2, 2)), (0, 2, 1, 3))

        seen = cr.softmax(split("query") @ cr.matrix_transpose(split("key"))) @ split("value")
        together = cr.reshape(cr.permute_dims(seen, (0, 2, 1, 3)), (x.shape[0], 3, 4))
        return together @ context.parameter("output", (4, 4), cr.GlorotUniform())


def test_several_heads_are_written_by_their_places():
    told = explained_places(Heads())
    named = {name: formula for name, formula in told.items() if "layers.1" in name}
    assert not any("T(" in formula for formula in named.values())
    assert {
        "h_(n,k,j,i)⁽¹⁾ = ∑_l v_(j,n,2·k+l)⁽¹⁾ · q_(i,n,2·k+l)⁽¹⁾",
        "∂L/∂v_(k,n,j)⁽¹⁾ = ∑_i ∂L/∂h_(n,⌊j/2⌋,k,i)⁽¹⁾ · q_(i,n,j)⁽¹⁾",
        "z_(k,n,j)⁽¹⁾ = ∑_i e_(n,⌊i/2⌋,k,mod(i,2))⁽¹⁾ · output_(i,j)⁽¹⁾",
    } <= set(named.values()), named
