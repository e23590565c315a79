"""What the grader must know of the book's exercises, written as ``grading/exercises.json``.

    python -m tools.course.catalogue

A test says when it is out of date. It holds nothing that a student may not see.
"""

import json
from pathlib import Path
from typing import Any

from tools import book
from tools.course import source

PLACE = Path("grading", "exercises.json")


def catalogue(root: Path = book.ROOT) -> list[dict[str, Any]]:
    """Return the exercises in the book's order, as records of JSON."""
    return [
        {
            "label": exercise.label,
            "check": exercise.check,
            "number": f"{number}.{place}",
            "title": exercise.title,
            "stars": exercise.stars,
            "open": exercise.open,
            "page": chapter.name,
            "chapter": chapter.title,
        }
        for number, chapter in enumerate(source.chapters(root), 1)
        for place, exercise in enumerate(chapter.exercises, 1)
    ]


def text(root: Path = book.ROOT) -> str:
    """Return the file's content, a line for each exercise."""
    lines = ",\n ".join(json.dumps(record, ensure_ascii=False) for record in catalogue(root))
    return f"[{lines}]\n"


if __name__ == "__main__":
    (book.ROOT / PLACE).write_text(text(), encoding="utf-8")
