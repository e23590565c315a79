"""Scores: each exercise of a submission judged by its check, the answer called in its own process.

>>> import json, tempfile
>>> cell = {"cell_type": "code", "source": "def linear_margin(w, b, X, y): ...", "metadata": {}}
>>> cell["metadata"]["tags"] = ["exercise-linear-margin"]
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "ada.ipynb")
...     _ = path.write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
...     report = grade(path, engine=Trust())
>>> [(mark.exercise, mark.status) for mark in report.marks][:2]
[('linear-margin', 'unsolved'), ('sd-objective', 'missing')]
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grading import values
from grading.engines import Engine, Trust
from grading.sandbox import Limits, Sandbox, Stopped, choose
from gsutils.checks import CHECKS
from gsutils.checks.verdict import Check

LARGEST = 200 * 2**20  # bytes of a notebook
PATIENCE = 3  # a notebook's time by the clock, in limits of one exercise
STATUSES = {
    "passed": "right",
    "failed": "wrong",
    "unsolved": "not solved",
    "missing": "not in the notebook",
    "time": "takes too long",
    "memory": "needs too much memory",
    "output": "prints or returns too much",
    "crash": "ended its process",
}


@dataclass(frozen=True)
class Mark:
    """What became of an exercise.

    Attributes:
        exercise: the name of its check.
        title: what it asks for.
        status: one of `STATUSES`.
        message: a sentence that says why.
        score, points: what was reached, and what could be.
        cell: the place of its cell in the notebook from 0, None where there is none.
        code: the cell.
        seconds: how long the student's code ran, by the clock.
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


@dataclass(frozen=True)
class Report:
    """What became of a notebook: its marks, or the problem why it could not be graded."""

    notebook: str
    sha256: str = ""
    marks: list[Mark] = field(default_factory=list)
    problem: str | None = None

    @property
    def score(self) -> float:
        """The sum of the scores."""
        return sum(mark.score for mark in self.marks)

    @property
    def points(self) -> float:
        """What could be reached."""
        return sum(mark.points for mark in self.marks)


@dataclass(frozen=True)
class _Task:
    """How to grade: the engine, the limits, and what was handed out with its points, if known."""

    engine: Engine
    limits: Limits
    assignment: Path | None = None
    points: dict[str, float] = field(default_factory=dict)


def grade(
    path: Path,
    assignment: Path | None = None,
    limits: Limits | None = None,
    name: str = "",
    engine: Engine | None = None,
) -> Report:
    """Grade a notebook.

    Args:
        path: the notebook as it was handed in.
        assignment: the notebook that was handed out: it says which exercises there are and what
            each is worth. Without it, all exercises of those chapters count of which the
            submission has at least one, with a point each.
        limits: what the code of an exercise may use; together they have three times as long.
        name: what the report calls the notebook; default: the name of its file.
        engine: what keeps the student's code to itself; default: the first that starts.

    Returns:
        A report, whatever the notebook holds.

    Raises:
        ValueError: the assignment cannot be read, or has no exercise.
        NoEngine: there is nothing to keep the student's code in.
    """
    task = _task(engine or choose(), assignment, limits or Limits())
    return _grade(name or path.name, path, task)


def grade_all(
    named: Sequence[tuple[str, Path]],
    engine: Engine,
    assignment: Path | None = None,
    limits: Limits | None = None,
    jobs: int = 1,
) -> Iterator[tuple[int, Report]]:
    """Grade notebooks, `jobs` at a time.

    Args:
        named: (name, path) of each notebook.
        engine: as in `grade`.
        assignment: as in `grade`.
        limits: as in `grade`.
        jobs: how many side by side.

    Yields:
        The place of a notebook in `named` and its report, as soon as it is there.

    Raises:
        ValueError: the assignment cannot be read, or has no exercise.
    """
    task = _task(engine, assignment, limits or Limits())
    with ThreadPoolExecutor(jobs) as pool:  # the work is done in the students' processes
        futures = {
            pool.submit(_grade, name, path, task): place for place, (name, path) in enumerate(named)
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _grade(name: str, path: Path, task: _Task) -> Report:
    """Return a report, whatever happens: one notebook must not stop the others."""
    name = values.plain(name, 200)
    try:
        digest = _digest(path)
        found = _read(path, task)
        expected = task.points or _chapters(found)
        if not expected:
            return Report(name, digest, problem="it has none of this book's exercises")
        places = {key: place for place, key in enumerate(found)}
        marks: list[Mark] = []
        for exercise in sorted(expected, key=lambda key: places.get(key, len(places))):
            left = PATIENCE * task.limits.seconds - sum(mark.seconds for mark in marks)
            marks.append(_mark(exercise, found.get(exercise), expected[exercise], task, left))
        return Report(name, digest, marks)
    except (Stopped, ValueError) as problem:
        return Report(name, problem=values.plain(problem))
    except Exception as error:
        text = f"the grader failed with {type(error).__name__}: {error}"
        return Report(name, problem=values.plain(text))


def _mark(
    exercise: str, found: dict[str, Any] | None, points: float, task: _Task, left: float
) -> Mark:
    """Judge one exercise, for which so many seconds are left."""
    check = CHECKS[exercise]
    mark = Mark(exercise, f"Chapter {check.chapter}: {check.title}.", "missing", "", 0.0, points)
    if found is None:
        return replace(mark, message="No cell of the notebook has it.")
    mark = replace(mark, cell=found["cell"], code=found["code"])
    if left <= 0:
        text = "Not run: the exercises above it took the time of all."
        return replace(mark, status="time", message=text)
    job = {key: found[key] for key in ("code", "setup", "python")}
    with Sandbox(task.engine, {"name": check.__name__, **job}, task.limits, left) as sandbox:
        status, message = _judge(check, sandbox)
        seconds = round(sandbox.spent, 2)
    score = points if status == "passed" else 0.0
    text = values.plain(message)
    return replace(mark, status=status, message=text, score=score, seconds=seconds)


def _judge(check: Check, sandbox: Sandbox) -> tuple[str, str]:
    """Return a status and a message."""
    try:
        verdict = check(sandbox.call)
    except Stopped as stop:
        return stop.status, str(stop)
    return verdict.status.value, verdict.message


def _digest(path: Path) -> str:
    """Return the SHA-256 of a notebook's file, if it is one."""
    if not path.is_file():
        raise ValueError("there is no such file")
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(
            f"the file has {size / 2**20:.0f} MiB, more than {LARGEST // 2**20}: "
            "clear its outputs and save it again"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, task: _Task) -> dict[str, dict[str, Any]]:
    """Return the exercises that a notebook has, in their order."""
    files = {"/in/notebook": path}
    if task.assignment:
        files["/in/assignment"] = task.assignment
    trusted = isinstance(task.engine, Trust)  # then files are where they are
    places = [str(file.resolve()) if trusted else place for place, file in files.items()]
    with Sandbox(task.engine, {"read": places}, task.limits, files=files) as sandbox:
        try:
            found = sandbox.exercises()
        except Stopped as stop:
            if stop.status == "failed":
                raise
            raise ValueError(f"it could not be read: {stop}") from None
    known = {name: exercise for name, exercise in found.items() if name in CHECKS}
    return dict(sorted(known.items(), key=lambda item: item[1]["cell"]))


def _task(engine: Engine, path: Path | None, limits: Limits) -> _Task:
    """Return how to grade, with what counts in the notebook that was handed out."""
    task = _Task(engine, limits)
    if path is None:
        return task
    try:
        _digest(path)
        found = _read(path, task)
    except (Stopped, ValueError) as problem:
        raise ValueError(f"the assignment {path}: {problem}") from None
    if not found:
        raise ValueError(f"the assignment {path} has none of this book's exercises")
    points = {name: exercise["points"] for name, exercise in found.items()}
    return replace(task, assignment=path, points=points)


def _chapters(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the points of the exercises of those chapters of which some were found."""
    there = {CHECKS[name].chapter for name in found}
    return {name: 1.0 for name, check in CHECKS.items() if check.chapter in there}
