"""Notebooks as students hand them in, for the tests of grading."""

import functools
import json

import pytest
from conftest import missing

from grading.engines import NoEngine
from grading.grader import grade
from grading.limits import Limits
from grading.sandbox import choose

QUICK = Limits(seconds=1)
IMPORTS = "import numpy as np\nfrom gsutils import checks, plots"
RIGHT = "return (y * (X @ w + b)).min() / np.linalg.norm(w)"
STUB = (
    "def linear_margin(w, b, X, y):\n    ...  # your code\n\n\nchecks.linear_margin(linear_margin)"
)


def function(body, name="linear_margin", arguments="w, b, X, y"):
    lines = body.replace("\n", "\n    ")
    return f"def {name}({arguments}):\n    {lines}\n\n\nchecks.{name}({name})"


def cell(source, *tags, **metadata):
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags), **metadata}}


def notebook(*cells):
    cells = [cell(c) if isinstance(c, str) else c for c in cells]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


@functools.cache
def engine():
    """What keeps the students' code to itself in these tests."""
    try:
        return choose("bubblewrap")
    except NoEngine as problem:
        return problem


@pytest.fixture(autouse=True, scope="module")
def need_engine():
    """Skip, or in CI fail, where bubblewrap is missing."""
    if isinstance(engine(), NoEngine):
        missing(str(engine()))


@pytest.fixture
def submit(tmp_path):
    """Writes a notebook of the cells, and returns its file."""

    def write(*cells, name="ada.ipynb"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
        return path

    return write


@pytest.fixture
def mark(submit):
    """Grades cells; returns the mark of the first exercise."""

    def first(*cells, limits=None):
        graded = grade(submit(*cells), limits=limits, engine=engine())
        assert graded.problem is None, graded.problem
        return graded.marks[0]

    return first
