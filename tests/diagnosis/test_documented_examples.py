"""The page about checks and diagnosis: its examples run, and it names what there is."""

from pathlib import Path

import pytest

from chainrule.diagnosis.diagnose import CHECKS
from test_docstrings import python_blocks

PAGE = Path(__file__).parents[2] / "docs" / "checks-and-diagnosis.md"


def test_its_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in python_blocks(PAGE):
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "fit.svg").exists()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_verdicts_that_silence_others_are_described(check):
    text = PAGE.read_text(encoding="utf-8")
    assert all(name in text for name in check.unless)
