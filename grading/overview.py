"""A class at a glance: one page that sorts and prints, with what the class finds hard.

>>> report = Report("a.ipynb", "0" * 64, [Mark("ex-half", "Half a gap", "unsolved", "", 0, 1)])
>>> "1 of 1 could be graded" in overview([("a", report)])
True
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from unicodedata import normalize

from grading import pages
from grading.records import Mark, Report
from grading.roster import Student
from grading.tables import shown

HINTS = 8
STYLE = """
table.class { width: 100%; font-size: .875rem }
.class th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
  padding: 0; cursor: pointer; text-align: inherit }
.class th[aria-sort=ascending] button::after { content: " ▲" }
.class th[aria-sort=descending] button::after { content: " ▼" }
.class thead th { position: sticky; top: 0; background: var(--ground); vertical-align: bottom }
.class td { padding: .125rem .5rem }
.class tbody td:first-child { min-width: 9rem; max-width: 18rem; overflow-wrap: break-word }
.class td.note { min-width: 10rem }
section { margin: 1.5rem 0 }
@media print {
  @page { size: A4 landscape; margin: 10mm }
  h1 { font-size: 14pt; margin: 0 }
  section { margin: 2mm 0 }
  tfoot { display: table-row-group }
  table.class { font-size: 7pt; line-height: 1.25 }
  .class th, .class td { padding: 0 1.5mm }
  .class thead th { position: static }
  tr { break-inside: avoid }
  .scroll { overflow: visible }
}
"""
SORT = """
document.querySelectorAll("table.class").forEach((table) => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, at) => row.cells[at].dataset.value ?? row.cells[at].textContent.trim();
  heads.forEach((head, at) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const compare = (a, b) => {
      const x = value(a, at), y = value(b, at);
      if (x === "" || y === "") return (x === "") - (y === "");  // what is not there comes last
      const numbers = !isNaN(x) && !isNaN(y);
      return down * (numbers ? x - y : x.localeCompare(y, undefined, { numeric: true }));
    };
    body.append(...[...body.rows].sort(compare));
  }));
});
"""


def overview(
    reports: Sequence[tuple[str, Report]],
    missing: Sequence[Student] = (),
    notes: Sequence[str] = (),
    marking: bool = False,
) -> str:
    """Return a page with a line for each notebook.

    Args:
        reports: with the names of their pages.
        missing: who has not handed in.
        notes: what else there is to say.
        marking: whether there is a page of answers in words.
    """
    found = [report for _, report in reports]
    graded = [report for report in found if report.problem is None]
    title = next((str(r.about["title"]) for r in found if r.about.get("title")), "Grades")
    parts = [f"<p>{len(graded)} of {len(reports)} could be graded.{_means(graded)}</p>"]
    if marking:
        open_ = sum(mark.status == "unmarked" for report in graded for mark in report.marks)
        said = f"{open_} answers are to be marked" if open_ else "All answers in words are marked"
        parts.append(f'<p>{said}: <a href="marking.html">answers in words</a>.</p>')
    if notes:
        lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
        parts.append(f"<section><h2>To look at</h2><ul>{lines}</ul></section>")
    parts.append(_table(reports, missing))
    if missing:
        names = "; ".join(escape(student.name) for student in missing)
        count = f"{len(missing)} not handed in"
        parts.append(f"<section><h2>{count}</h2><p>{names}</p></section>")
    parts += [_hints(graded), _identical(reports)]
    return pages.page(title, "\n".join(parts), style=STYLE, script=SORT, width="90rem")


def items(reports: Sequence[Report]) -> dict[str, Mark]:
    """Return an example of each exercise in reports, in their order."""
    found: dict[str, Mark] = {}
    for report in reports:
        for mark in report.marks:
            found.setdefault(mark.exercise, mark)
    return found


def identical(reports: Sequence[tuple[str, Report]]) -> list[list[tuple[str, Report]]]:
    """Return the groups of notebooks whose files are the same, letter by letter."""
    groups = defaultdict(list)
    for stem, report in reports:
        if report.sha256:
            groups[report.sha256].append((stem, report))
    return [group for group in groups.values() if len(group) > 1]


def _means(graded: Sequence[Report]) -> str:
    if not graded:
        return ""
    totals = sorted(report.total for report in graded)
    half = len(totals) // 2
    median = (totals[half] + totals[~half]) / 2
    mean, most = sum(totals) / len(totals), max(report.points for report in graded)
    said = f" Mean {shown(mean)}, median {shown(median)} of {shown(most)} points"
    said += ", before all words are marked." if any(report.open for report in graded) else "."
    shares = _shares(graded)
    if len(shares) > 1:
        share, mark = min(((s, m) for s, m in shares.values()), key=lambda pair: pair[0])
        name = escape(mark.name)
        said += f" The hardest exercise: <strong>{name}</strong>, {share:.0%} of its points."
    return said


def _shares(graded: Sequence[Report]) -> dict[str, tuple[float, Mark]]:
    """Return the share of its points that an exercise got, if all its answers are marked."""
    got: dict[str, list[float]] = defaultdict(list)
    waiting = {m.exercise for report in graded for m in report.marks if m.status == "unmarked"}
    for report in graded:
        for mark in report.marks:
            if mark.points:
                got[mark.exercise].append(mark.score / mark.points)
    kinds = items(graded)
    return {
        key: (sum(got[key]) / len(got[key]), kinds[key])
        for key in kinds
        if got[key] and key not in waiting
    }


def _table(reports: Sequence[tuple[str, Report]], missing: Sequence[Student]) -> str:
    found = [report for _, report in reports]
    kinds = items(found)
    late = any(report.late for report in found)
    noted = any(report.notes or report.problem for report in found) or bool(missing)
    heads = ["student", "ID", "points", "to mark", *["late"] * late]
    head = "".join(f'<th scope="col"><button>{text}</button></th>' for text in heads[:2])
    head += "".join(
        f'<th scope="col" class="number"><button>{text}</button></th>' for text in heads[2:]
    )
    for mark in kinds.values():
        name = escape(mark.name) + (" ✎" if mark.by_hand else "")
        title = escape(f"{mark.exercise}, {shown(mark.points)} points")
        head += f'<th scope="col"><button title="{title}">{name}</button></th>'
    head += '<th scope="col"><button>notes</button></th>' * noted
    ordered = sorted(reports, key=lambda pair: normalize("NFKD", _name(pair[1])).casefold())
    rows = [_row(stem, report, list(kinds), late, noted) for stem, report in ordered]
    for student in missing:
        cells = [escape(student.name), escape(student.id), "", "", *[""] * late, *[""] * len(kinds)]
        cells += ["not handed in"] * noted
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    shares = _shares([report for report in found if report.problem is None])
    means = "".join(
        f"<td>{shares[key][0]:.0%}</td>" if key in shares else "<td></td>" for key in kinds
    )
    foot = (
        f'<tr><th scope="row" colspan="{len(heads)}">share of the points</th>{means}'
        f"{'<td></td>' * noted}</tr>"
    )
    return (
        f'<div class="scroll"><table class="class"><thead><tr>{head}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody><tfoot>{foot}</tfoot></table></div>"
    )


def _row(stem: str, report: Report, kinds: list[str], late: bool, noted: bool) -> str:
    marks = {mark.exercise: mark for mark in report.marks}
    total = shown(report.total) if report.problem is None else ""
    cells = [
        f'<td><a href="{escape(stem)}.html">{escape(_name(report))}</a></td>',
        f"<td>{escape(report.student.get('id', ''))}</td>",
        f'<td class="number">{total}</td>',
        f'<td class="number">{shown(report.open) if report.open else ""}</td>',
    ]
    if late:
        cells.append(f'<td class="number">{shown(report.late) if report.late else ""}</td>')
    for key in kinds:
        if not (mark := marks.get(key)):
            cells.append("<td></td>")
            continue
        kind, known = pages.status(mark)
        text = f"{shown(mark.score)}" if mark.status in ("passed", "marked") else known
        if mark.checked is not None:
            text = f"{shown(mark.score)}*"
        value = "" if mark.status == "unmarked" else f"{mark.score:g}"
        title = escape(mark.comment or mark.message or known)
        cells.append(f'<td class="{kind}" data-value="{value}" title="{title}">{text}</td>')
    if noted:
        said = [report.problem] * bool(report.problem) + list(report.notes)
        cells.append(f'<td class="note">{escape("; ".join(map(str, said)))}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _hints(graded: Sequence[Report]) -> str:
    said = Counter(
        (mark.name, mark.message)
        for report in graded
        for mark in report.marks
        if mark.status == "failed"
    )
    if not said:
        return ""
    rows = "".join(
        f'<tr><td class="number">{count}</td><td>{escape(name)}</td><td>{escape(hint)}</td></tr>'
        for (name, hint), count in said.most_common(HINTS)
    )
    return (
        "<section><h2>The most frequent hints</h2>"
        f'<div class="scroll"><table>{rows}</table></div></section>'
    )


def _identical(reports: Sequence[tuple[str, Report]]) -> str:
    groups = identical(reports)
    if not groups:
        return ""
    lines = "".join(
        "<li>"
        + ", ".join(f'<a href="{escape(s)}.html">{escape(_name(r))}</a>' for s, r in group)
        + "</li>"
        for group in groups
    )
    return f"<section><h2>Identical files</h2><ul>{lines}</ul></section>"


def _name(report: Report) -> str:
    return report.student.get("name") or report.notebook
