"""An explanation can be copied, pickled, and read in another process."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built

import chainrule as cr
from chainrule import explaining
from chainrule.explanation.verdict import Verdict

NET = cr.Sequential([cr.Dense(3, activation=lambda x: x * cr.sigmoid(x)), cr.BatchNorm(), cr.Dense(2)])


@pytest.fixture(scope="module")
def explanation():
    """Of a network that holds a function which cannot be pickled itself."""
    return built(NET, optimizer=cr.Adam(0.1)).explain(ROWS, NUMBERS, steps=2)


def same(one, other):
    """All that two explanations tell is the same."""
    assert str(one) == str(other)
    assert one.to_html() == other.to_html()
    assert one.to_dict() == other.to_dict()
    assert str(one.why("layers.0.weight[1, 0]")) == str(other.why("layers.0.weight[1, 0]"))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_tells_the_same(copied, explanation):
    same(copied(explanation), explanation)


def test_a_deep_copy_shares_no_numbers(explanation):
    twin = copy.deepcopy(explanation)
    twin.steps[0].quantity.array[:] = 0
    np.testing.assert_array_equal(explanation.steps[0].quantity.array, ROWS)


def test_another_process_reads_it(explanation, tmp_path):
    (tmp_path / "explanation.pickle").write_bytes(pickle.dumps(explanation))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).why('layers.0.weight[1, 0]'))"
    command = [sys.executable, "-X", "utf8", "-c", code, str(tmp_path / "explanation.pickle")]
    printed = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    assert printed.strip() == str(explanation.why("layers.0.weight[1, 0]"))


def test_a_deep_network_is_pickled_too(monkeypatch):
    monkeypatch.setattr(explaining, "_verdict", lambda *_: Verdict(()))  # thousands of differences
    deep = built(cr.Sequential([cr.Dense(2, activation="tanh") for _ in range(60)])).explain(ROWS, NUMBERS)
    twin = pickle.loads(pickle.dumps(deep))
    assert twin.loss == deep.loss
    assert str(twin.why("layers.59.weight[1, 0]")) == str(deep.why("layers.59.weight[1, 0]"))
