"""How columns become features: kinds, standardization, missing cells, and only training rows."""

import json

import numpy as np
import pytest

from chainrule.app.columns import CategoryColumn, IgnoredColumn, NumberColumn, infer_column
from chainrule.app.description import Description, describe
from chainrule.app.holdout import hold_out
from chainrule.app.table import Table
from chainrule.app.target import ClassTarget, NumberTarget, infer_classes, infer_number, labelled


def table_of(**columns):
    rows = [list(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return Table("t.csv", ",", tuple(columns), rows, list(range(2, len(rows) + 2)))


def infer(cells, name="x", training=None):
    table = table_of(**{name: cells})
    return infer_column(name, table, range(len(cells)) if training is None else training)


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "null", "None", "?", "-"])
def test_numbers_with_missing_cells(missing):
    column = infer(["1", missing, "3"])
    assert isinstance(column, NumberColumn)
    np.testing.assert_allclose(column.encode(table_of(x=["1", missing, "3"])), [[-1, 0], [0, 1], [1, 0]])


def test_numbers_without_missing_cells_have_one_feature():
    column = infer(["2", "4", "6"])
    np.testing.assert_allclose(column.encode(table_of(x=["4", "NA"])), [[0], [0]])


def test_only_training_rows_are_averaged():
    column = infer(["1", "3", "1000"], training=[0, 1])
    assert (column.mean, column.deviation, column.low, column.high, column.missing) == (2, 1, 1, 3, 0)
    column = infer(["a", "a", "b", "b", "c", "NA"], training=[0, 1, 2, 3])
    assert column == CategoryColumn("x", ("a", "b"), (0.5, 0.5), 0)


def test_categories():
    column = infer(["b", "a", "b", "NA", "b"])
    assert column == CategoryColumn("x", ("a", "b"), (0.25, 0.75), 1)
    features = column.encode(table_of(x=["a", "b", "NA", "c"]))
    np.testing.assert_allclose(features, [[1, 0, 0], [0, 1, 0], [0.25, 0.75, 1], [0.25, 0.75, 1]])
    assert column.unseen(table_of(x=["c", "NA", "d", "d", "a"])) == ["d", "c"]


def test_unknown_categories_where_training_had_none_missing():
    column = infer(["a", "b", "a", "b"])
    np.testing.assert_allclose(column.encode(table_of(x=["zzz"])), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("cells", "name", "reason"),
    [
        (["5", "5", "5"], "x", "every training row has 5"),
        (["NA", "", "?"], "x", "no values"),
        (["ann", "bob", "cyd"], "x", "3 different values in 3 rows; 'ann' in line 2 is not a number"),
        (["1", "2", "3x"], "x", "'3x' in line 4 is not a number"),
        (["1,5", "2,5", "3,5"], "x", "'1,5' in line 2 is not a number: write 1.5 and 1000, not 1,5"),
        (["1", "2", "inf"], "x", "'inf' in line 4 is not a number"),
        (["17", "5", "9"], "ID", "only tells the rows apart"),
        (["1", "2", "3"], "", "only tells the rows apart"),
        (["1", "2", "3"], "customer_id", "only tells the rows apart"),
        (["1e308", "-1e308", "1e308"], "x", "no deviation"),
    ],
)
def test_ignored(cells, name, reason):
    column = infer(cells, name)
    assert isinstance(column, IgnoredColumn)
    assert reason in column.reason
    assert column.encode(table_of(x=["1", "2"])).shape == (2, 0)


def test_an_identifier_that_repeats_is_a_column():
    assert isinstance(infer(["1", "2", "2"], "id"), NumberColumn)


def test_a_constant_that_is_sometimes_missing_is_a_feature():
    column = infer(["5", "NA", "5"])
    np.testing.assert_allclose(column.encode(table_of(x=["5", "NA"])), [[0, 0], [0, 1]])
    assert infer(["yes", "NA", "yes"]) == CategoryColumn("x", ("yes",), (1.0,), 1)


def test_bad_cells_name_their_line():
    column = infer(["1", "2", "3"])
    with pytest.raises(ValueError, match=r"t\.csv, line 3: 'abc' in the column 'x' is not a number"):
        column.encode(table_of(x=["1", "abc"]))
    with pytest.raises(ValueError, match=r"t\.csv, line 2: 1e300 in the column 'x' is out of all proportion"):
        column.encode(table_of(x=["1e300"]))


def test_description_survives_json_and_any_order_of_columns():
    table = table_of(a=[1, 2, 3, 4], b=list("xyxy"), c=list("pqrs"), y=[0, 1, 0, 1])
    description = describe(table, ClassTarget("y", ("0", "1")), [], range(4))
    again = Description.from_json(json.loads(json.dumps(description.to_json())))
    assert again == description
    assert description.features == 3
    shuffled = table_of(more=[9, 9, 9, 9], b=list("xyxy"), a=[1, 2, 3, 4])
    np.testing.assert_array_equal(again.encode(shuffled), description.encode(table))


def test_description_of_numbers_survives_json():
    table = table_of(a=[1, 2, 3, 4], y=[0.5, 1.5, 2.5, 9])
    description = describe(table, infer_number("y", table, [0, 1, 2]), [], [0, 1, 2])
    assert isinstance(description.target, NumberTarget)
    assert (description.target.mean, description.target.high) == (1.5, 2.5)
    assert Description.from_json(json.loads(json.dumps(description.to_json()))) == description


@pytest.mark.parametrize(
    "item", [{}, {"version": 1}, {"version": 2}, {"version": 1, "target": {}, "columns": [1]}, 7]
)
def test_damaged_description(item):
    with pytest.raises(ValueError, match="its table description"):
        Description.from_json(item)


def test_no_usable_column_says_why_for_each():
    table = table_of(a=[5, 5, 5], b=["k", "l", "m"], c=[1, 2, 3], y=[0, 1, 0])
    with pytest.raises(
        ValueError, match=r"no column to predict 'y' from .*'a': every.*'b': text.*'c': as asked"
    ):
        describe(table, ClassTarget("y", ("0", "1")), ["c"], range(3))


def classes(cells):
    found = infer_classes("y", table_of(y=cells))
    return found and found.classes


def test_task():
    assert classes(["b", "a"] * 5) == ("a", "b")
    assert classes(["1", "0.0", "01", "10", "2"] * 5) == ("0", "1", "2", "10")
    assert classes([str(i) for i in range(20)] * 5) == tuple(map(str, range(20)))
    assert classes([str(i) for i in range(21)] * 5) is None
    assert classes([str(i) for i in range(20)] * 4) is None
    assert classes(["0.5", "1"] * 50) is None


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a"] * 9, "only the value 'a'"),
        (["3"] * 9, "only the value"),
        ([f"n{i}" for i in range(9)], "9 classes in 9 rows"),
        ([f"{i},5" for i in range(9)], "holds '0,5', which is no number: write 1.5 and 1000"),
    ],
)
def test_bad_targets(cells, words):
    with pytest.raises(ValueError, match=words):
        classes(cells)


def test_classes_are_numbered_however_they_are_written():
    target = infer_classes("y", table_of(y=["1", "2"] * 9))
    assert target.encode(table_of(y=["2.0", "01", "3"])).tolist() == [1, 0, -1]


def test_standardized_target_is_restored():
    target = NumberTarget("y", 10.0, 4.0, 0.0, 20.0)
    numbers = target.encode(table_of(y=["2", "10", "16"]))
    np.testing.assert_allclose(target.standardize(numbers), [[-2], [0], [1.5]])
    np.testing.assert_allclose(target.restore(target.standardize(numbers)), numbers)
    with pytest.raises(ValueError, match=r"t\.csv, line 3: 'x' in the target column"):
        target.encode(table_of(y=["2", "x"]))


def test_rows_without_target_are_left_out():
    assert labelled("y", table_of(y=["a", "NA", "", "b"])).lines == [2, 5]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_hold_out_is_stratified(seed, share):
    order = np.array([0] * 50 + [1] * 30 + [2] * 19 + [3])
    training, held_out = hold_out(order, share, seed, classes=True)
    assert sorted([*training, *held_out]) == list(range(100))
    assert len(held_out) == max(1, min(round(100 * share), 96))
    assert set(order[training]) == {0, 1, 2, 3}
    assert 3 not in order[held_out]
    for number, count in enumerate([50, 30, 19]):
        assert abs((order[held_out] == number).sum() - count * share) <= 2


def test_hold_out_of_numbers_covers_their_range_and_follows_the_seed():
    numbers = np.random.default_rng(0).normal(size=100)
    splits = [hold_out(numbers, 0.2, seed, classes=False)[1] for seed in (0, 0, 1)]
    ranks = np.argsort(np.argsort(numbers))[splits[0]]
    assert sorted(ranks // 5) == list(range(20))
    assert splits[0].tolist() == splits[1].tolist()
    assert splits[0].tolist() != splits[2].tolist()
