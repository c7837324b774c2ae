"""One process at a time, and a lock dies with its process."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys

import pytest

from at_once import at_once
from chainrule.files import lock, locked, remove_leftovers, write_atomically

HOLDER = """
import sys, time
from chainrule.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a path."""
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_lock_is_held_and_given_back(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "run"):
            assert names(tmp_path) == ["run.lock"]
        assert names(tmp_path) == []


def test_it_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "run"):
        raise RuntimeError
    with locked(tmp_path / "run"):
        pass


def test_the_same_process_cannot_have_it_twice(tmp_path):
    sentence = (
        f"{re.escape(repr(str(tmp_path / 'run')))} is in use by this process; wait for it to end, or name"
    )
    with locked(tmp_path / "run"), locked(tmp_path / "other"):
        for kind in (ValueError, BlockingIOError):
            with pytest.raises(kind, match=f"^{sentence}"), locked(tmp_path / "run"):
                pass


def test_another_process_holds_it_until_it_is_killed(tmp_path, holder):
    with pytest.raises(ValueError, match=f"in use by process {holder.pid}; "), locked(tmp_path / "run"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert names(tmp_path) == ["run.lock"]
    with locked(tmp_path / "run"):
        pass
    assert names(tmp_path) == []


def test_a_full_disk_keeps_no_lock_file(tmp_path, monkeypatch):
    def full(file, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*run'$"), locked(tmp_path / "run"):
            pass
    assert names(tmp_path) == []
    with locked(tmp_path / "run"):
        pass


FORKING = """
import os, sys, time
from chainrule.files import locked
with locked(sys.argv[1]):
    if os.fork():
        time.sleep(60)
    elif sys.argv[2] == "stay":
        print("forked", flush=True)
        time.sleep(60)
print("gone", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
@pytest.mark.parametrize("child", ["stay", "go"])
def test_a_process_that_was_forked_off_has_no_part_in_it(child, tmp_path):
    """As the workers of a pool: it neither keeps the lock of a parent that was killed, nor gives it back."""
    arguments = [sys.executable, "-c", FORKING, str(tmp_path / "run"), child]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout.readline() == {"stay": "forked\n", "go": "gone\n"}[child]
        try:
            with pytest.raises(BlockingIOError), locked(tmp_path / "run"):
                pass
            parent.kill()
            parent.wait()
            with locked(tmp_path / "run"):
                pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def test_what_a_stale_lock_file_holds_does_not_matter(tmp_path):
    (tmp_path / "run.lock").write_bytes(b"\xff" * 100)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()}\n"


def test_two_names_of_one_file(tmp_path):
    (tmp_path / "run").touch()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with locked(tmp_path / "link"), pytest.raises(ValueError, match="in use"), locked(tmp_path / "run"):
        pass


def test_of_many_threads_one_at_a_time_has_it(tmp_path):
    inside, most, had = [0], [0], [0]

    def take():
        for _ in range(200):
            try:
                with locked(tmp_path / "run"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    had[0] += 1
                    inside[0] -= 1
            except BlockingIOError:
                pass

    at_once(*[take] * 4)
    assert most == [1]
    assert had[0] > 1


@pytest.mark.parametrize("replaced", [False, True])
def test_the_file_of_a_lock_that_is_being_given_back(replaced, tmp_path, monkeypatch):
    """It is opened, and then removed by the one who held it: holding that file would be no lock."""
    real_lock, place, calls = lock._lock, tmp_path / "run.lock", []

    def lock_what_is_gone(file):
        if not calls:
            place.unlink()
            if replaced:
                place.touch()
        calls.append(file)
        real_lock(file)

    monkeypatch.setattr(lock, "_lock", lock_what_is_gone)
    with locked(tmp_path / "run"):
        assert len(calls) == 2
        with pytest.raises(BlockingIOError), locked(tmp_path / "run"):
            pass
    assert names(tmp_path) == []


def test_places_where_no_file_can_stand(tmp_path):
    for path, kind, sentence in (
        (tmp_path / "no" / "run", FileNotFoundError, "^the folder of .* does not exist"),
        (tmp_path, IsADirectoryError, "is a folder; name a file$"),
        ("/dev/null", OSError, "'/dev/null' is a device; name a file"),
    ):
        with pytest.raises(kind, match=sentence), locked(path):
            pass
    assert names(tmp_path) == []


def test_a_folder_where_no_lock_can_be_made(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(PermissionError, match=rf"Permission denied: '{tmp_path}/run'"),
        locked(tmp_path / "run"),
    ):
        pass


def test_leftovers_of_a_killed_writer(tmp_path):
    write_atomically(tmp_path / "run", b"whole")
    mine = [f".run.{'0123456789abcdef'}", f".run.{'f' * 16}"]
    others = [".run.txt", f".other.{'0' * 16}", f"run.{'0' * 16}", f".run.{'0' * 15}", f".run.{'0' * 17}"]
    for name in (*mine, *others):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "run")
    assert names(tmp_path) == sorted([*others, "run"])
    remove_leftovers(tmp_path / "nothing" / "there")
