"""Turn built pages into the chapters of one document for print.

What a reader opens on a page is open here (proofs, solutions), what only a screen can do is gone
(buttons, folded code), and links from page to page become links inside the document.

>>> soup = BeautifulSoup('<a href="b.html#x">see</a><p id="y"></p>', "html.parser")
>>> rename(soup, "a", {"a", "b"})
>>> str(soup)
'<a href="#b--x">see</a><p id="a--y"></p>'
"""

import posixpath
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import yaml
from bs4 import BeautifulSoup, Tag

# On the page, for a screen only.
SCREEN_ONLY = (
    "a.headerlink, a.gs-run, a.sd-btn, .toctree-wrapper, script, style, button, summary .expanded"
)
FOLDED_CODE = "details.above-input"
STILL = "A still picture of the tool. On the website you change its settings in the page itself."


@dataclass(frozen=True)
class Chapter:
    """A page of the book, made ready for print."""

    name: str  #: of its file, without the ending: "01-clever-hans"
    title: str
    number: str  #: "1", or nothing
    opening: bool  #: whether it stands before the parts
    sections: list[tuple[str, str]]  #: id and title of each section
    folded: int  #: how many code cells are folded on the page and left out here
    html: str


@dataclass(frozen=True)
class Part:
    """Chapters under a common title; the book's opening stands before the parts, without one."""

    title: str
    names: list[str]


def parts(toc: Path) -> list[Part]:
    """The parts of the book, from its table of contents (`_toc.yml`)."""
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))
    found = [Part("", [Path(contents["root"]).stem])]
    for part in contents["parts"]:
        found.append(Part(part["caption"], [Path(c["file"]).stem for c in part["chapters"]]))
    return found


def anchor(name: str, fragment: str = "") -> str:
    """The id in the document of the place `fragment` on the page `name`."""
    return f"{name}--{fragment}" if fragment else name


def rename(page: Tag, name: str, names: Collection[str]) -> None:
    """Make ids unique in the book; link to pages in `names` inside it, to other files not at all.

    Addresses of other hosts stay as they are.
    """
    for tag in page.select("[id]"):
        tag["id"] = anchor(name, str(tag["id"]))
    for link in page.select("a[href]"):
        del link["title"]
        href = str(link["href"])
        if urlparse(href).scheme:
            continue
        address, fragment = urldefrag(href)
        target = Path(address).stem if address else name
        if target in names and posixpath.dirname(address) == "":
            link["href"] = "#" + anchor(target, unquote(fragment))
        else:
            link.unwrap()


def still(tool: Tag) -> None:
    """Replace a tool of the playground by its picture and a sentence."""
    picture = tool.select_one("noscript img")
    if picture is None:
        raise ValueError(f"a tool of the playground has no still picture: {tool}")
    figure = Tag(name="figure")
    figure.append(picture.extract())
    figure.append(BeautifulSoup(f"<figcaption>{STILL}</figcaption>", "html.parser"))
    tool.replace_with(figure)


def unfold(page: Tag) -> int:
    """Drop folded code, open every other fold, and return how many code cells were dropped."""
    folded = page.select(FOLDED_CODE)
    for fold in folded:
        fold.decompose()
    for fold in page.select("details"):
        fold.name = "div"
        if fold.summary:
            fold.summary.unwrap()
    return len(folded)


def mark_headings(page: Tag) -> None:
    """Let the links to a section lead to its heading.

    A section may begin at the foot of a page, and its heading stand on the next.
    """
    for section in page.select("section[id]"):
        heading = section.find(["h1", "h2", "h3", "h4", "h5"], recursive=False)
        if isinstance(heading, Tag):
            for target in heading.find_previous_siblings("span", id=True):
                heading.insert(0, target.extract())
            heading["id"] = section["id"]
            del section["id"]


def lower_headings(page: Tag) -> None:
    """Make room for the titles of the parts: h1 becomes h2, and so on."""
    for heading in page.select("h1, h2, h3, h4, h5"):
        heading.name = f"h{int(heading.name[1]) + 1}"


def image_sources(page: Tag, html: Path, folder: str) -> None:
    """Point the pictures of a page in the folder `folder` of the site to the files in `html`."""
    for picture in page.select("img"):
        source = posixpath.normpath(posixpath.join(folder, str(picture["src"])))
        file = html / unquote(source)
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing, a figure of the book: run `make book`")
        picture["src"] = file.as_uri()


def read(path: Path, names: Collection[str], opening: bool) -> Chapter:
    """The built page `path` as a chapter.

    Args:
        path: the page, `_build/html/book/NAME.html`.
        names: of all pages in the book, for the links.
        opening: whether it stands before the parts.

    Raises:
        FileNotFoundError: the page, or a picture of it, is not there.
        ValueError: the page has no article.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `make book`")
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    page = soup.select_one("article.bd-article")
    if page is None or page.h1 is None:
        raise ValueError(f"{path} is not a page of the book: it has no article with a title")
    for tag in page.select(SCREEN_ONLY):
        tag.decompose()
    for tool in page.select("div.gs-play"):
        still(tool)
    folded = unfold(page)
    image_sources(page, path.parent.parent, path.parent.name)
    name = path.stem
    rename(page, name, names)
    label = page.h1.select_one(".gs-chapter")
    number = label.extract().get_text(" ", strip=True).removeprefix("Chapter ") if label else ""
    title = page.h1.get_text(" ", strip=True)
    sections = [(str(s["id"]), s.h2.get_text(" ", strip=True)) for s in sections_of(page) if s.h2]
    mark_headings(page)
    page.h1["class"] = "chapter-title"
    if label:
        page.h1.insert(0, label)
    if not opening:
        lower_headings(page)
    page.name, page.attrs = "article", {"id": name, "class": "chapter"}
    return Chapter(name, title, number, opening, sections, folded, str(page))


def sections_of(page: Tag) -> list[Tag]:
    """The sections of a page with a second-level heading, in order."""
    return [
        section for section in page.select("section[id]") if section.find("h2", recursive=False)
    ]
