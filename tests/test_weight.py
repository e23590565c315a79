"""What a first visit to a page transfers, in a real browser: each request, compressed as sent."""

import gzip
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from conftest import HTML, WIDE, need_pages

FIRST = "book/01-clever-hans.html"
LANDING = "book/intro.html"
need_pages()

HOST = "http://book.test/"
PACKED = {".png", ".jpg", ".webp", ".woff", ".woff2"}  # compressing these again gains nothing


def transferred(path):
    """Bytes that a file takes on the way, text compressed by gzip at level 6."""
    content = path.read_bytes()
    return len(content) if path.suffix in PACKED else len(gzip.compress(content, 6))


@pytest.fixture(scope="module", params=[FIRST, LANDING])
def visit(request, browser):
    """A first visit, read to the end: path -> bytes of each file that the page asked for."""
    files = {}
    page = browser.new_page(viewport=WIDE)

    def serve(route):
        path = HTML / unquote(urlparse(route.request.url).path).lstrip("/")
        assert route.request.url.startswith(HOST), route.request.url
        files[path.relative_to(HTML).as_posix()] = transferred(path)
        route.fulfill(path=path)

    page.route("**/*", serve)
    page.goto(HOST + request.param, wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    page.mouse.wheel(0, 10**6)
    page.wait_for_load_state("networkidle")
    yield request.param, files
    page.close()


def test_a_first_visit_stays_within_its_budget(visit):
    name, files = visit
    budget = {FIRST: 900_000, LANDING: 500_000}[name]
    heaviest = sorted(files, key=files.get, reverse=True)[:8]
    total = sum(files.values())
    assert total <= budget, "\n".join(f"{files[path]:>8} {path}" for path in heaviest)
    assert total > 100_000, "the page has not loaded what it needs"


def test_a_page_loads_neither_the_whole_icon_set_nor_the_search_index(visit):
    _, files = visit
    assert not {path for path in files if "fontawesome.js" in path or "searchindex" in path}
    icons = {path: size for path, size in files.items() if "webfonts" in path}
    assert icons, "no icon font"
    assert sum(icons.values()) <= 10_000


def test_no_figure_of_the_book_is_heavy():
    sizes = {path.name: path.stat().st_size for path in Path(HTML, "_images").glob("*.png")}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > 250_000} == {}
