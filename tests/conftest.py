"""What all tests share.

Most of the time of a run is LLVM's. So what one test has compiled another takes as it is.
"""

import functools
import gc
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from chainrule.compiler import native, native_loop
from chainrule.compiler.cache import ObjectCache
from chainrule.training import memo

os.environ.setdefault("CHAINRULE_CACHE_DIR", "off")  # tests neither read nor fill a user's cache
SHARED = "CHAINRULE_TESTS_SHARE"


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="try many thousands of random graphs")


def pytest_configure(config):
    """Make a folder in which every process of this run finds what any of them has compiled."""
    config.addinivalue_line("markers", "shares_code: what this test changes is no part of the compiler")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="chainrule-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[SHARED] = folder.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Leave a file's tests to one process: they have fixtures and code in common."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # many tests may be short ones
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config, items):
    """Let thorough tests take as long as they do."""
    if config.getoption("--thorough"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


def pytest_collection_finish():
    """Have Python search less often for what could be thrown away, and not among what stays to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Have a test and its fixtures share code with others."""
    with ExitStack() as stack:
        for place in _common():
            stack.enter_context(patch.object(*place))
        if item.path.parent.name != "compiler":  # other processes of theirs take what is there
            stack.enter_context(patch.dict(os.environ, CHAINRULE_CACHE_DIR=os.environ[SHARED]))
        return (yield)


@pytest.fixture
def thorough(request):
    """Whether there is time for many thousands of examples."""
    return request.config.getoption("--thorough")


@pytest.fixture(autouse=True)
def own_graphs(request):
    """A test that changes chainrule traces and compiles for itself, and leaves nothing to others."""
    if "monkeypatch" not in request.fixturenames:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(patch.object(memo, "_kept", {}))
        if request.node.get_closest_marker("shares_code") is None:
            stack.enter_context(patch.object(native, "_cache", _no_cache))
        yield


class Shared(ObjectCache):
    """Object code of this run; all of it is thrown away at the end, and nothing before."""

    def _evict(self):
        pass


@functools.cache
def _common():
    """Return what tests share, and where it is put."""
    shared = Shared(Path(os.environ[SHARED]))
    return (native, "_cache", lambda: shared), (native_loop, "_loops", {}), (memo, "_kept", {})


@functools.cache
def _no_cache():
    with patch.dict(os.environ, CHAINRULE_CACHE_DIR="off"):
        return ObjectCache()
