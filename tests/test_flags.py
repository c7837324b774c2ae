"""What is on or off is True or False: text, which is true whatever it says, is refused."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from bad_input import X, Y, refused, regression


def fitted():
    model = regression()
    model.fit(X, Y)
    return model


def story():
    return fitted().explain(X[:1], Y[:1])


CALLS = {
    "Dense: use_bias": lambda flag: cr.Dense(2, use_bias=flag),
    "SGD: nesterov": lambda flag: cr.SGD(0.1, momentum=0.9, nesterov=flag),
    "RMSprop: centered": lambda flag: cr.RMSprop(centered=flag),
    "CosineDecay: restarts": lambda flag: cr.CosineDecay(0.1, steps=3, restarts=flag),
    "EarlyStopping: restore_best": lambda flag: cr.EarlyStopping(restore_best=flag),
    "shuffle": lambda flag: regression().fit(X, Y, shuffle=flag),
    "verbose": lambda flag: regression().fit(X, Y, verbose=flag),
    "link": lambda flag: fitted().predict(X, link=flag),
    "answers": lambda flag: story().to_text(answers=flag),
    "keepdims": lambda flag: cr.sum(X, keepdims=flag),
}


@pytest.mark.parametrize("flag", ["no", "false", None, 2, 0.5])
@pytest.mark.parametrize("what", CALLS)
def test_what_is_no_flag(what, flag):
    with refused(f"^{what} is True or False, not {flag!r}$", kind=TypeError):
        CALLS[what](flag)


@pytest.mark.parametrize("call", [*CALLS.values()], ids=[*CALLS])
@pytest.mark.parametrize("flag", [False, np.False_, 0, np.int64(0)])
def test_what_is_one(call, flag):
    call(flag)


@pytest.mark.parametrize("form", ["to_text", "to_markdown", "to_latex"])
def test_a_worksheet_is_asked_for_by_a_flag(form):
    with pytest.raises(TypeError, match=r"^answers is True or False"):
        getattr(story(), form)(answers="no")


@pytest.mark.parametrize("reduce", [cr.mean, cr.max, cr.var, cr.std, cr.all, cr.logsumexp])
def test_reductions_keep_axes_by_a_flag(reduce):
    with pytest.raises(TypeError, match=r"^keepdims is True or False"):
        reduce(X, axis=1, keepdims="no")


def test_a_model_stays_as_it_was():
    model = fitted()
    for name in ("shuffle", "verbose"):
        with refused(f"^{name} is True or False", model, TypeError):
            model.fit(X, Y, **{name: "no"})


def test_a_flag_is_kept_as_a_plain_bool():
    assert cr.Dense(2, use_bias=np.True_).use_bias is True
    assert cr.Dense(2, use_bias=0) == cr.Dense(2, use_bias=False)


def test_a_confidence_is_asked_for_by_a_flag():
    model = cr.MLPClassifier((3,), solver="lbfgs").fit(X, Y > 0)
    with refused("^return_confidence is True or False, not 'no'$", kind=TypeError):
        model.predict(X, return_confidence="no")
