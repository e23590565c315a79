"""What stands around the chapters in print: title page, imprint, contents, running heads.

>>> print(cite({"title": "A book", "version": "1", "authors": [{"name": "Someone"}]}, "2026"))
Someone (2026). A book, version 1.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import yaml

from tools import identity, release
from tools.pdf.chapters import Chapter, Part

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


@dataclass(frozen=True)
class Edition:
    """Which state of the book this is, and how it wants to be cited."""

    state: identity.Provenance
    date: datetime  #: of the commit, so that a second build gives the same
    address: str  #: of the repository, or nothing while it is the placeholder
    citation: dict[str, Any]  #: CITATION.cff

    @property
    def name(self) -> str:
        """Version, commit and date in one line."""
        commit = f"commit {self.state.commit}" + self.state.changed * " with local changes"
        parts = [f"Version {self.state.version}", self.state.commit and commit, day(self.date)]
        return " · ".join(filter(None, parts))


def edition(root: Path) -> Edition:
    """The edition that the working tree at `root` makes.

    Its date is `SOURCE_DATE_EPOCH` where that is set, else the commit's, else today.
    """
    address = release.address(root)
    state = identity.provenance(root)
    if seconds := os.environ.get("SOURCE_DATE_EPOCH"):
        date = datetime.fromtimestamp(int(seconds), UTC)
    else:
        date = datetime.fromisoformat(state.date) if state.date else datetime.now(UTC)
    return Edition(
        state=state,
        date=date,
        address="" if release.PLACEHOLDER in address else address,
        citation=yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8")),
    )


def people(authors: Iterable[dict[str, str]]) -> str:
    """Names as in a citation: "A, B and C"."""
    names = [a.get("name") or f"{a['given-names']} {a['family-names']}" for a in authors]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def cite(work: dict[str, Any], year: str) -> str:
    """One line that names a work of CITATION.cff."""
    parts = [f"{people(work['authors'])} ({year}). {work['title']}"]
    if "collection-title" in work:
        parts.append(f"{work['collection-title']} {work['volume']}")
    if "version" in work:
        parts.append(f"version {work['version']}")
    return ", ".join(parts) + "."


def day(date: datetime) -> str:
    """The date as the book writes it.

    >>> day(datetime(2026, 5, 7))
    '7 May 2026'
    """
    return f"{date.day} {date:%B %Y}"


def link(address: str) -> str:
    """A visible address."""
    return f'<a href="{escape(address)}">{escape(address)}</a>'


def title_page(edition: Edition, logo: Path) -> str:
    """Logo, title, the paper, authors and state of the book."""
    title, _, kind = edition.citation["title"].partition(", ")
    paper = edition.citation["references"][0]
    return f"""<section class="title-page">
<img src="{logo.as_uri()}" alt="The book's mark: two moons, one full, one reduced to a few dots">
<h1>{escape(title)}</h1>
<p class="kind">{escape(kind)}</p>
<p class="paper">on “{escape(paper["title"])}” by {escape(people(paper["authors"]))}
({escape(paper["collection-title"])}, {paper["year"]})</p>
<p class="authors">{escape(people(edition.citation["authors"]))}</p>
<p class="state">{escape(edition.name)}</p>
</section>"""


def imprint(edition: Edition, folded: int) -> str:
    """What this edition is, how to cite it, and its licences."""
    paper = edition.citation["references"][0]
    book = escape(cite(edition.citation, str(edition.date.year)))
    source = f"<p>The book's repository: {link(edition.address)}.</p>" if edition.address else ""
    return f"""<section class="imprint">
<h2 class="aside">This edition</h2>
<p>These are the pages of the website, set for paper by <code>make pdf</code>. Every figure was
drawn, and every number about our own results computed or read from a stored run, when the pages
were built. Three things differ. Proofs and solutions, folded on the website, are open. Code that is
folded there, {folded} cells that load packages, draw figures and lay out tables, is left out; it is
on the website and in the notebooks. The tools of the playground are still pictures.</p>
{source}
<h2 class="aside">How to cite</h2>
<p>{book}</p>
<p>And the paper that it is about: {escape(cite(paper, str(paper["year"])))}
{link(paper["url"])}</p>
<h2 class="aside">Licence</h2>
<p>Text and figures: {link("https://creativecommons.org/licenses/by/4.0/")}, Creative Commons
Attribution 4.0 International. Code: the MIT License.</p>
</section>"""


def line(kind: str, target: str, number: str, title: str) -> str:
    """A line of the contents; the page's number is filled in when it is known."""
    number = f'<span class="number">{number}</span>' if number else ""
    return (
        f'<li class="{kind}-line"><a href="#{escape(target)}">{number}<span class="entry">'
        f'{escape(title)}</span><span class="dots"></span>'
        f'<span class="page" data-target="{escape(target)}"></span></a></li>'
    )


def part_id(place: int) -> str:
    """The id of a part in the document."""
    return f"part-{place}"


def contents(parts: list[Part], chapters: dict[str, Chapter]) -> str:
    """The table of contents: parts, chapters, sections."""
    lines = []
    for place, part in enumerate(parts):
        if part.title:
            lines.append(line("part", part_id(place), ROMAN[place - 1], part.title))
        for chapter in (chapters[name] for name in part.names):
            lines.append(line("chapter", chapter.name, chapter.number, chapter.title))
            lines += [line("section", target, "", title) for target, title in chapter.sections]
    return f'<nav class="contents"><h1>Contents</h1><ul>{"".join(lines)}</ul></nav>'


def part_page(place: int, part: Part) -> str:
    """A page that opens a part."""
    return (
        f'<section class="part-page" id="{part_id(place)}">'
        f'<h1><span class="part-number">Part {ROMAN[place - 1]}</span> {escape(part.title)}</h1>'
        "</section>"
    )


def running_heads(chapters: Iterable[Chapter]) -> str:
    """A named page for each chapter, whose head says the chapter's title.

    The opening has the title of the book, which stands in every head.
    """
    rules = []
    for chapter in chapters:
        if chapter.opening:
            continue
        page = f"page-{chapter.name}"
        head = " · ".join(filter(None, [chapter.number, chapter.title])).replace('"', '\\"')
        rules.append(f'@page {page} {{ @top-right {{ content: "{head}"; }} }}')
        rules.append(f'article[id="{chapter.name}"] {{ page: {page}; }}')
    return "\n".join(rules)


def mathematics(pages: Iterable[Path]) -> str:
    """The scripts by which built pages typeset their mathematics; nothing if none has any."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        settings = re.search(r"<script>window\.MathJax = .*?</script>", text)
        script = re.search(r'src="([^"?]*mathjax/[^"?]*\.js)', text)
        if settings and script:
            source = (page.parent / script[1]).resolve().as_uri()
            return f'{settings[0]}\n<script src="{source}"></script>'
    return ""


def document(edition: Edition, parts: list[Part], chapters: dict[str, Chapter], html: Path) -> str:
    """The whole book as one page for print; `html` is the built site with its logo.

    Its typeface is the system's: beside one from a file Chromium's tags lose most formulas.
    """
    body = [title_page(edition, html / "_static" / "logo.svg")]
    body += [imprint(edition, sum(c.folded for c in chapters.values())), contents(parts, chapters)]
    for place, part in enumerate(parts):
        if part.title:
            body.append(part_page(place, part))
        body += [chapters[name].html for name in part.names]
    here = Path(__file__).parent
    static = (html / "_static").as_uri()
    return f"""<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<title>{escape(edition.citation["title"])}</title>
<link rel="stylesheet" href="{static}/pygments.css">
<link rel="stylesheet" href="{(here / "page.css").as_uri()}">
<link rel="stylesheet" href="{(here / "print.css").as_uri()}">
<style>{running_heads(chapters.values())}</style>
{mathematics(html / "book" / f"{name}.html" for name in chapters)}
<script src="{(here / "fit.js").as_uri()}"></script>
</head>
<body>
{chr(10).join(body)}
</body>
</html>
"""
