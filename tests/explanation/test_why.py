"""A partial derivative is the sum over its paths of the products of its factors."""

from __future__ import annotations

import re

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built, cases, curved, dense

import chainrule as cr
from chainrule.explanation.formula import numeric
from chainrule.explanation.plain import to_text

CASES = list(cases())


@pytest.mark.parametrize(("name", "model", "x", "y", "weight"), CASES, ids=[case[0] for case in CASES])
def test_the_sum_of_products_is_the_gradient(name, model, x, y, weight):
    explanation = model.explain(x, y, sample_weight=weight)
    _, gradients = model.gradients(x, y, sample_weight=weight)
    for key, gradient in gradients.items():
        for index in list(np.ndindex(gradient.shape))[:3]:
            why = explanation.why(f"{key}[{', '.join(map(str, index))}]")
            assert why.value == pytest.approx(float(gradient[index]), rel=1e-9, abs=1e-14)
            assert why.total == pytest.approx(why.value, rel=1e-9, abs=1e-12)
            _follow(why, depth=3)
            for line in (*str(why).splitlines(), *why._repr_markdown_().splitlines()[1:]):
                parts = re.split(" = ", line.strip(" -$"))
                assert len(set(parts)) == len(parts), line  # no number is written twice


def test_a_small_number_is_written_once():
    model = built(dense())
    why = model.explain(ROWS, model.predict(ROWS) + 1e-7).why("layers.0.weight[0, 0]")
    factor = why.terms[0].factors[0]
    assert "e−" not in str(factor)
    assert "10⁻" in str(factor)
    assert re.fullmatch(r".* = -?[\d.]+ \\cdot 10\^\{-\d+\}", factor.to_latex())


def _follow(why, depth):
    """Each term that can be expanded holds in turn."""
    assert sum(term.value for term in why.shown) + why.remainder == pytest.approx(why.total, abs=1e-12)
    for term in why.terms[:2]:
        for factor in term.factors:
            assert float(numeric(factor.told())) == pytest.approx(factor.value, rel=1e-9, abs=1e-12)
        if term.onward is not None and depth:
            onward = term.expand()
            assert onward.value == pytest.approx(term.factors[0].value, rel=1e-9, abs=1e-12)
            assert onward.total == pytest.approx(onward.value, rel=1e-9, abs=1e-12)
            _follow(onward, depth - 1)


def test_it_reads_like_the_textbook():
    model = cr.Model(cr.Dense(1, activation="sigmoid"), loss="mean_squared_error", dtype="float64")
    model.build(features=1)
    model.set_weights({"weight": [[0.5]], "bias": [0.25]})
    text = str(model.explain([[2.0]], [1.0]).why("weight[0, 0]"))
    assert text.splitlines()[0] == "∂L/∂W₀,₀ = ∂L/∂a₀ · ∂a₀/∂z₀ · ∂z₀/∂W₀,₀"
    assert "∂z₀/∂W₀,₀ = x₀ = 2" in text
    assert "∂a₀/∂z₀ = a₀ · (1 − a₀) = 0.7773 · (1 − 0.7773) = 0.173105" in text


def test_the_largest_paths_come_first_and_the_rest_is_stated():
    model = cr.Model(
        cr.Sequential([cr.Dense(3, activation="tanh"), cr.Dense(30)]),
        loss="mean_squared_error",
        dtype="float64",
    )
    why = model.explain(ROWS[:1], np.zeros((1, 30))).why("layers.0.a[0, 1]")
    sizes = [abs(term.value) for term in why.terms]
    assert len(sizes) == 30
    assert sizes == sorted(sizes, reverse=True)
    assert "24 smaller paths:" in str(why)
    assert r"\cdots" in why.to_latex()
    assert len(why.to_dict()["paths"]) == 30


WIDE = cr.Sequential([cr.Dense(2, activation="tanh"), cr.Dense(9, activation="tanh"), cr.Dense(9)])


def test_what_is_handed_on_has_its_formula_too():
    """∂L/∂a of the layer above: its own sum, the largest terms first, the remainder stated, in each form."""
    model = built(WIDE)
    explanation = model.explain(ROWS[:1], np.ones((1, 9)))
    why = explanation.why("layers.0.weight[1, 0]")
    (factor, *_) = why.terms[0].factors
    numbers = {step.quantity.symbol.key: step.quantity.array for step in explanation.steps}
    products = numbers["d layers.1.z"][0] * model.weights["layers.1.weight"][0]
    largest = sorted(range(9), key=lambda i: -abs(products[i]))
    name, formula, with_numbers, value = str(factor).split(" = ")
    assert name == "∂L/∂a₀⁽⁰⁾"
    subscripts = "₀₁₂₃₄₅₆₇₈"
    told = [f"∂L/∂z{subscripts[i]}⁽¹⁾ · W₀,{subscripts[i]}⁽¹⁾" for i in largest[:4]]
    assert formula == " + ".join([*told, "⋯"])
    read = [_product(term) for term in with_numbers.split(" + ")]
    assert read == pytest.approx([*products[largest[:4]], products[largest[4:]].sum()], rel=1e-4, abs=1e-9)
    assert _product(value) == pytest.approx(products.sum(), rel=1e-5)
    assert str(factor) in str(why)
    assert f"- ${factor.to_latex()}$" in why.to_markdown()
    assert why._repr_markdown_() == why.to_markdown()
    assert r"\frac{\partial L}{\partial z_{" in why.to_latex().split(r"\par}")[0]
    told_as_data = why.to_dict()["paths"][0]["factors"][0]
    assert told_as_data == {"formula": f"{name} = {formula}", "numbers": with_numbers, "value": factor.value}


def _product(text):
    """What a term such as (−0.5) · 0.25 comes to."""
    return np.prod([float(one.strip("()").replace("−", "-")) for one in text.split(" · ")])


@pytest.mark.parametrize("form", ["__str__", "to_markdown", "to_latex"])
def test_each_form_states_paths_remainder_and_total(form):
    why = built(WIDE).explain(ROWS[:1], np.ones((1, 9))).why("layers.0.a[0, 1]")
    text = getattr(why, form)()
    assert text.count("path ") == 6
    assert "3 smaller paths: " in text
    assert re.search("together .*; the training step computed ", text)


def test_small_numbers_are_written_as_in_formulas():
    explanation = built(WIDE).explain(ROWS[:1] * 1e-6, np.full((1, 9), 1e-6))
    why = explanation.why("layers.0.weight[0, 1]")
    small = r"−?[\d.]+ · 10⁻[¹²³⁴⁵⁶⁷⁸⁹⁰]+"
    assert re.search(rf"together {small}; the training step computed {small}$", str(why))
    assert re.search(rf"The loss was {small} before the step and is {small} after it.", str(explanation))
    assert re.search(r"computed \$-\$[\d.]+ \$\\cdot \$ 10\$\^\{-\d+\}\$$", why.to_latex())


def test_at_a_prompt_each_is_one_line():
    explanation = built(cr.Dense(2)).explain(ROWS[:1], np.zeros((1, 2)))
    why = explanation.why("weight[1, 0]")
    printed = explanation.names.printer.text
    (term,) = why.terms
    assert repr(why) == f"<Why ∂L/∂W₁,₀ = {printed(why.value)}, along 1 path>"
    assert repr(term) == f"<Term ∂L/∂z₀ · ∂z₀/∂W₁,₀ = {printed(why.value)}>"
    assert repr(term.factors[1]) == f"<Factor ∂z₀/∂W₁,₀ = x₁ = {printed(ROWS[0, 1])}>"
    assert repr(explanation.steps[0]) == "<StoryStep 1. given: the input x>"


def test_one_smaller_path_is_in_the_singular():
    network = cr.Sequential([cr.Dense(1), cr.Dense(7)])
    why = built(network).explain(ROWS[:1], np.ones((1, 7))).why("layers.0.z[0, 0]")
    assert "  1 smaller path: " in str(why)


def test_expanding_ends_at_the_loss():
    explanation = built(dense()).explain(ROWS, NUMBERS)
    (term,) = explanation.why("layers.1.weight[0, 1]").terms[:1]
    last = term.expand()
    assert last.name.startswith("layers.1.z[")
    assert last.value == term.factors[0].value
    assert "− t" in str(last)
    with pytest.raises(ValueError, match=r"^∂L/∂z.* with no path .* left; there is nothing to expand$"):
        last.terms[0].expand()


@pytest.mark.parametrize("name", [3, None, ("layers.0.weight", 1, 0)])
def test_a_name_is_text(name):
    with pytest.raises(TypeError, match=r"^why takes the name of an element, such as 'layers.0.weight\[1, 0"):
        built(dense()).explain(ROWS, NUMBERS).why(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("layers.0.weigth[0, 0]", "did you mean 'layers.0.weight'"),
        ("layers.0.weight[0]", "has the shape .4, 3., and layers.0.weight.0. is not one of its elements"),
        ("layers.0.weight[4, 0]", "is not one of its elements; give 2 places, counted from 0$"),
        ("layers.0.bias", "is not one of its elements; give 1 place, counted from 0$"),
        ("loss[0]", "has the shape .., and loss.0. is not one of its elements; it is one number: write"),
        ("layers.0.weight[a]", "does not name an element"),
        ("", "does not name an element"),
        ("layers.9.weight[0]", "^there is no array 'layers.9.weight'; did you mean"),
        ("layers.0.weight′[0, 0]", "respect to layers.0.weight′; it does with respect to layers.0.a, "),
    ],
)
def test_what_is_not_there_is_told(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        built(dense()).explain(ROWS, NUMBERS).why(name)


def test_negative_places_count_from_the_end():
    explanation = built(dense()).explain(ROWS, NUMBERS)
    assert explanation.why("layers.0.weight[-1, -1]").name == "layers.0.weight[3, 2]"


def test_the_path_of_a_penalty_is_told_by_its_formula():
    model = cr.Model(cr.Dense(2), loss="mean_squared_error", penalties=cr.L2(0.1), dtype="float64")
    why = model.explain(ROWS[:1], np.zeros((1, 2))).why("weight[1, 0]")
    (direct,) = [term for term in why.terms if len(term.factors) == 1]
    weight = float(model.weights["weight"][1, 0])
    assert direct.value == pytest.approx(0.1 * weight)
    left, right = str(why).splitlines()[0].split(" = ")
    assert left == "∂L/∂W₁,₀"
    assert left not in right.split(" + ")
    assert "strength · W₁,₀" in right
    assert "∂L/∂W₁,₀ = " not in "\n".join(str(why).splitlines()[1:])
    paths = [path["factors"] for path in why.to_dict()["paths"]]
    assert [[one["formula"] for one in path] for path in paths if len(path) == 1] == [["strength · W₁,₀"]]


def test_a_derivative_is_no_path_through_what_does_not_depend_on_it():
    """∂L/∂t = −∂L/∂z, but z is not computed from t; nor is one output of a network from another."""
    why = built(cr.Dense(2)).explain(ROWS[:1], NUMBERS[:1]).why("y[0, 1]")
    assert str(why).splitlines()[0] == "∂L/∂t₁ = −(z₁ − t₁)"
    assert why.total == pytest.approx(why.value, rel=1e-12)

    def apart(network, x, y):
        first, second = network(x), network(2 * x)
        return cr.sum((second - first) ** 2, axis=-1)

    model = cr.Model(dense(), objective=apart, optimizer=cr.SGD(0.1), dtype="float64")
    model.build(features=4)
    explanation = model.explain(ROWS[:1])
    for key in ("layers.1.a", "layers.1.a#2"):
        why = explanation.why(f"{key}[0, 0]")
        assert not any(len(term.factors) > 1 for term in why.terms), str(why)
        assert why.total == pytest.approx(why.value, rel=1e-12)


def test_a_derivative_by_what_the_loss_does_not_depend_on_is_told_as_0(opened):
    """The derivative of a network by x knows nothing of its last bias, which Adam has numbers for."""

    def slope_alone(network, x, y):
        return cr.sum(cr.grad(lambda x: cr.sum(network(x)))(x) ** 2, axis=-1)

    model = cr.Model(dense(), objective=slope_alone, optimizer=cr.Adam(0.1), dtype="float64")
    model.build(features=4)
    explanation = model.explain(ROWS, NUMBERS)
    assert "∂L/∂b₁⁽¹⁾ = 0\n" in str(explanation)
    assert explanation.verdict.right
    why = explanation.why("layers.1.bias[0]")
    assert (why.value, why.total) == (0, 0)
    page = opened(explanation)
    (derived,) = (step for step in explanation.steps if step.quantity.symbol.key == "d layers.1.bias")
    assert derived.rule == "the loss does not depend on it"
    (kept,) = (step for step in explanation.steps if step.quantity.symbol.key == "layers.1.bias/mean′")
    page.locator("#step").fill(str(kept.number))
    assert "=\xa00.9·0+(1−0.9)·0" in page.locator("#told").text_content()


def test_second_derivatives_are_told_in_steps():
    """Each sum of matrix products has a name, so that none is written in the others."""
    net = cr.Sequential([cr.Dense(3, activation="tanh"), cr.Dense(3, activation="tanh"), cr.Dense(1)])
    model = cr.Model(net, objective=curved, dtype="float64")
    explanation = model.explain(ROWS[:2])
    longest = max(len(to_text(step.quantity.equation)) for step in explanation.steps)
    assert longest < 130
    assert "a⁽⁰⁾ = tanh(constants W⁽⁰⁾ + b⁽⁰⁾)" in str(explanation)
    assert re.search(r"L = \(∑_\(n,j\) \w\d?²\)/8 \+ 5 · \(∑_\(i,j\) z⁽²⁾²\)\n", str(explanation))
