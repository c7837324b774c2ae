"""A browser, and pages opened in it."""

from __future__ import annotations

import numpy as np
import pytest
from browser import start
from explained_cases import NUMBERS, ROWS, built, dense

import chainrule as cr

WIDTH, HEIGHT = 1200, 1000


@pytest.fixture(scope="module")
def browser():
    yield from start()


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
