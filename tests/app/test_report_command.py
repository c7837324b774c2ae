"""`chainrule report`: how a model was trained, as text and drawn."""

import json
import re

import pytest

import chainrule as cr


def test_as_text(run, model):
    result = run("report", model)
    assert result.exit_code == 0, result.output
    head, *lines = result.stdout.splitlines()
    assert re.split(r"  +", head) == [
        "epoch",
        "loss",
        "validation loss",
        "validation accuracy",
        "learning rate",
    ]
    rows = [line.split() for line in lines[:10]]
    assert [row[0] for row in rows][::9] == ["1", str(cr.load(model).epochs)]
    assert float(rows[-1][1]) < float(rows[0][1])
    assert {row[4] for row in rows} == {"0.001"}
    history = cr.History.from_json(cr.load(model).metadata["history"])
    norms = history.recorded["gradient_norm"]["layers.2"]
    place = lines.index(next(line for line in lines if line.startswith("gradient norm")))
    assert [line.split()[0] for line in lines[place + 1 : place + 4]] == ["layers.0", "layers.1", "layers.2"]
    assert lines[place + 3].split()[1:] == [f"{norms[i]:.3g}" for i in (0, len(norms) // 2, -1)]
    assert any(line.startswith("change of the weights in a step") for line in lines)


@pytest.mark.parametrize(("name", "start"), [("r.svg", b"<?xml"), ("r.PNG", b"\x89PNG"), ("r.pdf", b"%PDF")])
def test_drawn(run, model, tmp_path, name, start):
    result = run("report", model, "-o", name)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(start)


def test_one_epoch(run, penguins):
    run("train", penguins, "--target", "species", "--epochs", 1)
    lines = run("report", "penguins.safetensors").stdout.splitlines()
    assert lines[1].split()[0] == "1"
    assert lines[2] == ""


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        (None, r"holds no history of its training: chainrule train keeps one"),
        ([1], "cannot be used: its history is damaged; train the model again"),
        ({"results": {}, "recorded": {}}, "was trained for no epoch"),
    ],
)
def test_a_model_without_history(run, tmp_path, history, sentence):
    model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    model.build(features=2)
    if history is not None:
        model.metadata["history"] = history
    model.save(tmp_path / "m.safetensors")
    result = run("report", "m.safetensors")
    assert result.exit_code == 2
    assert re.search(sentence, result.stderr)
    assert result.stderr.count("\n") == 1


def test_a_history_kept_from_python(run, tmp_path):
    model = cr.Model(cr.Dense(1), loss="mean_squared_error")
    model.metadata["history"] = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3).to_json()
    model.save(tmp_path / "m.safetensors")
    assert [line.split()[0] for line in run("report", "m.safetensors").stdout.splitlines()] == [
        *["epoch", "1", "2", "3"]
    ]


def test_outputs_that_cannot_be(run, model):
    for name, sentence in (
        ("r.txt", "r.txt is no figure: end its name in .svg, .png, .pdf"),
        ("no/r.svg", "no/"),
    ):
        result = run("report", model, "-o", name)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_a_checkpoint_and_a_history_as_json(run, penguins, tmp_path):
    run("train", penguins, "--target", "species", "--epochs", 3, "--checkpoint", "run.ckpt")
    expected = run("report", "penguins.safetensors").stdout
    assert run("report", "run.ckpt").stdout == expected
    history = cr.load(tmp_path / "penguins.safetensors").metadata["history"]
    (tmp_path / "h.json").write_text(json.dumps(history))
    assert run("report", "h.json").stdout == expected
    (tmp_path / "plain.json").write_text(json.dumps(history["results"]))
    assert run("report", "plain.json").stdout.splitlines()[3].split()[0] == "3"
    for content, sentence in (
        ("{}", "was trained for no epoch"),
        ("", "its history is damaged"),
        ("[1]", "its history is damaged"),
        ('{"loss": 3}', "its history is damaged"),
    ):
        (tmp_path / "bad.json").write_text(content)
        result = run("report", "bad.json")
        assert result.exit_code == 2
        assert sentence in result.stderr
