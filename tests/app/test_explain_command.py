"""chainrule explain: one row of a table, told."""

from __future__ import annotations

import re
import unicodedata

import pytest

import chainrule as cr
from chainrule.app.description import Description
from chainrule.app.table import read_table


def test_a_row_is_told_as_text(run, model, penguins):
    result = run("explain", model, penguins, "--row", 12)
    assert result.exit_code == 0
    assert result.stdout.startswith("One training step on row 12 of penguins.csv\n")
    trained = cr.load(model)
    description = Description.from_json(trained.metadata["table"])
    row = read_table(penguins).take([11])
    loss, _ = trained.gradients(description.encode(row), description.target.encode(row))
    told, power = re.search(r"The loss was ([\d.]+)(?: · 10⁻(\S+))? before the step", result.stdout).groups()
    digits = "".join(str(unicodedata.digit(sign)) for sign in power or "")
    assert float(f"{told}e-{digits or 0}") == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("row", [1, 12, 200])
def test_the_verdict_on_a_row(run, model, penguins, row):
    """The loss is next to nothing after training, and its differences are mostly rounding."""
    told = run("explain", model, penguins, "--row", row).stdout
    assert re.search("The gradient is right: |The formulas of the gradient are right, but rounding ", told)


def test_a_page_is_written(run, model, penguins, tmp_path):
    result = run("explain", model, penguins, "--row", 12, "--steps", 3, "-o", "page.html")
    assert result.exit_code == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>One training step on row 12 of penguins.csv</title>" in page
    assert len(page) < 1_000_000
    assert "wrote the story to page.html" in result.stderr


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("p.md", "# One training step on row 12 of "),
        ("p.tex", "\\documentclass"),
        ("p.HTML", "<!doctype html>"),
    ],
)
def test_the_ending_tells_the_form(run, model, penguins, tmp_path, name, begins):
    assert run("explain", model, penguins, "--row", 12, "-o", name).exit_code == 0
    assert (tmp_path / name).read_text("utf-8").startswith(begins)


def test_one_derivative(run, model, penguins):
    result = run("explain", model, penguins, "--why", "layers.2.bias[0]")
    assert result.exit_code == 0
    assert result.stdout.startswith("∂L/∂b₀⁽²⁾ = ")


def test_numbers_are_explained_too(run, write):
    rows = [["a", "b"], *([i, 2.5 * i + (i % 3)] for i in range(60))]
    table = write(rows)
    assert run("train", table, "--target", "b", "--hidden", "none", "--epochs", 1).exit_code == 0
    result = run("explain", "table.safetensors", table, "--row", 60)
    assert "The gradient is right" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--row", 0), "invalid value for '--row': "),
        (("--row", 345), "has 344 rows, and no row 345; count them from 1"),
        (("--why", "layers.9.weight[0]"), "there is no array 'layers.9.weight'; did you mean"),
        (("--why", "layers.0.bias[99]"), "is not one of its elements"),
        (("-o", "page.pdf"), "page.pdf has no ending that tells its form: end its name in .html, .md, .tex"),
        (("-o", "page"), "page has no ending that tells its form"),
        (("-o", "missing/page.html"), "the folder of 'missing/page.html' does not exist"),
    ],
)
def test_bad_input_is_one_line(run, model, penguins, arguments, sentence):
    result = run("explain", model, penguins, *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_row_without_a_known_class_is_told(run, write, flowers):
    table = write(flowers)
    assert run("train", table, "--target", "kind", "--epochs", 1).exit_code == 0
    other = write([flowers[0], [1, "red", "tulip"], [1, "red", "NA"]], "other.csv")
    assert (
        "training never saw the class 'tulip' of row 1" in run("explain", "table.safetensors", other).stderr
    )
    assert "row 2 has no 'kind'" in run("explain", "table.safetensors", other, "--row", 2).stderr
    lacking = write([["size", "colour"], [1, "red"]], "lacking.csv")
    assert "there is no column 'kind'" in run("explain", "table.safetensors", lacking).stderr


def test_columns_and_classes_are_named(run, model, penguins):
    told = run("explain", model, penguins, "--row", 12).stdout
    assert "   (bill_length_mm (standardized))" in told
    assert re.search(r"y = \d   \((Adelie|Chinstrap|Gentoo)\)", told)
    assert re.search(r"z₁⁽.⁾ = .*   \(Chinstrap\)", told)


def test_what_training_never_saw_is_told_as_predict_tells_it(run, write, flowers):
    assert run("train", write(flowers), "--target", "kind", "--epochs", 1).exit_code == 0
    known, unseen = flowers[1], [flowers[1][0], "mauve", flowers[1][2]]
    other = write([flowers[0], known, unseen], "other.csv")
    remark = "colour: training never saw 'mauve'; taken as missing"
    assert remark in run("predict", "table.safetensors", other).stderr
    assert remark in run("explain", "table.safetensors", other, "--row", 2).stderr
    assert run("explain", "table.safetensors", other, "--row", 1).stderr == ""
