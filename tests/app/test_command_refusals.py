"""Bad input to the command line: one line that says what, where and what to do, and exit status 2."""

from pathlib import Path

import pytest

from chainrule.app import main
from chainrule.files import read_arrays, write_arrays

TRAIN = ("train", "good.csv", "--target", "kind", "--epochs", 1)

TABLES = {  # what a file holds, and the sentence it gets
    "empty": ("", r"t.csv is empty; a table begins with a line of column names"),
    "blank": ("\n\n", "t.csv is empty"),
    "header": ("a,kind\n", "t.csv has a header and no rows; put one row on each line"),
    "ragged": ("a,kind\n1,x\n1,x,3\n", "t.csv, line 3: 3 cells where the header has 2; give every row 2"),
    "short": ("a,kind\n1,x\n\n1\n", "t.csv, line 4: 1 cell where the header has 2"),
    "twice": ("a,a\n1,2\n", "columns 1 and 2 are both called 'a'; rename one"),
    "quotes": ('a,kind\n"1,x\n', "t.csv, line 2: the quotes do not match"),
    "target": ("a,knid\n" + "1,x\n" * 20, "there is no column 'kind'; did you mean 'knid'?"),
    "few": ("a,kind\n1,x\n2,y\n", "t.csv has 2 rows with a 'kind', of 2; training needs at least 10"),
    "one class": (
        "a,kind\n" + "1,x\n2,x\n" * 10,
        "'kind' has only the value 'x'; a network needs at least two",
    ),
    "alone": ("kind\n" + "x\ny\n" * 10, "no column to predict 'kind' from"),
}

COMMANDS = [  # a command, and the sentence it gets
    (("train", "god.csv", "--target", "kind"), "there is no file god.csv; did you mean good.csv"),
    (("train", "no/good.csv", "--target", "kind"), "there is no folder no either"),
    (("train", ".", "--target", "kind"), ". is a folder; name the file with the table in it"),
    (("train", "good.csv"), "missing option '--target' (see "),
    (("trian", "good.csv"), "no such command 'trian'. Did you mean 'train'?"),
    ((*TRAIN, "--taget", "kind"), "no such option: --taget (Possible options: --target)"),
    ((*TRAIN, "--epochs", 0), "invalid value for '--epochs': "),
    ((*TRAIN, "--hidden", "8,0"), "'8,0' is not the widths of hidden layers, such as 64,64"),
    ((*TRAIN, "--hidden", "9" * 20), "or none; a width is at most 1,000,000"),
    ((*TRAIN, "--learning-rate", "nan"), "nan is not a positive number"),
    ((*TRAIN, "--learning-rate", "1e300"), "; a smaller learning rate, "),
    ((*TRAIN, "--held-out", 0.95), "invalid value for '--held-out': "),
    ((*TRAIN, "--delimiter", "ab"), "'ab' is not one character"),
    ((*TRAIN, "--ignore", "sizes"), "there is no column 'sizes'; did you mean 'size'?"),
    ((*TRAIN, "--ignore", "kind"), "the column 'kind' is the target and cannot be ignored as well"),
    ((*TRAIN, "-o", "no/m.safetensors"), "the folder of 'no/m.safetensors' does not exist; make it"),
    ((*TRAIN, "-o", "/dev/null"), "'/dev/null' is a device; name a file"),
    ((*TRAIN, "-o", "good.csv"), "would take the place of the input; choose another output"),
    ((*TRAIN[:2], "--target", "kinds"), "there is no column 'kinds'; did you mean 'kind'?"),
    ((*TRAIN, "--checkpoint", "n" * 300), "n: File name too long"),
    (("predict", "no.safetensors", "good.csv"), "there is no file 'no.safetensors'; check its path"),
    (
        ("predict", "good.csv", "good.csv"),
        "'good.csv' is not a model file of chainrule, or it is damaged; name",
    ),
    (("predict", "cut.safetensors", "good.csv"), "'cut.safetensors' is not a model file of chainrule"),
    (("predict", "good.safetensors", "no.csv"), "there is no file no.csv"),
    (("predict", "good.safetensors", "less.csv"), "less.csv: there is no column 'size'"),
    (
        ("predict", "good.safetensors", "words.csv"),
        "words.csv, line 2: 'wide' in the column 'size' is not a number",
    ),
    (("predict", "good.safetensors", "good.csv", "-o", "good.safetensors"), "take the place of the input"),
]


@pytest.fixture
def folder(run, write, flowers, tmp_path):
    """A folder with a table, a model trained on it, and what cannot be used with that."""
    write(flowers, "good.csv")
    write([[row[1]] for row in flowers], "less.csv")
    write([["size", "colour"], ["wide", "red"]], "words.csv")
    assert run(*TRAIN).exit_code == 0
    model = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(model[: len(model) // 2])
    return tmp_path


def contents(folder: Path):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_refused(result, sentence):
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr


@pytest.mark.parametrize(("command", "sentence"), COMMANDS, ids=lambda item: str(item)[:40])
def test_commands_that_cannot_be_done(command, sentence, run, folder):
    """They change no file and leave none behind."""
    before = contents(folder)
    assert_refused(run(*command), sentence)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda header: header.pop("metadata"), "'good.safetensors' is damaged: it lacks 'metadata'; train"),
        (lambda header: header.pop("seed"), "'good.safetensors' is damaged: it lacks 'seed'; train"),
        (
            lambda header: header["network"]["layers"].pop(),
            "and the model's table description tells of 2 outputs",
        ),
        (lambda header: header.update(metadata=3), "holds a model without a description of its table"),
    ],
)
def test_a_model_file_with_a_damaged_header(change, sentence, run, folder):
    arrays, header = read_arrays("good.safetensors")
    change(header)
    write_arrays("good.safetensors", arrays, header)
    assert_refused(run("predict", "good.safetensors", "good.csv"), sentence)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("target", "name", {}),
        ("target", "classes", "a"),
        ("target", "classes", [[], "x"]),
        ("number", "mean", None),
        ("number", "deviation", float("inf")),
        ("number", "missing", 0.5),
        ("number", "colour", "red"),
        ("category", "values", None),
    ],
)
def test_a_model_file_with_a_damaged_description(part, field, value, run, folder):
    arrays, header = read_arrays("good.safetensors")
    table = header["metadata"]["table"]
    parts = {"target": table["target"], **{column["kind"]: column for column in table["columns"]}}
    parts[part][field] = value
    write_arrays("good.safetensors", arrays, header)
    result = run("predict", "good.safetensors", "good.csv")
    assert_refused(result, "cannot be used: its table description is damaged; train the model again")


@pytest.mark.parametrize(("text", "sentence"), TABLES.values(), ids=TABLES)
def test_tables_that_cannot_be_learnt(text, sentence, run, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    assert_refused(run("train", "t.csv", "--target", "kind"), sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("data", "sentence"), [(b"a,b\n\xff,2\n", "line 2: byte 0xff"), (b"a\0b\n", "zero byte")]
)
def test_files_that_are_not_text(data, sentence, run, tmp_path):
    (tmp_path / "t.csv").write_bytes(data)
    assert_refused(run("train", "t.csv", "--target", "a"), sentence)


def test_memory_that_is_not_there(run, folder, monkeypatch):
    def build(*_):
        raise MemoryError("Unable to allocate 112. GiB")

    monkeypatch.setattr(main.learn, "build", build)
    result = run(*TRAIN)
    assert_refused(
        result, "there is not enough memory (Unable to allocate 112. GiB); choose fewer or narrower"
    )


def test_a_nan_that_is_written_into_the_loss_is_not_blamed(run, folder):
    """The cross-entropy of an unknown class is NaN; that is no reason for the weights to become infinite."""
    result = run(*TRAIN, "--learning-rate", "1e300")
    assert_refused(result, "in step 1")
    assert "constant" not in result.stderr
    assert "broadcast of the loss" not in result.stderr
