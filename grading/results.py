"""From graded notebooks to what a teacher needs: names, marks, late days, pages, tables.

All that a teacher wrote is read before the first notebook is graded, so that a mistake in it costs
no time, and nothing is written over before it has been read.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grading import exports, late, marks, overview, pages, report, roster, tables, words, written
from grading.marks import Applied, Given
from grading.records import Report
from grading.roster import CANVAS_FILE, CANVAS_LATE, Roster, Student

MARKS = "marks.csv"


@dataclass(frozen=True)
class Brought:
    """What a teacher gave beside the notebooks.

    Attributes:
        roster: the class, None where it is not known.
        place: the file of marks.
        rows: those that stand in it.
        separator: between its cells.
        key: the answer key's words, by the keys of exercises.
        questions: what it asks, by the same.
        title: what exports call the assignment; "" for the title in the assignment.
        notes: what to look at in these files.
    """

    roster: Roster | None
    place: Path
    rows: list[Given]
    separator: str
    key: dict[str, str]
    questions: dict[str, str]
    title: str
    notes: list[str]


def read(
    out: Path, class_: Path | None, place: Path | None, key: Path | None, title: str
) -> Brought:
    """Read what a teacher gave.

    Raises:
        ValueError: a file has mistakes.
    """
    known = roster.read(class_) if class_ else None
    place = place or out / MARKS
    table, rows = marks.read(place)
    notes = list(known.notes) if known else []
    if table and table.guessed:
        notes.append(f"{place}: not in UTF-8, read as Windows-1252: look at the comments")
    answers = _key(key)
    return Brought(
        known,
        place,
        rows,
        table.separator if table else ",",
        {item: answer["text"] for item, answer in answers.items()},
        {item: answer["question"] for item, answer in answers.items()},
        title,
        notes,
    )


def _key(path: Path | None) -> dict[str, dict[str, Any]]:
    """Return the answers in words of an answer key, by the keys of exercises."""
    if path is None:
        return {}
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"the answer key {path} cannot be read ({error})") from None
    return {
        f"{a['exercise']}/{a['part']}" if a["part"] > 1 else a["exercise"]: a
        for a in words.answers(cells)
    }


def named(graded: Report, known: Roster | None) -> Report:
    """Return a report with the student of the roster, late days, and what is in doubt."""
    who = graded.student
    if known is None:
        return graded
    student, note = known.find(who.get("name", ""), who.get("id", ""), graded.notebook)
    notes = [*graded.notes, *[note] * bool(note)]
    if student is None:
        return replace(graded, notes=tuple(notes))
    who = {"with": who.get("with", ""), "name": student.name, "id": student.id}
    if CANVAS_LATE.search(graded.notebook) and student.late is None and student.submitted is None:
        notes.append("Canvas calls it late: give its days in the roster, in a column late days")
    count = late.days(student, graded.about)
    return replace(graded, student=who, late=count, notes=tuple(notes))


def so_far(graded: Report, given: Brought, names: Collection[str]) -> Report:
    """Return a report with its marks and what late days cost, while others are graded still.

    Args:
        graded: as `named` returned it.
        given: what the teacher gave.
        names: of all notebooks: the rows of another one are left to it.
    """
    others = {*names} - {graded.notebook}
    rows = [row for row in given.rows if row.row["notebook"] not in others]
    return _charged(marks.apply([graded], rows).reports[0])


@dataclass(frozen=True)
class Finished:
    """What there is to say at the end.

    Attributes:
        notes: what the teacher should look at.
        read: marks that were given to their answers.
        left: answers in words that have none.
        place: the file of marks.
    """

    notes: list[str]
    read: int
    left: int
    place: Path

    @property
    def marking(self) -> list[str]:
        """A line on the marks by hand, if there is anything to mark."""
        if not self.read and not self.left:
            return []
        left = f"{self.left} left to mark" if self.left else "none left"
        return [f"{self.read} mark{'s' * (self.read != 1)} read from {self.place}, {left}"]


def finish(stems: Sequence[str], graded: Sequence[Report], given: Brought, out: Path) -> Finished:
    """Write all that is written at the end, and return what there is to say.

    Args:
        stems: the names of the notebooks' pages.
        graded: their reports, as `named` returned them.
        given: what the teacher gave.
        out: the folder.
    """
    applied = marks.apply(graded, given.rows)
    found = [_asked(_charged(one), given.questions) for one in applied.reports]
    notes = [*given.notes, *applied.notes]
    notes += _no_late_days(found, given.roster)
    works, missing = _works(given.roster, stems, found, notes)
    pairs = list(zip(stems, found, strict=True))
    names = ["index.html", "grades.csv", *(name for stem in stems for name in report.files(stem))]
    for stem, one in pairs:
        report.write(one, out, stem)
    report.write_table(pairs, out)
    _write_marks(given, applied)
    by_hand = any(mark.by_hand for one in found for mark in one.marks)
    if by_hand:
        page = pages.marking(pairs, given.key, str(given.place))
        report.write_text(out / "marking.html", page)
        names.append("marking.html")
    if given.roster:
        about = next((one.about for one in found if one.about), {})
        title = given.title or str(about.get("title", "")) or "Grades"
        made, said = exports.write(given.roster, works, out, title)
        notes += said
        names += made
    notes += [
        f"identical files: {', '.join(one.notebook for _, one in group)}"
        for group in overview.identical(pairs)
    ]
    page = overview.overview(pairs, missing, notes, by_hand)
    report.write_text(out / "index.html", page)
    written.replace(out, [name for name in names if out / name != given.place])
    everything = [mark for one in found for mark in one.marks]
    left = sum(mark.status == "unmarked" for mark in everything)
    return Finished(notes, applied.count, left, given.place)


def _charged(one: Report) -> Report:
    """Return a report with what its late days cost."""
    rule = late.rule(one.about)
    if not one.late or rule is None:
        return one
    return replace(one, deducted=rule.cost(one.late, one.score))


def _no_late_days(found: Sequence[Report], known: Roster | None) -> list[str]:
    """Return a note if a rule for late days has nothing to go by."""
    if not any(late.rule(one.about) for one in found) or (known and known.tells_late_days):
        return []
    if all(CANVAS_FILE.search(one.notebook) for one in found):  # then it marks late ones
        return []
    lacking = f"{known.table.name} has no column that says" if known else "no --roster says"
    return [
        f"the course takes points off for late days, but {lacking} who was late: nobody loses "
        "any; give the roster a column late days, or submitted"
    ]


def _asked(one: Report, questions: dict[str, str]) -> Report:
    """Return a report with the answer key's questions where no others are known."""
    marks_ = [
        mark if mark.question else replace(mark, question=questions.get(mark.exercise, ""))
        for mark in one.marks
    ]
    return replace(one, marks=marks_)


def _works(
    known: Roster | None, stems: Sequence[str], found: Sequence[Report], notes: list[str]
) -> tuple[dict[str, tuple[str, Report]], list[Student]]:
    """Return the work that counts of each student, and who has none; note who has several."""
    if known is None:
        return {}, []
    by_student = {(s.name, s.id): s for s in known.students}
    works: dict[str, tuple[str, Report]] = {}
    for stem, one in zip(stems, found, strict=True):
        student = by_student.get((one.student.get("name", ""), one.student.get("id", "")))
        if student is None:
            continue
        other = works.get(student.key)
        better = other is None or (one.problem is None, one.total) > (
            other[1].problem is None, other[1].total
        )  # fmt: skip
        if other:
            kept = one if better else other[1]
            notes.append(
                f"{student.name} has {other[1].notebook} and {one.notebook}: {kept.notebook} "
                "counts, for its points or as the first; take the other away if that is wrong"
            )
        if better:
            works[student.key] = stem, one
    missing = [student for student in known.students if student.key not in works]
    return works, missing


def _write_marks(given: Brought, applied: Applied) -> None:
    """Write the table of marks, unless it would lose what stands in it."""
    table, now = marks.read(given.place)
    before = [(one.row["exercise"], one.mark, one.comment) for one in given.rows]
    if table and [(one.row["exercise"], one.mark, one.comment) for one in now] != before:
        raise tables.TableError(
            f"{given.place}: it was changed while the notebooks were graded, and was left as it "
            "is: grade again"
        )
    if any(one.marks for one in applied.reports) or applied.kept:
        marks.write(given.place, applied, given.separator)
