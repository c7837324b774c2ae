"""The sigmoid σ(x) = 1 / (1 + e^-x), and the smooth step up, softplus, whose derivative it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.lowering import Expression
from chainrule.graph.notation import ATOM, Notation, function
from chainrule.graph.primitive import primitive
from chainrule.graph.samples import reals
from chainrule.graph.types import Array
from chainrule.primitives.elementwise import real


def _logistic(x: Array) -> Any:
    decay = np.exp(-np.abs(x))  # at most 1: exp(-x) itself overflows
    return np.where(x >= 0, np.ones_like(decay), decay) / (1 + decay)


logistic = primitive(
    "logistic",
    shape=real,
    value=_logistic,
    derivative=lambda dy, y, x: (dy * y * (1 - y),),
    lower=Expression(lambda b, x: b.logistic(x)),
    notation=function(r"\sigma"),
    samples=reals((-6, 6)),
)


def _softplus(b: Any, x: Any) -> Any:
    zero = b.constant(0, b.dtype(x))
    return b.add(b.select(b.less(x, zero), zero, x), b.log1p(b.exp(b.negative(b.abs(x)))))


softplus = primitive(
    "softplus",  # ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which does not overflow
    shape=real,
    value=lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    derivative=lambda dy, y, x: (dy * logistic(x),),
    lower=Expression(_softplus),
    notation=Notation(r"\ln\left(1 + e^{<0>}\right)", ATOM),
    samples=reals((-6, 6)),
)
