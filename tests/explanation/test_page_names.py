"""Names of columns and classes reach the page as they are, whatever they are."""

from __future__ import annotations

import pytest
from explained_cases import CLASSES, ROWS, built, dense

MARKUP = [["<!--<script>", "]]>", "<script", "\u2028<!--"], ["</script><b>", "<!--"]]
NUMBERS = [["NaN", "Infinity", "-Infinity", "1"], ["-Infinity", "NaN"]]


@pytest.mark.parametrize("names", [MARKUP, NUMBERS], ids=["markup", "numbers"])
def test_a_name_is_shown_as_it_is(names, opened):
    explanation = built(dense(), "cross_entropy").explain(ROWS, CLASSES)
    explanation.call(*names)
    labels = opened(explanation).locator(".unit .label").all_text_contents()
    assert labels[:4] == names[0]
    assert labels[-2:] == names[1]
