"""Callbacks that write down how a fit goes, and the time limit."""

import csv
import logging
import sys
import time
from pathlib import Path

import pytest
from resuming import EPOCHS, rich_fit, rich_model
from training_cases import regression, table

import chainrule as cr
from every_write import keep_every_write

X, Y = table()


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


# CSV ---------------------------------------------------------------------------------------------


def test_a_line_an_epoch_in_full_precision(tmp_path):
    path = tmp_path / "run.csv"
    for epochs in (5, 3):  # a new fit begins anew
        history = regression().fit(
            X, Y, epochs=epochs, validation_data=(X, Y), callbacks=[cr.CSVLogger(path)]
        )
        header, *rows = rows_of(path)
        assert header == ["epoch", "loss", "validation_loss"]
        assert [row[0] for row in rows] == [str(epoch + 1) for epoch in range(epochs)]
        assert [float(row[1]) for row in rows] == history["loss"]
        assert [float(row[2]) for row in rows] == history["validation_loss"]


def test_a_line_is_there_as_soon_as_the_epoch_ends(tmp_path):
    path, seen = tmp_path / "run.csv", []
    regression().fit(
        X, Y, epochs=3, callbacks=[cr.CSVLogger(path), lambda p: seen.append(len(rows_of(path)))]
    )
    assert seen == [2, 3, 4]


def test_each_epoch_is_there_once_after_going_on(tmp_path, monkeypatch):
    path = tmp_path / "run.csv"
    copies = keep_every_write(monkeypatch, tmp_path)
    log = cr.CSVLogger(path)
    rich_fit(rich_model(), callbacks=[log], checkpoint=tmp_path / "run.ckpt")
    whole = path.read_text()
    assert whole.count("\n") == EPOCHS + 1
    for copy in copies[::3]:  # the killed fit had come further than its checkpoint
        path.write_text(whole + "5,0.1")
        rich_fit(rich_model(), callbacks=[log], checkpoint=copy)
        assert path.read_text() == whole


def test_going_on_where_the_file_is_missing_or_another(tmp_path, monkeypatch):
    path = tmp_path / "run.csv"
    copies = keep_every_write(monkeypatch, tmp_path)
    rich_fit(rich_model(), callbacks=[], checkpoint=tmp_path / "run.ckpt")
    for content, copy in zip((None, b"", b"\n\n", b"a,b\n1,2\n", b"\xff\xfe"), copies[-2:-7:-1], strict=True):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        rich_fit(rich_model(), callbacks=[cr.CSVLogger(path)], checkpoint=copy)
        header, *rows = rows_of(path)
        assert header == ["epoch", "loss", "validation_loss"]
        assert [row[0] for row in rows] == ["3", "4"][-len(rows) :]


def test_a_csv_file_that_cannot_be_written(tmp_path):
    model = regression()
    with pytest.raises(
        FileNotFoundError, match=r"^the folder of .* does not exist; make it, or name another"
    ):
        model.fit(X, Y, callbacks=[cr.CSVLogger(tmp_path / "no" / "run.csv")])
    with pytest.raises(ValueError, match=r"is a folder; name a file$"):
        model.fit(X, Y, callbacks=[cr.CSVLogger(tmp_path)])
    assert model.epochs == 0


# Logging -----------------------------------------------------------------------------------------


def messages(caplog):
    return [(entry.name, entry.levelno, entry.getMessage()) for entry in caplog.records]


def test_python_logging(caplog):
    with caplog.at_level(logging.DEBUG):
        history = regression().fit(X, Y, epochs=2, validation_data=(X, Y), callbacks=[cr.EpochLogger()])
        regression().fit(X, Y, epochs=5, callbacks=[cr.EpochLogger("a", level=logging.DEBUG, every=2)])
        regression().fit(X, Y, epochs=1, callbacks=[cr.EpochLogger(logging.getLogger("b"), every=10)])
    said = messages(caplog)
    loss, validation = history["loss"][1], history["validation_loss"][1]
    sentence = f"epoch 2 of 2: loss {loss:.4g}, validation loss {validation:.4g}"
    assert said[1] == ("chainrule", logging.INFO, sentence)
    assert [entry[2][:12] for entry in said[2:5]] == ["epoch 2 of 5", "epoch 4 of 5", "epoch 5 of 5"]
    assert said[4][:2] == ("a", logging.DEBUG)
    assert said[5][0] == "b"
    assert len(said) == 6


# TensorBoard -------------------------------------------------------------------------------------


def test_tensorboard_reads_the_results(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = regression().fit(
        X, Y, epochs=3, validation_data=(X, Y), callbacks=[cr.TensorBoard(tmp_path / "board")]
    )
    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    for name, numbers in history.items():
        seen = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(name)]
        assert seen == [(i + 1, pytest.approx(number, rel=1e-6)) for i, number in enumerate(numbers)]


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    model = regression()
    with pytest.raises(
        ImportError, match=r"^the TensorBoard callback needs the package tensorboard; install it"
    ):
        model.fit(X, Y, callbacks=[cr.TensorBoard(tmp_path)])
    assert model.epochs == 0


# The time limit ----------------------------------------------------------------------------------


def test_time_limit_ends_after_the_epoch():
    sleep = lambda progress: time.sleep(0.02)
    history = regression().fit(X, Y, epochs=1000, callbacks=[cr.TimeLimit(0.1), sleep])
    assert 1 <= history.epochs <= 6
    assert regression().fit(X, Y, epochs=3, callbacks=[cr.TimeLimit(1e-9)]).epochs == 1
    assert regression().fit(X, Y, epochs=3, callbacks=[cr.TimeLimit(float("inf"))]).epochs == 3


def test_time_limit_with_a_checkpoint_goes_on_at_the_next_start(tmp_path):
    alone = regression().fit(X, Y, epochs=3)
    for epochs in (1, 2, 3):
        history = regression().fit(
            X, Y, epochs=3, callbacks=[cr.TimeLimit(1e-9)], checkpoint=tmp_path / "run.ckpt"
        )
        assert history.epochs == epochs
    assert history == alone


@pytest.mark.parametrize("bad", [0, -1, float("nan"), "1", None, True])
def test_what_is_no_time(bad):
    with pytest.raises(ValueError, match=r"^TimeLimit: seconds is a number above 0, not "):
        cr.TimeLimit(bad)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: cr.TimeLimit(second=1), "TimeLimit: there is no option 'second'; did you mean 'seconds'"),
        (lambda: cr.CSVLogger(file="a"), "CSVLogger: there is no option 'file'"),
        (lambda: cr.EpochLogger(levels=1), "EpochLogger: there is no option 'levels'; did you mean 'level'"),
        (lambda: cr.EpochLogger(3), "EpochLogger: logger is a name or a logger"),
        (lambda: cr.EpochLogger(level="INFO"), "level is a whole number of at least 0, not 'INFO'"),
        (lambda: cr.EpochLogger(every=0), "every is a whole number of at least 1, not 0"),
        (lambda: cr.TensorBoard(dir="a"), "TensorBoard: there is no option 'dir'"),
    ],
)
def test_options_that_there_are_not(make, sentence):
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
        make()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    log = cr.CSVLogger(tmp_path / "run.csv")

    def fill(progress):
        log._file.close()
        log._file = open("/dev/full", "w")  # noqa: SIM115
        log._writer = csv.writer(log._file)

    with pytest.raises(OSError, match=r"No space left on device: '.*run.csv'"):
        regression().fit(X, Y, epochs=3, callbacks=[log, fill])
    with pytest.raises(OSError, match="'/dev/full' is a device; name a file"):
        regression().fit(X, Y, callbacks=[cr.CSVLogger("/dev/full")])
