"""What one making of a course leaves for the next: references and exercises, read from the book.

Reading them takes most of the time, and a week later, with one more solution released, they are the
same. They are kept beside the built book, and forgotten when it or the tools change.
"""

import dataclasses
import json
from pathlib import Path

from tools.course.tasks import Task
from tools.notebooks import Addresses
from tools.notebooks.syntax import Facts


class Memory:
    """What is known of a book.

    Args:
        path: the file.
        stamp: of all that it follows from; what was kept under another one is forgotten.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path, self.stamp = path, stamp
        self.facts: dict[str, Facts] | None = None
        self.tasks: dict[str, Task] = {}
        if path.is_file():
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["stamp"] == stamp:
                self.facts = {name: Facts(**one) for name, one in data["facts"].items()}
                self.tasks = {name: Task(**one) for name, one in data["tasks"].items()}

    def keep(self, facts: dict[str, Facts], tasks: dict[str, Task]) -> None:
        """Keep what is known now."""
        data = {
            "stamp": self.stamp,
            "facts": {name: dataclasses.asdict(one) for name, one in facts.items()},
            "tasks": {name: dataclasses.asdict(one) for name, one in tasks.items()},
        }
        self.path.write_text(json.dumps(data), encoding="utf-8")


def moved(facts: dict[str, Facts], old: Addresses, new: Addresses) -> dict[str, Facts]:
    """What an edition says of the same book at other addresses."""
    return {
        name: Facts({k: old.replaced(v, new) for k, v in one.inline.items()}, one.numbers)
        for name, one in facts.items()
    }
