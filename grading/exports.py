"""What goes back to Canvas and Moodle: gradebooks with their heads, and feedback to upload.

A roster that is an export of theirs is given back with its own heads and rows, and the points in
the column of the assignment, if it has one: then they know it again.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from grading import pages, tables
from grading.records import Report
from grading.roster import MOODLE_FILE, Roster, Student
from grading.tables import shown
from gsutils.files import OutputUnavailable, atomic

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MOODLE = ["Full name", "ID number", "Email address"]
WORKSHEET = ("grade", "feedback comments")
COMMENTS = "Feedback comments"


def write(
    roster: Roster, works: Mapping[str, tuple[str, Report]], folder: Path, title: str
) -> tuple[list[str], list[str]]:
    """Write the exports of a class.

    Args:
        roster: the class.
        works: by `Student.key`, the name of the page and the report that count for a student.
        folder: where to.
        title: the assignment's name.

    Returns:
        The names of what was written, and what the teacher should know of it.
    """
    points = max((report.points for _, report in works.values()), default=0.0)
    canvas(roster, works, folder / "canvas.csv", title, points)
    notes = moodle(roster, works, folder / "moodle.csv", title, points)
    count = feedback(roster, works, folder / "moodle-feedback.zip")
    made = ["canvas.csv", "moodle.csv", *["moodle-feedback.zip"] * bool(count)]
    if not count and roster.kind in ("worksheet", "moodle"):
        notes.append(
            "moodle-feedback.zip is not written: it needs Moodle's numbers, from the folders of "
            "“Download all submissions” or the grading worksheet as --roster"
        )
    return made, notes


def canvas(
    roster: Roster, works: Mapping[str, tuple[str, Report]], path: Path, title: str, points: float
) -> None:
    """Write Canvas's gradebook: its heads, the line of possible points, a line for each student."""
    own = roster.kind == "canvas"
    head = _column(roster.table.heads, title) if own else title
    rows = [["    Points Possible", "", "", "", "", shown(points)]]
    for student in roster.students:
        if own:
            cells = [student.row[head] for head in CANVAS]
        else:
            cells = [student.name, "", student.id, student.address.partition("@")[0], ""]
        rows.append([*cells, _total(works.get(student.key))])
    tables.write(path, [*CANVAS, head], rows)


def moodle(
    roster: Roster, works: Mapping[str, tuple[str, Report]], path: Path, title: str, points: float
) -> list[str]:
    """Write Moodle's gradebook, or its worksheet filled in; return what to know of it."""
    notes: list[str] = []
    small = [head.lower() for head in roster.table.heads]
    if roster.kind == "worksheet":
        changed = {}
        for student in roster.students:
            work = works.get(student.key)
            if work and work[1].problem is None:
                new = dict(zip(WORKSHEET, (_total(work), comments(work[1])), strict=True))
                new = {head: cell for head, cell in new.items() if head in small}
                if any(student.row[head] != cell for head, cell in new.items()):
                    changed[student.line] = new
            most = student.row["maximum grade"]
            if most and _number(most) != points and not notes:
                notes.append(
                    f"{roster.table.name}:{student.line}: Moodle's maximum grade is {most}, the "
                    f"notebook has {shown(points)} points: set it to that in Moodle, then upload"
                )
        tables.write_again(path, roster.table, changed)
        return notes
    heads = MOODLE
    if roster.kind == "moodle" and "first name" in small:
        last = next(h for h in ("Last name", "Surname") if h.lower() in small)
        heads = ["First name", last, "ID number", "Email address"]
    rows = []
    for student in roster.students:
        work = works.get(student.key)
        if len(heads) == 4:
            cells = [student.row[head] for head in heads]
        else:
            cells = [student.name, student.id, student.address]
        said = comments(work[1]) if work else ""
        rows.append([*cells, _total(work), said])
    tables.write(path, [*heads, title, COMMENTS], rows)
    return notes


def comments(report: Report) -> str:
    """Return what a gradebook says beside the points: each exercise, its hint and comment."""
    said = []
    for mark in report.marks:
        words = mark.comment or ("" if mark.message == "Right." else mark.message)
        score = f"{shown(mark.score)} of {shown(mark.points)}"
        line = f"{mark.name}: {'to be marked' if mark.status == 'unmarked' else score}"
        said.append(f"{line}. {words}".strip())
    return "\n".join(said)


def feedback(roster: Roster, works: Mapping[str, tuple[str, Report]], path: Path) -> int:
    """Write the feedback files, each in its student's folder; return how many.

    That is "Full name_NUMBER_assignsubmission_file_", as in its download of all submissions, and
    where the submission lay in such a folder, that one: older versions know it by all its letters.
    """
    found = []
    for student in roster.students:
        if (work := works.get(student.key)) and (folder := _folder(student, work[1])):
            found.append((f"{folder}/feedback.html", pages.student(work[1])))
    if found:
        with (
            atomic(path, OutputUnavailable) as part,
            zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file,
        ):
            for name, text in found:
                file.writestr(name, text.encode("utf-8", "replace"))
    return len(found)


def _folder(student: Student, report: Report) -> str:
    for folder in report.notebook.split("/")[:-1]:
        if MOODLE_FILE.match(folder):
            return folder
    if found := MOODLE_FILE.search(report.notebook):
        return f"{found[1]}_{found[2]}_assignsubmission_file_"
    if student.participant:
        name = re.sub(r'[_/\\:*?"<>|]', " ", student.name)
        return f"{name}_{student.participant}_assignsubmission_file_"
    return ""


def _column(heads: Sequence[str], title: str) -> str:
    """Return the head of an assignment in Canvas's export, which ends in its number."""
    for head in heads:
        if re.sub(r" *\(\d+\)$", "", head).casefold() == title.casefold():
            return head
    return title


def _total(work: tuple[str, Report] | None) -> str:
    """Return the points for a gradebook: none while something is to be marked."""
    if work is None or work[1].problem is not None or work[1].open:
        return ""
    return shown(work[1].total)


def _number(text: str) -> float | None:
    try:
        return tables.number(text)
    except ValueError:
        return None
