"""Pages that are complete in themselves: what one student gets back, and answers to be marked.

Nothing on them asks another host for anything, and what students wrote is text.

>>> "Half a gap" in student(Report("a.ipynb", marks=[Mark("ex-half", "Half a gap", "failed", "", 0, 1)]))
True
"""  # noqa: E501

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape

from grading.catalogue import EXERCISES
from grading.records import STATUSES, Mark, Report
from grading.rubric import rubric
from grading.tables import shown
from gsutils import __version__

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1f2933; --ground: #fff; --line: #b3bcc7; --soft: #f3f5f7;
        --quiet: #52606d; --good: #0b5d3b; --bad: #8a2c0d; --wait: #1f4e79; --link: #1f4e79 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e9ee; --ground: #14191f; --line: #4a5662; --soft: #1f262e; --quiet: #a9b4bf;
          --good: #6fd3a4; --bad: #f3a27f; --wait: #9cc7f0; --link: #9cc7f0 }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: {width}; margin: 2rem auto;
       padding: 0 1rem; color: var(--ink); background: var(--ground) }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.125rem; margin: 0 }}
a {{ color: var(--link) }}
article {{ border-top: 1px solid var(--line); padding: 1rem 0; break-inside: avoid }}
article > header {{ display: flex; gap: .25rem 1rem; flex-wrap: wrap; align-items: baseline }}
article > header > .number {{ margin-left: auto }}
p {{ margin: .5rem 0; overflow-wrap: break-word }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .5rem;
         border-top: 1px solid var(--line) }}
.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
.passed, .other, .wait {{ font-weight: 600; white-space: nowrap }}
.passed {{ color: var(--good) }}
.other {{ color: var(--bad) }}
.wait {{ color: var(--wait) }}
.quiet, footer {{ color: var(--quiet); font-size: .875rem }}
.comment {{ border-left: .25rem solid var(--wait); padding-left: .75rem; white-space: pre-wrap }}
.scroll {{ overflow-x: auto }}
pre {{ background: var(--soft); padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere;
      margin: .5rem 0 }}
.words {{ font-family: inherit }}
.question {{ white-space: pre-wrap; overflow-wrap: anywhere }}
footer {{ margin-top: 2rem; overflow-wrap: anywhere }}
@media print {{ body {{ max-width: none; margin: 0; font-size: 10pt }} }}
{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<footer>{footer}</footer>
{script}</body>
</html>
"""


def status(mark: Mark) -> tuple[str, str]:
    """Return the class and the words for what became of an exercise."""
    if mark.status == "unmarked":
        return "wait", STATUSES[mark.status]
    by_teacher = mark.status == "marked" or mark.checked is not None
    good = mark.score > 0 if by_teacher else mark.status == "passed"
    return "passed" if good else "other", STATUSES["marked" if by_teacher else mark.status]


def page(
    title: str, body: str, footer: str = "", style: str = "", script: str = "", width: str = "52rem"
) -> str:
    """Return a page; its policy lets no script run but the one that is given."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        script = f"<script>{script}</script>\n"
    footer = f"gsutils {escape(__version__)}{'; ' * bool(footer)}{footer}"
    return PAGE.format(
        title=escape(title), body=body, footer=footer, style=style, script=script, width=width,
        policy=policy,
    )  # fmt: skip


def student(report: Report) -> str:
    """Return the page of a notebook."""
    name, title = report.student.get("name", ""), str(report.about.get("title", ""))
    parts = []
    if name:
        id_, other = report.student.get("id", ""), report.student.get("with", "")
        said = [escape(title)] * bool(title) + [f"ID {escape(id_)}"] * bool(id_)
        said += [f"worked with {escape(other)}"] * bool(other) + [escape(report.notebook)]
        parts.append(f'<p class="quiet">{"; ".join(said)}</p>')
    if report.problem is not None:
        parts.append(f'<p class="other">Could not be graded: {escape(report.problem)}.</p>')
    else:
        parts.append(f"<p><strong>{points(report)}</strong></p>")
        if report.late:
            days = f"{shown(report.late)} day{'s' * (report.late != 1)}"
            cost = (
                f": {shown(report.deducted)} points less" if report.deducted else ": no deduction"
            )
            parts.append(f"<p>Late by {days}{cost}.</p>")
        parts += [_exercise(mark, report) for mark in report.marks]
    footer = f"SHA-256 of the file: {report.sha256 or 'not read'}"
    return page(name or report.notebook, "\n".join(parts), footer)


def points(report: Report) -> str:
    """Return the points of a report in words."""
    if report.problem is not None:
        return "–"
    so_far = f" so far, {shown(report.open)} to be marked" if report.open else ""
    return f"{shown(report.total)} of {shown(report.points)}{so_far}"


def _exercise(mark: Mark, report: Report) -> str:
    """Return what a page says of one exercise."""
    comment = f'<p class="comment">{escape(mark.comment)}</p>' if mark.comment else ""
    if mark.checked is not None:
        comment += f'<p class="quiet">The check gave {shown(mark.checked)}.</p>'
    message = f"<p>{escape(mark.message)}</p>" if mark.message and mark.message != "Right." else ""
    answer, (kind, said) = "", status(mark)
    if mark.code:
        what, words = ("answer", ' class="words"') if mark.by_hand else ("code", "")
        answer = f"<pre{words}>{escape(mark.code)}</pre>"
        answer = f"<details><summary>your {what}</summary>{answer}</details>"
    score = "–" if mark.status == "unmarked" else shown(mark.score)
    asked = _question(mark.question)
    rubric = _rubric(mark, closed=True) if mark.by_hand and mark.status != "missing" else ""
    return (
        f"<article><header><h2>{escape(mark.name)}</h2>"
        f'<span class="{kind}">{said}</span>'
        f'<span class="number">{score} of {shown(mark.points)}</span></header>'
        f"{asked}{message}{comment}{_way(mark, report)}{answer}{rubric}</article>"
    )


def _question(text: str) -> str:
    return f'<p class="question">{escape(text)}</p>' if text else ""


def _way(mark: Mark, report: Report) -> str:
    """Return the way to the chapter."""
    if not (known := EXERCISES.get(mark.label)):
        return ""
    site, words = str(report.about.get("site", "")), escape(f"{known.place}")
    if re.fullmatch(r"https?://[^\s\"<>]+", site):
        address = f"{site.rstrip('/')}/book/{known.page}.html#{known.label}"
        words = f'<a href="{escape(address)}">{words}</a>'
    return f'<p class="quiet">In the book: {words}</p>'


def _rubric(mark: Mark, closed: bool = False) -> str:
    head, *rows = rubric(mark)
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    table = f'<div class="scroll"><table><tr>{cells}</tr>{lines}</table></div>'
    return f"<details><summary>how it is marked</summary>{table}</details>" if closed else table


def marking(
    reports: Sequence[tuple[str, Report]], key: Mapping[str, str] | None = None, table: str = ""
) -> str:
    """Return a page with all answers in words, question by question, beside their rubric.

    Args:
        reports: with the names of their pages.
        key: what the answer key says, by the keys of the exercises.
        table: the name of the table of marks.
    """
    by_item: dict[str, list[tuple[str, Report, Mark]]] = {}
    for stem, report in reports:
        for mark in report.marks:
            if mark.by_hand:
                by_item.setdefault(mark.exercise, []).append((stem, report, mark))
    parts = [f"<p>Enter marks and comments in {escape(table)}, and grade again.</p>"]
    for item, found in by_item.items():
        first, there = found[0][2], [mark for *_, mark in found if mark.code]
        done = sum(mark.status == "marked" for mark in there)
        parts.append(
            f"<article><header><h2>{escape(first.name)}</h2>"
            f'<span class="quiet">{escape(item)}; {done} of {len(there)} marked</span>'
            f'<span class="number">{shown(first.points)} point{"s" * (first.points != 1)}</span>'
            "</header>"
        )
        parts.append(_question(next((m.question for *_, m in found if m.question), "")))
        parts.append(_rubric(first))
        if key and key.get(item):
            parts.append(
                f"<details><summary>the answer key</summary>"
                f'<pre class="words">{escape(key[item])}</pre></details>'
            )
        for stem, report, mark in sorted(found, key=lambda one: _name(one[1]).casefold()):
            kind, said = status(mark)
            text = f'<pre class="words">{escape(mark.code)}</pre>' if mark.code else ""
            comment = f'<p class="comment">{escape(mark.comment)}</p>' if mark.comment else ""
            worth = f" {shown(mark.score)}" if mark.status == "marked" else ""
            parts.append(
                f'<p><a href="{escape(stem)}.html">{escape(_name(report))}</a> '
                f'<span class="{kind}">{said}{worth}</span> '
                f'<span class="quiet">{escape(mark.message)}</span></p>{text}{comment}'
            )
        parts.append("</article>")
    return page("Answers in words", "\n".join(parts))


def _name(report: Report) -> str:
    return report.student.get("name") or report.notebook
