"""The book's exercises, as the grader has to know them: titles, numbers, stars, and their chapter.

>>> EXERCISES["ex-line"].title, EXERCISES["ex-line"].points, BY_CHECK["linear-margin"].number
('Distance to a line', 1, '1.2')
"""

import json
from dataclasses import dataclass
from pathlib import Path

POINTS_OF_AN_OPEN_QUESTION = 6


@dataclass(frozen=True)
class Known:
    """An exercise of the book.

    Attributes:
        label: its name in the book, such as ex-line.
        check: the name of the check of its code, "" where the answer is words.
        number: the book's, such as 1.2.
        title: its heading without stars.
        stars: how hard it is.
        open: whether it is an open question.
        page, chapter: the file and the title of its chapter.
    """

    label: str
    check: str
    number: str
    title: str
    stars: int
    open: bool
    page: str
    chapter: str

    @property
    def points(self) -> int:
        """What it is worth unless a course says otherwise: a point a star, six if it is open."""
        return POINTS_OF_AN_OPEN_QUESTION if self.open else self.stars

    @property
    def place(self) -> str:
        """Words that say where it stands: "chapter 1, Clever Hans, exercise 1.2"."""
        return f"chapter {self.number.partition('.')[0]}, {self.chapter}, exercise {self.number}"


EXERCISES = {
    record["label"]: Known(**record)
    for record in json.loads(Path(__file__).with_name("exercises.json").read_text("utf-8"))
}
BY_CHECK = {known.check: known for known in EXERCISES.values() if known.check}
