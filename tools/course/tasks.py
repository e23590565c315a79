"""What problem sets need to know of each exercise, taken from the chapters.

>>> called('Use `trained["sd"]` and `lam`, see {eq}`a.b`.')
['trained']
"""

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading import notebooks as grading
from tools.course.passages import Passages
from tools.course.source import TAG, Exercise, Statement, statement
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED

PYTHON = re.compile(r"^```python\n(.*?)^```\n*", re.MULTILINE | re.DOTALL)
MEASURED = "*The values left out (…) are measured: they stand on the chapter's page.*"
ROLE = re.compile(r"\{[\w:]+\}`[^`]*`")
QUOTED = re.compile(r"(?<!`)`([^`]+)`")


@dataclass(frozen=True)
class Task:
    """All that a notebook needs to know of an exercise.

    Attributes:
        chapter: title of the chapter.
        page: its address.
        number: the book's, such as "Exercise 1.2".
        title: with its stars.
        text: the exercise.
        passages: what it refers to, by label.
        objects: statements that make what its text and its cells take from the chapter.
        cells: the chapter's own code that belongs to it.
        questions: those to answer in words, "" for one that is the exercise itself.
        stub: code of its cell; "" where the answer is words.
        code: the code of the solution, "" where it is words.
        words: what else the solution says.
        setup: the statements that the code needs.
    """

    chapter: str
    page: str
    number: str
    title: str
    text: str
    stub: str
    code: str
    words: str
    setup: list[str]
    passages: dict[str, str] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


Converted = dict[Path, tuple[Chapter, str]]


def tasks(
    exercises: Iterable[Exercise], student: Converted, full: Converted, build: Path
) -> dict[str, Task]:
    """Return what is known of exercises, by their labels.

    Args:
        exercises: which.
        student: the student edition's chapters, as `tools.notebooks.convert` gives them.
        full: the same with all solutions.
        build: the folder of the built book.

    Raises:
        ValueError: an exercise needs what only its chapter has.
    """
    chapters = {path.stem: pair for path, pair in student.items()}
    complete = {path.stem: pair[0] for path, pair in full.items()}
    sources = {path.stem: path.with_suffix(".md").read_text("utf-8") for path in student}
    book = Passages({name: (sources[name], c) for name, (c, _) in chapters.items()}, build)
    found = {}
    for exercise in exercises:
        chapter, text = chapters[exercise.chapter]
        solution = complete[exercise.chapter].solutions.get(exercise.label, "")
        raw = statement(sources[exercise.chapter], exercise.label)
        found[exercise.label] = _task(exercise, chapter, json.loads(text), solution, raw, book)
    return found


def _task(
    exercise: Exercise,
    chapter: Chapter,
    notebook: dict[str, Any],
    solution: str,
    raw: Statement,
    book: Passages,
) -> Task:
    text, code, setup, stub = chapter.exercises[exercise.label], "", [], ""
    if GLUED.search(text):
        raise ValueError(
            f"{exercise.label} quotes measured values, which its chapter alone computes: "
            "write it without, or do not assign it"
        )
    passages = book.needed(raw.text)
    objects = page_objects(exercise, notebook, raw)
    if exercise.check:
        tag = TAG + exercise.check
        (cell,) = [c for c in notebook["cells"] if tag in c["metadata"].get("tags", [])]
        stub = "".join(cell["source"])
        function = exercise.check.replace("-", "_")
        answer = "\n".join(PYTHON.findall(solution)).strip("\n")
        code = f"{answer}\n\n\nchecks.{function}({function})"
        cell["source"] = code
        setup = grading.find(notebook)[exercise.check].setup
        solution = PYTHON.sub("", solution)
    if GLUED.search(solution):
        solution = f"{GLUED.sub('…', solution)}\n\n{MEASURED}"
    heading = "".join(notebook["cells"][0]["source"]).partition("\n")[0].removeprefix("# ")
    first, _, text = text.partition("\n\n")
    number, _, title = first.removeprefix("### ").partition(" (")
    return Task(
        chapter=heading, page=chapter.site.page, number=number, title=title.removesuffix(")"),
        text=text, stub=stub, code=code, words=solution.strip(), setup=setup, passages=passages,
        objects=objects, cells=raw.cells, questions=raw.questions or [""] * (not exercise.check),
    )  # fmt: skip


def page_objects(exercise: Exercise, notebook: dict[str, Any], raw: Statement) -> list[str]:
    """Return the statements that make what an exercise takes from its chapter.

    That is what its own cells need, and objects and modules that its text calls, such as
    `trained["sd"]`, but for the arguments of the answer.
    """
    tasks = {e: "".join(c["source"]) for c in notebook["cells"] for e in _exercises(c)}
    stub = ast.parse(tasks.get(exercise.check, ""))
    arguments = {node.arg for node in ast.walk(stub) if isinstance(node, ast.arg)}
    names = [name for name in called(raw.text) if name not in arguments]
    own = {"".join(cell.split()) for cell in raw.cells}
    page = [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and not _exercises(cell)
        if "".join("".join(cell["source"]).split()) not in own
    ]
    if not (names or raw.cells):
        return []
    asks = {"cell_type": "code", "metadata": {"tags": [TAG + "page"]}}
    asks["source"] = "\n".join([*names, *raw.cells])
    return grading.find({**notebook, "cells": [*page, asks]})["page"].setup


def called(text: str) -> list[str]:
    """Return the names of what the code in a text calls, indexes or takes an attribute of."""
    used = [m[1] for code in quoted(text) if (m := re.match(r"(\w+)[.\[(]", code))]
    return list(dict.fromkeys(used))


def quoted(text: str) -> list[str]:
    """Return the code in a text's sentences, without what stands in roles.

    >>> quoted("By {eq}`a`, not by `f` or {ref}`b <c>`, `g`.")
    ['f', 'g']
    """
    return QUOTED.findall(ROLE.sub("", text))


def _exercises(cell: dict[str, Any]) -> list[str]:
    """Return the names of the checks whose exercises a cell has."""
    tags = cell["metadata"].get("tags", [])
    return [tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)]
