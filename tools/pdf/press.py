"""Typeset the document in a browser, print it, and finish the PDF.

The browser prints twice: the page numbers of the table of contents are those of the first print.
"""

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

from playwright.sync_api import Browser, Page
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, NameObject, TextStringObject

from tools.browser import chromium
from tools.pdf.front import Edition, people

OLDEST = 131  # the first with running heads and page numbers from CSS


class PressError(RuntimeError):
    """The document cannot be printed; the message says what to do."""


def browser() -> AbstractContextManager[Browser]:
    """A Chromium that can print the book.

    Raises:
        FileNotFoundError: there is none, or it is too old.
    """
    return chromium(OLDEST)


def typeset(browser: Browser, document: Path) -> Page:
    """Open `document` as it will be printed, with its mathematics, and fit it to the column.

    Raises:
        PressError: a formula or a table is too wide, even a little smaller, or a formula is wrong.
    """
    page = browser.new_page()
    page.set_default_timeout(180_000)
    page.emulate_media(media="print", color_scheme="light")
    page.goto(document.as_uri())
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
    wrong = page.eval_on_selector_all(
        "mjx-merror, .math:not(:has(mjx-container))",
        "all => all.map(e => e.dataset.mjxError ?? e.textContent.trim())",
    )
    if wrong:
        raise PressError(f"formulas that do not typeset: {wrong}")
    page.evaluate("fit()")
    if wide := cast(list[str], page.evaluate("overfull()")):
        lines = "\n  ".join(wide)
        raise PressError(f"wider than the page; break it in the chapter's source:\n  {lines}")
    return page


def destinations(pdf: bytes) -> dict[str, int]:
    """The number of the page, from 1, on which each linked place of `pdf` stands."""
    reader = PdfReader(io.BytesIO(pdf))
    return {
        name.removeprefix("/"): cast(int, reader.get_destination_page_number(place)) + 1
        for name, place in reader.named_destinations.items()
    }


def print_once(page: Page, described: bool = True) -> bytes:
    """The page as a PDF, `described` by tags for assistive technology and bookmarks."""
    return page.pdf(
        prefer_css_page_size=True, print_background=True, tagged=described, outline=described
    )


def press(page: Page) -> bytes:
    """Print the typeset page, with page numbers in the table of contents.

    Raises:
        PressError: filling them in moved a chapter, so that they would be wrong.
    """
    first = destinations(print_once(page, described=False))  # a third faster
    page.eval_on_selector_all(
        ".contents .page",
        "(all, numbers) => all.forEach(e => { e.textContent = numbers[e.dataset.target] })",
        first,
    )
    pdf = print_once(page)
    if destinations(pdf) != first:
        raise PressError("the page numbers in the table of contents moved the pages: see page.css")
    return pdf


def headings(page: Page) -> list[str]:
    """The headings of the typeset page, in order."""
    return cast(
        list[str],
        page.eval_on_selector_all(
            "h1, h2, h3, h4, h5, h6",
            "all => all.map(e => e.textContent.trim().replace(/\\s+/g, ' '))",
        ),
    )


def bookmarks(first: DictionaryObject) -> Iterator[DictionaryObject]:
    """The bookmark `first`, those below it, and those after it, in order."""
    entry: DictionaryObject | None = first
    while entry is not None:
        yield entry
        if "/First" in entry:
            yield from bookmarks(cast(DictionaryObject, entry["/First"]))
        entry = cast(DictionaryObject, entry["/Next"]) if "/Next" in entry else None


def finish(pdf: bytes, edition: Edition, titles: list[str]) -> bytes:
    """Describe the PDF: title, authors, subject, keywords, language, the edition's date.

    The bookmarks get the `titles` of the headings: the browser's lack a space at each line's end.
    """
    date = f"D:{edition.date:%Y%m%d%H%M%S}+00'00'"
    # In place and of the same length, so that two builds of one commit do not differ by their time.
    pdf = re.sub(rb"D:\d{14}\+00'00'", date.encode(), pdf)
    output = io.BytesIO(pdf)
    writer = PdfWriter(output, incremental=True)
    citation = edition.citation
    writer.add_metadata(
        {
            "/Title": citation["title"],
            "/Author": people(citation["authors"]),
            "/Subject": edition.name,
            "/Keywords": ", ".join(citation["keywords"]),
        }
    )
    root = writer.root_object
    outline = cast(DictionaryObject, cast(DictionaryObject, root["/Outlines"])["/First"])
    for entry, title in zip(bookmarks(outline), titles, strict=True):
        entry[NameObject("/Title")] = TextStringObject(title)
    root[NameObject("/Lang")] = TextStringObject("en")
    root[NameObject("/ViewerPreferences")] = DictionaryObject(
        {NameObject("/DisplayDocTitle"): BooleanObject(True)}
    )
    result = io.BytesIO()
    writer.write(result)
    return result.getvalue()
