"""On the page every element has a formula, and the numbers in it come to the element."""

from __future__ import annotations

import numpy as np
import pytest
from explained_cases import EMBEDDED, NUMBERS, ROWS, built, dense
from reading_mathml import value_of

import chainrule as cr
from chainrule.explanation.plain import to_text
from chainrule.explanation.printer import element_name

#: All arrays with a formula: of so many elements each the place, the formula with numbers, and the number.
LINES = """async (most) => {
  const text = document.querySelector("script[type=module]").textContent;
  const script = text + "\\nexport { data, formulaOf, countOf, placeOf, numberAt };";
  const page = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  const { data } = page;
  const [lines, without] = [[], []];
  for (const key of new Set([...Object.keys(data.patterns), ...Object.keys(data.explicit)])) {
    const count = page.countOf(key);
    for (let n = 0; n < count; n++) {
      const place = page.placeOf(key, n);
      if (!data.patterns[key] && !data.explicit[key][place]) without.push(`${key} ${place}`);
      if (n % Math.ceil(count / most) === 0) {
        const formula = page.formulaOf(key, place);
        const numbers = new XMLSerializer().serializeToString(formula.numbers);
        lines.push([`${key} ${place}`, numbers, page.numberAt(key, place)]);
      }
    }
  }
  return [lines, without];
}"""
GENERATOR = np.random.default_rng(5)
MANY, LABELS = GENERATOR.normal(size=(16, 5)), GENERATOR.integers(0, 9, 16)


def normalized():
    layers = [cr.Dense(9, activation="relu"), cr.BatchNorm(), cr.Dense(8, activation="tanh"), cr.BatchNorm()]
    model = cr.Model(
        cr.Sequential([*layers, cr.Dense(9)]), loss="cross_entropy", optimizer=cr.Adam(0.01), dtype="float64"
    )
    return model.explain(MANY, LABELS)


def embedding():
    net = cr.Sequential([EMBEDDED, cr.LayerNorm(), cr.Dense(9, activation="softplus"), cr.Dense(3)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.SGD(0.1, momentum=0.9), dtype="float64")
    rows = np.column_stack([ROWS[:, :2], [0, 2, 0], [1, 1, 2]])
    return model.explain(np.tile(rows, (8, 1)), np.arange(24) % 3)


def drawn():
    layers = [cr.Dense(5, activation="gelu"), cr.Dropout(0.4), cr.Dense(2, activation="softmax")]
    return built(cr.Sequential(layers)).explain(ROWS, NUMBERS)


def binary():
    return built(dense("elu"), "binary_cross_entropy").explain(ROWS, (NUMBERS > 0) * 1.0)


def hyperbolic():
    return built(dense(lambda z: cr.sinh(z) / cr.cosh(z) + cr.tan(z))).explain(ROWS, NUMBERS)


def logarithmic():
    return built(dense(lambda z: cr.log10(1 + z * z) - cr.log2(2 + cr.abs(z)))).explain(ROWS, NUMBERS)


EXPLAINED = {made.__name__: made for made in (normalized, embedding, drawn, binary, hyperbolic, logarithmic)}


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_element_has_a_formula_whose_numbers_come_to_it(name, opened):
    lines, without = opened(EXPLAINED[name]()).evaluate(LINES, 5)
    assert without == []
    wrong = []
    for place, formula, number in lines:
        found = value_of(formula)
        if found != pytest.approx(number, rel=2e-3, abs=2e-4):
            wrong.append((place, formula, found, number))
    assert wrong == []
    assert len(lines) > 50


def test_numbers_that_cancel_out_have_more_digits_as_in_the_text(opened):
    """1 − 0.999992² may be 6 % off; so many digits are written as make it true."""
    page = opened(built(dense("tanh"), seed=1).explain(ROWS * 5, NUMBERS))
    lines, _ = page.evaluate(LINES, 6)
    slopes = [(value_of(formula), number) for place, formula, number in lines if place.startswith("slope")]
    assert min(number for _, number in slopes) < 1e-3
    for found, number in slopes:
        assert found == pytest.approx(number, rel=2e-5)


def test_numbers_of_erf_and_of_what_is_not_so_have_as_many_digits(opened):
    """x - 1000 is known to few digits of x, and what is made of it to no more."""

    def activation(x):
        return cr.where(cr.logical_not(x > 2000), cr.erf(x - 1000), x)

    net = cr.Sequential([cr.Activation(activation), cr.Dense(2)])
    page = opened(built(net, seed=1).explain(1000 + ROWS, NUMBERS))
    lines, _ = page.evaluate(LINES, 9)
    told = [(value_of(formula), number) for place, formula, number in lines if place.startswith("layers.0.a")]
    assert told
    for found, number in told:
        assert found == pytest.approx(number, rel=2e-5)


def test_where_only_rounding_is_left_the_page_says_so(opened):
    net = cr.Sequential([cr.Dense(3), cr.BatchNorm(), cr.Activation("tanh"), cr.Dense(2)])
    explanation = built(net).explain(ROWS, NUMBERS)
    page = opened(explanation)
    for step in explanation.steps:
        if step.quantity.symbol.key in ("layers.0.z", "d layers.0.bias", "d layers.3.z"):
            page.locator("#step").fill(str(step.number))
            for place in step.quantity.places(6):
                line = page.locator(f'#told [data-line="{element_name(step.quantity.symbol.key, place)}"]')
                sign = to_text(step.quantity.line(place).sign)
                assert f"{sign}\xa0{line.locator('output').text_content()}" in line.text_content()
