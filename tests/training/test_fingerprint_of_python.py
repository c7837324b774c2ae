"""Python functions that are in no graph are told apart by what they are made of, as far as that is known."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import lru_cache, partial

import pytest
from sklearn.metrics import accuracy_score, fbeta_score, make_scorer

from chainrule.training.fingerprint import differences
from chainrule.training.fingerprint_of_python import fingerprint_of_python


def beta_scorer(beta):
    def score(model, x, y, *, average="macro"):
        return fbeta_score(y, model.predict(x), beta=beta, average=average)

    return score


def plain_score(model, x, y, sign=1):
    """A scorer with an argument that has a default."""
    return sign * model.score(x, y)


class Score:
    """A scorer that is an object."""

    def __init__(self, sign):
        self.sign = sign

    def __call__(self, model, x, y):
        return self.sign * model.score(x, y)

    def cubed(self, model, x, y):
        return self(model, x, y) ** 3


def scorer(**options):
    return make_scorer(fbeta_score, average="macro", **options)


SCORERS = [
    (scorer(beta=0.1), scorer(beta=9.0), r"scoring\.kwargs\.beta was 0\.1 and is 9\.0"),
    (scorer(beta=0.1), scorer(beta=0.1, greater_is_better=False), r"scoring\.sign was 1 and is -1"),
    (scorer(beta=0.1), make_scorer(accuracy_score), r"scoring\.score_func was 'fbeta_score' and is 'acc.*"),
    (partial(plain_score), partial(plain_score, sign=-1), r"scoring\.keywords\.sign was absent and is -1"),
    (partial(plain_score, sign=1), scorer(beta=1), "scoring was 'partial' and is '_Scorer'; .*"),
    (beta_scorer(0.1), beta_scorer(9.0), r"scoring\.beta was 0\.1 and is 9\.0"),
    (Score(1), Score(-1), r"scoring\.sign was 1 and is -1"),
    (Score(1).cubed, Score(-1).cubed, r"scoring\.object\.sign was 1 and is -1"),
    (lambda m, x, y: m.score(x, y), lambda m, x, y: m.predict(x).mean(), r"scoring\.code differs"),
    (lambda m, x, y, k=1: k, lambda m, x, y, k=2: k, r"scoring\.default\.0 was 1 and is 2"),
    (lambda m, x, y: [i for i in y if i], lambda m, x, y: [i for i in y if -i], r"scoring\.code differs"),
]


@pytest.mark.parametrize(("first", "second", "difference"), SCORERS, ids=range(len(SCORERS)))
def test_scorers_are_told_apart_by_what_they_are_made_of(first, second, difference):
    before, now = (fingerprint_of_python({"scoring": each}) for each in (first, second))
    assert json.loads(json.dumps(before)) == fingerprint_of_python({"scoring": deepcopy(first)})
    assert re.fullmatch(difference, "; ".join(differences(before, now)))


def test_what_is_no_other_scorer():
    """What a scorer counts in a list is no option; another version of Python has other code for its text."""
    calls = []
    counting = lambda model, x, y, seen=[]: calls.append(1) or seen.append(1)
    before = fingerprint_of_python({"scoring": counting})
    counting(None, None, None)
    now = fingerprint_of_python({"scoring": counting})
    assert before == now
    assert not differences({**before, "scoring.code": {"python": "other", "hash": "other"}}, now)
    assert fingerprint_of_python({"scoring": lru_cache(plain_score)})["scoring"] == "plain_score"
