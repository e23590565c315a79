r"""Sphinx extension: a reference shows what it leads to, when the pointer or the focus rests on it.

What links within the book lead to (equations, theorems, exercises, figures, tables, sections,
terms, sources) is copied, after the build, into a `<template>` at the end of each page that refers
to it, so that no page has to read another: from a disk it could not. `previews.js` shows it.

>>> page = BeautifulSoup('<dl><dt id="a">NTK</dt><dd><p>A kernel.</p></dd></dl>', "html.parser")
>>> preview(page.dt)
'<div><p><strong>NTK</strong></p><p>A kernel.</p></div>'
"""

import posixpath
import re
from copy import copy
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

FOLDER = "book"
LONGEST = 6_000  # bytes of a preview: whoever wants more follows the link
HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
NEEDLESS = "a.headerlink, button, script, style, noscript, .gs-chapter, .gs-play, .gs-opening"
FOLDED = ("toggle", "dropdown")
_ARTICLE = re.compile(r"<article\b.*?</article>", re.DOTALL)
_LINK = re.compile(r'<a class="[^"]*\binternal\b[^"]*" href="((?:[\w.-]+\.html)?#[^"]+)"')


def preview(target: Tag) -> str:
    """What is shown of a target, as HTML without ids and links; "" where there is nothing to show.

    Of a section it is the heading and the first paragraph, of a term its meaning, else the target.
    """
    parts: list[Tag | None] = [target]
    if target.name == "span" and not target.get_text(strip=True):  # a label before its section
        target = target.parent or target
        parts = [target]
    if target.name == "section":
        heading = target.find(HEADINGS, recursive=False)
        parts = [heading, heading.find_next_sibling("p")] if isinstance(heading, Tag) else []
    elif target.name == "dt":
        parts = [target, target.find_next_sibling("dd")]
        if isinstance(parts[1], Tag) and "sig" in target.get_attribute_list("class"):
            parts[1] = parts[1].find("p", recursive=False)  # what a function does, in a sentence
    made = BeautifulSoup("<div></div>", "html.parser")
    box = made.div
    assert box is not None
    for part in filter(None, parts):
        box.append(copy(part))
    for tag in box.select(NEEDLESS):
        tag.decompose()
    for tag in box.find_all(True):
        for name in ("id", "tabindex", "aria-describedby"):
            del tag[name]
        if tag.name == "a":
            tag.unwrap()
        elif tag.name in [*HEADINGS, "dt"]:
            tag.name, tag.attrs = "p", {}
            tag.insert(0, strong := made.new_tag("strong"))
            for child in list(tag.contents[1:]):
                strong.append(child.extract())
        elif tag.name == "dd":
            tag.unwrap()
        elif tag.name == "img":
            tag["loading"] = "lazy"
        elif classes := tag.get_attribute_list("class"):
            tag["class"] = " ".join(str(c) for c in classes if c and c not in FOLDED)
    return str(box) if box.get_text(strip=True) or box.img else ""


def links(page: str) -> dict[str, tuple[str, str]]:
    """The links of a page to places in the book: address -> (page or "", id)."""
    article = _ARTICLE.search(page)
    found = {}
    for address in _LINK.findall(article[0] if article else ""):
        name, place = unescape(address).split("#", 1)
        found[unescape(address)] = (name, unquote(place))
    return found


def template(previews: dict[str, str]) -> str:
    """The element that holds the previews of a page, by the address of the link."""
    inside = "\n".join(
        f'<div data-for="{escape(address)}">{html}</div>' for address, html in previews.items()
    )
    return f'<template id="gs-previews">\n{inside}\n</template>\n'


def write(folder: Path) -> None:
    """Give each page of a folder its previews."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.html"))}
    wanted = {name: links(text) for name, text in pages.items()}
    needed: dict[str, set[str]] = {}
    for name, addresses in wanted.items():
        for other, place in addresses.values():
            needed.setdefault(posixpath.normpath(other or name), set()).add(place)
    shown: dict[tuple[str, str], str] = {}
    for name in needed.keys() & pages.keys():
        article = _ARTICLE.search(pages[name])
        soup = BeautifulSoup(article[0] if article else "", "html.parser")
        for target in soup.find_all(id=list(needed[name])):
            html = preview(target)
            if 0 < len(html) <= LONGEST:
                shown[name, str(target["id"])] = html
    for name, addresses in wanted.items():
        found = {
            a: shown.get((other or name, place), "") for a, (other, place) in addresses.items()
        }
        if "mathjax" not in pages[name]:  # nothing would set the formulas
            found = {a: html for a, html in found.items() if 'class="math' not in html}
        found = {address: html for address, html in found.items() if html}
        if found:
            before, body, after = pages[name].rpartition("</body>")
            text = before + template(found) + body + after
            (folder / name).write_text(text, encoding="utf-8")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the previews once all pages are there, and before they are made light."""
    if exception is None and app.builder.name == "html":
        write(Path(app.outdir, FOLDER))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_js_file("previews.js", loading_method="defer")
    app.connect("build-finished", finish, priority=930)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
