"""How the pages look and behave, in a browser: opening, footer, search, paper, shared cards."""

import io
import re
from urllib.parse import unquote, urlparse

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import HTML, PAGES, PHONE, ROOT, THEMES, WIDE, need_pages
from PIL import Image

from tools import address, identity, notebooks

need_pages()
CHAPTERS = [name for name in PAGES if name[5:7].isdigit()]

HOST = "http://book.test/"
ADDRESSES = {"site": HOST, "disk": f"{HTML.as_uri()}/"}


def serve(route):
    path = HTML / unquote(urlparse(route.request.url).path).lstrip("/")
    if route.request.url.startswith(HOST) and path.is_file():
        route.fulfill(path=path)
    else:
        route.abort()


@pytest.fixture
def new_page(browser):
    """Function that opens an empty page, whose complaints are an error at the end."""
    pages, complaints = [], []

    def new(**settings):
        page = browser.new_page(**{"viewport": WIDE, "reduced_motion": "reduce", **settings})
        page.route(f"{HOST}**", serve)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        pages.append(page)
        return page

    yield new
    for page in pages:
        page.close()
    assert complaints == []


def soup_of(name):
    return BeautifulSoup((HTML / name).read_text(encoding="utf-8"), "html.parser")


def meta(soup):
    return {
        tag.get("property") or tag.get("name"): tag.get("content")
        for tag in soup.select("meta[property], meta[name]")
    }


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_opens_with_number_question_cost_and_colab(name):
    soup = soup_of(name)
    title = soup.select_one("article h1")
    chapter = int(name[5:7])
    assert title.select_one(".gs-chapter").get_text() == f"Chapter {chapter} "
    question, line = title.find_next_siblings("p", limit=2)
    assert question.get_text().strip()[-1] in "?."
    on_github = address.address(ROOT).startswith(address.GITHUB)
    assert (line.get("class") == ["gs-opening"]) == on_github
    source = (ROOT / name).with_suffix(".md").read_text(encoding="utf-8")
    cost = yaml.safe_load(source.split("---\n")[1])["gsbook"]["cost"]
    (box,) = [
        title.parent
        for title in soup.select("article .admonition-title")
        if title.get_text() == "Before you start"
    ]
    for text in cost.values():
        assert text in box.select_one(".gs-opening").get_text()
        assert text not in line.get_text()
    if on_github:
        assert line.a["href"].endswith(name.replace(".html", ".ipynb"))


@pytest.mark.parametrize("name", PAGES)
def test_chapters_are_numbered_in_the_sidebar_and_in_the_links_below(name):
    soup = soup_of(name)
    entries = soup.select("nav.bd-docs-nav a.reference")
    numbers = [a.select_one(".gs-number").get_text() for a in entries if a.select(".gs-number")]
    assert numbers == [f"{i} " for i in range(1, len(CHAPTERS) + 1)]
    for link in soup.select(".prev-next-footer a"):
        chapter = re.match(r"(\d\d)-", link["href"])
        numbered = link.select_one(".gs-number")
        assert (numbered.get_text() if numbered else "") == (
            f"{int(chapter[1])} " if chapter else ""
        )
    assert not re.match(r"\d", soup.title.get_text().strip())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_ends_with_version_commit_and_licence(name):
    text = soup_of(name).select_one("footer.bd-footer-content").get_text()
    built = identity.provenance(ROOT)
    assert f"Version {built.version}," in text
    assert re.search(r"commit [0-9a-f]{7,} of \d{4}-\d\d-\d\d|outside a git checkout", text)
    assert "CC BY 4.0" in text
    assert "How to cite" in text


@pytest.mark.parametrize("name", [*PAGES, "index.html"])
def test_a_shared_address_shows_a_card(name):
    tags = meta(soup_of(name))
    home = notebooks.addresses(ROOT).pages
    first = "book/intro.html" if name == "index.html" else name
    assert tags["og:url"] == home + first
    assert tags["og:image"] == home + identity.CARD
    with Image.open(HTML / identity.CARD) as card:
        told = int(tags["og:image:width"]), int(tags["og:image:height"])
        assert card.size == told
    assert tags["twitter:card"] == "summary_large_image"
    assert tags["og:image:alt"]
    assert 15 < len(tags["description"]) <= 200
    assert tags["og:description"] == tags["description"]


@pytest.mark.parametrize("where", ADDRESSES)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_search_finds_the_chapter(new_page, where, size):
    page = new_page(viewport=size)
    page.goto(ADDRESSES[where] + "book/intro.html")
    page.wait_for_timeout(300)
    page.locator("button.search-button, button.search-button-field").locator(
        "visible=true"
    ).first.click()
    page.locator("#pst-search-dialog input").fill("spectral decoupling")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    results = page.locator("#search-results ul.search li a")
    results.first.wait_for()
    page.get_by_text("Search finished").wait_for()
    found = results.evaluate_all("all => all.map(a => a.href)")
    assert any("05-spectral-decoupling.html" in address for address in found[:3]), found


def test_the_icons_are_drawn(new_page):
    page = new_page()
    page.goto(HOST + CHAPTERS[0], wait_until="networkidle")
    icons = page.evaluate(
        """() => [...document.querySelectorAll('i, .fa-solid, .fa-brands')]
          .filter(i => i.getClientRects().length && /fa-/.test(i.className))
          .map(i => {
            const style = getComputedStyle(i, '::before');
            return [i.className, style.content, document.fonts.check(
              `${style.fontWeight} 16px ${style.fontFamily}`, style.content.slice(1, -1))];
          })"""
    )
    assert len(icons) >= 5
    assert [name for name, content, _ in icons if not re.match(r'"[\ue000-\uf8ff]"', content)] == []
    assert [name for name, _, loaded in icons if not loaded] == []


@pytest.mark.parametrize("where", ADDRESSES)
def test_the_text_is_set_in_the_books_own_letters(new_page, where):
    page = new_page()
    page.goto(ADDRESSES[where] + CHAPTERS[3], wait_until="networkidle")
    page.evaluate("document.fonts.ready.then(() => null)")
    loaded = page.evaluate(
        """() => [...document.fonts].filter(f => f.family === "Literata" && f.status === "loaded")
          .map(f => [f.style, f.unicodeRange.includes("391")])"""
    )
    assert sorted(loaded) == [
        ["italic", False], ["italic", True], ["normal", False], ["normal", True]
    ] or sorted(loaded) == [["italic", False], ["normal", False], ["normal", True]]  # fmt: skip
    families = page.evaluate(
        """() => ["article p", "article h2", "article pre", "nav.bd-docs-nav a"]
          .map(one => getComputedStyle(document.querySelector(one)).fontFamily.split(",")[0])"""
    )
    assert families[:2] == ["Literata", "Literata"]
    assert "Literata" not in families[2:]


def test_every_letter_of_the_prose_is_the_books_own(new_page):
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md"))
    letters = sorted({c for c in text if c.isalpha() and c < "\u0400"} | set("0123456789−±×“”’…"))
    page = new_page()
    css = (HTML / "_static/fonts/fonts.css").read_text(encoding="utf-8")
    css = css.replace("optional", "block")  # a page does not wait for its letters, this test does
    page.route("**/fonts.css*", lambda route: route.fulfill(body=css, content_type="text/css"))
    page.goto(HOST + CHAPTERS[3], wait_until="networkidle")
    other = page.evaluate(
        """async letters => {
          const pen = document.createElement("canvas").getContext("2d");
          const found = [];
          for (const style of ["", "italic "]) {
            await document.fonts.load(`${style}32px Literata`, letters.join(""));
            const width = (letter, other) => {
              pen.font = `${style}32px Literata, ${other}`;
              return pen.measureText(letter).width;
            };
            found.push(...letters.filter(l => width(l, "monospace") !== width(l, "serif")));
          }
          return [...new Set(found)];
        }""",
        letters,
    )
    assert set(other) <= {"ŷ"}, other


@pytest.mark.parametrize("scheme", THEMES)
def test_paper_shows_the_article_alone_black_on_white_with_its_boxes_open(new_page, scheme):
    page = new_page(color_scheme=scheme)
    page.goto(HOST + CHAPTERS[0], wait_until="networkidle")
    page.emulate_media(media="print", color_scheme=scheme)
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    for hidden in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".gs-run"):
        assert page.locator(hidden).locator("visible=true").count() == 0, hidden
    colours = page.evaluate(
        """() => ['article p', 'article h1', 'article a', 'body'].map(
          selector => getComputedStyle(document.querySelector(selector)).color)"""
    )
    assert set(colours[:2]) == {"rgb(0, 0, 0)"}
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    boxes = page.locator("article .admonition.dropdown")
    assert boxes.count() > 0
    for place in range(boxes.count()):
        inner = boxes.nth(place).locator(":scope > :not(.admonition-title, button)").first
        assert inner.is_visible()
        assert inner.bounding_box()["height"] > 5
    cut = page.eval_on_selector_all(
        "article pre", "all => all.filter(p => p.scrollWidth > p.clientWidth + 1).length"
    )
    assert cut == 0
    page.emulate_media(media="screen", color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")


def test_a_page_prints_on_white_from_the_dark_theme(new_page):
    page = new_page(color_scheme="dark")
    page.goto(HOST + "book/intro.html", wait_until="networkidle")
    paper = page.pdf(format="A4", print_background=True)
    assert paper.startswith(b"%PDF")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_figures_are_sharp_and_keep_their_place(new_page):
    page = new_page()
    page.goto(HOST + CHAPTERS[0], wait_until="networkidle")
    figures = page.eval_on_selector_all(
        "article div.cell_output img",
        "all => all.map(i => [i.naturalWidth / +i.getAttribute('width'),"
        " i.naturalWidth / i.naturalHeight, (i.clientWidth - 16) / (i.clientHeight - 16)])",
    )
    assert figures
    assert [density for density, _, _ in figures if abs(density - 2) > 0.02] == []
    assert [(true, shown) for _, true, shown in figures if abs(shown / true - 1) > 0.02] == []


@pytest.mark.parametrize("name", ["book/intro.html", CHAPTERS[0]])
def test_nothing_widens_the_page_of_a_phone(new_page, name):
    page = new_page(viewport=PHONE)
    page.goto(HOST + name, wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_first_page_has_three_doors_that_open(new_page):
    page = new_page()
    page.goto(HOST + "book/intro.html")
    doors = page.locator(".gs-doors .sd-card a").evaluate_all("all => all.map(a => a.href)")
    assert len(doors) == 3
    assert all((HTML / urlparse(door).path.lstrip("/")).is_file() for door in doors)
    picture = Image.open(io.BytesIO(page.locator("article figure").first.screenshot()))
    assert len(picture.convert("RGB").getcolors(10**6)) > 50, "the picture is empty"
