"""Too many arguments, and results that were not measured: the sentence says what there is."""

from __future__ import annotations

import pytest

import chainrule as cr


def regression():
    return cr.Model(cr.Dense(1), loss="mean_squared_error")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: regression().fit([[1.0]], [1.0], 10),
            r"^Model.fit takes x, y by position, .* epochs=, batch_size",
        ),
        (
            lambda: cr.Model(cr.Dense(1), "huber"),
            r"^Model takes network by position, .* given 2 .* loss=, objective=",
        ),
        (lambda: cr.Sequential(cr.Dense(2), cr.Dense(1)), r"^Sequential takes layers by .* one list of them"),
        (lambda: cr.Adam(0.1, 0.9), r"^Adam takes learning_rate by position, .* weight_decay=, .* beta_1="),
        (
            lambda: cr.L2(0.1, ["a"], 3),
            r"^L2 takes strength, parameters by position, and was given 3 .* no more",
        ),
        (lambda: cr.load("a", "b"), r"^load takes path by position, and was given 2 arguments"),
    ],
)
def test_arguments_that_are_too_many(call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call()


def test_a_result_that_was_not_measured():
    history = regression().fit([[1.0], [2.0]], [1.0, 2.0], validation_data=([[1.0]], [1.0]))
    with pytest.raises(KeyError, match="no result 'val_loss'; did you mean 'validation_loss'"):
        history["val_loss"]
    assert history.get("val_loss") is None
