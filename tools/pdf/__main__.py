"""Print the built book: `python -m tools.pdf` writes _build/gradient-starvation.pdf."""

import os
import sys
from pathlib import Path

from gsutils.text import command, say
from tools import book
from tools.pdf import front, press
from tools.pdf.chapters import parts, read

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "_build"
DOCUMENT = BUILD / "pdf" / "book.html"
PDF = BUILD / "gradient-starvation.pdf"


def write_document() -> Path:
    """Combine the built pages into one document for print, and say where it is."""
    html, division = BUILD / "html", parts(ROOT / "_toc.yml")
    names = {name for part in division for name in part.names}
    chapters = {
        name: read(html / "book" / f"{name}.html", names, opening=not part.title)
        for part in division
        for name in part.names
    }
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    document = front.document(front.edition(ROOT), division, chapters, html)
    DOCUMENT.write_text(document, encoding="utf-8")
    return DOCUMENT


def main() -> int:
    """Print the book; the exit status is 0 when there is a PDF that is good to read."""
    with book.alone("pdf"):
        return print_book()


def print_book() -> int:
    """Print what is built, over what was printed before."""
    PDF.unlink(missing_ok=True)
    try:
        document = write_document()
        with press.browser() as browser:
            page = press.typeset(browser, document)
            pdf, titles = press.press(page), press.headings(page)
    except (press.PressError, FileNotFoundError, ValueError) as error:
        say(f"The PDF was NOT made: {error}", error=True)
        return 1
    PDF.write_bytes(press.finish(pdf, front.edition(ROOT), titles))
    say(f"The PDF, {PDF.stat().st_size / 1e6:.1f} MB: {os.path.relpath(PDF)}")
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
