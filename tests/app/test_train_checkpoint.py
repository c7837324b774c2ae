"""`chainrule train --checkpoint`: stopped and started again, it ends with the same model."""

from pathlib import Path

import pytest

from chainrule.app import learn


@pytest.fixture
def train(run, write, flowers):
    """Train on a table with a checkpoint and more options; return what `run` does."""
    path = write(flowers)
    return lambda *more: run("train", path, "--target", "kind", "--epochs", 20, "--hidden", "8", *more)


def interrupt_after(monkeypatch, epoch):
    """Press Ctrl-C after an epoch."""
    fit = learn.Model.fit

    def interrupted(self, *arguments, callbacks, **options):
        def stop(progress):
            if progress.epoch == epoch:
                raise KeyboardInterrupt

        return fit(self, *arguments, callbacks=[*callbacks, stop], **options)

    monkeypatch.setattr(learn.Model, "fit", interrupted)


def test_goes_on_after_ctrl_c(train, monkeypatch):
    whole = train("-o", "whole.safetensors")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 7)
        stopped = train("-o", "part.safetensors", "--checkpoint", "run.ckpt")
    assert stopped.exit_code == 130
    assert "stopped by Ctrl-C after 7 of 20 epochs" in stopped.stdout
    assert "the same command goes on from run.ckpt\n" in stopped.stdout
    result = train("-o", "part.safetensors", "--checkpoint", "run.ckpt")
    assert result.exit_code == 0
    assert "training goes on from the checkpoint, after epoch 7\n" in result.stdout
    assert Path("part.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert result.stdout.splitlines()[-4] == whole.stdout.splitlines()[-4]


def test_a_finished_training_is_restored(train, caplog):
    train("-o", "first.safetensors", "--checkpoint", "run.ckpt")
    result = train("-o", "second.safetensors", "--checkpoint", "run.ckpt")
    assert result.exit_code == 0
    assert [entry.getMessage() for entry in caplog.records] == [
        "run.ckpt: the fit was finished after 20 epochs; it is restored, not trained"
    ]
    assert Path("first.safetensors").read_bytes() == Path("second.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--checkpoint", "no/run.ckpt"], "the folder of 'no/run.ckpt' does not exist; make it"),
        (["--checkpoint", "."], "'.' is a folder; name a file"),
        (["--checkpoint", "table.csv"], "the output table.csv would take the place of the input"),
        (["--checkpoint", "m", "-o", "m"], "the checkpoint and the output are both m; name two files"),
        (
            ["--checkpoint", "run.ckpt", "--batch-size", "8"],
            "batch_size was 32 and is 8; fit as it was begun",
        ),
        (["--checkpoint", "run.ckpt", "--hidden", "9"], "network.layers.0.units was 8 and is 9; fit as"),
        (["--checkpoint", "model.safetensors"], "'model.safetensors' is not a checkpoint of chainrule"),
    ],
)
def test_refusals(options, sentence, train, tmp_path):
    train("-o", "model.safetensors", "--checkpoint", "run.ckpt")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = train(*options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
