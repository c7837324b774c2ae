"""The page about scikit-learn: its examples run, and it names every parameter that scikit-learn lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

import chainrule as cr
from test_docstrings import python_blocks

PAGE = Path(__file__).parents[2] / "docs" / "scikit-learn.md"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_its_examples_run_in_order():
    names = {"__name__": "__main__"}
    for block in python_blocks(PAGE):
        exec(compile(block, str(PAGE), "exec"), names)
    assert np.mean((names["low"] <= names["y"]) & (names["y"] <= names["high"])) > 0.7
    assert names["sure"].temperature_ > 0
    assert (names["confidence"] > 1 / 3).all()


def test_every_parameter_that_is_new_is_in_its_table():
    text = PAGE.read_text(encoding="utf-8").partition("## What there is more")[2].partition("\n## ")[0]
    for ours, theirs in ((cr.MLPClassifier, MLPClassifier), (cr.MLPRegressor, MLPRegressor)):
        for name in set(ours().get_params()) - set(theirs().get_params()):
            assert f"`{name}`" in text, name
