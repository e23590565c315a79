"""The built pages, in a real browser: nothing missing, nothing broken, nothing from elsewhere."""

import functools
import itertools
import json
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import BROWSERS, HTML, ROOT, browser_path, missing

PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.glob("book/**/*.html"))
THEMES = ("light", "dark")
if not PAGES:
    missing("the book is not built: run `make book`")
if browser_path() is None:
    missing(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


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


@pytest.fixture(scope="module", params=PAGES)
def page(request, browser, site):
    """A loaded page, with what it asked for (`requests`), failed to get and complained about."""
    page = browser.new_page(viewport=WIDE, color_scheme="light", reduced_motion="reduce")
    page.name, page.requests, page.failures, page.complaints = request.param, [], [], []
    page.on("request", lambda r: page.requests.append(r.url))
    page.on("requestfailed", lambda r: page.failures.append(r.url))
    page.on("response", lambda r: r.ok or page.failures.append(f"{r.status} {r.url}"))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda m: m.type in ("error", "warning") and page.complaints.append(f"{m.type}: {m.text}"),
    )
    page.goto(site + request.param, wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    yield page
    page.close()


@pytest.fixture
def themed(page):
    """Function that switches the page to a theme, as the button of the page does."""

    def switch(theme):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)

    yield switch
    switch("light")
    page.set_viewport_size(WIDE)


def soup_of(name):
    return BeautifulSoup((HTML / name).read_text(encoding="utf-8"), "html.parser")


def source_of(page):
    return (ROOT / page.name).with_suffix(".md")


def contrast(colour, ground):
    """Contrast ratio of two CSS colours as WCAG 2 defines it, 1 to 21."""

    def luminance(css):
        channels = [float(v) / 255 for v in re.findall(r"[\d.]+", css)[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(colour), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def test_a_page_loads_without_complaint(page):
    assert page.complaints == []
    assert page.failures == []


def test_a_page_asks_no_other_host(page, site):
    assert [url for url in page.requests if not url.startswith((site, "data:", "blob:"))] == []


def test_every_image_is_loaded_and_described(page):
    images = page.eval_on_selector_all(
        "article img",
        "all => all.map(i => [i.src, i.alt.trim(), i.complete && i.naturalWidth > 0])",
    )
    assert [src for src, alt, _ in images if not alt] == [], "no alt text"
    assert [src for src, alt, _ in images if re.search(r"\.(png|svg|jpg)$|^_", alt)] == [], (
        "no text"
    )
    assert [src for src, _, loaded in images if not loaded] == [], "not loaded"


def test_mathematics_is_typeset(page):
    text = page.inner_text("article")
    assert not re.search(r"\$\$|\\\(|\\\[|\\begin\{", re.sub(r"(?s)```.*?```", "", text))
    sources = page.locator("article .math").count()
    assert page.locator("article .math mjx-container").count() >= sources
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    tables = page.eval_on_selector_all("article :is(td, th)", "all => all.map(c => c.innerText)")
    assert [cell for cell in tables if "$" in cell] == []


def test_no_cell_printed_a_warning(page):
    assert page.locator("article .output.stderr, article .output.traceback").count() == 0


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_in_both_themes(page, themed, theme):
    themed(theme)
    colour, ground = page.evaluate(
        "() => [getComputedStyle(document.querySelector('article p:not(.admonition-title)')).color,"
        "       getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(colour, ground) >= 7
    assert (contrast(ground, "rgb(255,255,255)") < 1.2) == (theme == "light")


def test_figures_stand_on_white_in_the_dark(page, themed):
    themed("dark")
    grounds = page.eval_on_selector_all(
        "article .cell_output img, article figure img",
        "all => all.map(i => [getComputedStyle(i).backgroundColor, getComputedStyle(i).filter])",
    )
    assert all(ground == ["rgb(255, 255, 255)", "none"] for ground in grounds)


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_widens_the_page(page, themed, viewport):
    page.set_viewport_size(viewport)
    wide = page.evaluate(
        """() => {
          const clips = e => getComputedStyle(e).overflowX !== "visible";
          const inBox = e => e.tagName !== "ARTICLE" && (clips(e) || inBox(e.parentElement));
          return [...document.querySelectorAll("article *")]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .filter(e => !inBox(e.parentElement))
            .map(e => e.outerHTML.slice(0, 120));
        }"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(page, themed, theme):
    from axe_playwright_python.sync_playwright import Axe

    themed(theme)
    options = {"resultTypes": ["violations"]}
    violations = Axe().run(page, options=options).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(
        [[v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:5]]] for v in serious], indent=1
    )


def test_headings_descend_in_order(page):
    levels = [int(h.name[1]) for h in soup_of(page.name).select("article :is(h1, h2, h3, h4, h5)")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_colab_link_names_the_notebook_of_the_page(page):
    links = [a["href"] for a in soup_of(page.name).select('a[href^="https://colab."]')]
    if "kernelspec:" not in source_of(page).read_text(encoding="utf-8"):
        assert links == []
        return
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    name = source_of(page).with_suffix(".ipynb").relative_to(ROOT).as_posix()
    place = urlparse(repository["url"]).path.strip("/")
    home = f"https://colab.research.google.com/github/{place}/blob/{repository['branch']}/"
    assert set(links) == {home + name}
    assert (ROOT / name).is_file(), "run `make notebooks`"


@functools.cache
def ids_of(path):
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    return {tag["id"] for tag in soup.select("[id]")} | {
        tag["name"] for tag in soup.select("a[name]")
    }


def test_no_link_inside_the_book_is_dead(page):
    here = (HTML / page.name).as_uri()
    dead = []
    for tag in soup_of(page.name).select("a[href], img[src], link[href], script[src]"):
        target = tag.get("href") or tag.get("src")
        if not target or re.match(r"[a-z]+:", target):
            continue
        url, fragment = urldefrag(urljoin(here, target))
        path = Path(unquote(urlparse(url).path))
        anchor = path.suffix == ".html" and fragment
        if not path.is_file() or (anchor and unquote(fragment) not in ids_of(path)):
            dead.append(target)
    assert dead == []


def test_the_theme_follows_the_system(browser, site):
    for scheme in THEMES:
        page = browser.new_page(color_scheme=scheme)
        page.goto(site)  # the root leads to the first page, too
        page.wait_for_url("**/book/*.html")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.close()


def test_collapsed_boxes_open_and_close(page):
    boxes = page.locator("article .admonition.toggle")
    assert boxes.count() == page.locator("article .admonition.dropdown").count()
    for place in range(boxes.count()):
        box = boxes.nth(place)
        assert "toggle-hidden" in box.get_attribute("class")
        box.locator(".toggle-button").first.click()
        assert "toggle-hidden" not in box.get_attribute("class")
        box.locator(".toggle-button").first.click()
