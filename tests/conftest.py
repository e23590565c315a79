"""What several test files share: where things are, and the built pages in a browser."""

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import gsutils  # noqa: F401  before PyTorch: threads sleep while they wait
from tools.browser import BROWSERS, browser_path, chromium

# A test's own make is nobody's child: under `make test` it would print its folders and take the
# outer one's options and variables.
for name in ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"):
    os.environ.pop(name, None)

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/**/*.html"))
THEMES = ("light", "dark")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def missing(what: str) -> None:
    """Skip a test file for want of `what`; in CI, where nothing may be missing, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; in CI all tests must run", pytrace=False)
    pytest.skip(what, allow_module_level=True)


def need_browser() -> None:
    """Skip a test file, or in CI fail, where a browser is missing."""
    if browser_path() is None:
        missing(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")


def need_pages() -> None:
    """Skip a test file, or in CI fail, where the book or a browser is missing."""
    if not PAGES:
        missing("the book is not built: run `make book`")
    need_browser()


@pytest.fixture(scope="module")
def browser():
    """A Chromium of the system's, driven by Playwright."""
    with chromium() as browser:
        yield browser


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        """Keep requests out of the tests' output."""


@pytest.fixture(scope="module")
def site():
    """Address of a server of the built pages."""
    handler = functools.partial(QuietHandler, directory=HTML)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


# Layout shifts, as Lighthouse adds them up: what moved by itself, not after a reader's action.
COUNT_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput)
      window.shifts.push([entry.value, entry.sources.map(s => s.node?.outerHTML?.slice(0, 90))]);
}).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture(scope="module", params=PAGES)
def page(request, browser, site):
    """A loaded page of the book, as wide as its test file's SIZE says.

    It has its `name`; what it asked for (`requests`), failed to get (`failures`) and complained
    about (`complaints`); and what moved while it loaded (`shifts`).
    """
    size = getattr(request.module, "SIZE", WIDE)
    page = browser.new_page(viewport=size, color_scheme="light", reduced_motion="reduce")
    page.name, page.requests, page.failures, page.complaints = request.param, [], [], []
    page.on("request", lambda r: page.requests.append(r.url))
    page.on("requestfailed", lambda r: page.failures.append(r.url))
    page.on("response", lambda r: r.ok or page.failures.append(f"{r.status} {r.url}"))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda m: m.type in ("error", "warning") and page.complaints.append(f"{m.type}: {m.text}"),
    )
    page.add_init_script(COUNT_SHIFTS)
    page.goto(site + request.param, wait_until="networkidle")
    if page.locator("script[src*=mathjax]").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
    page.shifts = page.evaluate("shifts")
    yield page
    page.close()


@pytest.fixture
def themed(page):
    """Function that switches the page to a theme, as the button of the page does."""

    def switch(theme):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)

    yield switch
    switch("light")


@pytest.fixture
def resized(page, request):
    """Function that gives the page another size, until the test ends."""
    size = getattr(request.module, "SIZE", WIDE)

    def resize(width, height):
        page.set_viewport_size({"width": width, "height": height})

    yield resize
    page.set_viewport_size(size)
