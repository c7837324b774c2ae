"""A real Chromium for the tests of the page; where there is none, they are skipped with the reason."""

from __future__ import annotations

import shutil

import pytest

#: Headless, and without what a browser does in the background.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: More than any page that is tested has.
MOST_PLACES = 500


def start():
    """Yield a browser, or skip."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("there is no Chromium on this machine; apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=OPTIONS)
        yield browser
        browser.close()


def places_at_stop(page):
    """Yield what the keys reach at a stop of the Tab key: what has the focus, and on with the arrow key."""
    place = None
    for _ in range(MOST_PLACES):
        last, place = (
            place,
            page.evaluate("document.activeElement.id || document.activeElement.dataset.shows"),
        )
        if place == last:
            return
        yield place
        if not page.evaluate("document.activeElement.matches('g')"):
            return
        page.keyboard.press("ArrowDown")
    pytest.fail(f"the arrow key never ends, last at {place}")


def tab_to_element(page, place):
    """Press Tab until a locator's element has the focus."""
    for _ in range(MOST_PLACES):
        if place.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail("the Tab key never comes there")
