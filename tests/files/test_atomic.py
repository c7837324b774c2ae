"""A file is written whole or not at all, and nothing is left beside it."""

import contextlib
import errno
import os
import re
import stat
import threading
import types

import pytest

from chainrule.files import atomic, read_arrays, write_atomically


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    """A folder with one file in it."""
    (tmp_path / "model").write_bytes(b"old")
    return tmp_path


def test_a_new_file_and_one_that_takes_the_place_of_an_old_one(folder):
    write_atomically(folder / "other", b"first")
    write_atomically(str(folder / "model"), b"new and longer")
    write_atomically(folder / "empty", b"")
    assert contents(folder) == {"model": b"new and longer", "other": b"first", "empty": b""}


def test_a_relative_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_atomically("model", b"new")
    assert contents(folder) == {"model": b"new"}


def fail_with(error):
    def fail(*arguments):
        raise error

    return fail


@pytest.mark.parametrize("name", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_error_on_the_way_leaves_the_old_file(folder, monkeypatch, name, error):
    monkeypatch.setattr(os, name, fail_with(error))
    with pytest.raises(type(error)) as caught:
        write_atomically(folder / "model", b"new")
    assert contents(folder) == {"model": b"old"}
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert str(caught.value) == f"[Errno 28] No space left on device: '{folder / 'model'}'"


@contextlib.contextmanager
def half_written(*arguments):
    """Open a file on a disk that is full after the first bytes."""
    with open(*arguments) as file:

        def write(content):
            file.write(content[:2])
            file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

        yield types.SimpleNamespace(write=write)


def test_a_full_disk_in_the_middle(folder, monkeypatch):
    monkeypatch.setattr(atomic, "open", half_written, raising=False)
    for name in ("model", "fresh"):
        with pytest.raises(OSError, match="No space left"):
            write_atomically(folder / name, b"new")
    assert contents(folder) == {"model": b"old"}


def test_a_folder_that_refuses_new_files(folder, monkeypatch):
    monkeypatch.setattr(
        atomic, "open", fail_with(PermissionError(errno.EACCES, "Permission denied")), raising=False
    )
    with pytest.raises(PermissionError, match=rf"^\[Errno 13\] Permission denied: '{folder}/model'$"):
        write_atomically(folder / "model", b"new")
    assert contents(folder) == {"model": b"old"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(folder):
    folder.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            write_atomically(folder / "model", b"new")
    finally:
        folder.chmod(0o700)
    assert contents(folder) == {"model": b"old"}


def test_places_where_no_file_can_stand(folder):
    sentence = re.escape(f"the folder of '{folder}/no/model' does not exist; make it, or name another file")
    with pytest.raises(FileNotFoundError, match=f"^{sentence}$"):
        write_atomically(folder / "no" / "model", b"new")
    with pytest.raises(IsADirectoryError, match=f"^{re.escape(repr(str(folder)))} is a folder; name a file$"):
        write_atomically(folder, b"new")
    with pytest.raises(FileNotFoundError, match=r"^the folder of .*below' does not exist"):
        write_atomically(folder / "model" / "below", b"new")
    assert contents(folder) == {"model": b"old"}


def test_a_device_is_not_replaced():
    with pytest.raises(OSError, match="'/dev/null' is a device; name a file"):
        write_atomically("/dev/null", b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_usual_permissions(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "model", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_keeps_its_permissions(folder, mode):
    (folder / "model").chmod(mode)
    write_atomically(folder / "model", b"new")
    assert stat.S_IMODE((folder / "model").stat().st_mode) == mode
    assert contents(folder) == {"model": b"new"}


def test_a_link_is_followed(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    link = place / "link"
    link.symlink_to(folder / "model")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert contents(folder) == {"model": b"new"}
    assert list(contents(place)) == ["link"]


def test_a_reader_never_sees_a_part(folder):
    sizes, done = set(), threading.Event()

    def read():
        while not done.is_set():
            sizes.add(len((folder / "model").read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(20):
            write_atomically(folder / "model", b"x" * (1_000_000 + turn % 2))
    finally:
        done.set()
        reader.join()
    assert sizes <= {3, 1_000_000, 1_000_001}


@pytest.mark.parametrize("path", [5, None, b"model", ["model"]])
def test_what_names_no_file(path):
    for use in (write_atomically, lambda path, _: read_arrays(path)):
        with pytest.raises(TypeError, match=r"^a file is named by a text or a pathlib\.Path, not "):
            use(path, b"new")
