"""Checkpoints that are written at every step, and kept: what kills at these moments would leave."""

import shutil

from chainrule.compiler import epochs as compiled_epochs
from chainrule.training import checkpoint
from chainrule.training.checkpoint import Checkpoint


def write_at_every_step(monkeypatch):
    """Let a checkpoint be due whenever a run looks, and let it look after every step."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0.0)
    monkeypatch.setattr(compiled_epochs, "LOOK_EVERY", 0.0)


def keep_every_write(monkeypatch, folder):
    """Return a list that gets a copy of the checkpoint each time it is written: what a kill would leave."""
    write_at_every_step(monkeypatch)
    copies, write = [], Checkpoint.write

    def write_and_copy(self, state, history):
        write(self, state, history)
        copies.append(shutil.copy(self.path, folder / f"{len(copies)}.ckpt"))

    monkeypatch.setattr(Checkpoint, "write", write_and_copy)
    return copies
