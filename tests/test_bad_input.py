"""Bad input gets one sentence that says what, where and what to do; and the model stays as it was."""

import re

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from bad_input import FEATURES, NUMBERS, ROWS, X, Y, changed, classification, refused, regression


@pytest.fixture(params=["fresh", "trained"])
def model(request):
    """A model that has no weights yet, and one that has learnt something."""
    one = regression()
    if request.param == "trained":
        one.fit(X, Y, epochs=2)
    return one


# Numbers that are none ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_x_that_is_not_finite(model, value):
    bad = changed(X, (7, 2), value)
    for call in (model.fit, model.step, model.gradients, model.evaluate):
        with refused(f"^x holds {value} at row 7, column 2; fill missing values in, or drop the row", model):
            call(bad, Y)
    with refused(f"^x holds {value} at row 7, column 2", model):
        model.predict(bad)
    with refused(f"^validation x holds {value} at row 7, column 2", model):
        model.fit(X, Y, validation_data=(bad, Y))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_y_that_is_not_finite(model, value):
    bad = changed(Y, 5, value)
    for call in (model.fit, model.step, model.gradients, model.evaluate):
        with refused(f"^y holds {value} in row 5", model):
            call(X, bad)
    with refused(f"^validation y holds {value} in row 5", model):
        model.fit(X, Y, validation_data=(X, bad))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.nan, "holds nan at row 3"),
        (np.inf, "holds inf at row 3"),
        (-0.5, "is negative in row 3; use 0 for a row not to count$"),
        (1e300, r'holds 1e\+300 at row 3, which is too large for float32; use dtype="float64", or scale'),
    ],
)
def test_sample_weights_out_of_range(model, value, sentence):
    bad = changed(np.ones(ROWS), 3, value)
    for call in (model.fit, model.step, model.gradients, model.evaluate):
        with refused(f"^sample_weight {sentence}", model):
            call(X, Y, sample_weight=bad)
    with refused(f"^validation sample_weight {sentence}", model):
        model.fit(X, Y, validation_data=(X, Y, bad))


def test_numbers_too_large_for_the_dtype(model):
    sentence = (
        r'^x holds 1e\+39 at row 1, column 0, which is too large for float32; use dtype="float64", or scale x'
    )
    with refused(sentence, model):
        model.fit(changed(X, (1, 0), 1e39), Y)
    with refused(r"^y holds 1e\+39 in row 1", model):
        model.fit(X, changed(Y, 1, 1e39))
    wide = regression(dtype="float64")
    assert np.isfinite(wide.fit(changed(X, (1, 0), 1e39), Y)["loss"]).all()


def test_whole_numbers_too_large_for_any_dtype():
    with refused("^x holds a number that is too large for float64; scale x down$"):
        regression(dtype="float64").fit(np.array([[10**400, 1.0]], object), [1.0])


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="no wider floats here")
def test_numbers_too_large_for_float64():
    huge = np.array(X, np.longdouble)
    huge[1, 0] = np.longdouble("1e400")
    with refused(r"^x holds 1e\+400 at row 1, column 0, which is too large for float64; scale x down$"):
        regression(dtype="float64").fit(huge, Y)


def test_whole_numbers_too_large_for_an_objective():
    model = cr.Model(cr.Dense(1), objective=lambda network, x, y: cr.mean(network(x) * y))
    with refused("^y holds 4294967296 at row 2, which does not fit int32; give smaller numbers, or floats$"):
        model.fit(X, changed(NUMBERS, 2, 2**32))


def test_the_place_in_more_axes():
    images = np.zeros((3, 2, 2, 2))
    images[1, 0, 1, 1] = np.nan
    one = cr.Model(cr.Sequential([cr.Flatten(), cr.Dense(1)]), loss="huber")
    with refused("^x holds nan at row 1, column 0, index 1, index 1", one):
        one.fit(images, [1, 2, 3])


# What is no table of numbers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([["a", "b", "c"]] * ROWS, "^x holds text, and numbers are needed"),
        ([[b"a", b"b", b"c"]] * ROWS, "^x holds bytes"),
        (
            np.array([[1.0, "2.5", 3]] * ROWS, object),
            "^x holds '2.5' at row 0, column 1, and .*; encode it, or drop",
        ),
        (np.array([[1.0, None, 3]] * ROWS, object), "^x holds None at row 0, column 1"),
        (X + 1j, "^x holds complex numbers"),
        (np.full((ROWS, FEATURES), np.datetime64("2020-01-01")), "^x holds dates"),
        (
            [[1, 2, 3]] * 5 + [[1, 2]] * 7,
            "^x is not an array: its rows differ in length; make them equally long",
        ),
        ([], r"^x "),
        (np.zeros((0, FEATURES)), "^x has no rows; give it at least one$"),
        (X[:, 0], r"^x has the shape \(12,\), and \(rows, features\) is needed.*np.reshape\(x, \(-1, 1\)\)"),
        (3.0, r"^x has the shape \(\)"),
        ({"a": [1, 2]}, "^x is a dict, and numbers are needed; make an array or a frame of it$"),
        ((row for row in X), "^x is a generator, and numbers are needed"),
        ([[{"a": np.arange(300.0)}] * 3] * ROWS, r"^x holds {'a': array[^\n]{,40}} at row 0, column 0"),
        (np.ma.masked_array(X, X > 0), r"^x is masked in places; fill them in with x.filled\(...\), or drop"),
        (sparse.csr_matrix(X), r"^x is a sparse matrix; x.toarray\(\) makes a dense array"),
        (sparse.coo_array(X), "^x is a sparse matrix"),
        (np.zeros((ROWS, 0)), r"features is a whole number of at least 1, not 0|no features"),
    ],
)
def test_x_of_another_kind(x, sentence):
    model = regression()
    with refused(sentence, model):
        model.fit(x, Y)
    with refused(sentence, model):
        model.predict(x)


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (None, "^y is missing: the loss compares the prediction with it; give targets$"),
        (np.ma.masked_array(Y, Y > 0), "^y is masked in places; fill them in"),
        (["a"] * ROWS, r"^y holds text \('a' in row 0\)"),
        (np.array([*Y[:4], "2.5", *Y[5:]], object), r"^y holds text \('2.5' in row 4\)"),
        (np.array([*Y[:4], None, *Y[5:]], object), "^y holds None in row 4"),
        (Y + 1j, r"^y holds \(.*j\) in row 0"),
        ([[1], [1, 2]] * 6, "^y is not an array: its rows differ in length; make them equally long"),
        (Y[:5], "^x has 12 rows and y 5; give y one entry for each row$"),
        (3.0, "^x has 12 rows and y none; give y one entry for each row$"),
        ([], "^x has 12 rows and y 0"),
        (np.c_[Y, Y], r"^y has the shape \(12, 2\), and the network's output \(rows, 1\)"),
        (sparse.csr_matrix(Y[:, None]), "^y is a sparse matrix"),
    ],
)
def test_y_of_another_kind(model, y, sentence):
    with refused(sentence, model):
        model.fit(X, y)
    with refused(
        f"^validation {sentence[1:]}" if sentence.startswith("^y") else "^validation x has 12", model
    ):
        model.fit(X, Y, validation_data=(X, y))


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (
            np.ones(5),
            r"^sample_weight has the shape \(5,\), and x has 12 rows; give one weight for each row$",
        ),
        (np.ones((ROWS, 1)), r"^sample_weight has the shape \(12, 1\), and x has 12 rows"),
        (1.0, r"^sample_weight has the shape \(\), and x has 12 rows"),
        (["a"] * ROWS, "^sample_weight holds text"),
    ],
)
def test_sample_weights_of_another_kind(model, weight, sentence):
    with refused(sentence, model):
        model.fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize("data", [(X,), X, (X, Y, Y, Y), "data"], ids=type)
def test_validation_data_of_another_kind(model, data):
    with refused(r"^validation_data is \(x, y\) or \(x, y, sample_weight\), or the part of the rows", model):
        model.fit(X, Y, validation_data=data)


class Frame:
    """Stands for a table of another library: anything that NumPy can make an array of."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)

    def __len__(self):
        return len(self.array)


@pytest.mark.parametrize(
    "wrap",
    [Frame, lambda a: a.tolist(), lambda a: a.astype(object), np.asfortranarray, lambda a: a.astype(">f8")],
    ids=["frame", "list", "objects", "fortran", "big-endian"],
)
def test_what_numpy_reads_is_enough(wrap):
    plain, wrapped = regression(), regression()
    expected = plain.fit(X, Y, epochs=2, validation_data=(X, Y), sample_weight=np.ones(ROWS))
    found = wrapped.fit(
        wrap(X), wrap(Y), epochs=2, validation_data=(wrap(X), wrap(Y)), sample_weight=wrap(np.ones(ROWS))
    )
    assert found == expected
    np.testing.assert_array_equal(wrapped.predict(wrap(X)), plain.predict(X))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32"])
def test_any_numbers_are_enough(dtype):
    x = (np.abs(X) * 3).astype(dtype)
    assert regression().fit(x, Y) == regression().fit(x.astype("float32"), Y)


# Classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (
            changed(NUMBERS, 6, 4),
            "y holds 4 in row 6: the network has 4 outputs, so classes are numbered 0 to 3",
        ),
        (changed(NUMBERS, 6, -1), "y holds -1 in row 6: the network has 4 outputs"),
        (changed(NUMBERS + 0.0, 6, 0.5), "y holds 0.5 in row 6: class numbers are whole"),
        (np.eye(3)[NUMBERS % 3], r"y has the shape \(12, 3\), and the network's output \(rows, 4\)"),
        (
            changed(np.eye(4)[NUMBERS], (6, 0), 0.5),
            "the class probabilities of y in row 6 sum to 1.5, not to 1",
        ),
        (["red"] * ROWS, r"y holds text \('red' in row 0\).*np.unique"),
    ],
)
def test_classes_that_there_are_not(y, sentence):
    one = classification()
    with refused(f"^{sentence}", one):
        one.fit(X, y)
    one.fit(X, NUMBERS)
    with refused(f"^{sentence}", one):
        one.evaluate(X, y)
    with refused(f"^validation {sentence}", one):
        one.fit(X, NUMBERS, validation_data=(X, y))


# Shapes that do not fit a layer ------------------------------------------------------------------


def test_another_number_of_features():
    model = regression()
    model.fit(X, Y)
    wide = np.c_[X, X[:, 0]]
    sentence = r"x has the shape \(rows, 4\), and layers.0 \(Dense\) was built for \(rows, 3\); give rows"
    for call in (model.fit, model.step, model.gradients, model.evaluate):
        with refused(f"^{sentence}", model):
            call(wide, Y)
    with refused(f"^{sentence}", model):
        model.predict(wide)
    with refused(f"^validation {sentence}", model):
        model.fit(X, Y, validation_data=(wide, Y))


def test_a_failed_fit_does_not_fix_the_number_of_features():
    """Once x is put right, another shape is as good as any."""
    model = regression()
    with refused("^x has 12 rows and y 5", model):
        model.fit(X, Y[:5])
    with refused("^validation y is missing", model):
        model.fit(X, Y, validation_data=(X, None))
    with refused("no option", model):
        model.fit(X, Y, epoch=3)
    model.fit(np.c_[X, X], Y)
    assert model.predict(np.c_[X, X]).shape == (ROWS, 1)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([cr.Dense(4), cr.Residual(cr.Dense(5))], r"layers.1.*\(rows, 5\)"),
        ([cr.Dense(4), cr.Residual([cr.Dense(4), cr.Dense(5)])], r"layers.1.*\(rows, 5\)"),
        ([cr.Dense(4), cr.Columns([4])], r"layers.1 \(Columns\).*4"),
        ([cr.Sequential([cr.Dense(4), cr.Columns([7])])], r"layers.0.layers.1 \(Columns\).*7"),
    ],
)
def test_layers_that_do_not_fit_each_other(layers, sentence):
    model = cr.Model(cr.Sequential([*layers, cr.Dense(1)]), loss="huber")
    with refused(sentence, model):
        model.fit(X, Y)
    with refused(sentence, model):
        model.build(features=FEATURES)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (
            {"layers.0.bias": np.zeros(4)},
            r"^layers.0.bias has the shape \(5,\), and was given \(4,\); give an array of \(5,\)$",
        ),
        (
            {"layers.0.weights": np.zeros((3, 5))},
            "no weight 'layers.0.weights'; did you mean 'layers.0.weight'",
        ),
        ({"layers.1.bias": [np.nan]}, "^layers.1.bias holds nan at row 0"),
        ({"layers.1.bias": ["a"]}, "^layers.1.bias holds text"),
        ({"layers.1.bias": [1e300]}, "^layers.1.bias holds 1e.300 at row 0, which is too large for float32"),
        ({"layers.1.bias": [1.0], "layers.0.bias": [1.0]}, "^layers.0.bias has the shape"),
    ],
)
def test_weights_that_do_not_fit(weights, sentence):
    model = regression()
    model.fit(X, Y)
    with refused(sentence, model):
        model.set_weights(weights)


@pytest.mark.parametrize("features", [0, -1, 2.5, "3", (3, 0), ()])
def test_features_that_cannot_be(features):
    model = regression()
    with refused("features|needs", model):
        model.build(features=features)


# Counts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("number", [0, -1, 1.5, "3", True, np.nan], ids=repr)
def test_counts_that_are_none(model, name, number):
    with refused(f"^{name} is a whole number of at least 1, not {re.escape(repr(number))}", model):
        model.fit(X, Y, **{name: number})


def test_counts_of_numpy_are_counts():
    plain, numpy = regression(), regression()
    assert plain.fit(X, Y, epochs=2, batch_size=5) == numpy.fit(
        X, Y, epochs=np.int64(2), batch_size=np.int32(5)
    )
