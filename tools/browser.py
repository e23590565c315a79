"""The browser that prints the book, photographs the playground, and shows the pages to the tests.

Playwright drives the Chromium or Google Chrome of the system, or else the one that it brought:

    with chromium() as browser:
        page = browser.new_page()
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# The last flags keep the browser from calling its makers.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REMEDY = (
    "install Chromium or Google Chrome (on Debian and Ubuntu: apt-get install chromium), "
    "or run: .venv/bin/playwright install chromium"
)


def browser_path() -> str | None:
    """Where the system has a Chromium or Chrome.

    Returns:
        The path of the first of `BROWSERS` that is on the PATH; None where there is none.
    """
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium(oldest: int = 0) -> "Iterator[Browser]":
    """Start a Chromium without a window, and close it in the end.

    Args:
        oldest: the lowest version that will do, such as 131.

    Returns:
        A context manager of Playwright's browser.

    Raises:
        FileNotFoundError: there is none, or none as new as that; the message says what to install.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = browser_path() or shutil.which(playwright.chromium.executable_path)
        if path is None:
            raise FileNotFoundError(f"no browser: {REMEDY}")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            version = int(browser.version.split(".")[0])
            if version < oldest:
                raise FileNotFoundError(
                    f"{path} is version {version}, {oldest} is needed: {REMEDY}"
                )
            yield browser
        finally:
            browser.close()
