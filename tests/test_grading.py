"""Grading: the right score for the right answer, and a clear reason for everything else."""

import csv
import json
import multiprocessing.forkserver
import os
import re
import signal
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chapters import CHAPTERS, MD, PAGES, page

from gsutils import checks
from gsutils.__main__ import main
from gsutils.grading import grader, landlock, report, values
from gsutils.grading.grader import grade
from gsutils.grading.sandbox import Limits, Sandbox, Stopped

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits that Linux has")
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

    def first(*cells, limits=None, assignment=None):
        graded = grade(submit(*cells), assignment, limits)
        assert graded.problem is None, graded.problem
        return graded.marks[0]

    return first


# --- the process that forks ---------------------------------------------------------------------


@LINUX
def test_a_student_who_stops_the_process_that_forks_stops_nobody_else(submit, monkeypatch):
    server = multiprocessing.forkserver._forkserver
    monkeypatch.setattr(server, "_preload_modules", [])  # importing torch twice takes seconds
    job = {"path": str(submit(IMPORTS, function(RIGHT))), "assignment": None}
    for _ in range(2):
        with Sandbox(job, Limits()) as sandbox:
            assert list(sandbox.exercises()) == ["linear-margin"]
        os.kill(server._forkserver_pid, signal.SIGKILL)


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
    assert graded.score == graded.points == len(page(PAGES[name]).stubs)


# --- thirty submissions, half of them hostile ---------------------------------------------------

KEY = ROOT / "book" / "01-clever-hans.md"
DEEP = "class A:\n    def __getattr__(self, n): return getattr(self, n + 'a')"
WALK = "import sys\nf = sys._getframe()\nwhile f:\n    {}\n    f = f.f_back"
HOSTILE = {
    "endless loop": ("while True: pass", "time", "No end after"),
    "loop that catches all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "time",
        "No end after",
    ),
    "sleep": ("import time\ntime.sleep(1e6)", "time", "No end after 1 s"),
    "10 GiB": ("return np.ones(10 * 2**27).sum()", "memory", "more than 1 GiB"),
    "10 GiB list": ("return len([0] * (10 * 2**27))", "memory", "more than 1 GiB"),
    "10 GiB tensor": (
        "import torch\nreturn torch.ones(10 * 2**28).sum()",
        "memory",
        "more than 1 GiB",
    ),
    "segmentation fault": (
        f"import sys\nsys.setrecursionlimit(10**9)\n{DEEP}\nA().x",
        "crash",
        "SIGSEGV",
    ),
    "abort": ("import os\nos.abort()", "crash", "SIGABRT"),
    "exit": ("import os\nos._exit(0)", "crash", "exit code 0"),
    "sys.exit": ("import sys\nsys.exit(0)", "failed", "SystemExit"),
    "infinite print": ("while True: print('x' * 1000)", "output", "prints more than 100,000"),
    "20 MiB": ("return np.zeros((20, 2**17))", "output", "returns more than 16 MiB"),
    "answer key": (f"return open({str(KEY)!r}).read()", "failed", "opens no files outside"),
    "checks": (
        f"return open({str(ROOT / 'gsutils/checks/clever_hans.py')!r}).read()",
        "failed",
        "opens no files outside",
    ),
    "import of the checks": ("import gsutils.checks.clever_hans", "failed", "not a package"),
    "truth on the stack": (
        WALK.format("if 'truth' in f.f_locals: return f.f_locals['truth']"),
        "unsolved",
        "Not solved yet",
    ),
    "another verdict": (
        "import gsutils.checks\ngsutils.checks.CHECKS = {}\n"
        "gsutils.checks.verdict = lambda *_: True\nreturn -1",
        "failed",
        "Not the distance",
    ),
    "kill the grader": ("import os\nos.kill(os.getppid(), 9)", "failed", "stops no processes"),
    "fork bomb": ("import os\nwhile True: os.fork()", "failed", "starts no processes"),
    "program": ("import subprocess\nsubprocess.run(['env'])", "failed", "starts no programs"),
    "network": (
        "import socket\nsocket.create_connection(('192.0.2.1', 80))",
        "failed",
        "opens no connections",
    ),
    "environment": ("raise ValueError(open('/proc/self/environ').read())", "failed", "opens no"),
    "delete": (f"import os\nos.remove({str(KEY)!r})", "failed", "changes no files outside"),
    "checks past Python": (
        f"import torch\nreturn bytes(torch.from_file({str(KEY)!r}, size=9, dtype=torch.uint8))",
        "failed",
        "Permission denied" if landlock.version() else "one number is expected",
    ),
    "memory of Python": ("import ctypes\nctypes.string_at(0)", "failed", "keeps within Python"),
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Thirty submissions graded by the command: its exit status, output and folder of results."""
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("grades")
    bodies = {name: body for name, (body, *_) in HOSTILE.items()}
    for name, body in {**bodies, **{f"right {i}": RIGHT for i in range(4)}}.items():
        content = notebook(IMPORTS, cell(function(body), "exercise-linear-margin"))
        (folder / f"{name}.ipynb").write_text(json.dumps(content))
    (folder / "not JSON.ipynb").write_text("{")
    words = ["grade", str(folder), "--out", str(out), "--seconds", "0.5", "--jobs", "2"]
    return main(words), out


def test_a_batch_of_thirty_ends_with_a_score_or_a_reason_for_each(batch):
    status, out = batch
    assert status == 1  # one of them is no notebook
    with (out / "grades.csv").open(newline="") as file:
        rows = {row["notebook"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(HOSTILE) + 5 == 30
    assert rows["not JSON.ipynb"]["problem"].startswith("not a notebook: the file is not JSON")
    assert rows["not JSON.ipynb"]["score"] == ""
    for name, row in rows.items():
        if name.startswith("right"):
            assert (row["score"], row["points"], row["linear-margin: status"]) == (
                "1",
                "3",
                "passed",
            )
        elif name != "not JSON.ipynb":
            assert row["score"] == "0"
            assert row["linear-margin: status"] in grader.STATUSES
    assert "29 of 30 could be graded" in (out / "index.html").read_text()


@LINUX
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_ends_with_its_reason(name, batch):
    _, out = batch
    _, status, reason = HOSTILE[name]
    (stem,) = report.stems([f"{name}.ipynb"])
    first, *others = json.loads((out / f"{stem}.json").read_text())["exercises"]
    assert (first["status"], first["score"]) == (status, 0)
    assert reason in first["message"]
    assert [other["status"] for other in others] == ["missing"] * 2


def test_exercises_share_the_time_of_a_notebook(submit):
    names = ["linear_margin", "sd_objective", "flip_share"]
    sleep = "import time\ntime.sleep(1e6)"
    graded = grade(
        submit(IMPORTS, *(function(sleep, name, "*_") for name in names)),
        limits=Limits(seconds=0.3),
    )
    assert [m.status for m in graded.marks] == ["time"] * 3
    assert graded.marks[2].message.startswith("Not run")
    assert sum(m.seconds for m in graded.marks) < 10


@pytest.mark.skipif(landlock.version() < 6, reason="needs Linux 6.12")
def test_the_kernel_keeps_a_student_from_other_processes(mark):
    body = "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)"
    assert "PermissionError: [Errno 1]" in mark(IMPORTS, function(body)).message


@pytest.mark.skipif(not landlock.version(), reason="needs Linux 5.13")
def test_the_kernel_keeps_a_student_from_other_folders(mark):
    body = f"import os\nraise ValueError(os.listdir({str(ROOT / 'tests')!r}))"
    assert "PermissionError: [Errno 13]" in mark(IMPORTS, function(body)).message


# --- what the code of a student finds -----------------------------------------------------------


def test_a_student_finds_no_environment_and_an_empty_folder(mark, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "swordfish")
    body = "import os\nraise ValueError(sorted(os.environ), os.listdir(), os.getcwd())"
    message = mark(IMPORTS, function(body)).message
    assert "'HOME'" in message
    assert "SECRET" not in message
    assert ", [], " in message
    assert str(ROOT) not in message


def test_a_student_may_write_small_files_in_the_folder(mark):
    body = "open('a', 'w').write('0.5')\nprint(open('a').read())\n" + RIGHT
    assert mark(IMPORTS, function(body)).status == "passed"


@LINUX
def test_a_large_file_is_refused(mark):
    message = mark(IMPORTS, function("open('a', 'wb').write(bytes(2**25))")).message
    assert "File too large" in message


def test_the_answer_cannot_change_what_the_check_compares_with(mark):
    body = "X *= 0\ny *= 0\nw *= 0\nreturn 0"
    assert "Not the distance" in mark(IMPORTS, function(body)).message


def test_a_check_may_hand_over_functions_and_streams(submit):
    colours = "return np.where(rng.random(y.shape) < flip, -y, y)"
    graded = grade(
        submit(
            IMPORTS,
            function("return lead(0.5) if lead(0.0) > 2 else undefined", "find_crossing", "lead"),
            function(colours, "colour_the_labels", "y, flip, rng"),
        )
    )
    marks = {m.exercise: m for m in graded.marks}
    assert "NameError: name 'undefined'" in marks["find-crossing"].message
    assert marks["colour-the-labels"].status == "passed"


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
    words = ["grade", str(submit(IMPORTS)), "--assignment", str(handed_out)]
    assert main(words) == 1
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
        (b'{"nbformat": 3, "worksheets": []}', "a notebook of version 3, expected 4"),
        (b'{"nbformat": {"a": "<b>"}, "cells": []}', "expected 4"),
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


@LINUX
def test_a_notebook_that_needs_too_much_memory_to_read_gets_its_reason(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(b'{"a": [' + b"[]," * 1_000_000 + b"[]]}")
    assert "more than 0.05 GiB of memory" in grade(path, limits=Limits(20, 0.05)).problem


# --- what is written ----------------------------------------------------------------------------

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m"
KNOWN = {"html", "head", "meta", "title", "style", "body", "h1", "p", "strong", "table", "tr", "td"}
KNOWN |= {"th", "br", "details", "summary", "pre", "footer", "a"}


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
    assert main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert "\x1b" not in capsys.readouterr().out
    pages = list((tmp_path / "out").glob("*.html"))
    assert len(pages) == 2
    for path in pages:
        assert Tags(path.read_text(encoding="utf-8")).found <= KNOWN
        assert "default-src 'none'" in path.read_text(encoding="utf-8")
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8", newline="") as file:
        _, (name, *_) = csv.reader(file)
    assert name.startswith("'=1+1 ")


def test_names_of_files_do_not_leave_the_folder(submit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("..%2f..%2fada.ipynb", "..ada.ipynb", "b/ada.ipynb", "ada.ipynb"):
        submit(IMPORTS, name=name)
    paths = ["../..%2f..%2fada.ipynb", "../..ada.ipynb", "../b/ada.ipynb", "../ada.ipynb"]
    assert main(["grade", *paths, str(tmp_path / "ada.ipynb")]) == 1
    written = {path.name for path in (tmp_path / "here" / "grades").iterdir()}
    assert len(written) == 2 * 5 + 2
    assert all(re.fullmatch(r"[\w-][\w.-]*\.(json|html|csv)", name) for name in written)
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"grades"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_names_of_files_are_safe_and_unique(names):
    found = report.stems(f"{name}.ipynb" for name in names)
    assert len({stem.lower() for stem in found}) == len(names)
    assert all(re.fullmatch(r"\w[\w.-]*", stem, re.ASCII) for stem in found)


def test_the_json_has_the_documented_fields(batch):
    _, out = batch
    graded = json.loads((out / "right-0.json").read_text())
    documented = re.findall(r"^    (\w+(?:, \w+)*)(?:  |$)", report.__doc__, re.MULTILINE)
    assert list(graded) == ", ".join(documented).split(", ")
    assert (graded["format"], graded["version"]) == ("gsutils-grade", 1)
    assert (graded["score"], graded["points"], graded["problem"]) == (1, 3, None)
    first = graded["exercises"][0]
    assert ", ".join(first) in " ".join(report.__doc__.split())
    assert first["code"] == function(RIGHT)
    assert first["title"].startswith("Chapter 1: the input margin")


# --- the command --------------------------------------------------------------------------------


def test_the_command_prints_a_line_for_each_notebook_and_returns_0(submit, tmp_path, capsys):
    path = submit(IMPORTS, function(RIGHT))
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "ada.ipynb").write_text("{")
    assert main(["grade", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/1] ada.ipynb: 1 of 3: linear-margin passed, sd-objective missing")
    assert last.startswith("1 of 1 graded in ")
    assert json.loads((tmp_path / "out" / "ada.json").read_text())["notebook"] == path.name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "0"], "seconds must be > 0 and <= 3600, got 0.0"),
        (["--memory", "-1"], "memory must be > 0"),
        (["--jobs", "0"], "jobs must be >= 1, got 0"),
        (["--assignment", "nowhere.ipynb"], "nowhere.ipynb: there is no such file"),
    ],
)
def test_an_impossible_option_gives_one_line_and_status_1(words, message, submit, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main(["grade", str(submit(IMPORTS)), *out, *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_without_notebooks_is_refused(tmp_path, capsys):
    assert main(["grade", str(tmp_path)]) == 1
    assert "holds no file that ends in .ipynb" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_graded(submit, tmp_path, capsys, monkeypatch):
    graded = grader.Report("ada.ipynb", problem="none")

    def interrupted(*_):
        yield 0, graded
        raise KeyboardInterrupt

    monkeypatch.setattr(grader, "grade_all", interrupted)
    monkeypatch.chdir(submit(IMPORTS).parent)
    assert main(["grade", "ada.ipynb", "--out", str(tmp_path / "out")]) == 130
    assert (tmp_path / "out" / "ada.json").is_file()
    assert "stopped. What was graded is in" in capsys.readouterr().err


# --- values that cross over ---------------------------------------------------------------------

NUMBERS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(...)
)
VALUES = st.recursive(
    NUMBERS | st.complex_numbers(),
    lambda part: st.lists(part) | st.tuples(part, part) | st.dictionaries(st.text(), part),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_a_value_arrives_as_it_was(value):
    there = values.read(json.loads(json.dumps(values.write(value))))
    assert repr(there) == repr(value) or "e+" in repr(there)  # integers above 2**63 become floats


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64", "bool", "complex128"])
def test_an_array_arrives_as_it_was(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array.T, array[:, ::2], array[0, 0]):
        there = values.read(json.loads(json.dumps(values.write(value))))
        assert there.dtype == value.dtype
        np.testing.assert_array_equal(there, value)


def test_a_tensor_arrives_as_a_tensor():
    weights = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    there = values.read(values.write(weights.T))
    assert torch.equal(there, torch.ones(3, 2))


@pytest.mark.parametrize(
    "sent",
    [
        {"array": "AAAA", "dtype": "|O8", "shape": [1]},
        {"array": "AAAA", "dtype": "<f8", "shape": [10**12]},
        {"array": 5, "dtype": "<f8", "shape": [1]},
        {"array": "AAAA", "dtype": ["<f8"], "shape": [1]},
        {"tensor": {"array": "AAAA", "dtype": "|u1", "shape": [9]}},
        {"dict": [[[], 1]]},
        {"complex": "a"},
        {"other": ""},
        {},
    ],
)
def test_what_is_no_value_is_an_error_and_nothing_else(sent):
    try:
        values.read(sent)
    except ValueError:
        return
    assert "other" in sent


@pytest.mark.parametrize(
    "message",
    [
        b'{"kind": "stop", "why": []}',
        b"",
        b"[]",
        b"{",
        b'{"kind": "value"}',
        b'{"kind": 1}',
        b"[" * 9999,
    ],
)
def test_a_forged_message_is_a_crash(message):
    code = (
        "import sys\n"
        "def f():\n"
        "    frame = sys._getframe()\n"
        "    while 'self' not in frame.f_locals: frame = frame.f_back\n"
        f"    frame.f_locals['self'].connection.send_bytes({message!r})\n"
    )
    box = Sandbox({"name": "f", "code": code, "setup": []}, QUICK)
    with box, pytest.raises(Stopped, match=r"unreadable|crashed"):
        box.answer()()
