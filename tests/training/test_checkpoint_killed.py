"""Processes are killed while they fit, and in the middle of a write: what comes out at last is the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_fit
import numpy as np
import pytest
from training_cases import assert_same

from chainrule.files import read_arrays

PROGRAM = Path(killed_fit.__file__)
BLOCK = 2048


class Killed:
    """A process of the program that waits to be killed, or that ends."""

    def __init__(self, program, given):
        self.program, self._problems = program, Path(given["problems"])
        program.stdin.write(json.dumps(given) + "\n")
        program.stdin.flush()
        self.number = int(program.stdout.readline())
        self.status = None

    def wait(self, writes=None):
        """Return its exit status when it has ended, or None when it has begun to write so often."""
        while self.status is None and writes != 0:
            word, *status = self.program.stdout.readline().split()
            assert word in ("writes", "ended"), f"this line was not whole: {word}"
            if word == "ended":
                self.status = int(status[0])
            elif writes:
                writes -= 1
        return self.status

    @property
    def problems(self):
        """What it has written to stderr."""
        return self._problems.read_text()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a process in a folder; return it when it has begun to write so often, or has ended."""
    environment = {**os.environ, "CHAINRULE_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    problems = tmp_path_factory.mktemp("problems") / "stderr"
    command, pipes = [sys.executable, str(PROGRAM)], dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes, env=environment, text=True) as program:

        def start(folder, writes=1, **given):
            paths = {"path": folder / "run.ckpt", "end": folder / "end.npz", "problems": problems}
            process = Killed(program, {**{name: str(path) for name, path in paths.items()}, **given})
            process.wait(writes)
            return process

        yield start
        program.stdin.close()
    assert program.returncode == 0


def place(path):
    """Return where the fit stands that a checkpoint is of."""
    return read_arrays(path)[1]["state"] if path.exists() else {"step": 0, "position": 0}


@pytest.mark.parametrize(
    ("executor", "rows", "epochs", "kills"),
    [("compiled", 50_000, 30, 25), ("numpy", 300, 8, 6), ("estimator", 20_000, 12, 4)],
)
def test_killed_at_random_moments(executor, rows, epochs, kills, tmp_path, start, thorough):
    """Each process writes its checkpoint a few times, and then lives a little longer; the last one ends."""
    kills, epochs = (5 * kills, 5 * epochs) if thorough else (kills, epochs)
    fit = {"executor": executor, "rows": rows, "epochs": epochs}
    expected = killed_fit.ended(**fit)
    generator, places = random.Random(executor), []
    for kill in range(kills):
        process = start(tmp_path, generator.randint(1, 4), fit=fit, seconds=0.005)
        assert process.status is None, process.problems
        time.sleep(generator.uniform(0, 0.02))
        interrupted = kill % 6 == 5 and executor != "estimator"  # some by Ctrl-C
        ending = signal.SIGINT if interrupted else signal.SIGKILL
        os.kill(process.number, ending)
        assert process.wait() == -ending, process.problems
        places.append(place(tmp_path / "run.ckpt"))
    process = start(tmp_path, fit=fit, seconds=0.005)
    assert (process.wait(), process.problems) == (0, "")
    with np.load(tmp_path / "end.npz") as end:
        assert_same(dict(end), expected)
    steps = [place["step"] for place in places]
    assert steps == sorted(steps)
    assert len(set(steps)) > kills / 3, "many of the processes should have come on"
    assert any(0 < place["position"] < rows for place in places), "one should have died in mid-epoch"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["end.npz", "run.ckpt"]


def test_a_write_cut_off_at_every_block(tmp_path, start):
    fit = {"executor": "compiled", "rows": 60, "epochs": 4}
    expected = killed_fit.ended(**fit)
    killed_fit.fitted(**fit, path=tmp_path / "whole.ckpt")
    size = (tmp_path / "whole.ckpt").stat().st_size
    generator = random.Random(4)
    for i, cut in enumerate([*range(0, size + BLOCK, BLOCK), "before", "after"]):
        folder = tmp_path / str(i)
        folder.mkdir()
        number = 1 if i % 5 == 0 else generator.randint(2, 30)
        process = start(folder, fit=fit, seconds=0.0, cut=(number, cut))
        assert process.wait() == -signal.SIGKILL, process.problems
        whole = number - (cut != "after")  # how many writes came to their end
        assert (folder / "run.ckpt").exists() == (whole > 0)
        assert place(folder / "run.ckpt")["step"] == max(whole - 1, 0)
        left = [path.stat().st_size for path in folder.glob(".run.ckpt.*")]
        assert len(left) == (cut != "after")
        assert not isinstance(cut, int) or left[0] <= cut
        assert_same(killed_fit.ended(**fit, path=folder / "run.ckpt"), expected)
        assert [path.name for path in folder.iterdir()] == ["run.ckpt"]
