"""Make a course of the book.

    python -m tools.course [course.yml] [--out DIR]

The book must be built (``make book``): its executed cells are used again. What is made replaces
what an earlier run made; see `editions`.
"""

import argparse
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from gsutils.text import command, say
from tools import address, book
from tools.course import editions, given, pages, sites, source
from tools.course.settings import Course, CourseError, load

COURSE = book.BUILD / "course"
MARK = ".course"  # in the folder of a course: what it was made from


def main(arguments: list[str] | None = None) -> int:
    """Make a course; the exit status is 0 when it is good to hand out."""
    parser = argparse.ArgumentParser(prog="python -m tools.course")
    add = parser.add_argument
    add("course", nargs="?", type=Path, default=book.ROOT / "course.yml", metavar="course.yml")
    add("--out", type=Path, default=COURSE, help="default: _build/course")
    options = parser.parse_args(arguments)
    out: Path = options.out
    try:
        chapters = source.chapters(book.ROOT)
        course = load(options.course, chapters)
        if not book.STAMP.is_file():
            raise CourseError("The book is not built: type make book, then this again.")
        with book.alone("course") if out.resolve() == COURSE else nullcontext():
            took = _make(course, out)
    except (OSError, ValueError, sites.BuildError) as error:
        say(error, error=True)
        return 1
    say(f"{course.title}, {course.term}: {took}")
    for folder in editions.FOLDERS:
        if (out / folder).is_dir():
            say(f"  {os.path.relpath(out / folder)}")
    if not (out / "slides").is_dir():
        say("  no slides: the book has none in _build/html/slides")
    shown = sum(len(chapter.exercises) for chapter in chapters) - len(course.hidden)
    if not course.package and address.is_unpublished(book.ROOT):
        say("This commit is on no remote yet: push it before you hand the sets out.")
    for label, page in _given_away(course):
        say(f"{label} is due, and code of {page} solves it: let few points hang on it")
    if told := pages.late(course):
        say(f"Of late work students read: {told}")
    say(f"Students see {shown} of the solutions; {len(course.hidden)} are hidden.")
    return 0


def _given_away(course: Course) -> list[tuple[str, str]]:
    """Return the exercises that are due and hidden, and solved by code that students read."""
    due = {exercise.label for week in course.sets for exercise, _ in week.exercises}
    texts = {p.stem: p.read_text(encoding="utf-8") for p in (book.ROOT / "book").glob("*.md")}
    solutions = given.solutions(texts.values(), sorted(due & set(course.hidden)))
    shown = {name: texts[name] for name in (*course.chapters, "mathematics") if name in texts}
    return given.away(shown, solutions)


def _make(course: Course, out: Path) -> str:
    """Make a course unless it is up to date; return what was done."""
    mark, stamp = out / MARK, editions.stamp(course)
    if mark.is_file():
        if mark.read_text(encoding="utf-8") == stamp:
            return "up to date"
    elif out.exists() and any(out.iterdir()):
        raise CourseError(f"{out} has other files: name a folder that is new or empty")
    out.mkdir(parents=True, exist_ok=True)
    mark.write_text("", encoding="utf-8")  # until all of it is there
    started = time.monotonic()
    editions.make(course, out)
    mark.write_text(stamp, encoding="utf-8")
    return f"made in {time.monotonic() - started:.0f} s"


if __name__ == "__main__":
    sys.exit(command(main))
