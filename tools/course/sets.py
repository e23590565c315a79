r"""Problem sets and their answer keys: one notebook for each week in which something is due.

Exercises and solutions are taken as the book's own notebooks have them, so they show in Colab and
Jupyter, and the cells keep the tags by which ``python -m grading`` finds them. Imports come
from the chapter: those that the solution needs.

>>> imports(["import torch", "from gsutils import checks", "from gsutils import dual"])
'import torch\nfrom gsutils import checks, dual'
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

import nbformat

from grading.words import WORDS
from tools.course.pages import late, plain
from tools.course.settings import Course, Week, day
from tools.course.source import TAG, Exercise
from tools.course.tasks import Task
from tools.notebooks.cells import INSTALL

PASSAGES = "**What problem {number} refers to**"
OBJECTS = "# What this problem takes from its chapter; training takes as long as there."
LICENCE = (
    "*Text and figures [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), code MIT, from "
    "Gradient Starvation, an executable book, by its authors.*"
)
STUDENT = """\
NAME = ""
STUDENT_ID = ""
WORKED_WITH = ""  # everyone with whom you talked about it"""
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(course: Course, week: Week, known: dict[str, Task], key: bool = False) -> str:
    """Return a week's problem set, or with `key` its answer key, as the text of its file."""
    cells = list(_cells(course, week, known, key))
    for place, cell in enumerate(cells):
        cell.id = f"week-{week.number:02}-{place:02}"
    made = nbformat.v4.new_notebook(cells=cells, metadata={**KERNEL, "gs": _about(course, week)})
    nbformat.validate(made)
    return nbformat.writes(made, indent=1, ensure_ascii=False) + "\n"


def _about(course: Course, week: Week) -> dict[str, Any]:
    """Return what the grader reads in a problem set's metadata: its title, day, rule, and site."""
    about = {"title": f"{course.title}, week {week.number}", "site": course.site}
    late = {"late": dict(course.late)} if course.late else {}
    return {**about, "due": str(week.due), **late}


def _cells(
    course: Course, week: Week, known: dict[str, Task], key: bool
) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells of a week's notebook."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    yield markdown(_head(course, week, known, key))
    if not key:
        yield code(STUDENT, metadata={"tags": ["gs-student"]})
    yield code(INSTALL.format(package=course.package, ask="your teacher"))
    setup = [s for exercise, _ in week.exercises for s in known[exercise.label].setup]
    yield code(imports(setup))
    chapter, printed = None, set[str]()
    for place, (exercise, points) in enumerate(week.exercises, 1):
        task = known[exercise.label]
        if task.chapter != chapter:
            chapter = task.chapter
            yield markdown(f"## {chapter}\n\n*From [this chapter]({task.page}).*")
        shares = shared(points, task)
        number = f"*{task.number} of the book. {_worth(points, shares, task)}*"
        yield markdown(f"### Problem {place}. {task.title}\n\n{number}\n\n{task.text}")
        new = {label: text for label, text in task.passages.items() if label not in printed}
        printed |= new.keys()
        if new:
            yield markdown("\n\n".join([PASSAGES.format(number=place), *new.values()]))
        if task.objects:
            yield code("\n".join([OBJECTS, imports(task.objects, checks=False)]))
        if exercise.check:
            yield from _code(course, exercise, shares[0], task.code if key else task.stub)
        yield from map(code, task.cells)
        if key and exercise.check and task.words:
            yield markdown(task.words)
        yield from _words(course, exercise, shares[-len(task.questions) :], task, key)


def _code(
    course: Course, exercise: Exercise, points: float, source: str
) -> Iterator[nbformat.NotebookNode]:
    """Yield the cell of an answer in code, and nbgrader's test of it."""
    code = nbformat.v4.new_code_cell
    metadata: dict[str, Any] = {"tags": [TAG + exercise.check], "points": points}
    if course.nbgrader:
        metadata["nbgrader"] = _nbgrader(exercise.check, solution=True)
    yield code(source, metadata=metadata)
    if course.nbgrader:
        name = exercise.check.replace("-", "_")
        graded = _nbgrader(f"{exercise.check}-test", points=points, locked=True)
        yield code(f"assert checks.{name}({name}).passed", metadata={"nbgrader": graded})


def _words(
    course: Course, exercise: Exercise, shares: list[float], task: Task, key: bool
) -> Iterator[nbformat.NotebookNode]:
    """Yield a cell for each question that is answered in words."""
    for part, (question, points) in enumerate(zip(task.questions, shares), 1):
        metadata: dict[str, Any] = {"tags": [WORDS], "points": points}
        metadata["gs"] = {"exercise": exercise.label, "part": part}
        if course.nbgrader:
            name = exercise.label + f"-{part}" * (part > 1)
            metadata["nbgrader"] = _nbgrader(name, points=points, solution=True)
        asked = f"**{'abcdefgh'[part - 1]})** {question}\n\n" if question else ""
        if not key:
            answer = "*Your answer:*"
        elif exercise.check or part > 1:
            answer = "*The answer above holds this one, too.*"
        else:
            answer = task.words
        yield nbformat.v4.new_markdown_cell(f"{asked}{answer}", metadata=metadata)


def shared(points: float, task: Task) -> list[float]:
    """Return the points of the parts of an exercise: half for code that is not all of it.

    The rest is shared equally, in quarters where that is possible.

    >>> task = Task("A", "", "1", "", "", "", "", "", [], questions=["a", "b", "c"])
    >>> shared(2, task)
    [0.75, 0.75, 0.5]
    """
    count = len(task.questions)
    if not task.stub or not count:
        code, rest = [points] if task.stub else [], points
    else:
        code, rest = [points / 2], points / 2
    whole, left = divmod(round(4 * rest), count or 1)
    if not count:
        return code
    if whole and 4 * rest == round(4 * rest):
        return code + [(whole + (place < left)) / 4 for place in range(count)]
    return code + [rest / count] * count


def _head(course: Course, week: Week, known: dict[str, Task], key: bool) -> str:
    """Return the words at the top of a notebook."""
    assert week.due is not None
    title = plain(course.title)
    total = sum(points for _, points in week.exercises)
    parts = [(points, known[e.label]) for e, points in week.exercises]
    by_check = sum(shared(points, task)[0] for points, task in parts if task.stub)
    counts = [f"{_points(by_check)} for code, which its checks grade"] * bool(by_check)
    if total > by_check:
        counts.append(f"{_points(total - by_check)} for answers in words, graded by hand")
    if key:
        return (
            f"# Answer key, week {week.number}\n\n**{title}**, {plain(course.term)}. "
            f"Not for students. {'; '.join(counts)}.\n\n{LICENCE}"
        )
    topic = f": {plain(week.topic)}" if week.topic else ""
    delay = f"**Late work.** {plain(late(course))}\n\n" if late(course) else ""
    return (
        f"# Problem set, week {week.number}\n\n**{title}**{topic}. "
        f"Due **{day(week.due)}**. {_points(total)}: {'; '.join(counts)}.\n\n"
        "Write your name into the next cell: it says whose work this is. Write code in place of "
        "`...`; the check below it says what is still wrong. Write words where it says *Your "
        f"answer*. Hand in this notebook as `{week.name}.ipynb`.\n\n{delay}{LICENCE}"
    )


def _worth(points: float, shares: list[float], task: Task) -> str:
    """Return what an exercise is worth, in words."""
    if len(shares) == 1:
        return f"{_points(points)}."
    names = ["code"] * bool(task.stub) + [f"{letter})" for letter in "abcdefgh"]
    each = ", ".join(f"{name} {share:.3g}" for name, share in zip(names, shares))
    return f"{_points(points)}: {each}."


def _points(points: float) -> str:
    return f"{points:.3g} point{'s' * (points != 1)}"


def _nbgrader(
    name: str, points: float | None = None, solution: bool = False, locked: bool = False
) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell; with points it is one that gets a grade."""
    kind = {"grade": points is not None, "solution": solution, "locked": locked, "task": False}
    worth = {} if points is None else {"points": points}
    return {"schema_version": 3, "grade_id": name, **kind, **worth}


def imports(statements: Iterable[str], checks: bool = True) -> str:
    """Return the code of a cell that runs statements, each once, imports from a module together.

    Args:
        statements: the code.
        checks: whether to import the checks, too.
    """
    plain: dict[str, None] = {}
    modules: dict[str, set[str]] = {}
    rest: dict[str, None] = {}
    for one in ["from gsutils import checks"] * checks + [*statements]:
        (node,) = ast.parse(one).body
        if isinstance(node, ast.ImportFrom) and node.module:
            names = one.partition(" import ")[2]
            modules.setdefault(node.module, set()).add(names)
        elif isinstance(node, ast.Import):
            plain[one] = None
        else:
            rest[one] = None
    lines = [f"from {module} import {', '.join(sorted(modules[module]))}" for module in modules]
    return "\n".join([*sorted(plain), *sorted(lines), *rest])
