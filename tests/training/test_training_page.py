"""The page about training: its examples run in order, and what it says of losses holds."""

import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.losses import LOSSES
from test_docstrings import python_blocks

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_its_examples_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in python_blocks(PAGE):
        exec(compile(block, str(PAGE), "exec"), names)
    assert "gradients right" in capsys.readouterr().out
    assert (tmp_path / "model.safetensors").exists()


def rows_of_losses():
    """The names of losses in each row of the table, and what y holds for them."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        names = re.findall(r'"(\w+)"', line) if line.startswith("|") else []
        if names:
            yield names, line.split("|")[-2].strip()


def test_every_loss_has_a_row():
    named = [name for names, _ in rows_of_losses() for name in names]
    assert sorted([*named, "quantile"]) == sorted(LOSSES)


@pytest.mark.parametrize(("names", "held"), list(rows_of_losses()))
def test_a_loss_takes_what_the_table_says(names, held):
    y, units = {
        "the numbers": ([-1.5, 0.0, 2.0], 1),
        "the counts, the amounts": ([1.0, 3.0, 2.0], 1),
        "the class: 0, 1, 2 ...": ([0, 2, 1], 3),
        "0 or 1": ([0, 1, 1], 1),
        "−1 or 1": ([-1, 1, 1], 1),
    }[held]
    for name in names:
        model = cr.Model(cr.Dense(units), loss=name, executor="numpy")
        assert np.isfinite(model.step(np.eye(3), y))
