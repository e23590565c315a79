r"""Finding the exercises of a submitted notebook, and the code that each of them needs.

An exercise's cell carries the tag ``exercise-NAME``; where tags were lost, or the answer stands in
a cell of the student's own, the call ``checks.NAME(...)`` tells. Of the other cells those
statements are taken that the answer needs (:mod:`grading.needs`): a training higher up is left out
unless the answer uses what it gives.

>>> cell = {"cell_type": "code", "source": "import numpy as np\nX = np.ones(3)\ntrain()"}
>>> answer = {"cell_type": "code", "source": "def f():\n    return np.pi\nchecks.f(f)"}
>>> find({"nbformat": 4, "cells": [cell, answer]})["f"].setup
['import numpy as np']
"""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading import cells as ipython
from grading import needs, values

LONGEST = 100_000  # characters of a cell of code
TAG = "exercise-"
_CALL = re.compile(r"\bchecks\.(\w+)\s*\(")


class UnreadableNotebook(ValueError):
    """A file is not a notebook that can be graded; the message says what to do."""


@dataclass(frozen=True)
class Exercise:
    """An exercise as it was handed in.

    Attributes:
        cell: the place of its cell in the notebook, from 0.
        code: the cell.
        setup: statements from other cells that it needs, in the order to run them.
        points: what the cell's metadata say it is worth, under the key "points", or None.
        python: the version with which the notebook was written, "" where it does not say.
    """

    cell: int
    code: str
    setup: list[str]
    points: float | None = None
    python: str = ""


@dataclass(frozen=True)
class _Cell:
    place: int
    code: str
    tree: ast.Module | None  # None where the code is not Python
    metadata: dict[str, Any]

    @property
    def names(self) -> set[str]:
        """The exercises that a cell's tags and calls name."""
        tags = self.metadata.get("tags")
        tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        found = {tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)}
        called = _called(self.tree) if self.tree else set(_CALL.findall(self.code))
        return found | {name.replace("_", "-") for name in called}

    def mentions(self, names: set[str]) -> bool:
        """Whether the cell's text has one of the names."""
        return not names.isdisjoint(re.findall(r"\w+", self.code))

    @property
    def is_locked(self) -> bool:
        """Whether nbgrader keeps a cell as it was handed out: it tests an answer and has none."""
        nbgrader = self.metadata.get("nbgrader")
        return isinstance(nbgrader, dict) and nbgrader.get("locked") is True

    @property
    def is_stub(self) -> bool:
        """Whether the functions of a cell hold nothing yet."""
        functions = (
            [n for n in self.tree.body if isinstance(n, ast.FunctionDef)] if self.tree else []
        )
        return bool(functions) and all(_is_empty(node) for f in functions for node in f.body)


def _called(tree: ast.Module) -> set[str]:
    """Return the checks that code calls: `checks.NAME(...)`, not in its comments and texts."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(ast.Name("checks") | ast.Attribute(_, "checks"), name)
            ):
                found.add(name)
    return found


def read(path: Path) -> Any:
    """Return the content of a notebook's file.

    Raises:
        UnreadableNotebook: it is not a notebook of version 4.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise UnreadableNotebook("not a notebook: the file is not text in UTF-8") from None
    except ValueError as error:
        raise UnreadableNotebook(f"not a notebook: the file is not JSON ({error})") from None
    except RecursionError:
        raise UnreadableNotebook("not a notebook: its JSON is nested too deeply") from None
    if not isinstance(content, dict) or "nbformat" not in content:
        raise UnreadableNotebook("not a notebook: the JSON has no field nbformat")
    if content["nbformat"] != 4:
        raise UnreadableNotebook(
            f"a notebook of version {json.dumps(content['nbformat'])[:20]}, expected the number 4: "
            "open it in a current Jupyter and save it again"
        )
    if not isinstance(content.get("cells"), list):
        raise UnreadableNotebook("not a notebook: it has no list of cells")
    return content


def exercises(path: Path, assignment: Path | None = None) -> Any:
    """Return the exercises of a notebook's file as parts of JSON.

    Args:
        path: the notebook.
        assignment: the notebook that was handed out.

    Raises:
        UnreadableNotebook: one of them cannot be graded.
    """
    found = find(read(path), read(assignment) if assignment else None)
    return {name: vars(exercise) for name, exercise in found.items()}


def find(notebook: Any, assignment: Any = None) -> dict[str, Exercise]:
    """Return the exercises of a notebook by the names of their checks.

    Of several cells for one exercise the last counts that is more than the stub, and that is not
    one of nbgrader's tests.

    Args:
        notebook: what `read` returned.
        assignment: the notebook that was handed out: it provides what a submission has lost.

    Raises:
        UnreadableNotebook: a cell with an exercise is too long.
    """
    cells = _cells(notebook)
    reference = needs.statements(c.tree for c in _cells(assignment)) if assignment else []
    candidates: dict[str, list[_Cell]] = {}
    for cell in cells:
        for name in cell.names:
            candidates.setdefault(name, []).append(cell)
    statements = {cell.place: needs.statements([cell.tree]) for cell in cells}
    found, python = {}, _python(notebook)
    for name, of_this in candidates.items():
        of_this = [c for c in of_this if not c.is_locked] or of_this
        cell = next((c for c in reversed(of_this) if not c.is_stub), of_this[-1])
        before = [s for place in statements if place < cell.place for s in statements[place]]
        after = [s for place in statements if place > cell.place for s in statements[place]]
        own = statements[cell.place]
        names = {n for s in own for n in s.needs} - {n for s in own for n in s.binds}
        setup, unbound = needs.needed(names, before, reference, after)
        # These cells fail as they would in the notebook: then that is the reason, and no lost name.
        setup += [c.code for c in cells if c.tree is None and c is not cell and c.mentions(unbound)]
        found[name] = Exercise(cell.place, cell.code, setup, _points(cell), python)
    return found


def _cells(notebook: Any) -> list[_Cell]:
    """Return the cells of code that are what cells should be."""
    cells = []
    for place, cell in enumerate(notebook["cells"]):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            continue
        metadata = cell.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        if len(source) > LONGEST:
            if _Cell(place, source, None, metadata).names:
                raise UnreadableNotebook(
                    f"its cell {place} has an exercise and more than {LONGEST:,} characters: "
                    "shorten it"
                )
            continue
        try:
            tree = ipython.parse(source)
        except (MemoryError, RecursionError, SyntaxError, ValueError):
            tree = None
        cells.append(_Cell(place, source, tree, metadata))
    return cells


def _is_empty(node: ast.stmt) -> bool:
    """Whether a statement of a function is a docstring, an ellipsis, pass, or nbgrader's stub."""
    if isinstance(node, ast.Raise):
        return node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _points(cell: _Cell) -> float | None:
    points: Any = cell.metadata.get("points")
    usual = isinstance(points, int | float) and 0 <= points <= 1000
    return float(points) if usual else None


def _python(notebook: Any) -> str:
    """Return the version of Python in a notebook's metadata."""
    version: Any = notebook
    for key in ("metadata", "language_info", "version"):
        version = version.get(key) if isinstance(version, dict) else None
    return "Python " + values.plain(version, 20) if isinstance(version, str) else ""
