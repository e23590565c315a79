"""Grading hostile code: each ends with its reason, and nothing of it gets beyond its sandbox."""

import csv
import json
import os
import sys
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
import submissions
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from submissions import IMPORTS, QUICK, RIGHT, cell, function, notebook

from grading import records, report, values
from grading.command import main
from grading.grader import grade
from grading.limits import Limits
from grading.sandbox import Sandbox, Stopped

pytestmark = pytest.mark.alone  # students' code has seconds by the clock

submit, mark, need_engine = submissions.submit, submissions.mark, submissions.need_engine


# --- thirty submissions, half of them hostile ---------------------------------------------------

KEY = ROOT / "book" / "01-clever-hans.md"
NEWLINE = b"\n"
SHARED = f"grading-{os.getpid()}"
FORGE = (
    "import sys\nf = sys._getframe()\nwhile f.f_code.co_name != 'serve': f = f.f_back\n"
    "service = f.f_locals['self']\nservice.sink.write({})\nservice.sink.flush()\n"
    "import time\ntime.sleep(1e6)"
)
WALK = "import sys\nf = sys._getframe()\nwhile f:\n    {}\n    f = f.f_back"
DEEP = "class A:\n    def __getattr__(self, n): return getattr(self, n + 'a')"
HOSTILE = {
    "endless loop": ("while True: pass", "time", "No end after"),
    "loop that catches all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "time",
        "No end after",
    ),
    "sleep": ("import time\ntime.sleep(1e6)", "time", "No end after 2 s"),
    "10 GiB": ("return np.ones(10 * 2**27).sum()", "memory", "more than 1 GiB"),
    "10 GiB list": ("return len([0] * (10 * 2**27))", "memory", "more than 1 GiB"),
    "10 GiB tensor": (
        "import torch\nreturn torch.ones(10 * 2**28).sum()",
        "memory",
        "more than 1 GiB",
    ),
    "segmentation fault": (
        "import faulthandler\nfaulthandler._sigsegv()",
        "crash",
        "SIGSEGV",
    ),
    "endless recursion": (
        f"import sys\nsys.setrecursionlimit(10**9)\n{DEEP}\nA().x",
        *(("failed", "RecursionError") if sys.version_info >= (3, 12) else ("crash", "SIGSEGV")),
    ),
    "abort": ("import os\nos.abort()", "crash", "SIGABRT"),
    "exit": ("import os\nos._exit(0)", "crash", "exit code 0"),
    "sys.exit": ("import sys\nsys.exit(0)", "failed", "SystemExit"),
    "infinite print": ("while True: print('x' * 1000)", "output", "prints more than 100,000"),
    "20 MiB": ("return np.zeros((20, 2**17))", "output", "returns more than 16 MiB"),
    "answer key": (f"return open({str(KEY)!r}).read()", "failed", "No such file"),
    "checks": (
        f"return open({str(ROOT / 'gsutils/checks/clever_hans.py')!r}).read()",
        "failed",
        "No such file",
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
    "kill the grader": ("import os\nos.kill(os.getppid(), 9)", "unsolved", "Not solved yet"),
    "fork bomb": ("import os\nwhile True: os.fork()", "failed", "PermissionError"),
    "program": ("import subprocess\nsubprocess.run(['env'])", "failed", "PermissionError"),
    "network": (
        "import socket\nsocket.create_connection(('192.0.2.1', 80))",
        "failed",
        "unreachable",
    ),
    "environment": (
        "raise ValueError(open('/proc/self/environ').read())",
        "failed",
        "GSUTILS_OFFLINE",
    ),
    "delete": (f"import os\nos.remove({str(KEY)!r})", "failed", "No such file"),
    "checks past Python": (
        f"import torch\nreturn bytes(torch.from_file({str(KEY)!r}, size=9, dtype=torch.uint8))",
        "failed",
        "No such file",
    ),
    "memory of Python": ("import ctypes\nctypes.string_at(0)", "crash", "SIGSEGV"),
    "orphan": (
        "import _posixsubprocess, os, time\nr, w_ = os.pipe()\n"
        "_posixsubprocess.fork_exec([b'x'], [b'/x'], False, (), None, None, -1, -1, -1, -1, -1, -1,"
        " r, w_, False, True, -1, None, None, None, -1, lambda: time.sleep(1e9), False)\n"
        "while True: pass",
        "failed",
        "PermissionError",
    ),
    "writes to all descriptors": (
        "import os\nfor fd in range(3, 200):\n    try:\n"
        f"        os.write(fd, b'REGISTER:/{SHARED}:shared_memory\\n')\n"
        "    except OSError: pass\nreturn 0",
        "crash",
        "unreadable",
    ),
    "the engine's descriptors": (
        "import os\nraise ValueError(os.listdir('/proc/1/fd'))",
        "failed",
        "",
    ),
    "40,000 keys": (
        FORGE.format(
            'b\'{"kind": "value", "value": {"dict": [\' + b\',\'.join('
            "b'[%d,0]' % (k * (2**61 - 1)) for k in range(1, 40000)) + b']}}\\n'"
        ),
        "crash",
        "unreadable",
    ),
    "long integer": (
        FORGE.format("b'{\"kind\": \"value\", \"value\": ' + b'9' * 4000 + b'}\\n'"),
        "crash",
        "unreadable",
    ),
    "endless message": (
        FORGE.replace("service.sink.write", "while True: service.sink.write").format(
            "b'x' * 2**20"
        ),
        "crash",
        "unreadable",
    ),
    "changes the package": (
        "import gsutils, os\nfd = os.open(gsutils.__file__, os.O_RDONLY)\nos.fchmod(fd, 0)",
        "failed",
        "Read-only file system",
    ),
    "dates the package": (
        "import gsutils, os\nos.utime(os.open(gsutils.__file__, os.O_RDONLY), (0, 0))",
        "failed",
        "Read-only file system",
    ),
    "memory without a limit": (
        "import os\nos.write(os.memfd_create('x'), bytes(2**24))",
        "failed",
        "PermissionError",
    ),
    "files without a limit": (
        "for i in range(40):\n    open(str(i), 'wb').write(bytes(2**23))",
        "failed",
        "No space left",
    ),
    "device files": ("open('/dev/shm/x', 'w')", "failed", "Read-only file system"),
    "another root": ("open('/x', 'w')", "failed", "Read-only file system"),
    "priority of others": (
        "import os\nos.setpriority(os.PRIO_PROCESS, os.getppid(), 19)\n"
        "os.setpriority(os.PRIO_USER, 0, 19)\nreturn 0",
        "failed",
        "Not the distance",
    ),
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Submissions graded by the command: its exit status, output and folder of results."""
    folder, out = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("grades")
    bodies = {name: body for name, (body, *_) in HOSTILE.items()}
    for name, body in {**bodies, **{f"right {i}": RIGHT for i in range(4)}}.items():
        content = notebook(IMPORTS, cell(function(body), "exercise-linear-margin"))
        (folder / f"{name}.ipynb").write_text(json.dumps(content))
    (folder / "not JSON.ipynb").write_text("{")
    words = [str(folder), "--out", str(out), "--seconds", "1", "--jobs", "2"]
    memory = SharedMemory(SHARED, create=True, size=9)
    before = os.getpriority(os.PRIO_PROCESS, 0), (ROOT / "gsutils" / "__init__.py").stat()
    try:
        yield main(words), out
        assert (Path("/dev/shm") / SHARED).exists()
        assert (
            os.getpriority(os.PRIO_PROCESS, 0), (ROOT / "gsutils" / "__init__.py").stat()
        ) == before  # fmt: skip
    finally:
        memory.close()
        memory.unlink()


def test_a_batch_ends_with_a_score_or_a_reason_for_each(batch):
    status, out = batch
    assert status == 1  # one of them is no notebook
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["notebook"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(HOSTILE) + 5 >= 30
    assert rows["not JSON.ipynb"]["problem"].startswith("not a notebook: the file is not JSON")
    assert rows["not JSON.ipynb"]["score"] == ""
    for name, row in rows.items():
        if name.startswith("right"):
            assert (row["score"], row["points"], row["linear-margin: status"]) == (
                "1",
                "7",
                "passed",
            )
        elif name != "not JSON.ipynb":
            assert row["score"] == "0"
            assert row["linear-margin: status"] in records.STATUSES
    assert f"{len(rows) - 1} of {len(rows)} could be graded" in (out / "index.html").read_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_ends_with_its_reason(name, batch):
    _, out = batch
    _, status, reason = HOSTILE[name]
    (stem,) = report.stems([f"{name}.ipynb"])
    first, *others = json.loads((out / f"{stem}.json").read_text())["exercises"]
    assert (first["status"], first["score"]) == (status, 0)
    assert reason in first["message"]
    assert [other["status"] for other in others] == ["missing"] * 3


def test_exercises_share_the_time_of_a_notebook(submit):
    names = ["linear_margin", "sd_objective", "flip_share", "confident_and_wide"]
    sleep = "import time\ntime.sleep(1e6)"
    graded = grade(
        submit(IMPORTS, *(function(sleep, name, "*_") for name in names)),
        limits=Limits(seconds=0.3),
    )
    assert [m.status for m in graded.marks] == ["time"] * 4
    assert graded.marks[2].message.startswith("Not run")
    assert sum(m.seconds for m in graded.marks) < 10


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


def test_a_large_file_is_refused(mark):
    message = mark(IMPORTS, function("open('a', 'wb').write(bytes(2**25))")).message
    assert "File too large" in message


def test_the_answer_cannot_change_what_the_check_compares_with(mark):
    body = "X *= 0\ny *= 0\nw *= 0\nreturn 0"
    assert "Not the distance" in mark(IMPORTS, function(body)).message


def test_a_check_may_hand_over_functions_and_streams(submit):
    colours = """colour = y.copy()
for label in (-1, 1):
    of = np.flatnonzero(y == label)
    colour[rng.permutation(of)[: round(flip * len(of))]] = -label
return colour"""
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


# --- values that cross over ---------------------------------------------------------------------

NUMBERS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(...)
)
VALUES = st.recursive(
    NUMBERS,
    lambda part: st.lists(part) | st.tuples(part, part),
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
        {"function": 0},
        {"stream": {"kind": "PCG64", "state": {}}},
        {"dict": [[0, 1]]},
        "x" * 10_001,
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
        b'{"kind": "value", "value": ' + b"[" * 50 + b"]" * 50 + b"}",
        b'{"kind": "value", "value": [' + b"0," * 1_000_000 + b"0]}",
        b'{"kind": "call", "function": -9, "arguments": []}',
    ],
)
def test_a_forged_message_is_a_crash(message):
    code = (
        "import sys\n"
        "def f():\n"
        "    frame = sys._getframe()\n"
        "    while 'self' not in frame.f_locals: frame = frame.f_back\n"
        f"    frame.f_locals['self'].sink.write({message + NEWLINE!r})\n"
    )
    job = {"name": "f", "code": code, "setup": [], "python": ""}
    box = Sandbox(submissions.engine(), job, Limits())
    with box, pytest.raises(Stopped, match=r"unreadable|crashed"):
        box.call()


def test_an_endless_dialogue_ends():
    code = "def f(ask):\n    while True: ask(0)"
    job = {"name": "f", "code": code, "setup": [], "python": ""}
    box, asked = Sandbox(submissions.engine(), job, Limits(seconds=30)), []
    with box, pytest.raises(Stopped, match="unreadable"):
        box.call(asked.append)
    assert 9_000 < len(asked) < 10_000


def test_a_process_that_neither_reads_nor_ends_costs_its_time_and_no_more():
    code = "def f(x):\n    import time\n    time.sleep(1e6)"
    job, start = {"name": "f", "code": code, "setup": [], "python": ""}, time.monotonic()
    with Sandbox(submissions.engine(), job, QUICK) as box:
        with pytest.raises(Stopped, match="No end after"):
            box.call(np.zeros(2**20))
        spent = box.spent
    assert spent < 3
    assert box.process.poll() is not None
    assert time.monotonic() - start < 60
