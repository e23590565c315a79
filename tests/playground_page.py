"""A page with the playground's tools in a real browser, for the tests of the playground."""

import re

import pytest
from conftest import ROOT, need_browser

from tools import playground

need_browser()
FOLDER = playground.folder(ROOT)
STATIC = FOLDER.parent.as_uri() + "/"
TOOLS = tuple(playground.STILLS)
NONSENSE = re.compile(r"\b(NaN|undefined|null|Infinity)\b")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Address of a page with the three tools, on disk: `file://`."""
    file = tmp_path_factory.mktemp("playground") / "page.html"
    places = [playground.html(tool, STATIC) for tool in TOOLS]
    file.write_text(playground.document(*places, static=STATIC), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Function that opens the page, maybe with settings; what it complains of fails the test."""
    pages = []

    def open_page(query="", address=address, **context):
        page = browser.new_page(**{"viewport": {"width": 1000, "height": 800}, **context})
        page.complaints, page.asked = [], []
        page.on("request", lambda r: page.asked.append(r.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda m: page.complaints.append(m.text))
        pages.append(page)
        page.goto(address + query)
        return page

    yield open_page
    for page in pages:
        assert page.complaints == []
        assert [url for url in page.asked if not url.startswith("file:")] == []
        page.close()


def tool(page, name):
    """A tool, brought into view: off screen it rests."""
    found = page.locator(f'.gs-play[data-tool="{name}"]')
    found.scroll_into_view_if_needed()
    return found


def visible_words(page):
    """What a reader and a screen reader are told, in every tool."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.gs-play')].map(e => e.innerText + ' ' + "
        "[...e.querySelectorAll('[aria-label]')].map(c => c.ariaLabel).join(' ')).join(' ')"
    )


def values_of(page, name):
    """The settings of a tool."""
    return page.evaluate(f"document.querySelector('[data-tool={name}]').playground.values")


def said_by(page, name):
    return tool(page, name).get_by_role("status").inner_text()


def opened(page):
    """Wait until the training has done the steps that it opens with."""
    page.wait_for_function("!document.querySelector('[data-tool=train]').playground.opening")
