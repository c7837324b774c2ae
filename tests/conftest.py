"""What all tests share."""

import os
from unittest.mock import patch

import pytest

from chainrule.training import memo

os.environ.setdefault("CHAINRULE_CACHE_DIR", "off")  # tests neither read nor fill a user's cache


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="try many thousands of random graphs")


@pytest.fixture
def thorough(request):
    """Whether there is time for many thousands of examples."""
    return request.config.getoption("--thorough")


@pytest.fixture(autouse=True)
def own_memo(request):
    """A test that changes chainrule traces for itself, and leaves none to others."""
    if "monkeypatch" not in request.fixturenames:
        yield
        return
    with patch.object(memo, "_kept", {}):
        yield
