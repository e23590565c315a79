"""What grading leaves behind: JSON for programs, a page for a person, a table for a spreadsheet.

The JSON of a notebook (`as_json`) has these fields; a change of their meaning changes "version"::

    format     "gsutils-grade"
    version    2
    gsutils    the package's version, which decides what the checks ask for
    notebook   its name
    sha256     of its file; "" where it could not be read
    problem    null, or why it could not be graded: then there are no exercises
    student    {name, id, with}, as the notebook or the roster has them
    score, points
    late       days
    deducted   points for them
    exercises  a list of {exercise, title, status, message, score, points, cell, code, seconds,
               label, number, comment, checked, question}, status being one of
               `records.STATUSES`; where the answer is words, code has them

>>> as_json(Report("ada.ipynb", problem="it is a picture"))["problem"]
'it is a picture'
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from grading import overview, pages, tables
from grading.records import Report
from grading.tables import shown
from gsutils import __version__
from gsutils.files import OutputUnavailable, atomic

VERSION = 2
COLUMNS = ("notebook", "name", "id", "score", "points", "to mark", "late days", "total", "problem")


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as the object of its JSON file."""
    return {
        "format": "gsutils-grade",
        "version": VERSION,
        "gsutils": __version__,
        "notebook": report.notebook,
        "sha256": report.sha256,
        "problem": report.problem,
        "student": report.student,
        "score": report.score,
        "points": report.points,
        "late": report.late,
        "deducted": report.deducted,
        "exercises": [vars(mark) for mark in report.marks],
    }


def line(report: Report) -> str:
    """Return a report in one line for a terminal."""
    if report.problem is not None:
        return f"{report.notebook}: could not be graded: {report.problem}"
    marks = ", ".join(f"{mark.exercise} {mark.status}" for mark in report.marks)
    return f"{report.notebook}: {pages.points(report)}: {marks}"


def write(report: Report, folder: Path, stem: str) -> None:
    """Write a notebook's JSON and page as ``STEM.json`` and ``STEM.html``."""
    record, page = (folder / name for name in files(stem))
    write_text(record, json.dumps(as_json(report), indent=1, ensure_ascii=False))
    write_text(page, pages.student(report))


def files(stem: str) -> tuple[str, str]:
    """Return the names of what `write` writes."""
    return f"{stem}.json", f"{stem}.html"


def write_table(reports: Sequence[tuple[str, Report]], folder: Path) -> None:
    """Write ``grades.csv``, with score, status and hint of each exercise."""
    exercises = list(overview.items([report for _, report in reports]))
    heads = [*COLUMNS, *exercises]
    for kind in ("status", "hint"):
        heads += [f"{name}: {kind}" for name in exercises]
    rows = []
    for _, report in reports:
        marks = {mark.exercise: mark for mark in report.marks}
        found = [marks.get(name) for name in exercises]
        graded = report.problem is None
        numbers = (report.score, report.points, report.open, report.late, report.total)
        student = report.student
        rows.append(
            [
                report.notebook,
                student.get("name", ""),
                student.get("id", ""),
                *(shown(number) if graded else "" for number in numbers),
                report.problem or "",
                *("" if m is None or m.status == "unmarked" else shown(m.score) for m in found),
                *(m.status if m else "" for m in found),
                *(m.comment or m.message if m else "" for m in found),
            ]
        )
    tables.write(folder / "grades.csv", heads, rows)


def stems(names: Iterable[str]) -> list[str]:
    """Return names for files, each used once, of letters, digits and ``._-`` only.

    >>> stems(["a/ada.ipynb", "../ada.ipynb", "a/ada.ipynb", "index.ipynb", "Müller.ipynb"])
    ['a-ada', 'ada', 'a-ada-2', 'index-2', 'Muller']
    """
    taken, found = {"index", "grades", "marks", "marking", "canvas", "moodle"}, []
    for name in names:
        known = unicodedata.normalize("NFKD", str(PurePath(name).with_suffix("")))
        letters = "".join(c for c in known if not unicodedata.combining(c))
        plain = re.sub(r"[^\w.-]+", "-", letters, flags=re.ASCII)
        plain = plain.strip("-.")[-100:].lstrip("-.") or "notebook"
        stem, count = plain, 2
        while stem.lower() in taken:  # some file systems know no case
            stem, count = f"{plain}-{count}", count + 1
        taken.add(stem.lower())
        found.append(stem)
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text, whatever letters it has."""
    with atomic(path, OutputUnavailable) as part:
        part.write_text(text, encoding="utf-8", errors="replace")
