r"""Marks by hand, in one table: answers in words, and scores that differ from the check's.

The table has a row for each answer of each student. In it ``mark`` and ``comment`` are the
teacher's: an answer in words needs a mark; in a row of code a mark replaces the check's, and the
comment says why. A second grading reads the table, fills in what is new, and keeps every row that
has a mark or a comment, whether or not its work is there again.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grading import tables
from grading.records import Mark, Report
from grading.tables import Row, Table, TableError, shown

HEADS = ["student", "id", "exercise", "title", "kind", "points", "check", "mark", "comment",
         "answer", "notebook", "digest"]  # fmt: skip
NEEDED = ("student", "id", "exercise", "points", "mark", "comment")
CHANGED = "the answer has changed since it was marked"


@dataclass(frozen=True)
class Given:
    """A row of the table of marks: who, what, and the teacher's mark and comment."""

    row: Row
    place: str
    mark: float | None
    comment: str

    @property
    def is_given(self) -> bool:
        """Whether a teacher wrote something into it."""
        return self.mark is not None or bool(self.comment)


def read(path: Path) -> tuple[Table | None, list[Given]]:
    """Read a table of marks, None where there is no such file yet.

    Raises:
        TableError: it has mistakes, each with its line.
    """
    if not path.exists():
        return None, []
    table = tables.read(path)
    small = [head.lower() for head in table.heads]
    if lacking := [head for head in NEEDED if head not in small]:
        raise TableError(
            f"{path}:1: no column {', '.join(lacking)} among {', '.join(table.heads[:12])}: "
            f"the heads are {', '.join(HEADS)}; give them back their names"
        )
    given, mistakes = [], []
    first: dict[tuple[str, str, str], Given] = {}
    for row in table.rows:
        place, mark = f"{path}:{row.line}", None
        what = f"the mark of {row['student'] or row['notebook']} for {row['exercise']}"
        try:
            mark = tables.number(row["mark"]) if row["mark"] else None
        except ValueError:
            mistakes.append(f"{place}: {what} must be a number, got {row['mark']}")
        try:
            most = tables.number(row["points"]) if row["points"] else None
        except ValueError:
            most = None
        if mark is not None and mark < 0:
            mistakes.append(f"{place}: {what} is {shown(mark)}: it must be 0 or more")
        if mark is not None and most is not None and mark > most:
            mistakes.append(
                f"{place}: {what} is {shown(mark)}, above its {shown(most)} points: correct it"
            )
        if row["kind"] == "code" and mark is not None and not row["comment"]:
            mistakes.append(f"{place}: {what} replaces the check's: say why in comment")
        made = Given(row, place, mark, row["comment"])
        key = (row["id"] or row["student"], row["exercise"], row["notebook"])
        other = first.setdefault(key, made)
        differ = (other.mark, other.comment) != (made.mark, made.comment)
        if differ and made.is_given and other.is_given:
            mistakes.append(f"{place}: {what} stands in line {other.row.line} too: keep one")
        given.append(made)
    if mistakes:
        raise TableError("\n".join(mistakes))
    return table, given


def digest(mark: Mark) -> str:
    """Return a few letters that tell answers apart."""
    return hashlib.sha256(mark.code.encode("utf-8", "replace")).hexdigest()[:12]


@dataclass(frozen=True)
class Applied:
    """Reports with their marks.

    Attributes:
        reports: in their order.
        used: the rows that were used, by the places of a report and of a mark in it.
        kept: rows whose work is not there.
        notes: what the teacher should know, with lines.
        count: marks that count now.
    """

    reports: list[Report]
    used: dict[tuple[int, int], Given]
    kept: list[Given]
    notes: list[str]
    count: int


def apply(reports: Sequence[Report], given: Sequence[Given]) -> Applied:
    """Find the rows that are about the answers in reports, and give these their marks."""
    rows: dict[str, list[Given]] = defaultdict(list)
    for one in given:
        if one.is_given:
            rows[one.row["exercise"]].append(one)
    used: dict[tuple[int, int], Given] = {}
    left = {id(one) for found in rows.values() for one in found}
    for closeness in (3, 2, 1):  # first those that are surely meant, then those that may be
        for i, report in enumerate(reports):
            for j, mark in enumerate(report.marks):
                for one in rows[mark.exercise]:
                    free = id(one) in left and (i, j) not in used
                    if free and _closeness(one.row, report, mark) >= closeness:
                        used[i, j] = one
                        left.discard(id(one))
    notes: list[str] = []
    found_, count = [], 0
    for i, report in enumerate(reports):
        marks, own = list(report.marks), list(report.notes)
        for j, mark in enumerate(report.marks):
            if not (row := used.get((i, j))):
                continue
            if row.mark is not None and row.mark > mark.points:
                notes.append(
                    f"{row.place}: the mark {shown(row.mark)} is above the {shown(mark.points)} "
                    f"points of {mark.exercise}: kept, not used"
                )
                continue
            if row.row["digest"] not in ("", digest(mark)):
                own.append(f"{mark.name}: {CHANGED}")
            marks[j] = _marked(mark, row)
            count += row.mark is not None
        found_.append(replace(report, marks=marks, notes=tuple(own)))
    kept = [one for one in given if id(one) in left]
    notes += [
        f"{one.place}: no work of {one.row['student'] or one.row['notebook']} for "
        f"{one.row['exercise']} is here: kept, not used"
        for one in kept
    ]
    return Applied(found_, used, kept, notes, count)


def _closeness(row: Row, report: Report, mark: Mark) -> int:
    """Return how sure it is that a row is about a report: from 0, not at all, to 3."""
    mine, id_ = report.student, report.student.get("id", "")
    if row["id"] and id_ and row["id"] != id_:
        return 0
    named = row["student"] == mine.get("name", "")
    if row["notebook"] == report.notebook:
        other = not named and bool(row["student"] and mine.get("name")) and not row["id"]
        return int(row["digest"] == digest(mark)) if other else 3
    if row["id"] and row["id"] == id_:
        return 2 if row["digest"] == digest(mark) else 1
    return int(named and bool(row["student"]) and not (row["id"] and id_))


def _marked(mark: Mark, given: Given) -> Mark:
    if given.mark is None:
        return replace(mark, comment=given.comment)
    if mark.by_hand:
        status = "marked"
        return replace(mark, status=status, message="", score=given.mark, comment=given.comment)
    changed = given.mark != mark.score
    checked = mark.score if changed else None
    return replace(mark, score=given.mark, comment=given.comment, checked=checked)


def write(path: Path, applied: Applied, separator: str = ",") -> int:
    """Write the table of marks: a row for each answer, and those that are kept; return how many.

    Rows of one question stand together: so they are marked best. Where a mark was given for an
    answer that has changed since, the row keeps the digest of the one that was marked.
    """
    table = []
    for i, report in enumerate(applied.reports):
        for j, mark in enumerate(report.marks):
            old = applied.used.get((i, j))
            score = mark.checked if mark.checked is not None else mark.score
            row = {
                "student": report.student.get("name", ""),
                "id": report.student.get("id", ""),
                "exercise": mark.exercise,
                "title": mark.name,
                "kind": "words" if mark.by_hand else "code",
                "points": shown(mark.points),
                "check": "" if mark.by_hand else shown(score),
                "mark": old.row["mark"] if old else "",
                "comment": old.comment if old else "",
                "answer": mark.code if mark.by_hand else "",
                "notebook": report.notebook,
                "digest": (old.row["digest"] if old else "") or digest(mark),
            }
            who = (row["student"].casefold(), row["id"], report.notebook)
            table.append((j, mark.exercise, who, [row[head] for head in HEADS]))
    places: dict[str, int] = {}
    for place, exercise, *_ in table:
        places[exercise] = min(place, places.get(exercise, place))
    table.sort(key=lambda line: (places[line[1]], line[1], line[2]))
    rows = [cells for *_, cells in table]
    rows += [[one.row[head] for head in HEADS] for one in applied.kept]
    tables.write(path, HEADS, rows, separator)
    return len(table)
