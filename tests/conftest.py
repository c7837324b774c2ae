"""What all tests share."""

import os

import pytest

os.environ.setdefault("CHAINRULE_CACHE_DIR", "off")  # tests neither read nor fill a user's cache


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="try many thousands of random graphs")


@pytest.fixture
def thorough(request):
    """Whether there is time for many thousands of examples."""
    return request.config.getoption("--thorough")
