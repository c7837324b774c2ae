"""The columns of a frame are known by their names: others, or another order, are refused."""

import copy
import pickle

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from resuming import rich_model
from training_cases import regression, table

import chainrule as cr
from bad_input import refused
from chainrule.files import read_arrays, write_arrays

NAMES = ["age", "height", "weight"]
X, Y = table()
KINDS = {
    "pandas": lambda x, names: pandas.DataFrame(x, columns=names),
    "polars": lambda x, names: polars.DataFrame(x, schema=names),
    "arrow": lambda x, names: pyarrow.Table.from_arrays(list(x.T), names=names),
}
FRAMES = {kind: make(X, NAMES) for kind, make in KINDS.items()}
#: Columns, which are all of x's, and what is wrong with them.
WRONG = [
    (["age", "weight", "height"], [0, 2, 1], "has 'weight' where the model has learnt from 'height'"),
    (["age", "height", "Weight"], [0, 1, 2], "lacks 'weight' and has besides 'Weight'"),
    (["age", "height"], [0, 1], "lacks 'weight'"),
    (["age", "height", "weight", "id"], [0, 1, 2, 0], "has besides 'id'"),
]


def sentence(name, what):
    return (
        f"^{name} has other columns than the model has learnt from: it {what}; give it the columns "
        "model.feature_names, in this order$"
    )


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def fitted(kind="pandas", **options):
    model = regression(**options)
    model.fit(FRAMES[kind], Y)
    return model


def test_a_frame_trains_and_predicts_as_its_array(kind):
    model, plain = fitted(kind), regression()
    plain.fit(X, Y)
    assert model.feature_names == NAMES
    assert plain.feature_names is None
    for x in (FRAMES[kind], X):
        np.testing.assert_array_equal(model.predict(x), plain.predict(X))


@pytest.mark.parametrize(("names", "columns", "what"), WRONG)
def test_other_columns_are_refused_wherever_x_goes(kind, names, columns, what):
    model, frame = fitted(kind), KINDS[kind](X[:, columns], names)
    calls = [model.fit, model.step, model.gradients, model.evaluate, model.explain, model.diagnose]
    for call in calls:
        with refused(sentence("x", what), model):
            call(frame, Y)
    for call in (model.predict, model):
        with refused(sentence("x", what), model):
            call(frame)
    for x in (FRAMES[kind], X):
        with refused(sentence("validation x", what), model):
            model.fit(x, Y, validation_data=(frame, Y))


def test_many_columns_are_not_all_named():
    names = [f"c{i}" for i in range(9)]
    model = regression()
    model.fit(pandas.DataFrame(np.ones((4, 9)), columns=names), np.ones(4))
    with refused("it lacks 'c0', 'c1', 'c2', 'c3', 'c4', ...; give"):
        model.predict(pandas.DataFrame(np.ones((4, 3)), columns=names[6:]))


def test_a_column_that_is_there_twice_is_refused():
    with refused(sentence("x", "has 'weight' where the model has learnt from 'nothing'")):
        fitted().predict(pandas.DataFrame(X[:, [0, 1, 2, 2]], columns=[*NAMES, "weight"]))


def test_what_only_looks_learns_no_names():
    model = regression()
    model.fit(X, Y)
    other = KINDS["pandas"](X, list("abc"))
    for call in (model.gradients, model.evaluate, model.explain):
        call(other, Y)
    model.predict(other)
    assert model.feature_names is None
    model.step(FRAMES["pandas"], Y)
    assert model.feature_names == NAMES
    model.fit(X, Y)
    assert model.feature_names == NAMES


def test_columns_that_are_numbered_have_no_names():
    model = regression()
    model.fit(pandas.DataFrame(X), Y)
    assert model.feature_names is None
    model.predict(FRAMES["pandas"])


def test_a_fit_that_is_refused_leaves_no_names():
    model = regression()
    with refused("^validation y is missing", model):
        model.fit(FRAMES["pandas"], Y, validation_data=(X, None))
    assert model.feature_names is None
    model.fit(KINDS["pandas"](X, list("abc")), Y)
    assert model.feature_names == list("abc")


def test_the_names_that_are_returned_are_a_copy():
    model = fitted()
    model.feature_names.reverse()
    assert model.feature_names == NAMES


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_knows_the_names(copied):
    with refused(sentence("x", "lacks 'weight'")):
        copied(fitted()).predict(FRAMES["pandas"][NAMES[:2]])


def test_a_file_holds_the_names(kind, tmp_path):
    fitted(kind).save(tmp_path / "model.safetensors")
    loaded = cr.load(tmp_path / "model.safetensors")
    assert loaded.feature_names == NAMES
    with refused(sentence("x", "lacks 'weight'")):
        loaded.predict(FRAMES["pandas"][NAMES[:2]])


@pytest.mark.parametrize("names", ["age", ["age", "height"], {}])
def test_a_file_with_other_names_than_features_is_damaged(names, tmp_path):
    fitted().save(tmp_path / "model.safetensors")
    arrays, header = read_arrays(tmp_path / "model.safetensors")
    write_arrays(tmp_path / "model.safetensors", arrays, {**header, "feature_names": names})
    with refused("cannot be read as a model: its feature_names are not one for each feature; load it with"):
        cr.load(tmp_path / "model.safetensors")


def test_an_explanation_tells_the_names():
    model = fitted()
    for x in (FRAMES["pandas"][:1], X[:1]):
        assert "(height)" in str(model.explain(x, Y[:1]))
    assert "(height)" in str(regression().explain(FRAMES["pandas"][:1], Y[:1]))
    assert "(height)" not in str(regression().explain(X[:1], Y[:1]))


def test_a_fit_that_goes_on_from_a_checkpoint_knows_the_names(tmp_path):
    for _ in range(2):
        model = rich_model()
        model.fit(FRAMES["pandas"], Y, epochs=2, checkpoint=tmp_path / "run.ckpt")
        assert model.feature_names == NAMES


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_told_with_its_column(kind, value):
    x = X.copy()
    x[2, 1] = value
    model = regression()
    with refused(f"^x holds {value} at row 2, column 'height'; fill missing values in", model):
        model.fit(KINDS[kind](x, NAMES), Y)
    with refused(f"^validation x holds {value} at row 2, column 'height'", model):
        model.fit(X, Y, validation_data=(KINDS[kind](x, NAMES), Y))
    with refused(f"^x holds {value} at row 2, column 1", model):
        model.fit(x, Y)


def test_text_is_told_with_its_column():
    frame = FRAMES["pandas"].assign(weight="heavy")
    with refused("^x holds 'heavy' at row 0, column 'weight', and numbers are needed; encode it, or drop"):
        regression().fit(frame, Y)


DATES = np.datetime64("2024-02-29", "ms") + np.arange(len(X)) * np.timedelta64(1, "D")
SPANS = np.arange(len(X)) * np.timedelta64(90, "ms")


@pytest.mark.parametrize("values", [DATES, SPANS], ids=["dates", "spans"])
def test_dates_are_refused_with_their_column(kind, values):
    """NumPy makes numbers of them where the other columns are numbers."""
    columns = {"age": X[:, 0], "joined": values}
    frame = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pyarrow.table}[kind](columns)
    model = regression()
    with refused("^column 'joined' of x holds dates or spans of time; make numbers of it, such as", model):
        model.fit(frame, Y)
    model.fit(X[:, :2], Y)
    with refused("^column 'joined' of x holds dates or spans of time", model):
        model.predict(frame)
    with refused("^column 'joined' of validation x holds dates or spans of time", model):
        model.fit(X[:, :2], Y, validation_data=(frame, Y))


def test_what_has_a_shape_and_is_no_frame_is_taken_as_numpy_takes_it():
    class Tensor:
        shape, dtype = X.shape, "float64"

        def __array__(self, dtype=None, copy=None):
            return np.array(X, dtype)

    model = regression()
    model.fit(Tensor(), Y)
    np.testing.assert_array_equal(model.predict(Tensor()), model.predict(X))
