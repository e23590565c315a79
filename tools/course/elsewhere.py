r"""What leads to pages that an edition leaves out: plain text, or links to the whole book.

What a reference shows, "Figure 10.3" for example, is read from the built book.

>>> said = References({"fig-far": ("book/10-far", "Figure 10.3")})
>>> text = "See {numref}`fig-far`, [chapter\n10](10-far.md) and [this](01-near.md)."
>>> print(said.rewritten(text, {"book/10-far"}))
See Figure 10.3, chapter
10 and [this](01-near.md).
>>> print(said.rewritten("See {eq}`eq-near` and {numref}`fig-far`.", {"book/10-far"}, "https://e.org"))
See {eq}`eq-near` and [Figure 10.3](https://e.org/book/10-far.html#fig-far).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from html import unescape
from pathlib import Path

FOLDER = "book"
_LINK = re.compile(r'<a\b[^<>]*\bhref="([^"#:]*)\.html#([^"]+)"[^<>]*>(.*?)</a>', re.DOTALL)
_ROLE = re.compile(r"\{(ref|numref|eq|prf:ref|doc)\}`(?:([^`<]*?)\s*<([^`<>]+)>|([^`<>]+))`")
_PAGE = re.compile(r"\[([^\[\]]*)\]\(([\w-]+)\.md(#[\w-]+)?\)")
_PLACE = re.compile(r"\[([^\[\]]*)\]\(#([\w-]+)\)")
_BLOCK = re.compile(r"\n[ \t]*\n")
_DOOR = re.compile(r"^:::\{grid-item-card\}.*?^:::\n+", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class References:
    """By label ("equation-" stands before an equation's): its page, and what is shown for it."""

    known: dict[str, tuple[str, str]]

    @classmethod
    def read(cls, html: Path) -> "References":
        """Read them from all links of a built book."""
        known: dict[str, tuple[str, str]] = {}
        for path in sorted((html / FOLDER).glob("*.html")):
            for page, place, shown in _LINK.findall(path.read_text(encoding="utf-8")):
                if "/" not in page:
                    words = unescape(re.sub("<[^<>]*>", "", shown)).strip()
                    known.setdefault(place, (f"{FOLDER}/{page or path.stem}", words))
        return cls(known)

    def rewritten(self, text: str, out: Collection[str], book: str = "") -> str:
        """Return a page's source without references to the pages `out`; `book` is the whole one."""

        def link(words: str, page: str, place: str = "") -> str:
            return f"[{words}]({book}/{page}.html{place})" if book else words

        def role(found: re.Match[str]) -> str:
            kind, words, label, alone = found.groups()
            label = (label or alone).strip()
            place = f"equation-{label}" if kind == "eq" else label
            page, shown = self.known.get(place, self.known.get(place.lower(), ("", "")))
            if page not in out:
                return found[0]
            told = words if words and "%s" not in words and "{" not in words else shown
            return link(told, page, f"#{place}")

        def whole(found: re.Match[str]) -> str:
            page = f"{FOLDER}/{found[2]}"
            return link(found[1], page, found[3] or "") if page in out else found[0]

        def part(found: re.Match[str]) -> str:
            page, _ = self.known.get(found[2], ("", ""))
            return link(found[1], page, f"#{found[2]}") if page in out else found[0]

        return _PLACE.sub(part, _PAGE.sub(whole, _ROLE.sub(role, text)))


def unlinked(text: str, out: Collection[str], site: str, book: str = "") -> str:
    """Return Markdown in which links to the pages `out` of a site are words, or lead to the book.

    >>> unlinked("[(3.4)](https://c.org/book/03-a.html#e)", {"book/03-a"}, "https://c.org")
    '(3.4)'
    """

    def link(found: re.Match[str]) -> str:
        words, page, place = found.groups()
        if page not in out:
            return found[0]
        return f"[{words}]({book}/{page}.html{place})" if book else words

    return re.sub(rf"\[([^\[\]]*)\]\({re.escape(site)}/([^()#]*)\.html([^()]*)\)", link, text)


def landing(text: str, out: Collection[str], first: str) -> str:
    """Return the book's landing page without what is about pages left out, rows, items, doors.

    Args:
        text: its source.
        out: the pages, such as book/ledger.
        first: the name of the first chapter that stays.
    """
    gone = {page.rpartition("/")[2] for page in out}

    def about_them(part: str) -> bool:
        return any(page in gone for _, page, _ in _PAGE.findall(part))

    def door(found: re.Match[str]) -> str:
        leads = re.search(r"^:link: ([\w-]+)$", found[0], re.MULTILINE)
        if not leads or leads[1] not in gone:
            return found[0]
        is_chapter = leads[1][:1].isdigit()
        return found[0].replace(leads[0], f":link: {first}") if is_chapter else ""

    doors = len(_DOOR.findall(text))
    text = _DOOR.sub(door, text)
    if len(_DOOR.findall(text)) < doors:
        text = text.replace("## Three doors", "## Two doors")
        text = text.replace("{grid} 1 1 3 3", "{grid} 1 1 2 2")
    kept = []
    for block in _BLOCK.split(text):
        if block.startswith(("|", "- ")):
            items = re.split(r"\n(?=[|-])", block)
            block = "\n".join(item for item in items if not about_them(item))
        elif not block.startswith((":::", "```")) and about_them(block):
            continue
        kept.append(block)
    return "\n\n".join(kept)
