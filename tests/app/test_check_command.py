"""`chainrule check`: the gradients of a model on a table."""

import dataclasses

from chainrule.graph.value import PRIMITIVES


def test_a_trained_model_passes(run, model, penguins):
    result = run("check", model, penguins)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "gradients right"
    layers = [["layers.0", "weight", "bias"], ["layers.1", "weight", "bias"], ["layers.2", "weight", "bias"]]
    assert [line.split()[0] for line in lines[2:]] == [word for layer in layers for word in layer]
    assert result.stderr == ""


def test_rows_and_samples(run, model, penguins):
    fewer = run("check", model, penguins, "--rows", 3, "--samples", 2)
    assert fewer.exit_code == 0
    assert [line.split()[2] for line in fewer.stdout.splitlines() if line.startswith("  ")] == ["2"] * 6
    assert run("check", model, penguins, "--rows", 10**6, "--samples", 1).exit_code == 0


def test_numbers(run, write, flowers):
    numbers = [[*row, i * 1.5 + 7] for i, row in enumerate(flowers)]
    numbers[0][-1] = "height"
    path = write(numbers)
    assert run("train", path, "--target", "height", "--epochs", 2).exit_code == 0
    assert run("check", "table.safetensors", path).stdout.startswith("gradients right\n")


def test_a_wrong_derivative_has_a_status_of_its_own(run, model, penguins, monkeypatch):
    row = PRIMITIVES["broadcast"]
    wrong = lambda dy, y, x, **how: tuple(dx * 1.5 for dx in row.derivative(dy, y, x, **how))
    monkeypatch.setitem(PRIMITIVES, "broadcast", dataclasses.replace(row, derivative=wrong))
    result = run("check", model, penguins)
    assert result.exit_code == 1
    assert result.stdout.startswith("gradients wrong\n")
    assert "the derivative of broadcast (forward layers.2) by its operand 0 is wrong" in result.stdout


def test_only_rows_that_the_model_knows_are_taken(run, model, penguins, tmp_path):
    header, *rows = penguins.read_text().splitlines()
    strange = tmp_path / "strange.csv"
    strange.write_text("\n".join([header, *(row.replace("Adelie", "Emperor") for row in rows)]))
    result = run("check", model, strange)
    assert result.exit_code == 0
    left = sum("Adelie" in row for row in rows)
    told = f"left out {left} of {len(rows)} rows: the model does not know their 'species'"
    assert " ".join(result.stderr.split()) == told
    strange.write_text("\n".join([header, *(row.replace("Adelie", "Emperor") for row in rows[:20])]))
    result = run("check", model, strange)
    assert result.exit_code == 2
    assert "strange.csv has no row with a 'species' that the model knows; give it some" in result.stderr


def test_a_table_without_the_target(run, model, write):
    result = run("check", model, write([["a"], [1]]))
    assert result.exit_code == 2
    assert "lacks the columns" in result.stderr
