"""A browser, and pages opened in it."""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from browser import start
from explained_cases import NUMBERS, ROWS, built, dense

import chainrule as cr

WIDTH, HEIGHT = 1200, 1000


@functools.cache
def _started():
    stack = ExitStack()
    return stack, stack.enter_context(contextmanager(start)())


@pytest.fixture
def browser():
    """One that the tests of this folder share: it takes longer to start than most of them."""
    return _started()[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem):
    """Close the browser before tests of other folders: while it is there, asyncio has a loop that runs."""
    yield
    if _started.cache_info().currsize and (nextitem is None or nextitem.path.parent != Path(__file__).parent):
        _started()[0].close()
        _started.cache_clear()


@pytest.fixture(scope="session")
def small():
    """A small network, with steps recorded."""
    model = built(dense("sigmoid"), optimizer=cr.SGD(0.5, momentum=0.9))
    model.step(ROWS, NUMBERS)
    return model, model.explain(ROWS, NUMBERS, steps=50)


@pytest.fixture(scope="session")
def large():
    """64-100-10 in single precision, with Adam."""
    net = cr.Sequential([cr.Dense(100, activation="relu"), cr.Dense(10)])
    model = cr.Model(net, loss="cross_entropy", optimizer=cr.Adam(0.01))
    x = np.random.default_rng(0).random((1, 64))
    return model, model.explain(x, [3])


@pytest.fixture
def opened(browser, tmp_path):
    """Open an explanation's page; anything that it prints as an error, or asks the network for, fails."""
    problems, pages = [], []

    def open_(explanation, **options):
        explanation.to_html(tmp_path / "page.html")
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: problems.append(request.url) if _is_foreign(request.url) else None)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector("#told h2")
        return page

    yield open_
    for page in pages:
        page.close()
    assert not problems


def _is_foreign(url):
    return not url.startswith(("file:", "data:", "blob:"))
