"""The command line, run in this process, and tables to run it on."""

import contextlib
import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chainrule.app.main import app

PENGUINS = Path(__file__).parents[2] / "examples" / "penguins.csv"


@pytest.fixture
def penguins():
    return PENGUINS


@pytest.fixture
def run(tmp_path):
    """Run a command in an empty folder; return its exit status, stdout and stderr."""

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)

    with contextlib.chdir(tmp_path):
        yield run


@pytest.fixture
def write(tmp_path):
    """Write a table of rows, the first of them its header."""

    def write(rows, name="table.csv", **options):
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, **options).writerows(rows)
        return path

    return write


@pytest.fixture
def flowers():
    """Rows in which a number and a word both tell the class, with missing cells."""
    rows = [["size", "colour", "kind"]]
    for i in range(40):
        big = i % 2
        rows.append([i / 10 + 20 * big, ["red", "blue"][big], ["rose", "iris"][big]])
    rows[3][0] = "NA"
    rows[6][1] = ""
    return rows


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A model trained on the penguins by the command line, and what was printed."""
    model = tmp_path_factory.mktemp("model") / "penguins.safetensors"
    result = CliRunner().invoke(
        app, ["train", str(PENGUINS), "--target", "species", "-o", str(model)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return model, result.stdout


@pytest.fixture
def model(trained):
    return trained[0]
