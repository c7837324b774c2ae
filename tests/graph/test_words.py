"""Numbers are beside the right form of a word, as in sentences that are printed."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.words import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "row", "1 row"),
        (0, "row", "0 rows"),
        (2, "entry", "2 entries"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
        (2, "array", "2 arrays"),
    ],
)
def test_one_is_in_the_singular(number, noun, said):
    assert counted(number, noun) == said
    assert counted(5000, "row", ",") == "5,000 rows"


def test_sentences_about_one_thing():
    net = cr.Sequential([cr.Dense(1), cr.Dropout(0.9), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error")
    with pytest.raises(ValueError, match=r"^x has 1 row and y 2; "):
        model.fit([[1.0]], [[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"called with 1 argument$"):
        cr.grad(lambda x: x, argnums=1)(1.0)
    told = [verdict.evidence for verdict in model.diagnose(np.eye(4), np.eye(4)[:, :1]).verdicts]
    assert any("of 1 unit on average" in evidence for evidence in told)
