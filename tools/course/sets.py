r"""Problem sets and their answer keys: one notebook for each week in which something is due.

Exercises and solutions are taken as the book's own notebooks have them, so they show in Colab and
Jupyter, and the cells keep the tags by which ``python -m grading`` finds them. Imports come
from the chapter: those that the solution needs.

>>> imports(["import torch", "from gsutils import checks", "from gsutils import dual"])
'import torch\nfrom gsutils import checks, dual'
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from grading import notebooks as grading
from tools.course.pages import plain
from tools.course.settings import Course, Week, day
from tools.course.source import TAG, Exercise
from tools.notebooks.cells import INSTALL
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED

PYTHON = re.compile(r"^```python\n(.*?)^```\n*", re.MULTILINE | re.DOTALL)
MEASURED = "*The values left out (…) are measured: they stand on the chapter's page.*"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Task:
    """All that a notebook needs to know of an exercise.

    Attributes:
        chapter: title of the chapter.
        page: its address.
        text: the exercise.
        stub: code of its cell; "" where the answer is words.
        code: the code of the solution, "" where it is words.
        words: what else the solution says.
        setup: the statements that the code needs.
    """

    chapter: str
    page: str
    text: str
    stub: str
    code: str
    words: str
    setup: list[str]


Converted = dict[Path, tuple[Chapter, str]]


def tasks(course: Course, student: Converted, full: Converted) -> dict[str, Task]:
    """Return the exercises of a course, by their labels.

    Args:
        course: says which.
        student: the student edition's chapters, as `tools.notebooks.convert` gives them.
        full: the same with all solutions.

    Raises:
        ValueError: an exercise quotes measured values, which only its chapter has.
    """
    chapters = {path.stem: pair for path, pair in student.items()}
    complete = {path.stem: pair[0] for path, pair in full.items()}
    found = {}
    for week in course.sets:
        for exercise, _ in week.exercises:
            chapter, text = chapters[exercise.chapter]
            solution = complete[exercise.chapter].solutions.get(exercise.label, "")
            found[exercise.label] = _task(exercise, chapter, json.loads(text), solution)
    return found


def _task(exercise: Exercise, chapter: Chapter, notebook: dict[str, Any], solution: str) -> Task:
    text, code, setup, stub = chapter.exercises[exercise.label], "", [], ""
    if GLUED.search(text):
        raise ValueError(
            f"{exercise.label} quotes measured values, which its chapter alone computes: "
            "write it without, or do not assign it"
        )
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
    title = "".join(notebook["cells"][0]["source"]).partition("\n")[0].removeprefix("# ")
    return Task(title, chapter.site.page, text, stub, code, solution.strip(), setup)


def notebook(course: Course, week: Week, known: dict[str, Task], key: bool = False) -> str:
    """Return a week's problem set, or with `key` its answer key, as the text of its file."""
    cells = list(_cells(course, week, known, key))
    for place, cell in enumerate(cells):
        cell.id = f"{week.name}-{place:02}"
    made = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)
    nbformat.validate(made)
    return nbformat.writes(made, indent=1, ensure_ascii=False) + "\n"


def _cells(
    course: Course, week: Week, known: dict[str, Task], key: bool
) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells of a week's notebook."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    yield markdown(_head(course, week, key))
    yield code(INSTALL.format(package=course.package))
    setup = [s for exercise, _ in week.exercises for s in known[exercise.label].setup]
    yield code(imports(setup))
    chapter = None
    for exercise, points in week.exercises:
        task = known[exercise.label]
        if task.chapter != chapter:
            chapter = task.chapter
            yield markdown(
                f"## {chapter}\n\n*From [this chapter]({task.page}). "
                "Numbers of formulas, figures and exercises are those of its page.*"
            )
        yield markdown(f"{task.text}\n\n*{_points(points)}*")
        if exercise.check:
            metadata: dict[str, Any] = {"tags": [TAG + exercise.check], "points": points}
            if course.nbgrader:
                metadata["nbgrader"] = _nbgrader(exercise.check, solution=True)
            yield code(task.code if key else task.stub, metadata=metadata)
            if course.nbgrader:
                name = exercise.check.replace("-", "_")
                graded = _nbgrader(f"{exercise.check}-test", points=points, locked=True)
                yield code(f"assert checks.{name}({name}).passed", metadata={"nbgrader": graded})
            if key and task.words:
                yield markdown(task.words)
        else:
            metadata = {"tags": [f"answer-{exercise.label}"]}
            if course.nbgrader:
                metadata["nbgrader"] = _nbgrader(exercise.label, points=points, solution=True)
            yield markdown(task.words if key else "*Your answer:*", metadata=metadata)


def _head(course: Course, week: Week, key: bool) -> str:
    """Return the words at the top of a notebook."""
    assert week.due is not None
    title = plain(course.title)
    by_check = sum(points for exercise, points in week.exercises if exercise.check)
    by_hand = sum(points for exercise, points in week.exercises if not exercise.check)
    parts = [f"{_points(by_check)} for code, which its checks grade"] * bool(by_check)
    parts += [f"{_points(by_hand)} for answers in words, graded by hand"] * bool(by_hand)
    if key:
        return (
            f"# Answer key, week {week.number}\n\n**{title}**, {plain(course.term)}. "
            f"Not for students. {'; '.join(parts)}."
        )
    topic = f": {plain(week.topic)}" if week.topic else ""
    return (
        f"# Problem set, week {week.number}\n\n**{title}**{topic}. "
        f"Due **{day(week.due)}**. {'; '.join(parts)}.\n\n"
        "Write your code in place of `...`; the check below it says what is still wrong. "
        f"Write words where it says *Your answer*. Hand in this notebook as `{week.name}.ipynb`."
    )


def _points(points: float) -> str:
    return f"{points:g} point{'s' * (points != 1)}"


def _nbgrader(
    name: str, points: float | None = None, solution: bool = False, locked: bool = False
) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell; with points it is one that gets a grade."""
    kind = {"grade": points is not None, "solution": solution, "locked": locked, "task": False}
    worth = {} if points is None else {"points": points}
    return {"schema_version": 3, "grade_id": name, **kind, **worth}


def imports(statements: Iterable[str]) -> str:
    """Return the code of a cell that runs statements, each once, imports from a module together."""
    plain: dict[str, None] = {}
    modules: dict[str, set[str]] = {}
    rest: dict[str, None] = {}
    for statement in ["from gsutils import checks", *statements]:
        (node,) = ast.parse(statement).body
        if isinstance(node, ast.ImportFrom) and node.module:
            names = statement.partition(" import ")[2]
            modules.setdefault(node.module, set()).add(names)
        elif isinstance(node, ast.Import):
            plain[statement] = None
        else:
            rest[statement] = None
    lines = [f"from {module} import {', '.join(sorted(modules[module]))}" for module in modules]
    return "\n".join([*sorted(plain), *sorted(lines), *rest])
