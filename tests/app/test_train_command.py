"""`chainrule train`: what it prints, learns, and writes."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from chainrule.app import learn, report
from chainrule.app.table import read_table
from chainrule.loading import load
from chainrule.training.history import History

NUMBER = r"(\d+\.\d+)"


def test_penguins(trained):
    model, printed = trained
    words = " ".join(printed.split())
    for part in (
        "344 rows, 8 columns",
        "island category Biscoe, Dream, Torgersen",
        "bill_length_mm number 32.1 to 59.6; 2 missing, replaced by the mean",
        "sex category female, male; 11 missing",
        "species target 3 classes: Adelie (152), Chinstrap (68), Gentoo (124)",
        "task: classification, predict species",
        "275 to train on, 69 held out",
        "Dense(64, relu) > Dense(64, relu) > Dense(3)",
        f"chainrule predict {model} TABLE",
    ):
        assert part in words
    reached, guessed = map(float, re.findall(rf"accuracy {NUMBER} %", printed))
    assert reached >= 97
    assert 40 < guessed < 48
    assert "\x1b" not in printed
    losses = [float(line.split()[1]) for line in printed.splitlines() if re.match(r" +\d+ +\d", line)]
    assert 4 <= len(losses) <= 8
    assert losses[-1] < losses[0] / 10


def test_the_printed_accuracy_is_that_of_the_rows_held_out(run, write):
    """The held-out rows contradict each other, so that no network can be right in more than half of them."""
    rng = np.random.default_rng(0)
    noise = [[*rng.normal(size=6), rng.integers(2)] for _ in range(100)]
    path = write([[*"abcdef", "y"], *noise])
    result = run("train", path, "--target", "y", "--epochs", 200)
    held_out = float(re.findall(rf"this network +accuracy {NUMBER}", result.stdout)[0])
    assert held_out < 90  # the training rows are known by heart by then
    lines = [line.split() for line in result.stdout.splitlines() if re.match(r" +\d+ +\d", line)]
    assert float(lines[-1][1]) < 0.1
    assert float(lines[-1][2]) > 0.5


def test_only_training_rows_reach_the_network(penguins, monkeypatch):
    seen = {}

    class Recorder:
        def __init__(self, *_, **__):
            self.metadata = {}

        def build(self, features):
            pass

        def fit(self, x, y, validation_data, **_):
            seen.update(x=x, y=y, held_out=validation_data[0])
            return History()

    monkeypatch.setattr(learn, "Model", Recorder)
    settings = learn.Settings()
    lesson = learn.prepare(read_table(penguins), "species", [], settings)
    assert not set(lesson.training.lines) & set(lesson.held_out.lines)
    assert sorted(lesson.training.lines + lesson.held_out.lines) == list(range(2, 346))
    assert learn.fit(learn.build(lesson.description, settings), lesson, settings, print)
    assert (len(seen["x"]), len(seen["held_out"])) == (275, 69)
    numbers = [
        1 + i for i in (2, 4, 6, 8)
    ]  # where the four standardized measurements begin, behind the island
    np.testing.assert_allclose(seen["x"][:, numbers].mean(axis=0), 0, atol=1e-12)
    assert np.abs(seen["held_out"][:, numbers].mean(axis=0)).max() > 1e-3


def test_same_seed_same_model(run, write, flowers):
    path = write(flowers)

    def weights(*options):
        result = run("train", path, "--target", "kind", "--epochs", 3, "-o", "m.safetensors", *options)
        assert result.exit_code == 0
        model = load("m.safetensors")
        return np.concatenate([array.ravel() for array in model.weights.values()])

    first = weights()
    np.testing.assert_array_equal(first, weights())
    for option in (["--seed", 1], ["--learning-rate", 0.1], ["--batch-size", 5], ["--held-out", 0.5]):
        assert not np.array_equal(first, weights(*option)), option
    assert not np.array_equal(first, weights("--epochs", 4))


def test_hidden_layers_are_those_asked_for(run, write, flowers):
    path = write(flowers)
    for text, widths in {"7,5": [7, 5, 2], "none": [2]}.items():
        run("train", path, "--target", "kind", "--epochs", 1, "--hidden", text)
        shapes = [array.shape for name, array in load("table.safetensors").weights.items() if "bias" in name]
        assert shapes == [(width,) for width in widths]


def test_ignored_columns_and_rows_without_target(run, write, flowers):
    flowers[1][2] = flowers[2][2] = "?"
    result = run("train", write(flowers), "--target", "kind", "--ignore", "size", "--epochs", 2)
    words = " ".join(result.stdout.split())
    assert "size ignored as asked" in words
    assert "left out: 2 rows without a value of kind" in words
    assert "30 to train on, 8 held out" in words


def test_patience_ends_training_and_keeps_the_best_weights(run, write):
    rng = np.random.default_rng(0)
    path = write([[*"abcdef", "y"], *([*rng.normal(size=6), rng.integers(2)] for _ in range(100))])
    whole = run("train", path, "--target", "y", "--epochs", 200, "-o", "whole.safetensors")
    assert "ended after" not in whole.stdout
    result = run("train", path, "--target", "y", "--epochs", 200, "--patience", 5)
    ended, best = map(int, re.findall(r"ended after (\d+) of 200 epochs; .* epoch (\d+)", result.stdout)[0])
    assert ended == best + 5
    assert "rows held out, which chose the epoch, too\n" in result.stdout
    losses = load("whole.safetensors").metadata["history"]["results"]["validation_loss"]
    assert losses.index(min(losses[:ended])) + 1 == best
    run("train", path, "--target", "y", "--epochs", best, "-o", "best.safetensors")
    for name, array in load("best.safetensors").weights.items():
        np.testing.assert_array_equal(load("table.safetensors").weights[name], array)


def test_a_model_takes_no_other_files_place_unless_it_is_named(run, write, flowers):
    """Its own, of the same column, it does, and says so."""
    path = write(flowers)
    small = ("train", path, "--epochs", 2, "--hidden", 4, "--target")
    assert "saved table.safetensors; to" in run(*small, "kind").stdout
    assert "saved table.safetensors, in the place of what was there; to" in run(*small, "kind").stdout
    refused = run(*small, "colour")
    assert refused.exit_code == 2
    assert "table.safetensors is there already, and predicts 'kind'; name the output: -o" in refused.stderr
    assert run(*small, "colour", "-o", "table.safetensors").exit_code == 0
    path.with_suffix(".safetensors").write_text("something else")
    refused = run(*small, "kind")
    assert "table.safetensors is there already, and no model of a table; name the out" in refused.stderr
    assert path.with_suffix(".safetensors").read_text() == "something else"


def test_regression(run, write):
    data = load_diabetes()
    path = write([[*data.feature_names, "progress"], *np.column_stack([data.data, data.target])])
    result = run("train", path, "--target", "progress")
    assert "task: regression, predict progress" in result.stdout
    (reached, r2), (guessed, guessed_r2) = re.findall(rf"error {NUMBER}, R² (-?\d\.\d+)", result.stdout)
    assert float(reached) < 0.85 * float(guessed)
    assert float(r2) > 0.2 > 0.05 > float(guessed_r2)

    predicted = run("predict", "table.safetensors", path, "-o", "out.csv")
    assert predicted.exit_code == 0
    numbers = np.loadtxt("out.csv", skiprows=1)
    assert np.corrcoef(numbers, data.target)[0, 1] > 0.7
    assert abs(numbers.mean() - data.target.mean()) < 15  # the target's scale is restored


def test_semicolons_quotes_and_byte_order_mark(run, tmp_path):
    rows = "".join(f'{i};"{("rose; red", "iris")[i % 2]}"\r\n' for i in range(40))
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f'size;"kind of\r\nflower"\r\n{rows}'.encode())
    result = run("train", path, "--target", "kind of\r\nflower", "--epochs", 2)
    assert result.exit_code == 0
    assert "2 classes: iris (20), rose; red (20)" in " ".join(result.stdout.split())


def test_terminal_gets_a_bar_and_a_file_does_not(monkeypatch, run, write, flowers):
    path = write(flowers)
    plain = run("train", path, "--target", "kind", "--epochs", 2).stdout
    assert "training ━" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    fancy = run("train", path, "--target", "kind", "--epochs", 2).stdout
    assert "━" in fancy
    assert "\x1b[" in fancy


def test_markup_in_a_table_is_only_text(run, write, flowers):
    flowers[0] = ["[red]size", "[/]", "kind\x1b[31m"]
    result = run("train", write(flowers), "--target", "kind\x1b[31m", "--epochs", 1)
    assert result.exit_code == 0
    assert "[red]size" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("epochs", [1, 2, 7, 1000])
def test_the_loss_is_shown_in_a_handful_of_lines(epochs):
    printer = report.LossPrinter(report.open_console(), epochs)
    assert {1, epochs} <= printer._shown - {0}
    assert len(printer._shown - {0}) <= 7


def test_first_interrupt_keeps_what_was_learnt(monkeypatch, run, write, flowers):
    fit = learn.Model.fit

    def interrupted(self, *arguments, callbacks, **options):
        def stop(progress):
            if progress.epoch == 3:
                raise KeyboardInterrupt

        return fit(self, *arguments, callbacks=[*callbacks, stop], **options)

    monkeypatch.setattr(learn.Model, "fit", interrupted)
    result = run("train", write(flowers), "--target", "kind", "--epochs", 50)
    assert result.exit_code == 130
    assert "after 3 of 50 epochs; what was learnt is kept" in result.stdout
    assert "accuracy" in result.stdout
    assert load("table.safetensors").epochs == 3


def test_second_interrupt_saves_nothing(monkeypatch, run, write, flowers, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(learn.Model, "fit", interrupt)
    monkeypatch.setattr(learn.Model, "predict", interrupt)
    assert run("train", write(flowers), "--target", "kind").exit_code == 130
    assert not list(tmp_path.glob("*.safetensors*"))


@pytest.mark.skipif(os.name == "nt", reason="signals are sent in another way")
def test_ctrl_c_from_outside(write, flowers, tmp_path):
    write(flowers)
    command = [sys.executable, "-c", "from chainrule.app.main import main; main()"]
    options = ["train", "table.csv", "--target", "kind", "--epochs", "100000"]
    process = subprocess.Popen(
        [*command, *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    while not process.stdout.readline().lstrip().startswith("1 "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    printed, problems = process.communicate(timeout=30)
    assert process.returncode == 130
    assert problems == ""
    assert "what was learnt is kept" in printed
    assert load(tmp_path / "table.safetensors").epochs > 0


def test_help_and_version(run):
    assert "Train a neural network on a table" in run().stdout
    assert run("--help").exit_code == 0
    assert "--learning-rate" in run("train", "--help").stdout
    assert re.fullmatch(r"chainrule \d+\.\d+\.\d+\S*\n", run("--version").stdout)


def test_python_runs_it_as_a_module():
    command = [sys.executable, "-m", "chainrule", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("chainrule ")
