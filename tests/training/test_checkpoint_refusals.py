"""A checkpoint that is of another fit, in use, damaged or foreign gets one sentence, and nothing changes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from resuming import XV, YV, X, Y, end_of, rich_fit, rich_model
from training_cases import network, regression, table

import chainrule as cr
from bad_input import refused
from chainrule.files import read_arrays, write_arrays
from chainrule.graph.loop import LoopState
from chainrule.training.checkpoint import Checkpoint


@pytest.fixture
def path(tmp_path):
    """The checkpoint of a fit that is interrupted after its first epoch."""

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model(), tmp_path / "run.ckpt", callbacks=[cr.EarlyStopping(patience=2), interrupt])
    return tmp_path / "run.ckpt"


def model(**options):
    options = {"penalties": cr.L2(0.25), "optimizer": cr.SGD(0.125, momentum=0.5), **options}
    return rich_model(**options)


def fit(one, path, x=X, y=Y, **options):
    options = {
        "epochs": 4,
        "batch_size": 6,
        "validation_data": (XV, YV),
        "sample_weight": np.linspace(0.5, 2, len(x)),
        "callbacks": [cr.EarlyStopping(patience=2)],
        **options,
    }
    return one.fit(x, y, checkpoint=path, **options)


def refuses(path, sentence, one=None, *arguments, **options):
    """The fit is refused with this sentence; the file and the model are as before, and nothing is left."""
    one = model() if one is None else one
    content = path.read_bytes()
    with refused(sentence, one):
        fit(one, path, *arguments, **options)
    assert path.read_bytes() == content
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def of_another(difference):
    return (
        rf"^the checkpoint '.*run\.ckpt' is of another fit: {difference}; "
        "fit as it was begun, or name another file$"
    )


def changed(array):
    new = array.copy()
    new.flat[-1] = np.nextafter(new.flat[-1], 9)
    return new


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"x": changed(X)}, "x holds other numbers"),
        ({"y": changed(Y)}, "y holds other numbers"),
        ({"sample_weight": None}, "sample_weight was given and is absent"),
        ({"sample_weight": np.ones(len(X))}, "sample_weight holds other numbers"),
        ({"validation_data": (changed(XV), YV)}, "validation x holds other numbers"),
        ({"validation_data": (XV, changed(YV))}, "validation y holds other numbers"),
        ({"validation_data": (XV, YV, YV[:, 0] ** 2)}, "validation sample_weight was absent and is given"),
        (
            {"validation_data": (XV[1:], YV[1:])},
            r"validation x had the shape \(9, 3\) and has \(8, 3\); "
            r"validation y had the shape \(9, 1\) and has \(8, 1\)",
        ),
        ({"batch_size": 7}, "batch_size was 6 and is 7"),
        ({"batch_size": None}, "batch_size was 6 and is 22"),
        ({"shuffle": False}, "shuffle was True and is False"),
        (
            {"callbacks": [cr.EarlyStopping(patience=3, min_delta=0.5)]},
            r"early_stopping.patience was 2 and is 3; early_stopping.min_delta was 0.0 and is 0.5",
        ),
        (
            {"callbacks": []},
            "early_stopping was 'EarlyStopping' and is None; early_stopping.patience was 2 and .*",
        ),
    ],
)
def test_other_data_and_options_of_a_fit(path, options, difference):
    refuses(path, of_another(difference), **options)


def test_other_rows(path):
    x, y = table(30)
    difference = (
        r"x had the shape \(22, 3\) and has \(30, 3\); y had the shape \(22, 1\) and has \(30, 1\); "
        r"sample_weight had the shape \(22,\) and has \(30,\)"
    )
    refuses(path, of_another(difference), None, x, y)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (
            {"loss": cr.Huber(0.5)},
            r"loss was 'MeanSquaredError' and is 'Huber'; loss.delta was absent and is 0.5",
        ),
        ({"optimizer": cr.SGD(0.25, momentum=0.5)}, "optimizer.learning_rate was 0.125 and is 0.25"),
        ({"optimizer": cr.SGD(0.125)}, "optimizer.momentum was 0.5 and is 0.0"),
        ({"penalties": cr.L2(0.5)}, "penalties.0.strength was 0.25 and is 0.5"),
        ({"penalties": cr.L1(0.25)}, "penalties.0 was 'L2' and is 'L1'"),
        ({"seed": 5}, "seed was 4 and is 5"),
        ({"executor": "numpy"}, "executor was 'compiled' and is 'numpy'"),
    ],
)
def test_other_options_of_a_model(path, options, difference):
    refuses(path, of_another(difference), model(**options))


def test_another_dtype(path):
    difference = r"x had the dtype float64 and has float32; y had .*; sample_weight had .*; and \d more"
    refuses(path, of_another(difference), model(dtype="float32"))


@pytest.mark.parametrize(
    ("between", "difference"),
    [
        ([cr.BatchNorm(), cr.Dropout(0.5)], "network.layers.2.rate was 0.3 and is 0.5"),
        ([cr.BatchNorm(), cr.LayerNorm()], "network.layers.2 was 'Dropout' and is 'LayerNorm'; .*"),
        ([cr.BatchNorm()], "network.layers.2 was 'Dropout' and is 'Dense'; .*"),
    ],
)
def test_another_network(path, between, difference):
    net = network(*between)
    same = {"optimizer": cr.SGD(0.125, momentum=0.5), "penalties": cr.L2(0.25), "seed": 4}
    refuses(path, of_another(difference), regression(net, **same))


def test_another_formula_in_a_function_of_ones_own(tmp_path):
    for slope, expected in (
        (1, None),
        (2, "the formula of the step differs; the formula of the validation .*"),
    ):
        own = lambda z, slope=slope: cr.tanh(slope * z)
        one = regression(network(activation=own))
        if expected is None:
            fit(one, tmp_path / "run.ckpt")
        else:
            refuses(tmp_path / "run.ckpt", of_another(expected), one)


def test_other_numbers_that_a_function_captured(tmp_path):
    for factor in (1.0, 2.0):
        array = np.array([factor])
        one = regression(network(activation=lambda z, array=array: z * array))
        if factor == 1:
            fit(one, tmp_path / "run.ckpt")
        else:
            refuses(tmp_path / "run.ckpt", of_another("the formula of the step differs; .*"), one)


def test_other_weights_at_the_start(path):
    difference = of_another("the model is not as it was when that fit began, nor as it left it")
    one = model()
    one.build(features=3)
    one.set_weights({"layers.0.bias": np.ones(5)})
    refuses(path, difference, one)
    one = model()
    one.fit(X, Y)
    refuses(path, difference, one)


def test_fewer_epochs_than_it_has(tmp_path):
    path = tmp_path / "run.ckpt"
    fit(model(), path, callbacks=[])
    refuses(path, of_another("it has begun 4 epochs, and epochs is 3"), callbacks=[], epochs=3)


# In use ------------------------------------------------------------------------------------------


def test_two_fits_at_once(path):
    sentence = r"^'.*run\.ckpt' is in use by this process; wait for it to end, or name another file$"
    tried = []

    def second(progress):
        with refused(sentence, one := model()):
            fit(one, path)
        tried.append(progress.epoch)

    first, alone = model(), model()
    history = fit(first, path, callbacks=[cr.EarlyStopping(patience=2), second])
    expected = end_of(alone, rich_fit(alone))
    np.testing.assert_equal(end_of(first, history), expected)
    assert tried == list(range(2, history.epochs + 1))


def test_a_fit_in_another_process(path):
    program = """
import sys, time
from chainrule.graph.loop import LoopState
from chainrule.training.checkpoint import Checkpoint
with Checkpoint(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
    arguments = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with refused(rf"^'.*run\.ckpt' is in use by process {process.pid}; wait", one := model()):
            fit(one, path)
        process.kill()
    assert fit(model(), path).epochs > 1


# Damaged and foreign -----------------------------------------------------------------------------

DAMAGED = (
    r"^'.*run\.ckpt' is not a checkpoint of chainrule, or it is damaged; "
    "remove it to start anew, or name another file$"
)


def test_cut_off_anywhere(path):
    content = path.read_bytes()
    cuts = {*range(0, len(content), 97), *range(12), len(content) - 1}
    for cut in sorted(cuts):
        path.write_bytes(content[:cut])
        refuses(path, DAMAGED)


def test_foreign_files(path):
    for content in (b"\0" * 1000, b"age,size\n3,4\n" * 99, b"{}", os.urandom(5000)):
        path.write_bytes(content)
        refuses(path, DAMAGED)
    one = model()
    one.build(features=3)
    one.save(path)
    refuses(path, DAMAGED)


@pytest.mark.parametrize("group", ["model", "data", "options", "formulas", "state", "history"])
@pytest.mark.parametrize("value", [None, 3, [], "text", [[1]], {"step": -1}])
def test_entries_that_make_no_sense(path, group, value):
    arrays, header = read_arrays(path)
    write_arrays(path, arrays, {**header, group: value})
    sound = isinstance(value, dict) and group in ("data", "options", "formulas")
    refuses(path, of_another(".*") if sound else DAMAGED)


@pytest.mark.parametrize("entry", ["step", "epoch", "position", "loss", "weight", "stopped"])
@pytest.mark.parametrize("value", [None, "text", [1]])
def test_counters_that_make_no_sense(path, entry, value):
    arrays, header = read_arrays(path)
    header["state"][entry] = value
    write_arrays(path, arrays, header)
    refuses(path, DAMAGED)


def test_epochs_that_do_not_fit_the_history(path):
    arrays, header = read_arrays(path)
    header["state"]["epoch"] = 2
    write_arrays(path, arrays, header)
    refuses(path, DAMAGED)


def test_arrays_that_are_missing_or_of_another_type(path):
    arrays, header = read_arrays(path)
    for name in arrays:
        for other in ({}, {name: arrays[name].astype("float32")}, {name: np.zeros((2, 7))}):
            rest = {key: array for key, array in arrays.items() if key != name}
            write_arrays(path, {**rest, **other}, header)
            refuses(path, DAMAGED)


def test_another_version(path):
    arrays, header = read_arrays(path)
    write_arrays(path, arrays, {**header, "checkpoint": 99})
    refuses(
        path,
        r"^the checkpoint '.*' was written by another version of chainrule \(format 99\); go on with that "
        "version, or name another file$",
    )


def test_another_program(path, caplog):
    arrays, header = read_arrays(path)
    program = header["program"]
    write_arrays(path, arrays, {**header, "program": {**program, "version": "0.0.9"}})
    refuses(path, r"^the checkpoint '.*' was written by another version of chainrule \(0\.0\.9\); go on with")
    for nonsense in (None, 3, [], "text", {}):
        write_arrays(path, arrays, {**header, "program": nonsense})
        refuses(path, DAMAGED if nonsense != {} else "another version of chainrule")
    write_arrays(path, arrays, {**header, "program": {**program, "cpu": "abacus"}})
    one, alone = model(), model()
    history = fit(one, path)
    np.testing.assert_equal(end_of(one, history), end_of(alone, rich_fit(alone)))
    assert caplog.text.count("on another kind of CPU (abacus); it goes on here, and its last digits may") == 1


def test_a_checkpoint_is_no_model_file(path):
    with refused(r"^'.*run\.ckpt' is a checkpoint; give it to the fit that it is of, as checkpoint=$"):
        cr.load(path)


# Paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [3, 0, b"run.ckpt", True, ["run.ckpt"]])
def test_what_is_no_path(bad):
    with refused("^checkpoint is the path of a file, such as 'run.ckpt', not ", one := model(), TypeError):
        fit(one, bad)


def test_places_where_no_file_can_stand(tmp_path):
    for place, sentence in (
        (tmp_path, "is a folder; name a file$"),
        ("", "^'.' is a folder; name a file$"),
        (tmp_path / "no" / "run.ckpt", "^the folder of '.*' does not exist; make it, or name another file$"),
    ):
        with refused(sentence, one := model()):
            fit(one, place)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_fit_and_leaves_the_last_checkpoint(path, monkeypatch):
    content = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    one = model()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        sentence = (
            r"No space left on device; the fit ends here, and goes on from its last checkpoint, if "
            r"there is one, when it is started again: '.*run\.ckpt'$"
        )
        with pytest.raises(OSError, match=sentence):
            fit(one, path)
    assert path.read_bytes() == content
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    alone = model()
    expected = end_of(alone, rich_fit(alone))
    again = model()
    np.testing.assert_equal(end_of(again, fit(again, path)), expected)


def test_refused_data_leave_no_file(tmp_path):
    with refused("^x holds nan at row 0, column 0", one := model()):
        fit(one, tmp_path / "run.ckpt", np.full_like(X, np.nan))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [None, 3, [], "text"])
def test_notes_that_make_no_sense(path, value):
    arrays, header = read_arrays(path)
    write_arrays(path, arrays, {**header, "notes": value})
    refuses(path, DAMAGED)


def test_notes_are_kept(tmp_path):
    start = LoopState({"weight": np.zeros(2)})
    for drawn in (2**64 - 1, 5):
        with Checkpoint(tmp_path / "run.ckpt") as file:
            seed = file.notes.setdefault("seed", drawn)
            saved = file.resume(start, {"options": {}}, epochs=1)
            file.write(start, saved.history)
        assert seed == 2**64 - 1
