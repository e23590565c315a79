"""The decks of a course: the book's, with the course's name and date, and links that lead on.

>>> page = '<!-- course -->Book<!-- /course --><a class="x" href="../book/01-a.html#b">one</a>'
>>> dressed(page, ["Shortcuts & more", "Ada"], lambda name: f"https://e.org/{name}.html")
'<p>Shortcuts &amp; more</p><p>Ada</p><a href="https://e.org/01-a.html#b">one</a>'
>>> dressed(page, ["Shortcuts"], lambda name: None)
'<p>Shortcuts</p>one'
"""

import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from tools.course.settings import Course, day

COURSE = re.compile(r"<!-- course -->.*?<!-- /course -->", re.DOTALL)
LINK = re.compile(
    r'<a\b[^<>]*\bhref="\.\./book/([\w-]+)\.html(#[^"]*)?"[^<>]*>(.*?)</a>', re.DOTALL
)
NOTES = re.compile(r'<aside class="notes">.*?</aside>\n*', re.DOTALL)


def dressed(
    deck: str, lines: Iterable[str], address: Callable[[str], str | None], notes: bool = True
) -> str:
    """Return a deck for a course.

    Args:
        deck: the book's, as HTML.
        lines: what its first slide says below its title.
        address: of a page of the book by its name; None if no link is to lead there.
        notes: whether the lecturer's notes stay.
    """
    shown = "".join(f"<p>{escape(line)}</p>" for line in lines)

    def link(found: re.Match[str]) -> str:
        name, place, words = found.groups()
        to = address(name)
        return f'<a href="{escape(to)}{place or ""}">{words}</a>' if to else words

    deck = LINK.sub(link, COURSE.sub(lambda _: shown, deck, count=1))
    return deck if notes else NOTES.sub("", deck)


def lines(course: Course, chapter: str) -> list[str]:
    """Return what the first slide of a chapter's deck says: the course, who, and when."""
    said = [f"{course.title}, {course.term}"]
    said += [course.about["instructor"]] if "instructor" in course.about else []
    for week in course.weeks:
        if chapter in [one.name for one in week.chapters]:
            return [*said, f"Week {week.number}, {day(week.begins)}"]
    return said


def write(
    sources: Iterable[Path],
    folder: Path,
    course: Course,
    address: Callable[[str], str | None],
    notes: bool = True,
) -> None:
    """Write the decks of a course into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        text = source.read_text(encoding="utf-8")
        made = dressed(text, lines(course, source.stem), address, notes)
        (folder / source.name).write_text(made, encoding="utf-8")
