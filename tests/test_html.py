"""The built pages as files: headings, tables, pictures' texts, links and what browsers are told."""

import functools
import itertools
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from bs4 import BeautifulSoup
from conftest import HTML, PAGES, ROOT, missing

from tools import address, publish

if not PAGES:
    missing("the book is not built: run `make book`")

EVERY_FILE = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
EVERY_FILE = [name for name in EVERY_FILE if not name.startswith("_static/")]
STYLES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.css"))
every_page = pytest.mark.parametrize("name", PAGES)


@functools.cache
def soup_of(name):
    return BeautifulSoup((HTML / name).read_text(encoding="utf-8"), "html.parser")


@functools.cache
def ids_of(path):
    if path.suffix != ".html":
        return frozenset()
    soup = soup_of(path.relative_to(HTML).as_posix())
    names = {tag["name"] for tag in soup.select("a[name]")}
    return frozenset(names | {tag["id"] for tag in soup.select("[id]")})


def dead(name, targets):
    """Which of the addresses in a built file lead to no file, or to no place in it."""
    here = (HTML / name).as_uri()
    found = []
    for target in filter(None, targets):
        if re.match(r"[a-z]+:|#$", target):
            continue
        url, fragment = urldefrag(urljoin(here, target))
        path = Path(unquote(urlparse(url).path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file() or (fragment and unquote(fragment) not in ids_of(path)):
            found.append(target)
    return found


# --- links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY_FILE)
def test_no_link_inside_the_book_is_dead(name):
    soup = soup_of(name)
    links = [tag.get("href") for tag in soup.select("a[href], area[href]")]
    links += [tag["href"] for tag in soup.select("link[href]")]
    links += [tag["src"] for tag in soup.select("[src]")]
    assert dead(name, links) == []


@pytest.mark.parametrize("name", STYLES)
def test_a_style_sheet_asks_for_files_of_the_book_alone(name):
    text = (HTML / name).read_text(encoding="utf-8")
    urls = re.findall(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""", text)
    assert [url for url in urls if re.match(r"(https?:)?//", url)] == []
    assert dead(name, [url.split("#")[0] for url in urls]) == []


@every_page
def test_a_citation_leads_to_its_entry_and_back(name):
    for link in soup_of(name).select('a.reference[href*="references.html#id"]'):
        assert link.get_text().strip()
    if name == "book/references.html":
        entries = soup_of(name).select("div.citation")
        assert entries
        assert all(entry.get("id") and entry.get_text().strip() for entry in entries)


@every_page
def test_colab_links_name_the_notebook_of_the_page(name):
    source = (ROOT / name).with_suffix(".md")
    links = [a["href"] for a in soup_of(name).select('a[href^="https://colab."]')]
    if "kernelspec:" not in source.read_text(encoding="utf-8"):
        assert links == []
        return
    notebook = source.with_suffix(".ipynb").relative_to(ROOT).as_posix()
    assert (HTML / "_sources" / notebook).is_file()  # for download
    if not address.address(ROOT).startswith(address.GITHUB):
        assert links == []  # Colab opens nothing from elsewhere
        return
    place = urlparse(address.address(ROOT)).path.strip("/")
    home = f"https://colab.research.google.com/github/{place}/blob/{publish.branch(ROOT)}/"
    assert set(links) == {home + notebook}
    assert (ROOT / notebook).is_file(), "run `make notebooks`"


# --- structure ------------------------------------------------------------------------------


@every_page
def test_headings_descend_in_order(name):
    levels = [int(h.name[1]) for h in soup_of(name).select("article :is(h1, h2, h3, h4, h5, h6)")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert all(h.get_text().strip(" #\n") for h in soup_of(name).select("article :is(h2, h3, h4)"))


@every_page
def test_tables_have_headers_that_say_something(name):
    for table in soup_of(name).select("article table"):
        heads = [cell.get_text(" ", strip=True) for cell in table.select("thead th")]
        assert heads, f"no header: {table.get_text(' ', strip=True)[:80]}"
        assert all(heads[1:]), f"an empty header: {heads}"
        rows = table.select("tbody tr")
        assert rows
        assert all(len(row.select("th, td")) == len(heads) for row in rows), heads


@every_page
def test_ids_are_unique(name):
    ids = [tag["id"] for tag in soup_of(name).select("[id]")]
    twice = {i for i in ids if ids.count(i) > 1}
    # sphinx-exercise and sphinx-proof repeat these, to which nothing links
    assert twice <= {"exercise-content", "solution-content", "proof-content"}


# --- pictures -------------------------------------------------------------------------------


@every_page
def test_a_picture_is_described_in_words(name):
    seen = set()
    for image in soup_of(name).select("article img"):
        text = " ".join(image.get("alt", "").split())
        assert len(text.split()) >= 6, f"says too little: {text!r} for {image['src']}"
        assert not re.search(r"\.(png|svg|jpe?g)\b|[\\$]|^_", text), f"no words: {text!r}"
        assert not re.match(r"(an? )?(image|picture|figure|graph) ", text, re.IGNORECASE), text
        assert text[0].isupper(), text
        assert text[-1] in ".!?", f"no sentence: {text!r}"
        assert text not in seen, f"said twice: {text!r}"
        caption = image.find_parent("figure") and image.find_parent("figure").figcaption
        assert not caption or text not in " ".join(caption.get_text().split())
        seen.add(text)


@every_page
def test_a_picture_says_its_size_so_that_nothing_moves_when_it_comes(name):
    images = soup_of(name).select("article .cell_output img")
    assert [i["src"] for i in images if not (i.get("width") and i.get("height"))] == []


# --- what browsers and search engines are told ------------------------------------------------


@every_page
def test_a_page_tells_its_language_size_and_title(name):
    soup = soup_of(name)
    assert soup.html["lang"] == "en"
    assert soup.head.find("meta", charset=True)["charset"].lower() == "utf-8"
    for viewport in soup.head.select('meta[name="viewport"]'):
        assert "width=device-width" in viewport["content"]
        assert not re.search("user-scalable|maximum-scale", viewport["content"])
    title = " ".join(soup.title.get_text().split(" — ")[0].split())
    assert len(title) > 3
    assert title in " ".join(soup.h1.get_text().split())


def test_titles_and_descriptions_differ_from_page_to_page():
    titles = [soup_of(name).title.get_text() for name in PAGES]
    told = [soup_of(name).select_one('meta[name="description"]') for name in PAGES]
    assert len(set(titles)) == len(PAGES)
    assert None not in told
    assert len({tag["content"] for tag in told}) == len(PAGES)
    assert all(50 <= len(tag["content"]) <= 200 for tag in told)
