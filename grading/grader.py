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
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from grading import values
from grading.catalogue import BY_CHECK, EXERCISES
from grading.engines import Engine, Trust
from grading.limits import Limits
from grading.records import Mark, Report
from grading.sandbox import Sandbox, Stopped, choose
from gsutils.checks import CHECKS
from gsutils.checks.verdict import Check

LARGEST = 200 * 2**20  # bytes of a notebook
PATIENCE = 3  # a notebook's time by the clock, in limits of one exercise
UNWRITTEN = "Your function failed with NotImplementedError"  # nbgrader's stub


@dataclass(frozen=True)
class _Task:
    """How to grade: the engine, the limits, and what was handed out, if known.

    `items` are its exercises in their order, by the keys of `Mark.exercise`, with their points, and
    `questions` what is asked in words.
    """

    engine: Engine
    limits: Limits
    assignment: Path | None = None
    items: dict[str, float] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


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
            submission has at least one, with a point for each star.
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
        read = _read(path, task)
        found, told = _items(read), {"student": read["student"], "about": task.about}
        expected = task.items or _chapters(found)
        if not expected:
            return Report(name, digest, problem="it has none of this book's exercises", **told)
        numbers, letters = _numbers(task.items), _letters(expected)
        marks: list[Mark] = []
        for item, points in expected.items():
            left = PATIENCE * task.limits.seconds - sum(mark.seconds for mark in marks)
            mark = _mark if item in CHECKS else _written
            known = BY_CHECK.get(item) or EXERCISES.get(item.partition("/")[0])
            made = mark(item, found.get(item), points, task, left)
            if known:
                number = numbers.get(known.label, known.number) + letters.get(item, "")
                made = replace(made, label=known.label, title=known.title, number=number)
            asked = task.questions.get(item) or found.get(item, {}).get("question", "")
            made = replace(made, question=asked)
            marks.append(made)
        return Report(name, digest, marks, **told)
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
    mark = Mark(exercise, check.title, "missing", "", 0.0, points)
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


def _written(
    item: str, found: dict[str, Any] | None, points: float, task: _Task, left: float
) -> Mark:
    """Return the mark of an answer in words, to be marked if there is one."""
    mark = Mark(item, item, "missing", "", 0.0, points)
    if found is None:
        return replace(mark, message="No cell of the notebook has it.")
    mark = replace(mark, cell=found["cell"], code=str(found["text"]))
    if not found["text"] and not found["pictures"]:
        return replace(mark, status="unsolved", message="Nothing was written.")
    pictures = f"It has pictures ({found['pictures']}): see the notebook." * bool(found["pictures"])
    return replace(mark, status="unmarked", message=pictures)


def _judge(check: Check, sandbox: Sandbox) -> tuple[str, str]:
    """Return a status and a message."""
    try:
        verdict = check(sandbox.call)
    except Stopped as stop:
        return stop.status, str(stop)
    if verdict.message.startswith(UNWRITTEN):
        return "unsolved", "Not solved yet."
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


def _read(path: Path, task: _Task) -> dict[str, Any]:
    """Return what a notebook holds, as `words.submission` does."""
    files = {"/in/notebook": path}
    if task.assignment:
        files["/in/assignment"] = task.assignment
    trusted = isinstance(task.engine, Trust)  # then files are where they are
    places = [str(file.resolve()) if trusted else place for place, file in files.items()]
    with Sandbox(task.engine, {"read": places}, task.limits, files=files) as sandbox:
        try:
            return sandbox.read()
        except Stopped as stop:
            if stop.status == "failed":
                raise
            raise ValueError(f"it could not be read: {stop}") from None


def _items(read: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the exercises in a notebook, code and words, in their order."""
    found = {name: exercise for name, exercise in read["exercises"].items() if name in CHECKS}
    for answer in read["words"]:
        label, part = answer["exercise"], answer["part"]
        key = f"{label}/{part}" if part > 1 else label
        if label in EXERCISES and (answer["text"] or key not in found):
            found[key] = answer
    return dict(sorted(found.items(), key=lambda item: item[1]["cell"]))


def _task(engine: Engine, path: Path | None, limits: Limits) -> _Task:
    """Return how to grade, with what counts in the notebook that was handed out."""
    task = _Task(engine, limits)
    if path is None:
        return task
    try:
        _digest(path)
        read = _read(path, task)
    except (Stopped, ValueError) as problem:
        raise ValueError(f"the assignment {path}: {problem}") from None
    found = _items(read)
    if not found:
        raise ValueError(f"the assignment {path} has none of this book's exercises")
    items = {key: _worth(key, item["points"]) for key, item in found.items()}
    asked = {key: item["question"] for key, item in found.items() if "question" in item}
    return replace(task, assignment=path, items=items, questions=asked, about=read["about"])


def _worth(item: str, said: float | None) -> float:
    """Return the points of an exercise: as its cell says, else as its stars do."""
    if said is not None:
        return float(said)
    known = BY_CHECK.get(item) or EXERCISES.get(item)
    whole = known is not None and item == (known.check or known.label)  # not its second part
    return float(known.points) if known and whole else 0.0


def _numbers(items: dict[str, float]) -> dict[str, str]:
    """Return the numbers 1, 2, 3 of the exercises that were handed out, by their labels."""
    labels = dict.fromkeys(map(_label, items))
    return {label: str(number) for number, label in enumerate(labels, 1)}


def _letters(items: Collection[str]) -> dict[str, str]:
    """Return a, b, c for the questions in words of exercises that have several parts.

    >>> _letters(["ex-half", "ex-half/2", "linear-margin", "ex-line", "ex-share"])
    {'ex-half': 'a', 'ex-half/2': 'b', 'ex-line': 'a'}
    """
    parts = Counter(map(_label, items))
    found = {}
    for item in items:
        if item not in BY_CHECK and parts[_label(item)] > 1:
            part = int(item.partition("/")[2] or 1)
            found[item] = ascii_lowercase[part - 1] if part <= 26 else f"/{part}"
    return found


def _label(item: str) -> str:
    """Return the label of the exercise to which a part belongs."""
    return BY_CHECK[item].label if item in BY_CHECK else item.partition("/")[0]


def _chapters(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the points of what counts without an assignment, what was found first.

    That is all code of those chapters of which some was found, and answers in words.
    """
    there = {CHECKS[name].chapter for name in found if name in CHECKS}
    rest = [name for name, check in CHECKS.items() if check.chapter in there]
    return {name: _worth(name, None) for name in dict.fromkeys([*found, *rest])}
