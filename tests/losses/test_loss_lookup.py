"""A loss by name, as an object, or as a user's function."""

import re

import numpy as np
import pytest
from loss_cases import exactly

import chainrule as cr
from chainrule import losses
from chainrule.graph.trace import trace
from chainrule.graph.types import ROWS, ArrayType

PAIR = ArrayType((ROWS, 3), np.dtype("float32"))


def test_names():
    for name, cls in losses.LOSSES.items():
        assert losses.as_loss(name) == cls()
    assert losses.as_loss("huber") == losses.Huber(1.0)


def test_objects_and_functions():
    loss = losses.Huber(2.0)
    assert losses.as_loss(loss) is loss

    def first(prediction, target):
        return prediction[:, 0]

    assert losses.as_loss(first) == losses.FunctionLoss(first)


@pytest.mark.parametrize(
    ("loss", "error", "sentence"),
    [
        ("crossentropy", ValueError, "there is no loss 'crossentropy'; did you mean 'cross_entropy'"),
        ("mse", ValueError, "there is no loss 'mse'; "),
        (losses.Huber, TypeError, "Huber is a class; make a loss of it with Huber()"),
        (None, TypeError, "a loss is a name, a Loss or a function of (prediction, target), not None"),
    ],
)
def test_what_is_no_loss(loss, error, sentence):
    with pytest.raises(error, match="^" + re.escape(sentence)):
        losses.as_loss(loss)


def test_function_may_return_one_number_for_the_batch():
    """Then its rank is 0, which tells the caller that sample weights have nothing to act on."""
    whole = losses.FunctionLoss(lambda p, t: cr.mean((p - t) ** 2))
    assert trace(whole, PAIR, PAIR).outputs[0].shape == ()
    each = losses.FunctionLoss(lambda p, t: cr.mean((p - t) ** 2, axis=-1))
    assert trace(each, PAIR, PAIR).outputs[0].shape == (ROWS,)


def whole_matrix(prediction, target):
    return (prediction - target) ** 2


@pytest.mark.parametrize(
    ("function", "error", "sentence"),
    [
        (
            whole_matrix,
            ValueError,
            "the loss whole_matrix returned the shape (rows, 3), and it should return one number a row, "
            "(rows,): reduce over the last axis, as cr.sum(..., axis=-1) does",
        ),
        (
            lambda p, t: cr.sum(p, axis=0),
            ValueError,
            "the loss <lambda> returned the shape (3,), and it should return one number a row, (rows,): "
            "reduce over the last axis, as cr.sum(..., axis=-1) does",
        ),
        (
            lambda p, t: None,
            TypeError,
            "the loss <lambda> returned NoneType, and it should return one number a row, "
            "computed by operators and chainrule's functions",
        ),
        (
            lambda p, t: cr.argmax(p, axis=-1) == 1,
            TypeError,
            "the loss <lambda> returned bool[rows]; only floats have derivatives",
        ),
    ],
)
def test_what_a_function_may_not_return(function, error, sentence):
    with pytest.raises(error, match=exactly(sentence)):
        trace(losses.FunctionLoss(function), PAIR, PAIR)


def test_function_sees_integer_targets_as_integers():
    seen = []
    loss = losses.FunctionLoss(lambda p, t: seen.append(t.type) or p[:, 0])
    loss(np.zeros((2, 3), "float32"), [1, 0])
    loss(np.zeros((2, 1), "float32"), [0.5, 0.5])
    assert list(map(str, seen)) == ["int32[2]", "float32[2, 1]"]


def test_every_public_name_is_documented():
    for name in losses.__all__:
        if name != "LOSSES":
            assert getattr(losses, name).__doc__
