"""What grading leaves behind: JSON for programs, a page for a person, a table for a spreadsheet.

The JSON of a notebook (`as_json`) has these fields; a change of their meaning changes "version"::

    format     "gsutils-grade"
    version    1
    gsutils    the package's version, which decides what the checks ask for
    notebook   its name
    sha256     of its file; "" where it could not be read
    problem    null, or why it could not be graded: then there are no exercises
    score, points
    exercises  a list of {exercise, title, status, message, score, points, cell, code, seconds},
               status being one of `grader.STATUSES`

>>> as_json(Report("ada.ipynb", problem="it is a picture"))["problem"]
'it is a picture'
"""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path, PurePath
from typing import Any

from grading.grader import STATUSES, Mark, Report
from grading.spreadsheet import cell
from gsutils import __version__
from gsutils.files import OutputUnavailable, atomic

VERSION = 1
HEAD = '<tr><th>notebook</th><th class="number">points</th><th>problem</th></tr>'
COLUMNS = ("notebook", "score", "points", "problem")

# No script, no request to anywhere: what students wrote is shown and nothing more.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1f2933; background: #fff }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .5rem; border-top: 1px solid #b3bcc7;
         overflow-wrap: anywhere }}
td.number, th.number {{ text-align: right; white-space: nowrap }}
.passed {{ color: #0b5d3b; font-weight: 600 }}
.other {{ color: #8a2c0d; font-weight: 600 }}
pre {{ background: #f3f5f7; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere }}
footer {{ margin-top: 2rem; color: #52606d; font-size: .875rem }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<footer>{footer}</footer>
</body>
</html>
"""


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as the object of its JSON file."""
    return {
        "format": "gsutils-grade",
        "version": VERSION,
        "gsutils": __version__,
        "notebook": report.notebook,
        "sha256": report.sha256,
        "problem": report.problem,
        "score": report.score,
        "points": report.points,
        "exercises": [vars(mark) for mark in report.marks],
    }


def as_html(report: Report) -> str:
    """Return the page of a notebook, complete in itself."""
    if report.problem is not None:
        body = f'<p class="other">Could not be graded: {escape(report.problem)}.</p>'
    else:
        rows = "\n".join(map(_row, report.marks))
        body = f"<p><strong>{_points(report)}</strong></p>\n<table>\n{rows}\n</table>"
    footer = f"gsutils {escape(__version__)}; SHA-256 of the file: {report.sha256 or 'not read'}"
    return PAGE.format(title=escape(report.notebook), body=body, footer=footer)


def overview(reports: Sequence[tuple[str, Report]]) -> str:
    """Return a page with a line for each notebook, given with the file of its page."""
    rows = "\n".join(
        f'<tr><td><a href="{escape(stem)}.html">{escape(report.notebook)}</a></td>'
        f'<td class="number">{_points(report)}</td><td>{escape(report.problem or "")}</td></tr>'
        for stem, report in reports
    )
    graded = sum(report.problem is None for _, report in reports)
    body = f"<p>{graded} of {len(reports)} could be graded.</p>\n<table>\n{HEAD}\n{rows}\n</table>"
    return PAGE.format(title="Grades", body=body, footer=f"gsutils {escape(__version__)}")


def line(report: Report) -> str:
    """Return a report in one line for a terminal."""
    if report.problem is not None:
        return f"{report.notebook}: could not be graded: {report.problem}"
    marks = ", ".join(f"{mark.exercise} {mark.status}" for mark in report.marks)
    return f"{report.notebook}: {_points(report)}: {marks}"


def write(report: Report, folder: Path, stem: str) -> None:
    """Write a notebook's JSON and page as ``STEM.json`` and ``STEM.html``."""
    _write(folder / f"{stem}.json", json.dumps(as_json(report), indent=1, ensure_ascii=False))
    _write(folder / f"{stem}.html", as_html(report))


def write_overview(reports: Sequence[tuple[str, Report]], folder: Path) -> None:
    """Write ``grades.csv``, a column for each exercise, and ``index.html``."""
    exercises = list(dict.fromkeys(m.exercise for _, report in reports for m in report.marks))
    with (
        atomic(folder / "grades.csv", OutputUnavailable) as part,
        part.open("w", encoding="utf-8-sig", newline="") as file,  # Excel looks for the mark
    ):
        table = csv.writer(file)
        table.writerow([*COLUMNS, *exercises, *(f"{name}: status" for name in exercises)])
        for _, report in reports:
            marks = {mark.exercise: mark for mark in report.marks}
            scores = [f"{marks[name].score:g}" if name in marks else "" for name in exercises]
            statuses = [marks[name].status if name in marks else "" for name in exercises]
            total = (
                [f"{report.score:g}", f"{report.points:g}"] if report.problem is None else ["", ""]
            )
            text = [cell(report.notebook), *total, cell(report.problem or "")]
            table.writerow([*text, *scores, *statuses])
    _write(folder / "index.html", overview(reports))


def stems(names: Iterable[str]) -> list[str]:
    """Return names for files, each used once, of letters, digits and ``._-`` only.

    >>> stems(["a/ada.ipynb", "../ada.ipynb", "a/ada.ipynb", "index.ipynb"])
    ['a-ada', 'ada', 'a-ada-2', 'index-2']
    """
    taken, found = {"index", "grades"}, []
    for name in names:
        plain = re.sub(r"[^\w.-]+", "-", str(PurePath(name).with_suffix("")), flags=re.ASCII)
        plain = plain.strip("-.")[-100:].lstrip("-.") or "notebook"
        stem, count = plain, 2
        while stem.lower() in taken:  # some file systems know no case
            stem, count = f"{plain}-{count}", count + 1
        taken.add(stem.lower())
        found.append(stem)
    return found


def _row(mark: Mark) -> str:
    kind = "passed" if mark.status == "passed" else "other"
    code = f"<details><summary>code</summary><pre>{escape(mark.code)}</pre></details>"
    return (
        f"<tr><td><strong>{escape(mark.exercise)}</strong><br>{escape(mark.title)}</td>"
        f'<td class="{kind}">{STATUSES[mark.status]}</td>'
        f"<td>{escape(mark.message)}{code if mark.code else ''}</td>"
        f'<td class="number">{mark.score:g} of {mark.points:g}</td></tr>'
    )


def _points(report: Report) -> str:
    return f"{report.score:g} of {report.points:g}" if report.problem is None else "–"


def _write(path: Path, text: str) -> None:
    with atomic(path, OutputUnavailable) as part:
        part.write_text(text, encoding="utf-8", errors="replace")
