"""Every exercise of the book, handed out alone: nothing that it refers to is missing."""

import ast
import datetime
import io
import json
import re
import subprocess
import sys
from base64 import b64decode
from functools import cache

import nbformat
import pytest
from conftest import ROOT, missing
from PIL import Image

from tools import book
from tools.course import editions, passages, sets, settings, source
from tools.course.tasks import Task

EXERCISES = {e.label: e for c in source.chapters(ROOT) for e in c.exercises}
PAPER = r"\bEqs?\. \d+(?: and \d+)*|\b(?:Definition|Theorem|Lemma) \d\b(?!\.\d)"
every_exercise = pytest.mark.parametrize("label", EXERCISES)


@pytest.fixture(scope="module")
def tasks():
    """What the last `make course` read of all exercises."""
    path = book.BUILD / editions.MEMORY
    if not path.is_file():
        missing("no course has been made: make course")
    data = json.loads(path.read_text(encoding="utf-8"))
    if not data["stamp"].startswith(editions.stamp()):
        missing("the course was made from something else: make course")
    return {label: Task(**one) for label, one in data["tasks"].items()}


def alone(label, tasks):
    """The problem set of one exercise."""
    day = datetime.date(2027, 2, 1)
    week = settings.Week(1, day, "", [], [(EXERCISES[label], 2.0)], day)
    course = settings.Course("A", "B", [week], (), "https://a.org", package="gsutils @ git+x")
    return nbformat.reads(sets.notebook(course, week, tasks), as_version=4).cells


def markdown(cells):
    """The text of a notebook without pictures."""
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"data:image[^)]*", "", text)


@cache
def whole(label):
    """The label of the theorem that a formula is a part of, or its own."""
    for name in {e.chapter for e in EXERCISES.values()}:
        text = (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")
        for statement in re.findall(r"^:::\{prf:.*?^:::$", text, re.MULTILINE | re.DOTALL):
            if f"$$ ({label})" in statement:
                return re.search(r":label: (\S+)", statement)[1]
    return label


def test_what_is_read_is_every_exercise(tasks):
    assert tasks.keys() == EXERCISES.keys()


@every_exercise
def test_no_number_stands_without_what_it_names(label, tasks):
    text = markdown(alone(label, tasks))
    words = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", text, flags=re.DOTALL)
    formulas = set(re.findall(r"(?:\\tag\{|\\qquad\\text\{\()([\d.]+)", text))
    for formula in re.findall(r"\$\$.*?\$\$", text, flags=re.DOTALL):
        assert not (r"\\" in formula and r"\tag" in formula), "Sphinx splits it: no tag is allowed"
    assert set(re.findall(r"\((\d+\.\d+)\)", words)) <= formulas
    figures = set(re.findall(r"\*\*Figure ([\d.]+)\.\*\*", text))
    assert set(re.findall(r"Figure (\d+\.\d+)", words)) <= figures
    stated = set(re.findall(r"> \*\*(\w+ \d+\.\d+)", text))
    kinds = "Definition|Theorem|Lemma|Proposition|Corollary|Remark"
    assert set(re.findall(rf"(?:{kinds}) \d+\.\d+", words)) <= stated
    for name in {n for found in re.findall(PAPER, words) for n in passages.named(found) or [found]}:
        shown = tasks[label].passages[whole(passages.PAPER[name])]
        assert name in shown, f"{name}: nothing printed has this name"
    assert not re.search(r"\{[a-z:]+\}`|\ue000|^%|\bPassage\b", text, re.MULTILINE)


@every_exercise
def test_each_question_has_its_cell_and_the_points_add_up(label, tasks):
    cells = alone(label, tasks)
    words = [c for c in cells if c.metadata.get("tags") == ["gs-words"]]
    parts = [dict(cell.metadata.gs) for cell in words]
    assert parts == [{"exercise": label, "part": n + 1} for n in range(len(parts))]
    code = [c for c in cells if "exercise-" in "".join(c.metadata.get("tags", []))]
    assert len(code) == bool(EXERCISES[label].check)
    assert code or words
    assert sum(c.metadata.points for c in code + words) == pytest.approx(2)
    (student,) = [c for c in cells if c.metadata.get("tags") == ["gs-student"]]
    names = [node.targets[0].id for node in ast.parse(student.source).body]
    assert names == ["NAME", "STUDENT_ID", "WORKED_WITH"]


def test_no_code_uses_what_its_notebook_does_not_make(tasks, tmp_path):
    for label in EXERCISES:
        code = [c.source for c in alone(label, tasks) if c.cell_type == "code"]
        code = [source for source in code if "%pip" not in source]
        (tmp_path / f"{label}.py").write_text("\n\n".join(code), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("label", ["ex-limits-smoothing", "ex-dosage-portion", "ex-dosage-depth"])
def test_a_set_up_cell_makes_what_the_exercise_takes_from_its_page(label, tasks, capsys):
    assert tasks[label].objects
    spaces: dict[str, object] = {}
    for code in [*tasks[label].objects, *tasks[label].cells]:
        exec(code, spaces)
    assert bool(capsys.readouterr().out) == bool(tasks[label].cells)
    if label == "ex-limits-smoothing":  # σ(−u) = λu
        u = spaces["equal_margin"](0.1)
        assert 1 / (1 + 2.718281828459045**u) == pytest.approx(0.1 * u)


def test_figures_are_pictures_of_a_readable_size(tasks):
    found = "".join("".join(task.passages.values()) for task in tasks.values())
    pictures = re.findall(r"!\[(.*?)\]\(data:image/png;base64,(.*?)\)", found)
    assert len(pictures) > 5
    for words, data in pictures:
        image = Image.open(io.BytesIO(b64decode(data)))
        assert 600 <= image.width <= passages.WIDTH
        assert len(data) < 200_000
        assert len(words) > 40


def test_every_name_of_the_paper_leads_to_something(tasks):
    text = "".join((ROOT / "book" / f"{e.chapter}.md").read_text() for e in EXERCISES.values())
    for label in passages.PAPER.values():
        assert f"$$ ({label})" in text or f":label: {label}\n" in text
