"""The page about networks in a loop: its examples run, and do what they are said to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from test_docstrings import python_blocks

PAGE = Path(__file__).parents[2] / "docs" / "networks-in-a-loop.md"


def test_its_examples_run_in_order(capsys):
    names = {"__name__": "__main__"}
    for block in python_blocks(PAGE):
        exec(compile(block, str(PAGE), "exec"), names)
    states, points, x = names["states"], names["points"], names["x"]
    assert np.mean(names["model"].predict(states).argmax(axis=1) == (states[:, 0] > 0)) > 0.9
    assert np.abs(names["physics"].predict(points) - np.sin(np.pi * points)).max() < 0.01
    assert names["slope"](x).shape == x.shape
    assert names["loss"] < 0.05
    assert abs(names["make"](1000).mean() - 3) < 0.5
    assert all(
        (names["both"].weights[f"layers.1.{name}"] == w).all() for name, w in names["judge"].weights.items()
    )
    assert (names["ensemble"][1].predict(x) == names["train"](1).predict(x)).all()
    assert names["spread"].max() > 0
