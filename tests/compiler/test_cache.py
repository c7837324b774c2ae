"""Object code outlives the process; nothing that happens to its files reaches the user."""

import contextlib
import errno
import hashlib
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import platformdirs
import pytest

from chainrule.compiler import cache as module
from chainrule.compiler.cache import HEADER, SUFFIX, UNFINISHED, ObjectCache, cache_key

KEY, OTHER = cache_key("graph", "CPU"), cache_key("graph", "another CPU")
CODE = b"\x7fELF code"


@pytest.fixture
def cache(tmp_path):
    return ObjectCache(tmp_path / "made" / "when needed")


def file_of(cache, key):
    return cache.folder / (key + SUFFIX)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail_with(error):
    def fail(*arguments, **options):
        raise error

    return fail


def test_a_key_tells_its_parts_apart():
    parts = [(), ("",), ("", ""), ("ab",), ("a", "b"), ("b", "a"), ("1:a",), ("a", "1:b"), ("a1:b",), ("é",)]
    keys = [cache_key(*each) for each in parts]
    assert len(set(keys)) == len(parts)
    assert cache_key("ab", "") == hashlib.sha256(b"2:ab0:").hexdigest(), "stays the same"


@pytest.mark.parametrize("code", [b"", CODE, bytes(range(256)) * 1000], ids=len)
def test_what_was_put_comes_back_in_another_process(cache, code):
    assert cache.get(KEY) is None
    cache.put(KEY, b"older")
    cache.put(KEY, code)
    cache.put(OTHER, b"other")
    assert ObjectCache(cache.folder).get(KEY) == code
    assert set(contents(cache.folder)) == {KEY + SUFFIX, OTHER + SUFFIX}


def damages():
    size = HEADER + len(CODE)
    yield from ((f"cut to {length}", lambda whole, n=length: whole[:n]) for length in range(size))
    yield from (
        (f"bit flipped in {at}", lambda whole, n=at: whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :])
        for at in range(size)
    )
    yield "longer", lambda whole: whole + b"\0"
    yield "foreign", lambda whole: b"#!/bin/sh\n" * 20


def test_a_damaged_file_is_absent_and_removed(cache):
    for name, damage in damages():
        cache.put(KEY, CODE)
        file_of(cache, KEY).write_bytes(damage(file_of(cache, KEY).read_bytes()))
        assert cache.get(KEY) is None, name
        assert contents(cache.folder) == {}, name


def test_a_file_under_the_name_of_another_is_foreign(cache):
    cache.put(KEY, CODE)
    file_of(cache, KEY).rename(file_of(cache, OTHER))
    assert cache.get(OTHER) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_under_a_name_of_ours_is_foreign(cache, monkeypatch):
    cache.folder.mkdir(parents=True)
    os.mkfifo(file_of(cache, KEY))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail_with(AssertionError("this would wait for a writer")))
        assert cache.get(KEY) is None
    cache.put(KEY, CODE)
    assert cache.get(KEY) == CODE


def test_a_place_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        ObjectCache(folder).put(KEY, CODE)
        assert ObjectCache(folder).get(KEY) is None
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_that_may_only_be_read(cache, monkeypatch):
    cache.put(KEY, CODE)
    file_of(cache, OTHER).write_bytes(b"foreign")
    refused = fail_with(PermissionError(errno.EACCES, "Permission denied"))
    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(module, "open", refused, raising=False)
    cache.put(KEY, b"new")
    assert (cache.get(KEY), cache.get(OTHER)) == (CODE, None)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_ends_halfway_leaves_the_old_file(cache, monkeypatch, error):
    cache.put(KEY, CODE)
    before = contents(cache.folder)
    monkeypatch.setattr(os, "replace", fail_with(error))
    quiet = isinstance(error, OSError)
    with contextlib.nullcontext() if quiet else pytest.raises(KeyboardInterrupt):
        cache.put(KEY, b"new")
    assert contents(cache.folder) == before


def test_the_least_recently_used_go_first(tmp_path):
    size = 1000 + HEADER
    cache = ObjectCache(tmp_path, limit=8 * size)
    (tmp_path / "not ours").write_bytes(bytes(100_000))
    os.utime(tmp_path / "not ours", (0, 0))
    keys = [cache_key(str(n)) for n in range(9)]
    for age, key in enumerate(keys[:8]):
        cache.put(key, bytes(1000))
        os.utime(file_of(cache, key), (age, age))
    cache.get(keys[0])  # the oldest is now the newest
    assert len(list(tmp_path.iterdir())) == 9, "full, but not above the limit"
    cache.put(keys[8], bytes(1000))  # 9 files; 6 are three quarters of what may be
    kept = {keys[0], *keys[4:]}
    assert set(contents(tmp_path)) == {"not ours", *(key + SUFFIX for key in kept)}


@pytest.mark.parametrize("processes", [1, 10])
def test_a_folder_is_listed_now_and_then_and_never_above_its_limit(processes, tmp_path, monkeypatch):
    limit, listings, scandir = 320 * (100 + HEADER), [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listings.append(folder) or scandir(folder))
    caches, counts = [ObjectCache(tmp_path, limit) for _ in range(processes)], []
    for n in range(700):
        caches[n % processes].put(cache_key(str(n)), bytes(100))
        counts.append(len(os.listdir(tmp_path)))
    assert max(counts) <= 320
    assert sum(before > after for before, after in itertools.pairwise(counts)) >= 4, "full again and again"
    assert len(listings) < 700 / 2


def test_an_empty_folder_is_listed_once_for_many_files(tmp_path, monkeypatch):
    listings, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listings.append(folder) or scandir(folder))
    cache = ObjectCache(tmp_path)
    for n in range(50):
        cache.put(cache_key(str(n)), bytes(50_000))
    assert len(listings) == 1


def test_code_that_would_drive_out_all_else_is_not_kept(tmp_path):
    cache = ObjectCache(tmp_path, limit=1000)
    cache.put(KEY, bytes(100))
    cache.put(OTHER, bytes(751 - HEADER))
    assert (cache.get(KEY), cache.get(OTHER)) == (bytes(100), None)


def test_what_killed_processes_left_is_removed_when_it_is_old(cache):
    cache.put(KEY, CODE)
    old, young, foreign = (cache.folder / name for name in ("a" + UNFINISHED, "b" + UNFINISHED, "c.tmp"))
    for path, age in [(old, 7200), (young, 600), (foreign, 7200)]:
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    ObjectCache(cache.folder).put(KEY, CODE)
    assert set(contents(cache.folder)) == {file_of(cache, KEY).name, young.name, foreign.name}


def test_files_that_vanish_while_others_are_evicted(tmp_path, monkeypatch):
    size, keys = 100 + HEADER, [cache_key(str(n)) for n in range(13)]
    cache = ObjectCache(tmp_path)
    for age, key in enumerate(keys[:12]):
        cache.put(key, bytes(100))
        os.utime(file_of(cache, key), (age, age))
    scandir, unlink = os.scandir, Path.unlink

    @contextlib.contextmanager
    def first_gone_after_the_listing(folder):
        with scandir(folder) as entries:
            found = list(entries)
        unlink(file_of(cache, keys[0]))
        yield found

    def second_gone_before_we_come(path, **options):
        if path == file_of(cache, keys[1]):
            unlink(path)
        unlink(path, **options)

    monkeypatch.setattr(os, "scandir", first_gone_after_the_listing)
    monkeypatch.setattr(Path, "unlink", second_gone_before_we_come)
    ObjectCache(tmp_path, limit=8 * size).put(keys[12], bytes(100))
    assert set(contents(tmp_path)) == {key + SUFFIX for key in keys[7:]}, "6: three quarters of 8"


def test_two_who_write_at_the_same_time(cache, monkeypatch):
    replace = os.replace

    def while_another_writes(*paths):
        monkeypatch.setattr(os, "replace", replace)
        cache.put(KEY, b"of another")
        cache.put(OTHER, b"of another")
        replace(*paths)

    monkeypatch.setattr(os, "replace", while_another_writes)
    cache.put(KEY, CODE)
    assert (cache.get(KEY), cache.get(OTHER)) == (CODE, b"of another")


WORKER = """
import runpy, sys, pathlib
module = runpy.run_path(sys.argv[1])
assert "platformdirs" not in sys.modules, "imported late"
roomy = module["ObjectCache"](pathlib.Path(sys.argv[2], "roomy"))
tight = module["ObjectCache"](pathlib.Path(sys.argv[2], "tight"), limit=1_000_000)
codes = {f"{n:064}": bytes([n]) * 200_000 for n in range(8)}
print("ready", flush=True)
sys.stdin.readline()
for turn in range(10):
    for key, code in codes.items():
        if turn == 0:
            roomy.put(key, code)
        if turn < 3:
            roomy.put("0" * 64, codes["0" * 64])
        assert roomy.get(key) == code, "whole, once it was there"
        if tight.get(key) not in (None, code):
            raise AssertionError("of another")
        tight.put(key, code)
"""


def test_ten_processes_at_once(tmp_path):
    command = [sys.executable, "-c", WORKER, module.__file__, str(tmp_path)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(subprocess.Popen(command, text=True, **pipes)) for _ in range(10)]
        for worker in workers:
            worker.stdout.readline()
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        for worker in workers:
            assert worker.communicate(timeout=60)[1] == ""
            assert worker.returncode == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {SUFFIX}
    assert sum(path.stat().st_size for path in files if path.parent.name == "tight") <= 1_000_000


@pytest.mark.parametrize("chosen", ["", "off", "OFF"])
def test_the_cache_can_be_switched_off(chosen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", chosen)
    cache = ObjectCache()
    cache.put(KEY, CODE)
    assert cache.get(KEY) is None
    assert contents(tmp_path) == {}


def test_the_folder_is_the_one_given_or_chosen_or_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    assert ObjectCache().folder == tmp_path
    assert ObjectCache(tmp_path / "given").folder == tmp_path / "given"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", "~/code")
    assert ObjectCache().folder == tmp_path / "code"
    monkeypatch.delenv("CHAINRULE_CACHE_DIR")
    assert ObjectCache().folder == platformdirs.user_cache_path("chainrule", appauthor=False)


@pytest.mark.parametrize("answer", [fail_with(RuntimeError("no home")), lambda *a, **k: Path("~/.cache")])
def test_a_user_without_a_home_has_no_cache(answer, monkeypatch):
    monkeypatch.delenv("CHAINRULE_CACHE_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", answer)
    assert ObjectCache().folder is None
