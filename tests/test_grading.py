"""Grading: the right score for the right answer, and a clear reason for everything else."""

import base64
import csv
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser

import pytest
import submissions
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from submissions import IMPORTS, QUICK, RIGHT, STUB, cell, function, notebook
from test_chapters import CHAPTERS, MD, PAGES, page

from grading import catalogue, engines, grader, overview, report
from grading.command import main
from grading.engines import Container
from grading.grader import grade
from grading.limits import Limits
from grading.sandbox import Sandbox
from gsutils import checks
from gsutils.__main__ import main as old_main

pytestmark = pytest.mark.alone  # students' code has seconds by the clock

submit, mark, need_engine = submissions.submit, submissions.mark, submissions.need_engine


# --- the book's own solutions -------------------------------------------------------------------


def solved(name):
    """The code cells of a chapter, with the solutions in place of the stubs."""
    chapter = page(PAGES[name])
    cells = [cell(c.source, *c.metadata.get("tags", [])) for c in chapter.cells]
    for exercise, (stub, label) in chapter.stubs.items():
        (solution,) = [d for d in chapter.named("solution") if d.argument == label]
        blocks = [t.content for t in MD.parse(solution.body) if t.info == "python"]
        call = checks.CHECKS[exercise].__name__
        answer = "\n".join([*blocks, f"checks.{call}({call})"])
        cells[chapter.cells.index(stub)] = cell(answer, f"exercise-{exercise}")
    return cells


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_solutions_of_a_chapter_get_every_point(name, submit):
    graded = grade(submit(*solved(name)))
    assert [(m.exercise, m.status) for m in graded.marks if m.status != "passed"] == []
    stars = {e.check: e.stars for e in catalogue.EXERCISES.values()}
    assert graded.score == graded.points == sum(stars[c] for c in page(PAGES[name]).stubs)


# --- finding the exercises ----------------------------------------------------------------------


def test_an_exercise_is_found_by_its_tag_without_the_call(mark):
    code = function(RIGHT).split("\n\n\n")[0]
    assert mark(IMPORTS, cell(code, "exercise-linear-margin")).status == "passed"


def test_an_exercise_is_found_by_its_call_without_the_tag(mark):
    found = mark(IMPORTS, "# a note", function(RIGHT))
    assert (found.status, found.cell) == ("passed", 2)


def test_an_answer_in_a_cell_below_the_stub_counts(mark):
    assert mark(IMPORTS, cell(STUB, "exercise-linear-margin"), function(RIGHT)).status == "passed"


def test_a_copy_of_the_stub_below_the_answer_does_not_count(mark):
    assert mark(IMPORTS, function(RIGHT), cell(STUB, "exercise-linear-margin")).status == "passed"


def test_a_locked_test_of_nbgrader_below_the_answer_is_not_the_answer(mark):
    test = "assert checks.linear_margin(linear_margin).passed"
    locked = cell(test, nbgrader={"locked": True, "grade": True, "grade_id": "a"})
    for code, status in ((function(RIGHT), "passed"), (STUB, "unsolved")):
        found = mark(IMPORTS, cell(code, "exercise-linear-margin", points=2), locked)
        assert (found.status, found.cell, found.points) == (status, 1, 1)


def test_a_call_in_a_comment_is_no_call(mark):
    assert mark(IMPORTS, function(RIGHT), "x = 1  # checks.linear_margin(x)").cell == 1


def test_an_answer_may_have_another_name_and_use_other_cells(mark):
    answer = "def mine(w, b, X, y):\n    return helper(X @ w + b, y) / length(w)"
    cells = [
        "scale = {}\nscale['one'] = 1.0",
        "def helper(score, y):\n    return scale['one'] * (y * score).min()",
        f"{answer}\nchecks.linear_margin(mine)",
        "def length(w):\n    return np.linalg.norm(w)",  # below, but run first
    ]
    assert mark(IMPORTS, *cells).status == "passed"


def test_cells_that_an_answer_does_not_need_are_not_run(mark):
    waste = "import not_installed\nwhile True:\n    X = 1"
    loop = "for y in iter(int, 1): pass"
    assert mark(waste, loop, IMPORTS, function(RIGHT), limits=QUICK).status == "passed"


def test_magic_and_shell_lines_are_left_out(mark):
    code = f"%matplotlib inline\n!ls\nnp.ones?\n{function(RIGHT)}"
    assert mark(f"%%time\n{IMPORTS}", code).status == "passed"


IPYTHON = {
    "continued shell line": "!pip install -q \\\n    rich",
    "assigned shell": "gpu = !nvidia-smi -L",
    "prompt": ">>> x = 1",
    "question": "?np.linalg.norm",
    "await": "import asyncio\nawait asyncio.sleep(0)",
    "shell": "shell = get_ipython()\nshell.run_line_magic('matplotlib', 'inline')",
    "operator below a magic": "%time x = 1\nprint('%d'\n      % 3)",
    "assigned magic": "t = %timeit -o 1",
}


@pytest.mark.parametrize("name", IPYTHON)
@pytest.mark.parametrize("place", ["imports", "answer"])
def test_what_ipython_accepts_is_accepted(name, place, mark):
    above = {"imports": "", "answer": "", place: f"{IPYTHON[name]}\n"}
    cells = above["imports"] + IMPORTS, above["answer"] + function(RIGHT)
    assert mark(*cells).status == "passed"


def test_a_magic_that_runs_code_binds_what_the_code_binds(mark):
    answer = function(RIGHT.replace("np.linalg.norm(w)", "norm(w, one)"))
    cells = [IMPORTS, "%time norm = lambda w, o: np.linalg.norm(w) * o", "%%time\none = 1", answer]
    assert mark(*cells).status == "passed"


FILLED = {
    "append": ("box = []", "box.append(np.linalg.norm)", "box[0]"),
    "update": ("box = {}", "box.update(norm=np.linalg.norm)", "box['norm']"),
    "loop": ("box = []", "for p in (2,):\n    box.append(lambda w: np.sqrt(w @ w))", "box[0]"),
    "nested": ("box = {'a': []}", "box['a'].append(np.linalg.norm)", "box['a'][0]"),
    "setattr": (
        "class Box: pass\nbox = Box()", "setattr(box, 'norm', np.linalg.norm)", "box.norm"
    ),
    "function": ("box = []\ndef fill(b): b.append(np.linalg.norm)", "fill(box)", "box[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILLED)
def test_what_fills_a_name_belongs_to_what_binds_it(name, mark):
    made, filled, used = FILLED[name]
    answer = function(RIGHT.replace("np.linalg.norm", used))
    assert mark(IMPORTS, made, filled, answer).status == "passed"


def test_a_training_is_no_filling_of_its_data(mark):
    train = "def train(*_): raise SystemExit\nruns = train(box)\nprint(box)\nnp.not_there(box)"
    answer = function(RIGHT.replace("w)", "w) * box[0]"))
    assert mark(IMPORTS, "box = [1]", train, answer).status == "passed"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([function("return (")], "The cell failed with SyntaxError"),
        (["x = 1\ny = 1 / 0\n" + function(RIGHT)], "failed in line 2 with ZeroDivisionError"),
        ([function(RIGHT)], "NameError: name 'np' is not defined"),
        (["checks.linear_margin(1.0)"], "Pass the function itself to checks.linear_margin"),
        ([cell("x = 1", "exercise-linear-margin")], "no function linear_margin and no call"),
        ([function("return y + 'a'")], "Your function failed with"),
        ([function("raise KeyError('my key')")], "Your function failed with KeyError: 'my key'"),
        ([function("return [[y]]")], "one number is expected"),
        ([function("return lambda: 1")], "Your function failed with TypeError"),
        ([function("x = []\nx += [x]\nreturn x")], "Your function failed with"),
        ([function("return input()")], "EOFError"),
    ],
)
def test_an_answer_that_does_not_run_gets_its_reason(cells, reason, mark):
    found = mark(*cells)
    assert (found.status, found.score) == ("failed", 0)
    assert reason in found.message


def test_the_notebook_handed_out_says_what_counts_and_gives_what_was_lost(submit):
    handed_out = submit(
        IMPORTS,
        cell(STUB, "exercise-linear-margin", points=4),
        cell(STUB.replace("linear_margin", "bayes_accuracy"), "exercise-bayes-accuracy", points=2),
        name="handed-out.ipynb",
    )
    answer = cell(function(RIGHT), "exercise-linear-margin", points=99)
    graded = grade(submit(answer, function("return 1", "flip_share")), handed_out)
    marks = [(m.exercise, m.status, m.score, m.points) for m in graded.marks]
    assert marks == [("linear-margin", "passed", 4, 4), ("bayes-accuracy", "missing", 0, 2)]


def test_an_assignment_without_exercises_is_refused(submit, capsys):
    handed_out = submit("x = 1", name="handed-out.ipynb")
    words = [str(submit(IMPORTS)), "--assignment", str(handed_out)]
    assert main(words) == 2
    assert "handed-out.ipynb has none of this book's exercises" in capsys.readouterr().err


# --- files that are no notebooks ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is not JSON"),
        (b"\xff\xfe\x00", "the file is not text in UTF-8"),
        (b"\x89PNG\r\n", "the file is not text in UTF-8"),
        (b"[]", "the JSON has no field nbformat"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"nbformat": 3, "worksheets": []}', "a notebook of version 3, expected the number 4"),
        (b'{"nbformat": {"a": "<b>"}, "cells": []}', "expected the number 4"),
        (b'{"nbformat": 4}', "it has no list of cells"),
        (b'{"nbformat": 4, "cells": []}', "none of this book's exercises"),
        (
            b'{"nbformat": 4, "cells": [1, {}, {"cell_type": "code", "source": 1, "metadata": 2}]}',
            "none of this book's exercises",
        ),
    ],
)
def test_a_file_that_is_no_notebook_gets_its_reason(content, reason, tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(content)
    graded = grade(path)
    assert reason in graded.problem
    assert graded.marks == []


def test_a_missing_file_a_folder_and_a_pipe_get_their_reason(tmp_path):
    paths = [tmp_path / "missing.ipynb", tmp_path]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.ipynb")
        paths.append(tmp_path / "pipe.ipynb")
    assert {grade(path).problem for path in paths} == {"there is no such file"}


def test_a_notebook_with_100_mb_of_output_is_graded(tmp_path):
    content = notebook(IMPORTS, function(RIGHT))
    content["cells"][0]["outputs"] = [{"output_type": "stream", "text": "HERE"}]
    before, after = json.dumps(content).split("HERE")
    path = tmp_path / "ada.ipynb"
    path.write_bytes(before.encode() + b"x" * 100_000_000 + after.encode())
    assert grade(path).score == 1


def test_a_larger_file_is_not_read(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.touch()
    os.truncate(path, 300 * 2**20)
    assert "300 MiB, more than 200: clear its outputs" in grade(path).problem


def test_a_notebook_that_needs_too_much_memory_to_read_gets_its_reason(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(b'{"a": [' + b"[]," * 1_000_000 + b"[]]}")
    assert "more than 0.05 GiB of memory" in grade(path, limits=Limits(20, 0.05)).problem


# --- what is written ----------------------------------------------------------------------------

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m"
KNOWN = {"html", "head", "meta", "title", "style", "body", "h1", "p", "strong", "table", "tr", "td"}
KNOWN |= {"th", "details", "summary", "pre", "footer", "a", "article", "header", "h2", "span"}
KNOWN |= {"thead", "tbody", "tfoot", "button", "section", "ul", "li", "div"}
KNOWN |= {"script"}  # one: see below


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "src"]


def test_what_a_student_writes_is_text_on_the_page_in_the_table_and_in_the_terminal(
    submit, tmp_path, capsys
):
    submit(IMPORTS, function(f"raise ValueError({EVIL!r})"), name=f"in/=1+1 {EVIL[6:25]}.ipynb")
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert "\x1b" not in capsys.readouterr().out
    pages = list((tmp_path / "out").glob("*.html"))
    assert len(pages) == 2
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert Tags(text).found <= KNOWN
        assert "default-src 'none'" in text
        scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert scripts == [overview.SORT] * (path.name == "index.html")
        digest = base64.b64encode(hashlib.sha256(overview.SORT.encode()).digest()).decode()
        assert re.findall(r"script-src '([^']*)'", text) == [f"sha256-{digest}"] * len(scripts)
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        _, (name, *_) = csv.reader(file)
    assert name.startswith("'=1+1 ")


def test_names_of_files_do_not_leave_the_folder(submit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("..%2f..%2fada.ipynb", "..ada.ipynb", "b/ada.ipynb", "ada.ipynb"):
        submit(IMPORTS, function(RIGHT), name=name)
    paths = ["../..%2f..%2fada.ipynb", "../..ada.ipynb", "../b/ada.ipynb", "../ada.ipynb"]
    assert main([*paths, str(tmp_path / "ada.ipynb")]) == 0
    written = {path.name for path in (tmp_path / "here" / "grades").glob("[!.]*")}
    assert len(written) == 2 * 5 + 3
    assert all(re.fullmatch(r"[\w-][\w.-]*\.(json|html|csv)", name) for name in written)
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"grades"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_names_of_files_are_safe_and_unique(names):
    found = report.stems(f"{name}.ipynb" for name in names)
    assert len({stem.lower() for stem in found}) == len(names)
    assert all(re.fullmatch(r"\w[\w.-]*", stem, re.ASCII) for stem in found)


def test_the_json_has_the_documented_fields(submit, tmp_path):
    submit(IMPORTS, cell(function(RIGHT), "exercise-linear-margin"))
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    graded = json.loads((tmp_path / "out" / "ada.json").read_text())
    documented = re.findall(r"^    (\w+(?:, \w+)*)(?:  |$)", report.__doc__, re.MULTILINE)
    assert list(graded) == ", ".join(documented).split(", ")
    assert (graded["format"], graded["version"]) == ("gsutils-grade", 2)
    assert (graded["score"], graded["points"], graded["problem"]) == (1, 7, None)
    first = graded["exercises"][0]
    assert ", ".join(first) in " ".join(report.__doc__.split())
    assert first["code"] == function(RIGHT)
    assert (first["number"], first["title"]) == ("1.2", "Distance to a line")


# --- the command --------------------------------------------------------------------------------


def test_the_command_prints_a_line_for_each_notebook_and_returns_0(submit, tmp_path, capsys):
    path = submit(IMPORTS, function(RIGHT))
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "ada.ipynb").write_text("{")
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/1] ada.ipynb: 1 of 7: linear-margin passed, sd-objective missing")
    assert last.startswith("1 of 1 graded in ")
    assert json.loads((tmp_path / "out" / "ada.json").read_text())["notebook"] == path.name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "podman"], "no podman is installed; install bubblewrap"),
        (["--seconds", "0"], "seconds must be > 0 and <= 3600, got 0.0"),
        (["--memory", "-1"], "memory must be > 0"),
        (["--jobs", "0"], "jobs must be >= 1, got 0"),
        (["--assignment", "nowhere.ipynb"], "nowhere.ipynb: there is no such file"),
    ],
)
def test_an_impossible_option_gives_one_line_and_status_2(words, message, submit, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main([str(submit(IMPORTS)), *out, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mistyped_path_or_table_stops_before_pytorch_is_there_and_before_anything_is_written(
    submit, tmp_path
):
    right, out = str(submit(IMPORTS, function(RIGHT))), tmp_path / "out"
    code = "import sys; sys.modules['torch'] = None; from grading.command import main; "
    code += "sys.exit(main(sys.argv[1:]))"
    for words in (["typo"], [right, "typo.zip"], [right, "--roster", "typo"]):
        command = [sys.executable, "-c", code, *words, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(r"grading: typo\S*: there is no such file.*\n", done.stderr)
        assert not out.exists()


def test_a_package_that_is_missing_gets_one_sentence(tmp_path):
    code = "import runpy, sys; sys.modules['filelock'] = None; sys.argv = ['grading', 'x']; "
    code += "runpy.run_module('grading', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("grading: filelock is not installed for ")
    assert done.stderr.endswith(".venv/bin/python -m grading\n")
    assert done.stderr.count("\n") == 1


def test_what_the_last_run_wrote_and_this_one_does_not_is_removed_and_nothing_else(
    submit, tmp_path, capsys
):
    out, roster = tmp_path / "out", tmp_path / "class.csv"
    roster.write_text("name\nAda\n")
    for name in ("in/a.ipynb", "in/b.ipynb", "in/c.ipynb"):
        submit(IMPORTS, function(RIGHT), name=name)
    command = [str(tmp_path / "in"), "--out", str(out), "--trust"]
    out.mkdir()
    (out / "notes.html").write_text("mine")
    (out / "old.html").write_text("of an earlier version")
    assert main([*command, "--roster", str(roster)]) == 0
    first = {path.name for path in out.iterdir()}
    assert {"a.html", "a.json", "b.html", "canvas.csv", "moodle.csv", "marks.csv"} <= first
    (out / "b.html").write_text("changed by hand")
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.ipynb").rename(tmp_path / "in" / f"{name}2.ipynb")
    assert main(command) == 0
    gone = {"a.html", "a.json", "b.json", "c.html", "c.json", "canvas.csv", "moodle.csv"}
    new = {f"{name}2.{kind}" for name in "abc" for kind in ("html", "json")}
    assert {path.name for path in out.iterdir()} == (first - gone) | new
    assert (out / "b.html").read_text() == "changed by hand"
    listed = json.loads((out / ".written.json").read_text())
    assert "marks.csv" not in listed
    (tmp_path / "precious").touch()
    digest = hashlib.sha256(b"").hexdigest()
    (out / ".written.json").write_text(json.dumps({"../precious": digest, **listed}))
    assert main(command) == 0
    assert (tmp_path / "precious").exists()


def test_git_ignores_a_folder_of_results_unless_it_says_otherwise(submit, tmp_path, capsys):
    right, out = str(submit(IMPORTS, function(RIGHT))), tmp_path / "out"
    assert main([right, "--out", str(out), "--trust"]) == 0
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    status = ["git", "-C", str(tmp_path), "status", "--porcelain", "-uall"]
    listed = subprocess.run(status, check=True, capture_output=True, text=True).stdout
    assert listed == "?? ada.ipynb\n"
    (out / ".gitignore").write_text("# mine\n")
    for folder in (out, tmp_path):
        assert main([right, "--out", str(folder), "--trust"]) == 0
    assert (out / ".gitignore").read_text() == "# mine\n"
    assert not (tmp_path / ".gitignore").exists()
    for name in ("submissions/ada.ipynb", "grades-2/index.html", "class.csv"):
        command = ["git", "-C", str(ROOT), "check-ignore", "-q", "--no-index", name]
        assert subprocess.run(command).returncode == 0, name


def test_where_nothing_could_be_graded_the_results_of_before_stay(submit, tmp_path, capsys):
    submit(IMPORTS, function(RIGHT), name="in/ada.ipynb")
    command = [str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "in" / "ada.ipynb").write_text("{")
    assert main(command) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert capsys.readouterr().out.endswith("out stays as it is\n")
    assert main([command[0], "--out", str(tmp_path / "new")]) == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_without_notebooks_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no file that ends in .ipynb" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_graded(submit, tmp_path, capsys, monkeypatch):
    graded = grader.Report("ada.ipynb")

    def interrupted(*_):
        yield 0, graded
        raise KeyboardInterrupt

    monkeypatch.setattr(grader, "grade_all", interrupted)
    monkeypatch.chdir(submit(IMPORTS).parent)
    assert main(["ada.ipynb", "--out", str(tmp_path / "out")]) == 130
    assert (tmp_path / "out" / "ada.json").is_file()
    assert "stopped. What was graded is in" in capsys.readouterr().err


def test_a_syntax_error_names_the_versions_of_python(submit):
    content = notebook(IMPORTS, function("return ("))
    path = submit()
    for version, reason in (("3.99.1", "written with Python 3.99.1"), (5, "perhaps written with")):
        content["metadata"] = {"language_info": {"version": version}}
        path.write_text(json.dumps(content))
        message = grade(path).marks[0].message
        assert f"graded with Python {platform.python_version()}, {reason}" in message
    content["metadata"] = {"language_info": {"version": platform.python_version()}}
    path.write_text(json.dumps(content))
    message = grade(path).marks[0].message
    assert "SyntaxError" in message
    assert "Python 3" not in message


def test_a_cell_that_is_too_long_is_named_where_it_has_an_exercise(submit):
    answer = function(RIGHT) + "\n# " + "x" * 100_000
    problem = grade(submit(IMPORTS, answer)).problem
    assert problem.startswith("its cell 1 has an exercise and more than 100,000 characters")
    long = "data = '" + "x" * 100_000 + "'"
    assert grade(submit(long, IMPORTS, function(RIGHT))).score == 1


def test_files_that_may_be_meant_as_notebooks_are_named(submit, tmp_path, capsys):
    folder = tmp_path / "in"
    submit(IMPORTS, function(RIGHT), name="in/Ada/Müller.IPYNB")
    for name in ("Ada/plot.png", "Bo/week.ipynb.json", "Cy/week.7Z", "Ada/.x", "__MACOSX/a.zip"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "Ada" / "again").symlink_to(folder)
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 1
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["notebook"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"Ada/Müller.IPYNB", "Bo/week.ipynb.json", "Cy/week.7Z"}
    assert rows["Ada/Müller.IPYNB"]["score"] == "1"
    assert "ends in .ipynb" in rows["Bo/week.ipynb.json"]["problem"]
    assert "it is an archive: unpack it" in rows["Cy/week.7Z"]["problem"]
    assert "1 of 3 graded" in capsys.readouterr().out
    assert (tmp_path / "out" / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")


OTHER_LANGUAGES = {
    "bash": "%%bash\nchecks.linear_margin(linear_margin)\nnp=1",
    "javascript": "%%javascript\nlet np = () => { return '`' }",
    "a kernel of R": "library(ggplot2)\nnp <- c(1, 2)",
    "text": "'checks.linear_margin(x)'",
    "exit": "exit()",
}


@pytest.mark.parametrize("name", OTHER_LANGUAGES)
def test_a_cell_of_another_language_is_no_answer_and_does_no_harm(name, mark):
    assert mark(IMPORTS, function(RIGHT), OTHER_LANGUAGES[name]).status == "passed"


@pytest.mark.parametrize("last", ["quit()", "raise SystemExit", "raise KeyboardInterrupt"])
def test_what_ends_below_the_check_ends_no_answer(last, mark):
    assert mark(IMPORTS, f"{function(RIGHT)}\n{last}").status == "passed"


def test_syntax_of_a_newer_python_in_a_cell_that_is_needed_names_both_versions(submit):
    newer = f"{IMPORTS}\nd = 1\nclass = f'{{d['a']}}'"
    for cells, status in (
        ([newer, function(RIGHT)], "failed"),
        ([IMPORTS, newer, function(RIGHT)], "passed"),
    ):
        (path := submit()).write_text(
            json.dumps(notebook(*cells) | {"metadata": {"language_info": {"version": "3.99.1"}}})
        )
        found = grade(path, engine=submissions.engine()).marks[0]
        assert found.status == status, found
        assert status == "passed" or re.search(
            rf"needs failed with SyntaxError.*Python {platform.python_version()}, .*Python 3\.99",
            found.message,
        )


# --- engines ------------------------------------------------------------------------------------


def test_the_old_name_of_the_command_answers(submit, tmp_path, capsys):
    path = submit(IMPORTS, function(RIGHT))
    assert old_main(["grade", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "linear-margin passed" in capsys.readouterr().out


def test_without_an_engine_grading_refuses_in_one_sentence(submit, tmp_path, capsys, monkeypatch):
    path = str(submit(IMPORTS, function(RIGHT)))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([path, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "no bubblewrap or docker or podman is installed; install bubblewrap" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("restricted", ["0\n", "1\n", None])
@pytest.mark.parametrize("program", ["bwrap", "docker"])
def test_an_engine_that_does_not_start_is_refused_with_its_reason(
    program, restricted, submit, tmp_path, capsys, monkeypatch
):
    setting = tmp_path / "apparmor_restrict_unprivileged_userns"  # of Ubuntu's kernels alone
    if restricted:
        setting.write_text(restricted, encoding="utf-8")
    monkeypatch.setattr(engines, "USERNS", setting)
    (tmp_path / program).write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(submit(IMPORTS)), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    remedy = "type `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    says_it = (program, restricted) == ("bwrap", "1\n")
    hint = f": AppArmor may forbid it here, {remedy}" if says_it else ""
    assert f"does not start (no permission){hint}; install bubblewrap" in error
    assert error.count("\n") == 1


def test_trust_grades_without_an_engine_and_says_what_it_does(
    submit, tmp_path, capsys, monkeypatch
):
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    for name, body in (
        ("right", RIGHT),
        ("slow", "while True: pass"),
        ("big", "return ' ' * 2**31"),
    ):
        submit(IMPORTS, function(body), name=f"in/{name}.ipynb")
    out = ["--out", str(tmp_path / "out"), "--seconds", "1"]
    assert main([str(tmp_path / "in"), "--trust", *out]) == 0
    output = capsys.readouterr().out
    assert "Trusted: time and memory are limited" in output
    for words in ("linear-margin passed", "linear-margin time", "linear-margin memory"):
        assert words in output
    assert list(long.iterdir()) == []


def test_a_container_is_shut_and_is_ended_by_its_name(submit, tmp_path, monkeypatch):
    log = tmp_path / "log"
    fake = tmp_path / "docker"  # takes the options away and starts what comes after the image
    fake.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n[ $1 = run ] || exit 0\n'
        f"export PYTHONPATH={ROOT}\n"
        f'while [ "$1" != gsutils-grading ]; do shift; done; shift 2; exec {sys.executable} "$@"\n'
    )
    fake.chmod(0o755)
    with Sandbox(Container(str(fake)), {}, QUICK) as box:
        box.begin()
    run, kill = log.read_text().splitlines()
    for words in (
        "--network none", "--read-only", "--cap-drop ALL", "--memory 2g", "--pids-limit 64",
        "--user 65534", ":/book/gsutils:ro", "--pull never",
    ):  # fmt: skip
        assert words in run
    assert kill == f"kill {box.name}"
    assert f"--name {box.name}" in run
