"""What became of the exercises of a notebook.

>>> report = Report("ada.ipynb", marks=[Mark("ex-half", "Half a gap", "marked", "", 0.5, 1.0)])
>>> report.score, report.points, report.marks[0].by_hand
(0.5, 1.0, True)
"""

from dataclasses import dataclass, field
from typing import Any

from grading.catalogue import BY_CHECK

STATUSES = {
    "passed": "right",
    "failed": "wrong",
    "unsolved": "not solved",
    "missing": "not in the notebook",
    "time": "takes too long",
    "memory": "needs too much memory",
    "output": "prints or returns too much",
    "crash": "ended its process",
    "unmarked": "to be marked",
    "marked": "marked",
}


@dataclass(frozen=True)
class Mark:
    """What became of an exercise.

    Attributes:
        exercise: the name of its check; where the answer is words, the exercise's label, with
            "/2" for its second part.
        label, title: the exercise's in the book.
        number: its number in the notebook that was handed out, else the book's; with a letter, as
            in 1b, where an exercise has several parts.
        status: one of `STATUSES`.
        message: a sentence that says why.
        score, points: what was reached, and what could be.
        cell: the place of its cell in the notebook from 0, None where there is none.
        code: the cell, or the answer in words.
        seconds: how long the student's code ran, by the clock.
        comment: what the teacher says of it.
        checked: the score by the check, where the teacher gave another.
        question: what was asked, where the answer is words.
    """

    exercise: str
    title: str
    status: str
    message: str
    score: float
    points: float
    cell: int | None = None
    code: str = ""
    seconds: float = 0.0
    label: str = ""
    number: str = ""
    comment: str = ""
    checked: float | None = None
    question: str = ""

    @property
    def name(self) -> str:
        """Number and title: "1b Half a gap"."""
        return f"{self.number} {self.title}".strip()

    @property
    def by_hand(self) -> bool:
        """Whether the answer is in words."""
        return self.exercise not in BY_CHECK


@dataclass(frozen=True)
class Report:
    """What became of a notebook: its marks, or the problem why it could not be graded.

    Attributes:
        notebook: its name.
        sha256: of its file.
        marks: of its exercises.
        problem: why it could not be graded.
        student: "name", "id" and "with" from the cell for them, or those of a roster.
        about: what the notebook that was handed out says of its course: "title", "due", "site".
        late: days after the due day.
        deducted: points for being late.
        notes: what the teacher should know of it.
    """

    notebook: str
    sha256: str = ""
    marks: list[Mark] = field(default_factory=list)
    problem: str | None = None
    student: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    late: float = 0.0
    deducted: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The sum of the scores."""
        return sum(mark.score for mark in self.marks)

    @property
    def points(self) -> float:
        """What could be reached."""
        return sum(mark.points for mark in self.marks)

    @property
    def total(self) -> float:
        """The score less what being late costs."""
        return self.score - self.deducted

    @property
    def open(self) -> float:
        """The points of what is to be marked still."""
        return sum(mark.points for mark in self.marks if mark.status == "unmarked")
