r"""What a teacher writes in ``course.yml``, checked: every mistake with its line and a remedy.

`marked` and ``schema.json`` say what may stand where; what the words mean, dates, chapters and
exercises, is checked here.

>>> read("title: Shortcuts\ntrem: Spring", "my.yml", [])
Traceback (most recent call last):
...
tools.course.settings.CourseError: my.yml:1: links is missing: add it, ...
"""

import datetime
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.course.marked import Marked, NotYaml, Place, closest, meant, shown
from tools.course.source import Chapter, Exercise

SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
ADVICE = "copy course.yml from the book's repository and change it"

LABELS = "they are listed in book/instructors.md, under The labels of exercises"


class CourseError(ValueError):
    """A ``course.yml`` has mistakes; the message has a line for each."""


@dataclass(frozen=True)
class Week:
    """A week: its chapters, and the exercises that are due, with their points."""

    number: int
    begins: datetime.date
    topic: str
    chapters: list[Chapter]
    exercises: list[tuple[Exercise, float]]
    due: datetime.date | None
    course: str = ""

    @property
    def name(self) -> str:
        """The name of its notebooks: course and week, in letters that every system takes."""
        plain = unicodedata.normalize("NFKD", self.course).encode("ascii", "ignore").decode()
        words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
        short = words if len(words) <= 40 else words[:41].rpartition("-")[0] or words[:40]
        return f"{short}-week-{self.number:02}".lstrip("-")


@dataclass(frozen=True)
class Course:
    """A course as a teacher wants it.

    Attributes:
        title, term: as they are shown.
        weeks: in their order.
        hidden: labels of the exercises whose solutions students must not see.
        site: address of the student edition, without "/" at its end.
        repository, branch: where the student edition is pushed to, "" where nowhere.
        package: what pip installs to get gsutils; "" for this book's repository.
        more: further links, by the words to show for them.
        nbgrader: whether problem sets carry what nbgrader needs.
        chapters: names of those that students get.
        slides: whether students get the slides of these.
        book: address of the whole book, for what students do not get; "" for no links.
        about: texts on the course by their keys: instructor, contact, hours, late, syllabus.
        late: what late days cost: "free", "percent" and "days", as `grading.late.Rule`.
    """

    title: str
    term: str
    weeks: list[Week]
    hidden: tuple[str, ...]
    site: str
    repository: str = ""
    branch: str = "main"
    package: str = ""
    more: dict[str, str] = field(default_factory=dict)
    nbgrader: bool = False
    chapters: tuple[str, ...] = ()
    slides: bool = False
    book: str = ""
    about: dict[str, str] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)

    @property
    def sets(self) -> list[Week]:
        """The weeks in which something is due."""
        return [week for week in self.weeks if week.exercises]


def day(date: datetime.date) -> str:
    """Return a date in words.

    >>> day(datetime.date(2027, 2, 8))
    'Monday, 8 February 2027'
    """
    return f"{date:%A}, {date.day} {date:%B %Y}"


def load(path: Path, chapters: Sequence[Chapter], today: datetime.date | None = None) -> Course:
    """Read a file as `read` does.

    Raises:
        CourseError: there is no such file, or it has mistakes.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise CourseError(f"{path}: there is no such file: {ADVICE}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CourseError(f"{path}: there is no such file: {ADVICE}") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path}: the file is not text in UTF-8: save it as UTF-8") from None
    return read(text, str(path), chapters, today)


def read(
    text: str, name: str, chapters: Sequence[Chapter], today: datetime.date | None = None
) -> Course:
    """Return the course that a text describes.

    Args:
        text: YAML.
        name: what messages call the file.
        chapters: the book's.
        today: decides what is released ``after due``; default: the day of the call.

    Raises:
        CourseError: it has mistakes.
    """
    try:
        document = Marked(text)
    except NotYaml as error:
        raise CourseError(f"{name}:{error.line}: {error}") from None
    if document.data is None:
        raise CourseError(f"{name}:1: the file is empty: {ADVICE}")
    reader = _Reader(document, chapters)
    mistakes = document.mistakes(SCHEMA, reader.numbered)
    if not mistakes:
        course = reader.course(today or datetime.date.today())
        mistakes = sorted(reader.mistakes)
    if mistakes:
        raise CourseError("\n".join(f"{name}:{line}: {message}" for line, message in mistakes))
    return course


class _Reader:
    """Gives the words of a document their meaning, and notes the mistakes."""

    def __init__(self, document: Marked, chapters: Sequence[Chapter]):
        self.document, self.data = document, document.data
        self.mistakes: list[tuple[int, str]] = []
        self.chapters = {chapter.name: chapter for chapter in chapters}
        self.exercises = {e.label: e for chapter in chapters for e in chapter.exercises}

    def numbered(self, place: Place, value: Any) -> str:
        """Return which chapters were meant by numbers, or ""."""
        listed = "chapters" in place[-2:] or {"hide", "release"} & {*place[-2:]}
        entries = value if isinstance(value, list) else [value]
        numbers = {name.partition("-")[0].lstrip("0"): name for name in self.chapters}
        names = [numbers.get(str(entry).lstrip("0"), "") for entry in entries]
        named = ", ".join(filter(None, names))
        return f"did you mean {named}?" if listed and named else ""

    def mistake(self, place: Place, message: str) -> None:
        """Note a mistake in the value at a place."""
        self.mistakes.append((self.document.line(place), message))

    def course(self, today: datetime.date) -> Course:
        """Return the course; its parts mean nothing where there are mistakes."""
        start = self.date(["start"])
        weeks = list(self.weeks(start or datetime.date.min))
        links = self.data["links"]
        if "branch" in links and "repository" not in links:
            self.mistake(["links", "branch"], "branch without repository: add it, or remove both")
        return Course(
            title=self.data["title"],
            term=self.data["term"],
            weeks=weeks,
            hidden=self.hidden(weeks, today),
            site=links["site"].rstrip("/"),
            repository=links.get("repository", "").rstrip("/"),
            branch=links.get("branch", "main"),
            package=links.get("package", ""),
            more=links.get("more", {}),
            nbgrader=self.data.get("nbgrader", False),
            chapters=self.handed_out(weeks),
            slides=self.data.get("slides", False),
            book=links.get("book", "").rstrip("/"),
            about=dict(self.data.get("about", {})),
            late=dict(self.data.get("late", {})),
        )

    def handed_out(self, weeks: list[Week]) -> tuple[str, ...]:
        """Return the names of the chapters that students get, in the book's order."""
        needed = {chapter.name: week.number for week in weeks for chapter in week.chapters}
        for week in weeks:
            needed |= {one.chapter: week.number for one, _ in week.exercises}
        wanted = self.data.get("chapters", list(needed))
        if wanted == "all":
            return tuple(self.chapters)
        for at, name in enumerate(wanted):
            self.known(name, ["chapters", at], "chapter", self.chapters)
        for name, number in needed.items():
            if name not in wanted:
                message = f"{name} is left out, but week {number} needs it: add it"
                self.mistake(["chapters"], message)
        return tuple(name for name in self.chapters if name in wanted)

    def weeks(self, start: datetime.date) -> Iterator[Week]:
        """Yield the weeks."""
        numbers: dict[int, int] = {}
        assigned: dict[str, int] = {}
        for at, data in enumerate(self.data["weeks"]):
            place: list[str | int] = ["weeks", at]
            number = int(data["week"])
            if number in numbers:
                self.mistake(
                    [*place, "week"],
                    f"week {number} stands in line {numbers[number]} already: "
                    "number the weeks differently, or join the two",
                )
            elif numbers and number < max(numbers):
                self.mistake([*place, "week"], f"week {number} comes late: put the weeks in order")
            numbers.setdefault(number, self.document.line([*place, "week"]))
            chapters = [
                self.chapters[name]
                for i, name in enumerate(data["chapters"])
                if self.known(name, [*place, "chapters", i], "chapter", self.chapters)
            ]
            exercises = list(self.assigned(place, data.get("exercises"), chapters, assigned))
            begins = start + datetime.timedelta(weeks=number - 1)
            due = self.due(place, data, begins, bool(exercises))
            topic, title = data.get("topic", ""), self.data["title"]
            yield Week(number, begins, topic, chapters, exercises, due, title)

    def assigned(
        self, place: Place, entries: Any, chapters: list[Chapter], before: dict[str, int]
    ) -> Iterator[tuple[Exercise, float]]:
        """Yield the exercises of a week with their points; without entries, all of its chapters."""
        if entries is None:
            entries = [e.label for chapter in chapters for e in chapter.exercises]
            lines = [self.document.line([*place, "chapters"])] * len(entries)
        else:
            where = [[*place, "exercises", i] for i in range(len(entries))]
            lines = [self.document.line(at) for at in where]
        for entry, line in zip(entries, lines, strict=True):
            ((label, points),) = entry.items() if isinstance(entry, dict) else [(entry, None)]
            if label not in self.exercises:
                hint = self.near(label, chapters)
                self.mistakes.append((line, f"unknown exercise {shown(label)}: {hint}"))
            elif label in before:
                message = f"{label} is assigned in line {before[label]} already: remove one"
                self.mistakes.append((line, message))
            else:
                before[label] = line
                exercise = self.exercises[label]
                yield exercise, float(exercise.points if points is None else points)

    def near(self, label: str, chapters: list[Chapter]) -> str:
        """Return which exercise was meant, of a week's chapters or of any; else what there are."""
        labels = [exercise.label for chapter in chapters for exercise in chapter.exercises]
        exact = label.lower() if label.lower() in self.exercises else ""
        name = exact or closest(label, labels) or closest(label, self.exercises)
        if name:
            return f"did you mean {name}?"
        return meant(label, labels) if labels else LABELS

    def due(
        self, place: Place, data: dict[str, Any], begins: datetime.date, needed: bool
    ) -> datetime.date | None:
        """Return the day until which the exercises of a week are due."""
        if "due" not in data:
            if needed:
                self.mistake(
                    [*place, "week"],
                    "due is missing: add a date, or exercises: [] if nothing is due",
                )
            return None
        due = self.date([*place, "due"])
        if due and due < begins:
            what = f"before week {data['week']} begins ({begins}): correct due or start"
            self.mistake([*place, "due"], f"due {due} is {what}")
        if not needed and not data.get("exercises", [1]):
            self.mistake([*place, "due"], "due without exercises: remove it, or name exercises")
        return due

    def hidden(self, weeks: list[Week], today: datetime.date) -> tuple[str, ...]:
        """Return the labels of those exercises whose solutions are hidden."""
        rule = self.data.get("solutions", {})
        hide, release = rule.get("hide", "all"), rule.get("release", [])
        hidden = set(self.exercises) if hide == "all" else set()
        if isinstance(hide, list):
            hidden = set(self.labels(hide, ["solutions", "hide"]))
        if release == "after due":
            for week in weeks:
                if week.due and week.due < today:
                    hidden -= {exercise.label for exercise, _ in week.exercises}
        else:
            hidden -= set(self.labels(release, ["solutions", "release"]))
        return tuple(sorted(hidden))

    def labels(self, names: list[str], place: Place) -> Iterator[str]:
        """Yield the labels of exercises that are named, by themselves or with their chapter."""
        both = [*self.chapters, *self.exercises]
        for i, name in enumerate(names):
            if name in self.chapters:
                yield from (exercise.label for exercise in self.chapters[name].exercises)
            elif self.known(name, [*place, i], "chapter or exercise", both):
                yield name

    def known(self, name: str, place: Place, kind: str, known: Iterable[str]) -> bool:
        """Return whether a name is known; note it if not."""
        if name in known:
            return True
        hint = self.numbered(place, name) or meant(name, known)
        self.mistake(place, f"unknown {kind} {shown(name)}: {hint}")
        return False

    def date(self, place: Place) -> datetime.date | None:
        """Return the date at a place; None, and a note, if there is no such day."""
        text = self.data
        for step in place:
            text = text[step]
        try:
            return datetime.date.fromisoformat(text)
        except ValueError as error:
            self.mistake(place, f"{place[-1]}: {shown(text)} is no day ({error}): correct it")
            return None
