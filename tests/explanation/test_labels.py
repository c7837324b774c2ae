"""The columns of a table, and the classes, stand by their names beside the numbers."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from explained_cases import CLASSES, NUMBERS, ROWS, built, dense

import chainrule as cr

COLUMNS = ["length", "<b>width</b>", "depth_mm", "mass"]
SPECIES = np.array(["elm", "ash", "oak"])


@pytest.fixture(scope="module")
def trees():
    classifier = cr.MLPClassifier(hidden_layer_sizes=(3,), random_state=0)
    classifier.partial_fit(pd.DataFrame(ROWS, columns=COLUMNS), SPECIES, classes=SPECIES)
    return classifier.explain(pd.DataFrame(ROWS[:1], columns=COLUMNS), SPECIES[:1])


def test_the_text_has_the_names(trees):
    text = str(trees)
    assert f"x₂ = {trees.names.printer.text(ROWS[0, 2])}   (depth_mm)" in text
    assert "y = 1   (elm)" in text  # sorted: ash, elm, oak
    for letter in ("z₂⁽¹⁾ = a₀⁽⁰⁾", "p₂ = e", "∂L/∂z₂⁽¹⁾ = ∂L/∂v₂", "t₂ = 0"):
        (line,) = [line for line in text.splitlines() if line.strip().startswith(letter)]
        assert line.endswith("   (oak)")
    assert "a₀⁽⁰⁾ = max(z₀⁽⁰⁾, 0)" in text
    assert text.count("(ash)") == text.count("(oak)")


def test_other_forms_have_them_too(trees):
    assert r"(\<b\>width\</b\>)" in trees.to_markdown()
    latex = trees.to_latex()
    assert r"\text{(depth\_mm)}" in latex
    assert r"\text{(\textless{}b\textgreater{}width\textless{}/b\textgreater{})}" in latex
    data = {step["name"]: step["labels"] for step in trees.to_dict()["steps"]}
    assert data["x"] == data["d x"] == COLUMNS
    assert data["layers.1.z"] == data["d layers.1.z"] == data["y"] == ["ash", "elm", "oak"]
    assert data["layers.0.a"] == []
    assert str(copy.deepcopy(trees)) == str(trees)


def test_the_page_has_them(trees, opened):
    page = opened(trees)
    names = page.locator(".unit text.label").all_text_contents()
    assert names == [*COLUMNS, "ash", "elm", "oak"]
    unit = page.locator(".unit").nth(1)
    assert unit.get_attribute("aria-label").startswith("x[0, 1], <b>width</b> is ")
    unit.focus()
    assert page.text_content("#chosen-name") == "x[0, 1], <b>width</b>"
    assert page.locator("#told .label").all_text_contents() == COLUMNS
    page.locator("#step").fill("2")
    assert page.locator("#told .label").all_text_contents() == ["elm"]


def test_one_output_tells_two_classes_apart():
    classifier = cr.MLPClassifier(hidden_layer_sizes=(3,), random_state=0)
    text = str(classifier.explain(ROWS, ["no", "yes", "no"]))
    assert text.count("   (yes, not no)") == 3 * 3  # of each row the target, z and ∂L/∂z


def test_without_names_there_are_none(opened):
    explanation = built(dense(), "cross_entropy").explain(ROWS, CLASSES)
    assert not any(step["labels"] for step in explanation.to_dict()["steps"])
    assert opened(explanation).locator(".label").count() == 0
    explanation.call(features=["a"], outputs=["b", "c", "d"])  # too few and too many
    assert not any(step["labels"] for step in explanation.to_dict()["steps"])


def test_a_regressor_has_names_of_columns_alone():
    regressor = cr.MLPRegressor(hidden_layer_sizes=(3,), random_state=0)
    text = str(regressor.explain(pd.DataFrame(ROWS, columns=COLUMNS), NUMBERS[:, 0]))
    assert text.count("   (length)") == 4  # of six elements of the input, and of its derivative


@pytest.mark.parametrize("names", ["abcd", b"abcd", 4, None])
def test_one_text_is_no_list_of_names(names):
    explanation = built(dense()).explain(ROWS, NUMBERS)
    with pytest.raises(TypeError, match=r"call takes a list of names as features, such as \['length'"):
        explanation.call(features=names)
    with pytest.raises(TypeError, match="as outputs"):
        explanation.call(outputs=names)


def test_markdown_reads_no_marks_in_titles():
    explanation = built(cr.Sequential([cr.LayerNorm(), cr.Dense(2)]), optimizer=cr.Adam(0.1)).explain(
        ROWS, NUMBERS
    )
    explanation.title = "*a*_b_.csv <i>"
    text = explanation.to_markdown()
    assert text.startswith(r"# \*a\*\_b\_.csv \<i\>")
    assert r": layers.1.weight/mean\_square**" in text
