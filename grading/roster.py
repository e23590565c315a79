r"""The class: who belongs to it, and whose work a notebook is.

A list of one's own, or what Canvas or Moodle export, known by their heads.

>>> table = tables.parse(b"Student,ID,SIS User ID,Section\n\"Lovelace, Ada\",7,s042,A", "c.csv")
>>> roster = from_table(table)
>>> roster.kind, roster.students[0].name, roster.find("ada lovelace", "", "week.ipynb")[0].id
('canvas', 'Lovelace, Ada', 's042')
"""

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grading import tables
from grading.tables import Row, Table, TableError

# What a column is called: one's own word first, then those of Canvas and Moodle in three languages.
HEADS = {
    "name": ("name", "student", "full name", "student name", "vollständiger name", "nom complet"),
    "first": ("first name", "given name", "vorname", "prénom"),
    "last": ("last name", "surname", "family name", "nachname", "nom de famille", "nom"),
    "id": ("id number", "sis user id", "student id", "student number", "matriculation number",
           "id-nummer", "matrikelnummer", "numéro d'identification", "id"),
    "address": ("address", "email address", "email", "e-mail", "mail", "e-mail-adresse",
                "adresse de courriel", "sis login id"),
    "participant": ("identifier", "participant", "id/teilnehmernummer", "identifiant"),
    "submitted": ("submitted", "handed in", "last modified (submission)",
                  "zuletzt geändert (abgabe)"),
    "late": ("late days", "late"),
    "extension": ("extension", "extension days"),
}  # fmt: skip
MOODLE_FILE = re.compile(r"([^/_]*)_(\d+)_assignsubmission_file")
CANVAS_FILE = re.compile(r"_\d+_\d+_[^/]*$")  # in which it says _LATE_ if it was late
CANVAS_LATE = re.compile(r"_LATE_\d+_\d+_[^/]*$", re.IGNORECASE)
TIMES = (
    *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"),
    *("%d.%m.%Y %H:%M", "%d.%m.%Y", "%d %B %Y %I:%M %p", "%d %B %Y %H:%M"),
)
SAMPLE = "Student, Test"  # a student that Canvas invents


@dataclass(frozen=True)
class Student:
    """A student of the class.

    Attributes:
        name, id, address: as the roster has them.
        line: where.
        row: the whole row.
        participant: Moodle's number for one assignment.
        submitted: when the work came in, where the roster says so.
        late: days, where the roster says so.
        extension: days that the student has more than the others.
    """

    name: str
    id: str
    address: str
    line: int
    row: Row = field(repr=False, compare=False)
    participant: str = ""
    submitted: datetime.datetime | None = None
    late: float | None = None
    extension: float = 0.0

    @property
    def key(self) -> str:
        """What tells students apart."""
        return self.id or self.address or self.name

    @property
    def ids(self) -> set[str]:
        """What a student may give as an ID."""
        words = (self.id, self.address, self.address.partition("@")[0], self.row["sis login id"])
        return {_id(word) for word in words if word}


@dataclass(frozen=True)
class Roster:
    """A class.

    Attributes:
        table: as it was read.
        kind: "canvas", "worksheet" (Moodle's for offline grading), "moodle" or "plain".
        students: in its order.
        notes: what the teacher should know of it, with lines.
    """

    table: Table
    kind: str
    students: list[Student]
    notes: list[str]

    @property
    def tells_late_days(self) -> bool:
        """Whether it has a column for late days, or for the time when the work came in."""
        heads = {head.lower() for head in self.table.heads}
        return not heads.isdisjoint([*HEADS["late"], *HEADS["submitted"]])

    def find(self, name: str, id_: str, path: str) -> tuple[Student | None, str]:
        """Return whose work it is, by ID, name, or the file's name, and a note where in doubt."""
        by_id = [s for s in self.students if id_ and _id(id_) in s.ids]
        by_name = [s for s in self.students if name and _words(s.name) == _words(name)]
        if by_id:
            if name and by_id[0] not in by_name:
                return by_id[0], f"ID {id_} is {by_id[0].name}'s, the name says {name}: ask"
            return by_id[0], ""
        if len(by_name) == 1:
            known = by_name[0]
            note = f"ID {id_} is not in the roster: taken for {known.name} by name" * bool(id_)
            return known, note
        if len(by_name) > 1:
            lines = " and ".join(str(s.line) for s in by_name)
            return None, f"two are called {name} (lines {lines} of the roster): it needs an ID"
        if not name and not id_:
            found = self._by_file(path)
            if len(found) == 1:
                return found[0], "no name in the notebook: taken by the file's name"
            return None, "no name in the notebook, and none of the roster in its file's name"
        return None, f"{' '.join(filter(None, [name, id_]))} is not in the roster: add a line"

    def _by_file(self, path: str) -> list[Student]:
        moodle = MOODLE_FILE.search(path)
        if moodle:
            number = [s for s in self.students if s.participant and s.participant == moodle[2]]
            return number or [s for s in self.students if _words(s.name) == _words(moodle[1])]
        numbers = {_id(part) for part in re.findall(r"\d{3,}", path)}
        found = [s for s in self.students if s.id and _id(s.id) in numbers]
        if not found:
            flat = _flat(path)
            found = [
                s
                for s in self.students
                if len(_flat(s.name)) > 3
                and (_flat(s.name) in flat or "".join(_parts(s.name)[::-1]) in flat)
            ]
        return found


def read(path: Path) -> Roster:
    """Read a class.

    Raises:
        TableError: the file has mistakes.
    """
    return from_table(tables.read(path))


def from_table(table: Table) -> Roster:
    """Return the class in a table.

    Raises:
        TableError: it has mistakes.
    """
    small = [head.lower() for head in table.heads]
    columns = {key: next((h for h in heads if h in small), "") for key, heads in HEADS.items()}
    kind = _kind(small)
    if not columns["name"] and not (columns["first"] and columns["last"]):
        raise TableError(
            f"{table.name}:1: no column for names among {', '.join(table.heads[:12])}: call one "
            "name, or first name and last name; from an LMS, export with English heads"
        )
    notes = [f"{table.name}: not in UTF-8, read as Windows-1252: look at the names"] * table.guessed
    if not columns["id"]:
        notes.append(f"{table.name}:1: no column for IDs (call it ID): names alone tell students")
    mistakes: list[str] = []
    students = list(_students(table, columns, notes, mistakes))
    if mistakes:
        raise TableError("\n".join(mistakes))
    if not students:
        raise TableError(f"{table.name}: it has no student: write a line for each below the heads")
    same = Counter(" ".join(_words(s.name)) for s in students)
    for student in students:
        if same[" ".join(_words(student.name))] > 1:
            notes.append(
                f"{table.name}:{student.line}: {student.name} is not the only one of that name: "
                "such work is told by its ID alone"
            )
    return Roster(table, kind, students, notes)


def _students(
    table: Table, columns: dict[str, str], notes: list[str], mistakes: list[str]
) -> Iterator[Student]:
    """Yield the students; note what is repeated, and what is wrong."""
    seen: dict[str, Student] = {}
    for row in table.rows:
        cells = {key: row[head] if head else "" for key, head in columns.items()}
        name = cells["name"] or f"{cells['first']} {cells['last']}".strip()
        if name in ("Points Possible", SAMPLE):
            continue
        place = f"{table.name}:{row.line}"
        if not name:
            mistakes.append(f"{place}: no name: write one, or remove the line")
            continue
        days: dict[str, float | None] = {"late": None, "extension": 0.0}
        for key in days:
            try:
                days[key] = tables.number(cells[key]) if cells[key] else days[key]
            except ValueError:
                mistakes.append(f"{place}: {key} must be a number of days, got {cells[key]}")
        submitted = _time(cells["submitted"])
        if cells["submitted"].strip("-") and submitted is None:
            notes.append(
                f"{place}: {cells['submitted']} is no time that is understood: write it as "
                "2027-02-08 23:59, or its days into a column late days"
            )
        participant = (re.findall(r"\d+", cells["participant"]) or [""])[-1]
        student = Student(
            name, cells["id"] or row["id"], cells["address"], row.line, row, participant, submitted,
            days["late"], days["extension"] or 0.0,
        )  # fmt: skip
        key = _id(student.id) or f"{_words(name)} {student.address}"
        first = seen.setdefault(key, student)
        if first is student:
            yield student
        elif _words(first.name) == _words(name):
            notes.append(f"{place}: {name} stands in line {first.line} already: left out")
        else:
            mistakes.append(
                f"{place}: the ID {student.id} of {name} is that of {first.name} in line "
                f"{first.line}: correct one"
            )


def _kind(heads: list[str]) -> str:
    if {"student", "section"} <= set(heads) and "id" in heads:
        return "canvas"
    if "identifier" in heads and "grade" in heads:
        return "worksheet"
    if "id number" in heads and "email address" in heads:
        return "moodle"
    return "plain"


def _time(text: str) -> datetime.datetime | None:
    text = re.sub(r"^[A-Za-zÄÖÜäöüé]+day,? ", "", text.strip()).replace(", ", " ")
    for form in TIMES:
        try:
            return datetime.datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _id(text: str) -> str:
    """Return an ID as spreadsheets leave it: without zeros in front."""
    return text.strip().casefold().removesuffix(".0").lstrip("0") if text.strip("0 ") else text


def _parts(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))


def _words(text: str) -> list[str]:
    """Return the words of a name in an order of their own, without accents."""
    return sorted(_parts(text))


def _flat(text: str) -> str:
    return "".join(_parts(text.replace("_", " ")))
