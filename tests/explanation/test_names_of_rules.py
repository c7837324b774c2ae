"""Rules have their names: paths that meet, and values that are only moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from explained_cases import NUMBERS, ROWS, built

import chainrule as cr
from chainrule.explanation.plain import to_text
from chainrule.explanation.rules import CHAIN, KEPT, MOVES, NO_ROW, PATHS, PLACES

ROW = ROWS[:1]


def rules(explanation):
    return {step.quantity.symbol.key: step.rule for step in explanation.steps}


def embedded(*tokens):
    net = cr.Sequential([cr.Embedding(3, 2), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    return rules(model.explain([list(tokens)], [[1.0]]))


@pytest.mark.parametrize(("tokens", "rule"), [((1, 2), CHAIN), ((1, 1), PATHS), ((2, 2), PATHS)], ids=str)
def test_a_token_that_stands_twice_has_two_paths(tokens, rule):
    assert embedded(*tokens)["d layers.0.weight"] == f"{rule}; {MOVES['scatter_add']}"


@dataclass(frozen=True)
class Gate(cr.Layer):
    """tanh(q) x − q x, with q = x u."""

    def forward(self, x, context):
        q = cr.matmul(x, context.parameter("u", (2, 2), cr.Constant(0.4)))
        return cr.tanh(q) * x - q * x


def test_a_difference_has_as_many_paths_as_a_sum():
    explanation = built(cr.Sequential([cr.Dense(2), Gate(), cr.Dense(1)])).explain(ROW, [1.0])
    found = rules(explanation)
    assert found["d layers.1.v"] == PATHS  # by q, which stands on both sides of the minus
    assert found["d layers.0.z"] == PATHS
    assert found["d layers.1.z"] == CHAIN


@pytest.mark.parametrize(("loss", "y"), [("cross_entropy", [1]), ("binary_cross_entropy", [[0.0, 1.0]])])
def test_a_probability_less_a_target_is_one_path(loss, y):
    found = rules(built(cr.Dense(2), loss).explain(ROW, y))
    assert PATHS not in {rule for key, rule in found.items() if key != "d x"}


def test_slices_and_what_is_put_side_by_side_are_explained():
    net = cr.Sequential([cr.Concatenate([cr.Columns([0, 2]), cr.Dense(2)]), cr.Dense(1)])
    explanation = built(net).explain(ROW, [[1.0]])
    found = rules(explanation)
    assert found["layers.0.layers.0.a"] == MOVES["take"]
    assert found["layers.0.a"] == MOVES["concat"]
    assert found["d layers.0.layers.1.z"] == f"{CHAIN}; {MOVES['take']}"
    assert found["d x"] == f"{PATHS}; {MOVES['scatter_add']}"
    assert MOVES["concat"] in str(explanation)


def test_what_every_place_of_every_row_uses_is_summed_over_both():
    """A matrix product adds up the rows, and a sum the places."""
    model = cr.Model(cr.Sequential([cr.Dense(2), cr.Flatten(), cr.Dense(1)]), loss="mean_squared_error")
    found = rules(model.explain(ROWS.reshape(3, 2, 2), NUMBERS[:, :1]))
    assert found["d layers.0.weight"] == PLACES
    assert found["d layers.0.bias"] == PLACES


@dataclass(frozen=True)
class Part(cr.Layer):
    """The first two of the inputs."""

    def forward(self, x, context):
        return x[:, :2]


@dataclass(frozen=True)
class Odd(cr.Layer):
    """Every other input."""

    def forward(self, x, context):
        return x[:, 1::2]


def test_a_slice_has_its_way_back():
    found = rules(built(cr.Sequential([cr.Dense(3), Part()])).explain(ROW, [[1.0, 2.0]]))
    assert found["layers.1.a"] == MOVES["take"]
    assert found["d layers.0.z"] == f"{CHAIN}; {MOVES['pad']}"


def test_parts_of_one_array_are_told_by_their_places_and_padded_on_the_way_back():
    """The whole array's equation holds: no sum of derivatives of other shapes stands for it."""

    def likelihood(p, t):
        return p[:, 1] + (t[:, 0] - p[:, 0]) ** 2 * cr.exp(-2 * p[:, 1]) / 2

    story = str(built(cr.Dense(2), likelihood).explain(ROWS, NUMBERS[:, :1]))
    assert "\n   u_(n,0) = z_(n,1)\n" in story
    assert "\n   ∂L/∂z = pad(−(1/3 · e^((−2)·u) · (t − z_(0,0:3,1)))) + pad(∂L/∂u)\n" in story
    assert f"; {MOVES['slice']}; {MOVES['pad']}\n" in story
    every_other = cr.Sequential([cr.Dense(4), Odd(), cr.Dense(2)])
    assert "\n   a_(n,k)⁽¹⁾ = z_(n,2·k+1)⁽⁰⁾\n" in str(built(every_other).explain(ROWS, NUMBERS))


def test_where_no_row_counts_that_is_why_weights_stay():
    model = built(cr.Dense(1))
    x, y = ROW, [[1.0]]
    assert rules(model.explain(x, y, sample_weight=[0.0]))["weight′"] == NO_ROW
    frozen = built(cr.Dense(1), optimizer=cr.SGD(0.1, learning_rate_factors={"weight": 0}))
    assert rules(frozen.explain(x, y, sample_weight=[2.0]))["weight′"] == KEPT


def equations(explanation):
    return {step.quantity.symbol.key: to_text(step.quantity.equation) for step in explanation.steps}


def test_a_gradient_of_a_table_is_the_sum_over_the_places_where_a_row_was_taken():
    net = cr.Sequential([cr.Embedding(4, 2), cr.Flatten(), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", penalties=[cr.L2(0.1)], dtype="float64")
    tokens = np.array([[0, 2, 2], [1, 3, 2]])
    told = equations(model.explain(tokens, [1.0, 2.0]))
    assert told["layers.0.z"] == "z⁽⁰⁾ = W⁽⁰⁾_x"
    summed = "∑_(x_(n,i)=k) ∂L/∂z_(n,i,j)⁽⁰⁾"
    assert told["d layers.0.weight"] == f"∂L/∂W_(k,j)⁽⁰⁾ = strength · W_(k,j)⁽⁰⁾ + {summed}"
    one = model.explain(tokens[:1], [1.0])
    assert equations(one)["d layers.0.weight"].endswith("∑_(x_i=k) ∂L/∂z_(i,j)⁽⁰⁾")
    assert r"\sum_{x_{i} = k} \frac{\partial L}{\partial z_{i , j}^{(0)}}" in one.to_latex()
    assert rules(one)["d layers.0.weight"].startswith(PATHS)  # of token 2, which was taken twice


def test_columns_that_are_chosen_are_told_of_the_input_itself():
    table = cr.Sequential([cr.Columns([2]), cr.Embedding(3, 2), cr.Flatten()])
    net = cr.Sequential([cr.Concatenate([cr.Columns([0, 1]), table]), cr.Dense(1)])
    model = cr.Model(net, loss="mean_squared_error", dtype="float64")
    told = equations(model.explain([[0.5, 0.1, 1], [0.2, 0.3, 0]], [1.0, 2.0]))
    where = "layers.0.layers.1.layers.1"
    assert told["layers.0.layers.0.a"] == "a_(n,k)⁽⁰·⁰⁾ = x_(n,k)"
    assert told[f"{where}.z"] == "z_(n,0,j)⁽⁰·¹·¹⁾ = W_(x_(n,2),j)⁽⁰·¹·¹⁾"
    assert told[f"d {where}.weight"] == "∂L/∂W_(k,j)⁽⁰·¹·¹⁾ = ∑_(x_(n,2)=k) ∂L/∂z_(n,0,j)⁽⁰·¹·¹⁾"
    assert told["d x"] == "∂L/∂x_(n,k) = ∑_(i=k) ∂L/∂a_(n,i)⁽⁰·⁰⁾"
