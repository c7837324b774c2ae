"""Columns that tell the target, however they are disguised; and features that only tell it well."""

import numpy as np
import pytest
from patients import DATA, cancer, diabetes, digits, iris, wine
from sklearn.datasets import (
    load_iris,
    load_linnerud,
    make_blobs,
    make_classification,
    make_moons,
    make_regression,
)

from chainrule.diagnosis.data import duplicated_columns
from chainrule.diagnosis.leaks import leaking_columns


def leaks(x, y):
    return [verdict.evidence for verdict in leaking_columns(np.asarray(x, float), np.asarray(y))]


def noise(seed, size, rows):
    return size * np.random.default_rng(seed).normal(size=rows)


CLASSES = {"iris": iris(), "wine": wine(), "digits": digits(), "cancer": cancer()}
OF_CLASS = {
    "itself": lambda y, seed: y,
    "other numbers": lambda y, seed: np.random.default_rng(seed).normal(size=y.max() + 1)[y],
    "within 0.1": lambda y, seed: y + np.random.default_rng(seed).uniform(-0.1, 0.1, len(y)),
    "with noise": lambda y, seed: y + noise(seed, 0.1, len(y)),
    "one-hot": lambda y, seed: y[:, None] == np.arange(y.max() + 1),
    "one class": lambda y, seed: y == 1,
    "exp": lambda y, seed: np.exp(y),
}
OF_NUMBER = {
    "itself": lambda y, seed: y,
    "scaled": lambda y, seed: 3 - 2 * y,
    "cube": lambda y, seed: y**3,
    "exp": lambda y, seed: np.exp(y),
    "sign": lambda y, seed: np.sign(y),
    "rounded": lambda y, seed: np.round(y),
    "square": lambda y, seed: y**2,
    "thirds": lambda y, seed: np.digitize(y, [-0.5, 0.5]),
}


@pytest.mark.parametrize("table", CLASSES)
@pytest.mark.parametrize("disguise", OF_CLASS)
def test_a_class_is_told(table, disguise):
    x, y = CLASSES[table]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        column = OF_CLASS[disguise](y, seed)
        (evidence,) = leaks(np.c_[x, column][order], y[order])
        assert evidence.startswith(f"column {x.shape[1]}")
        assert "class" in evidence


def test_probabilities_of_two_classes_are_classes():
    x, y = cancer()
    assert leaks(np.c_[x, y + noise(0, 0.1, len(y))], y[:, None] * 1.0)
    assert not leaks(x, y[:, None] * 1.0)


@pytest.mark.parametrize("disguise", OF_NUMBER)
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_number_is_told(disguise, shape):
    x, y = diabetes()
    for seed in range(3):
        column = OF_NUMBER[disguise](y, seed)
        (evidence,) = leaks(np.c_[x, column], y.reshape(shape))
        assert evidence.startswith("column 10 alone tells the target: ")


def test_one_of_several_outputs():
    x, y = diabetes()
    assert leaks(np.c_[x, y], np.c_[x[:, 0] * x[:, 1], y])
    assert not leaks(*load_linnerud(return_X_y=True))


def test_what_gives_back_its_input_is_told_it():
    x, _ = wine()
    switches = np.random.default_rng(0).integers(0, 2, (178, 6))
    for given in (x, x + noise(0, 0.05, x.shape), switches):
        half = given[:, : -(-given.shape[1] // 2)]
        for y in (given, 3 - 2 * given, half, np.c_[given, x @ x[0]]):
            assert not leaks(given, y)
    x, y = diabetes()
    assert leaks(x, x[:, 0])
    assert leaks(np.c_[x, y, y**2], np.c_[y, np.sin(y)])
    assert leaks(np.c_[switches, switches[:, :1] ^ 1], switches[:, 0])


@pytest.mark.parametrize("name", DATA)
def test_features_tell_no_more_than_they_may(name):
    (x, y), *_ = DATA[name]
    assert not leaks(x, y)
    assert not list(duplicated_columns(x))


@pytest.mark.parametrize("kind", range(3))
def test_one_kind_of_iris_that_a_feature_separates_from_the_others(kind):
    """A petal's length alone tells setosa, but it varies within the others."""
    x, y = load_iris(return_X_y=True)
    assert not leaks(x, (y == kind).astype(int))


def test_made_up_tables():
    for seed in range(10):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(200, 8))
        assert not leaks(x, np.sin(2 * x[:, 0]))
        assert not leaks(x, x[:, 0] * x[:, 1])
        assert not leaks(x, x @ [3, 1, 1, 0.5, 0, 0, 0, 0])
        for rows in (20, 60):
            x, switches = generator.normal(size=(rows, 20)), generator.integers(0, 2, (rows, 20))
            for y in (generator.integers(0, 3, rows), generator.normal(size=rows)):
                assert not leaks(x, y)
                assert not leaks(switches, y)
        assert not leaks(*make_moons(100, noise=0.1, random_state=seed))
        assert not leaks(*make_classification(100, class_sep=2, random_state=seed))


def test_a_relation_that_is_what_is_to_be_learnt_is_no_leak():
    """Without the column nothing can be predicted, or all can."""
    for seed in range(5):
        generator = np.random.default_rng(seed)
        for rows in (30, 200):
            noise, celsius = generator.normal(size=(rows, 5)), generator.uniform(-30, 50, rows)
            assert not leaks(np.c_[celsius, noise], 1.8 * celsius + 32)
            assert not leaks(noise, np.exp(noise[:, 0]))
            assert not leaks(*make_regression(rows, 5, n_informative=1, random_state=seed))
            walk = np.cumsum(generator.normal(size=rows + 3))
            assert not leaks(np.c_[walk[2:-1], walk[1:-2], walk[:-3]], walk[3:])
            kind = generator.integers(3, size=rows)
            assert not leaks(np.c_[np.eye(3)[kind], noise], kind)
            even = generator.random((rows, 4))
            assert not leaks(even, (even[:, 0] > 0.5).astype(int))
            for features in (2, 3, 10):
                x, y = make_blobs(rows, n_features=features, cluster_std=0.3, random_state=seed)
                assert not leaks(x, y)
                assert not leaks(np.c_[x, noise], y)


def test_a_copy_is_told_also_where_nothing_else_is_known():
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert leaks(x, x[:, 1]) == ["column 1 alone tells the target: it is the target in all 50 rows"]
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    assert leaks(np.c_[x, 7 - 2 * y], y)
    assert not leaks(np.c_[x, x[:, 2] > 0], y)


# Duplicates --------------------------------------------------------------------------------------------


def test_columns_that_are_0_but_for_one_row_are_no_duplicates():
    x = np.random.default_rng(0).normal(size=(100, 4))
    lonely = np.zeros((100, 3))
    lonely[17] = [1, 2, 3]
    assert not list(duplicated_columns(np.c_[x, lonely]))
    lonely[[3, 9, 40, 41]] = [1, 2, 3]
    (verdict,) = duplicated_columns(np.c_[x, lonely])
    assert "columns 4 and 5 and 6" in verdict.evidence


def test_a_category_of_two_written_as_two_columns():
    x, female = wine()[0], (np.random.default_rng(0).random(178) < 0.4).astype(float)
    for pair in (np.c_[female, 1 - female], np.c_[2 * female - 1, 3 - 4 * female]):
        assert not list(duplicated_columns(np.c_[x, pair]))
    (verdict,) = duplicated_columns(np.c_[x, female, 1 - female, 5 * female])
    assert "columns 13 and 15 say the same" in verdict.evidence
    thirds = np.digitize(x[:, 0], [-0.5, 0.5])
    assert list(duplicated_columns(np.c_[x, thirds, 2 - thirds]))


def test_what_gives_back_its_input_costs_no_fit_of_each_column(monkeypatch):
    x = np.random.default_rng(0).normal(size=(100, 8))
    x[:, 1] = x[:, 0] ** 3  # a function of another, which is no copy of it
    assert leaks(x, x[:, 0])
    monkeypatch.setattr("numpy.linalg.svd", None)
    assert not leaks(x, x)


@pytest.mark.parametrize("size", [0.001, 0.01, 0.015, 0.03])
def test_a_number_with_hardly_any_noise_is_told(size):
    x, y = DATA["diabetes"][0]
    (found,) = leaks(np.c_[x, 3 - 2 * (y + noise(0, size, len(y)))], y)
    assert "column 10 alone tells the target: in 442 rows it is the target, up to scale" in found
    assert f"with {100 * size:.1g} % noise" in found
    assert not leaks(np.c_[x, y + noise(0, 0.05, len(y))], y)
    nothing_else = np.random.default_rng(1).normal(size=(len(y), 3))
    assert not leaks(np.c_[nothing_else, y + noise(0, size, len(y))], y)


@pytest.mark.parametrize("rows", [500, 5000, 50000])
def test_the_value_of_the_day_before_is_no_leak(rows):
    walk = np.cumsum(noise(0, 1.0, rows))
    weather = walk[1:-1] + noise(1, np.std(walk), rows - 2)
    assert not leaks(np.c_[walk[1:-1], weather], walk[2:])
    shuffled = np.random.default_rng(0).permutation(rows - 2)
    assert not leaks(np.c_[walk[1:-1], walk[:-2], weather][shuffled], walk[2:][shuffled])
    for before in (walk[1:-1] / 7 + 1, walk[1:-1] + noise(2, 0.5, rows - 2)):
        assert not leaks(np.c_[before, weather], walk[2:])
        assert not leaks(np.c_[before, weather][::-1], walk[2:][::-1])


def test_a_mean_of_the_days_before_is_no_leak():
    walk = np.cumsum(noise(0, 1.0, 5000))
    week = np.convolve(walk, np.full(7, 1 / 7), "valid")[:-1]
    weather = walk[7:] + noise(1, np.std(walk), len(week))
    assert not leaks(np.c_[week, weather], walk[7:])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [60, 200, 1000])
@pytest.mark.parametrize("order", ["drawn", "sorted"])
def test_a_number_with_3_percent_of_noise_is_told_in_every_trial(seed, rows, order):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 5))
    y = np.sin(x[:, 0]) + x[:, 1] / 2 + generator.normal(size=rows) / 2
    column = 2 - 3 * (y + 0.03 * np.std(y) * generator.normal(size=rows))
    at = np.argsort(y) if order == "sorted" else slice(None)
    (found,) = leaks(np.c_[x, column][at], y[at])
    assert "column 5 alone tells the target" in found


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("seed", range(4))
def test_a_standardized_class_with_3_percent_of_noise_is_told_in_every_trial(classes, seed):
    generator = np.random.default_rng(seed)
    y = generator.integers(classes, size=300)
    x = generator.normal(size=(300, 6))
    x[:, 0] += y
    column = (y - np.mean(y)) / np.std(y) + noise(seed, 0.03, 300)
    (found,) = leaks(np.c_[x, column], y)
    assert "column 6 alone tells the target" in found


@pytest.mark.parametrize("name", ["iris", "wine", "cancer"])
def test_one_place_for_each_class_with_hardly_any_noise(name):
    x, y = DATA[name][0]
    places = 1.7 * np.random.default_rng(0).permutation(y.max() + 1)[y] + 0.6
    (found,) = leaks(np.c_[x, places + noise(0, 0.01, len(y))], y)
    assert "one value for each class, but for tiny noise" in found
    assert not leaks(np.c_[x, places + noise(0, 0.3, len(y))], y)


def test_the_number_of_a_class_with_some_noise_is_told_at_any_scale():
    x, y = digits()
    (found,) = leaks(np.c_[x, 5 - 2 * (y + noise(0, 0.1, len(y)))], y)
    assert "about the number of the class" in found
    assert not leaks(np.c_[x, 5 - 2 * (y + noise(0, 0.3, len(y)))], y)
    assert not leaks(np.c_[x, np.random.default_rng(0).permutation(10)[y] + noise(0, 0.1, len(y))], y)


def test_no_column_is_a_function_of_a_number_with_few_values():
    """Sorted by three values, any column rises and falls at most four times."""
    x, y = np.random.default_rng(0).normal(size=(150, 4)), np.repeat([0.0, 1.0, 2.0], 50)
    x += y[:, None]
    assert not list(leaking_columns(x, y))


@pytest.mark.parametrize("columns", [3, 20])
def test_columns_of_noise_do_not_hide_what_the_others_tell(columns):
    generator = np.random.default_rng(0)
    y = generator.integers(3, size=600)
    x = generator.normal(size=(600, 1 + columns))
    x[:, 0] += 1.5 * y
    wrong = np.where(np.arange(600) < 4, (y + 1) % 3, y)
    for column in (wrong, y + noise(0, 0.01, 600)):
        (found,) = leaks(np.c_[x, column], y)
        assert found.startswith(f"column {1 + columns} alone tells the target")
        assert not leaks(np.c_[generator.normal(size=x.shape), column], y)
    assert not leaks(x, y)


@pytest.mark.parametrize(("columns", "apart"), [(0, 1.5), (3, 1.5), (20, 2.0)])
def test_a_column_says_whether_it_is_the_class_between_two_others(columns, apart):
    """No line tells that one, and neighbours do so hardly."""
    generator = np.random.default_rng(0)
    y = generator.integers(3, size=600)
    x = generator.normal(size=(600, 1 + columns))
    x[:, 0] += apart * y
    for kind in range(3):
        (found,) = leaks(np.c_[x, y == kind], y)
        assert found.startswith(f"column {1 + columns} alone tells the target: it says whether")


@pytest.mark.parametrize("classes", [3, 10])
def test_an_indicator_of_a_class_is_no_leak_among_columns_of_noise(classes):
    generator = np.random.default_rng(classes)
    y = generator.integers(classes, size=2000)
    assert not leaks(np.c_[generator.normal(size=(2000, 4)), y == 1], 3 * y)


HEIGHT = np.random.default_rng(0).normal(170, 8, size=150)


@pytest.mark.parametrize(
    ("copy", "is_told"),
    [
        (np.round(HEIGHT / 2.54, 1), True),
        (np.round(HEIGHT), True),
        (3 - HEIGHT + noise(1, 0.04, 150), True),
        (HEIGHT + noise(1, 0.8, 150), False),
        (np.log(HEIGHT), False),
        (np.round(HEIGHT, -1), False),
    ],
    ids=["inches", "rounded", "noisy", "noisier", "logarithm", "tens"],
)
def test_a_copy_that_is_rounded_or_has_hardly_any_noise(copy, is_told):
    x = np.random.default_rng(2).normal(size=(150, 4))
    found = [verdict.evidence for verdict in duplicated_columns(np.c_[x, HEIGHT, copy])]
    assert found == ["columns 4 and 5 say the same, but for rounding or noise"] * is_told


def test_points_of_a_curve_are_no_copies():
    place = np.linspace(0, 1, 50)
    bumps = np.random.default_rng(0).normal(size=(80, 3)) @ [
        np.exp(-((place - at) ** 2) / 0.05) for at in (0.1, 0.4, 0.8)
    ]
    assert not list(duplicated_columns(bumps))


def test_a_target_that_hardly_varies_is_no_function_of_a_column():
    """Pixels at the edge are 0 nearly always: others, sorted among these, seem to turn seldom."""
    pixels, _ = digits()
    x, y = pixels[:, :32], pixels[:, 32:]
    assert list(leaking_columns(x, y)) == []
    (found,) = leaking_columns(np.column_stack([x, y[:, 4] ** 2]), y)
    assert "column 32 alone tells the target" in found.evidence


def test_a_column_that_names_groups_of_numbers_that_lie_apart_is_a_feature():
    """One species has far shorter petals than the others; a number that was cut in two has neighbours."""
    table, species = load_iris(return_X_y=True)
    x, width = np.column_stack([table[:, :2], species == 0]), table[:, 3]
    assert list(leaking_columns(x, width)) == []
    (found,) = leaking_columns(np.column_stack([x, width > 1.5]), width)
    assert "column 3 alone tells the target: its 2 values divide" in found.evidence
