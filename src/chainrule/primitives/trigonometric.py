"""The trigonometric and the hyperbolic functions."""

from __future__ import annotations

import numpy as np

from chainrule.graph.lowering import Expression
from chainrule.graph.notation import function
from chainrule.graph.primitive import Primitive, primitive
from chainrule.graph.samples import reals
from chainrule.primitives.elementwise import real

sin = primitive(
    "sin",
    shape=real,
    value=np.sin,
    derivative=lambda dy, y, x: (dy * cos(x),),
    lower=Expression(lambda b, x: b.sin(x)),
    notation=function(r"\sin"),
    samples=reals((-6, 6)),
)

cos: Primitive = primitive(
    "cos",
    shape=real,
    value=np.cos,
    derivative=lambda dy, y, x: (-dy * sin(x),),
    lower=Expression(lambda b, x: b.cos(x)),
    notation=function(r"\cos"),
    samples=reals((-6, 6)),
)

tan = primitive(
    "tan",
    shape=real,
    value=np.tan,
    derivative=lambda dy, y, x: (dy * (1 + y * y),),
    lower=Expression(lambda b, x: b.tan(x)),
    notation=function(r"\tan"),
    samples=reals((-1.2, 1.2)),
)

sinh = primitive(
    "sinh",
    shape=real,
    value=np.sinh,
    derivative=lambda dy, y, x: (dy * cosh(x),),
    lower=Expression(lambda b, x: b.sinh(x)),
    notation=function(r"\sinh"),
    samples=reals((-3, 3)),
)

cosh: Primitive = primitive(
    "cosh",
    shape=real,
    value=np.cosh,
    derivative=lambda dy, y, x: (dy * sinh(x),),
    lower=Expression(lambda b, x: b.cosh(x)),
    notation=function(r"\cosh"),
    samples=reals((-3, 3)),
)

tanh = primitive(
    "tanh",
    shape=real,
    value=np.tanh,
    derivative=lambda dy, y, x: (dy * (1 - y * y),),
    lower=Expression(lambda b, x: b.tanh(x)),
    notation=function(r"\tanh"),
    samples=reals((-3, 3)),
)
