"""The Python in docs/explaining.md runs, and what it is said to print is printed."""

from __future__ import annotations

import re
from pathlib import Path

import chainrule as cr
from chainrule.explaining import MOST_OF_ALL, MOST_OF_EACH
from chainrule.explanation.explanation import Explanation

PAGE = Path(__file__).parents[2] / "docs" / "explaining.md"


def test_the_page_runs_and_prints_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names = {}
    for language, code in blocks:
        if language == "python":
            exec(compile(code, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    for language, text in blocks:
        if not language:
            assert text in printed
    assert (tmp_path / "step.html").exists()


def test_the_page_tells_how_many_differences_are_taken_and_that_a_model_is_built():
    page = PAGE.read_text(encoding="utf-8")
    model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    model.explain([[1.0]], [1.0])
    assert set(model.weights) == {"weight", "bias"}  # it was built
    assert f"{MOST_OF_EACH} of a parameter and\n{MOST_OF_ALL} in all at the most" in page
    assert "It changes nothing, but builds a model that has no weights yet." in page
    assert "a notebook shows the page" in page
    assert "a notebook shows it as a page" in Explanation.__doc__
