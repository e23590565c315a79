"""nbgrader's ordinary way, with nbgrader itself: assign, grade, feedback, export.

nbgrader has an environment of its own. Name its folder of programs, and this runs it::

    python -m venv ENV && ENV/bin/python -m pip install nbgrader
    NBGRADER=ENV/bin python -m pytest tests/test_nbgrader.py
"""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from submissions import notebook
from submissions import submit as submit
from test_chapters import CHAPTERS, MD, PAGES, page
from test_course import SMALL, TASKS, read

from grading.engines import Trust
from grading.grader import grade
from gsutils import checks
from tools.course import nbgrader, sets

COURSE = read(SMALL + "nbgrader: true\n")
WEEK = COURSE.weeks[0]
LINE = TASKS["ex-line"]
LINE = replace(LINE, code=f"{LINE.code}\n\n\nchecks.linear_margin(linear_margin)")
SOLVED = {**TASKS, "ex-line": LINE}
GIVEN, KEY = (sets.notebook(COURSE, WEEK, SOLVED, key) for key in (False, True))
SOURCE = nbgrader.source(GIVEN, KEY)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_solution_of_the_book_can_be_marked_and_loses_all_but_its_head(name):
    chapter = page(PAGES[name])
    for exercise, (stub, label) in chapter.stubs.items():
        (solution,) = [d for d in chapter.named("solution") if d.argument == label]
        blocks = [t.content for t in MD.parse(solution.body) if t.info == "python"]
        call = checks.CHECKS[exercise].__name__
        code = nbgrader.marked("\n".join([*blocks, f"\nchecks.{call}({call})"]))
        head, _, rest = code.partition(nbgrader.BEGIN)
        assert stub.source.startswith(head.rstrip())
        assert rest.partition(nbgrader.END)[2].strip() == f"checks.{call}({call})"
        compile(code, exercise, "exec")


def test_a_source_has_the_students_words_and_the_keys_answers():
    text = "\n".join(cell.source for cell in nbformat.reads(SOURCE, 4).cells)
    for part in ("Problem set, week 1", "It bends.", "hypot", nbgrader.BEGIN):
        assert part in text
    assert "Not for students" not in text
    with pytest.raises(ValueError, match="the answer key has no answer ex-half"):
        nbgrader.source(GIVEN, json.dumps(notebook()))
    with pytest.raises(ValueError, match="need a function of several lines, got x = 1"):
        nbgrader.marked("x = 1")


def test_the_grader_knows_code_and_words_of_a_problem_set_and_its_course(tmp_path):
    for name, text in (("given", GIVEN), ("key", KEY)):
        (tmp_path / f"{name}.ipynb").write_text(text, encoding="utf-8")
    paths = [tmp_path / "key.ipynb", tmp_path / "given.ipynb"]
    key, empty = (grade(path, paths[1], engine=Trust()) for path in paths)
    found = [(m.number, m.exercise, m.status, m.points) for m in key.marks]
    assert found == [
        ("1a", "ex-half", "unmarked", 0.5),
        ("1b", "ex-half/2", "unmarked", 0.5),
        ("2", "linear-margin", "passed", 2),
    ]
    assert {m.status for m in empty.marks} == {"unsolved"}
    assert (key.about["title"], key.about["due"]) == ("Shortcuts, week 1", "2027-02-08")


def test_nbgraders_stub_is_not_solved(submit):
    code = nbgrader.marked(LINE.code)
    head, _, rest = code.partition(nbgrader.BEGIN)
    stub = "# YOUR CODE HERE\n    raise NotImplementedError()"
    path = submit("from gsutils import checks", head + stub + rest.partition(nbgrader.END)[2])
    assert grade(path, engine=Trust()).marks[0].status == "unsolved"


@pytest.mark.skipif("NBGRADER" not in os.environ, reason="NBGRADER names no environment with it")
def test_nbgrader_hands_out_grades_and_exports(tmp_path):
    programs = Path(os.environ["NBGRADER"]).resolve()
    kernel = tmp_path / "share" / "kernels" / "python3"  # nbgrader's has no gsutils, ours has
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    folder, name = tmp_path / "course", WEEK.name
    work = tmp_path / "work"  # where the commands are typed
    work.mkdir()
    (config,) = re.findall(r"(?ms)^```python\n(c = get_config\(\)\n.*?)^```", PAGES["instructors"])
    config = config.replace("/home/you/shortcuts", str(folder))
    (work / "nbgrader_config.py").write_text(config, encoding="utf-8")
    (folder / "source" / name).mkdir(parents=True)
    (folder / "source" / name / f"{name}.ipynb").write_text(SOURCE, encoding="utf-8")
    environment = {**os.environ, "JUPYTER_PATH": str(tmp_path / "share"), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = os.pathsep.join([str(programs), environment["PATH"]])

    def run(*words):
        ran = subprocess.run(
            [programs / "nbgrader", *words], cwd=work, env=environment, check=False,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-3000:]

    run("generate_assignment", name)
    released = (folder / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    assert "hypot" not in released
    assert "It bends" not in released
    given = nbformat.reads(released, 4)
    (stub,) = [c for c in given.cells if "exercise-linear-margin" in c.metadata.get("tags", [])]
    head, _, rest = stub.source.partition("    # YOUR CODE HERE\n    raise NotImplementedError()\n")
    assert (head, rest.strip()) == (
        "def linear_margin(w, b, X, y):\n", "checks.linear_margin(linear_margin)",
    )  # fmt: skip
    for student in ("ada", "bo"):
        place = folder / "submitted" / student / name / f"{name}.ipynb"
        place.parent.mkdir(parents=True)
        if student == "ada":
            body = "    return (y * (X @ w + b)).min() / np.hypot(*w)\n"
            stub.source = head + body + rest
        else:
            stub.source = head + "    return 0\n" + rest
        nbformat.write(given, place)
    run("autograde", name)
    run("generate_feedback", name)
    run("export", "--to", "grades.csv")
    with (work / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {s: (float(r["score"]), float(r["max_score"])) for s, r in rows.items()} == {
        "ada": (2, 3), "bo": (0, 3),  # the point in words is given by hand
    }  # fmt: skip
    for student in rows:
        assert (folder / "feedback" / student / name / f"{name}.html").is_file()
