"""The command line: what it prints, what it refuses, and what is left when it is stopped."""

import json
import os
import shlex
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor

import joblib
import pytest
import torch
from test_sweeps import entry, measured, outcome

from gsutils.__main__ import main
from gsutils.dual import NotConverged
from gsutils.experiments import ENTRIES
from gsutils.runs import records, sweep
from gsutils.runs.paper import Number, Unit

TINY = ["--seeds", "0", "--set", "steps=5", "--cases", "plain", "--device", "cpu"]


@pytest.fixture(autouse=True)
def checkpoints(monkeypatch, tmp_path):
    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def demo(monkeypatch):
    """An experiment that notes each job it does, and is stopped at those named."""
    done, stop_at = [], []

    def run(job):
        if [job.case, *job.seeds] in stop_at:
            raise KeyboardInterrupt
        done.append((job.case, *job.seeds))
        return outcome(job)

    paper = {"a": {"x": Number(0.0, 0.1, Unit.NATS)}, "b": {"x": Number(0.0, unit=Unit.NATS)}}
    monkeypatch.setitem(ENTRIES, "demo", entry(run, paper=paper))
    return done, stop_at


# --- list and show ------------------------------------------------------------------------------


def test_list_names_every_entry_with_its_chapter_and_what_is_stored(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    entries = [line.split()[:2] for line in lines if not line.startswith(" ")]
    assert entries == [[entry.name, entry.chapter] for entry in ENTRIES.values()]
    stored = lines[lines.index(next(line for line in lines if line.startswith("figure1 "))) + 1]
    assert "10 seeds, two moons (generated), CPU" in stored


def test_list_names_the_files_that_cannot_be_read(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(records, "folder", lambda: tmp_path)
    (tmp_path / "figure1-paper-1.json").write_text("{")
    assert main(["list"]) == 0
    assert "cannot be read: figure1-paper-1.json: Expecting" in capsys.readouterr().out


def test_show_prints_both_sizes_the_cases_and_the_papers_numbers(capsys):
    assert main(["show", "table2"]) == 0
    shown = capsys.readouterr().out
    assert "quick:" in shown
    assert "paper:" in shown
    assert "sd, test accuracy: 68.4 ± 1.2 %" in shown
    assert "settings of the size paper, vrex: other repository: the defaults of REx's" in shown
    assert main(["show", "regularisers"]) == 0
    shown = capsys.readouterr().out
    assert "\n  weight decay.steps = 10000\n" in shown
    assert "\n  cases: plain, longer, weight decay," in shown
    assert "settings of the size paper, all cases: authors' code: moon_fig_3.py" in shown


# --- run ----------------------------------------------------------------------------------------


def test_run_stores_a_record_whose_command_gives_the_same_record(tmp_path, capsys, checkpoints):
    assert main(["run", "figure1", *TINY, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    run = records.read(path)
    assert {name: case["steps"] for name, case in run.settings["cases"].items()} == {"plain": 5}
    assert run.seeds == [0]
    words = shlex.split(run.command)[3:]
    assert main([*words, "--out", str(tmp_path / "again")]) == 0
    assert measured(records.read(tmp_path / "again" / path.name)) == measured(run)
    assert json.loads(path.read_text())["schema"] == records.SCHEMA
    assert "input margin" in capsys.readouterr().out
    assert not list(checkpoints.iterdir())


def test_run_ends_with_ours_beside_the_papers_and_a_verdict(demo, tmp_path, capsys):
    assert main(["run", "demo", "--size", "paper", "--seeds", "0:3", "--out", str(tmp_path)]) == 0
    header, a, b, *_, where = capsys.readouterr().out.splitlines()
    assert header.split() == ["case", "metric", "ours", "paper", "difference", "verdict"]
    said = "a x 0.143 ± 0.143 nats 0.00 ± 0.10 +0.14 not judged: settings of our choice, other data"
    assert " ".join(a.split()) == said
    assert b.split()[:7] == ["b", "x", "100.143", "±", "0.143", "nats", "0.00"]
    assert records.read(tmp_path / where.rsplit("/")[-1]).seeds == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--set", "plain.steps=7"], {"plain.steps": 7}),
        (["--set", "plain.steps=7", "--set", "sd.steps=8"], {"plain.steps": 7, "sd.steps": 8}),
        (["--cases", "sd", "plain"], {}),
        (["--jobs", "2"], {}),
        (["--fresh"], {}),
    ],
)
def test_options_reach_the_entry(words, changes, monkeypatch):
    seen = {}

    def save(self, **arguments):
        seen.update(arguments, jobs=joblib.Parallel().n_jobs)
        raise ValueError("that is enough")

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("gsutils.runs.entry.Entry.save", save)
    assert main(["run", "figure1", *words]) == 1
    assert seen["settings"] == changes
    assert seen["fresh"] == ("--fresh" in words)
    assert seen["cases"] == (["sd", "plain"] if "--cases" in words else None)
    assert seen["jobs"] == (2 if "--jobs" in words else 1)


def test_processes_share_the_threads_unless_the_environment_says(monkeypatch):
    asked = []

    def save(self, **arguments):
        raise ValueError("that is enough")

    monkeypatch.setattr("gsutils.runs.entry.Entry.save", save)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    main(["run", "figure1", "--jobs", "3"])
    assert asked == []
    monkeypatch.delenv("OMP_NUM_THREADS")
    main(["run", "figure1", "--jobs", "3"])
    assert asked == [2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "figure9"], "no experiment is called 'figure9'"),
        (["run", "figure1", "--set", "step=3"], "there is no setting 'step'; there is"),
        (["run", "figure1", "--set", "plane.steps=3"], "there is no setting 'plane.steps'; there"),
        (["run", "figure1", "--set", "plain.step=3"], "there is no setting 'plain.step'; there is"),
        (["run", "figure1", "--set", "steps.x=3"], "there is no setting 'steps.x'; there is"),
        (["run", "figure1", "--set", "plain.steps=2.5"], "plain.steps must be an integer, got 2.5"),
        (["run", "figure1", "--set", "plain.steps=many"], "must be an integer, got 'many'"),
        (["run", "figure1", "--set", "steps=true"], "must be an integer, got True"),
        (["run", "figure1", "--set", "steps=null"], "must be an integer, got None"),
        (["run", "figure1", "--set", "hidden=5"], "hidden must be a list, each an integer, got 5"),
        (["run", "figure1", "--set", "lam=NaN"], "lam must be a finite number, got nan"),
        (["run", "figure1", "--set", "seeds=[1]"], "--seeds chooses the seeds"),
        (["run", "figure5", "--set", "delta=NaN"], "delta must be a finite number, got nan"),
        (["run", "figure5", "--set", "times=2"], "times must be a list, each a finite number"),
        (["run", "figure5", "--set", 'times=[2, "3"]'], "times must be a finite number, got '3'"),
        (["run", "figure1", "--device", "cuda:99"], "cuda:99"),
        (["run", "figure1", "--cases", "plane"], "cases must be some of overlap, plain, sd"),
    ],
)
def test_a_wrong_word_gives_one_line_and_status_1(words, message, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["--seeds", "a"], ["--set", "steps"], ["--size", "huge"], ["--jobs", "0"], ["--jobs", "-1"]],
)
def test_a_malformed_option_is_refused(words):
    with pytest.raises(SystemExit):
        main(["run", "figure1", *words])


# --- stopped ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--set", 'plain.title="Wärme"'], "settings/cases/plain/title"),
        (["--set", 'plain.title="a <b>"'], "settings/cases/plain/title"),
        (["--seeds", "0:1300"], "command"),
    ],
)
def test_what_no_record_can_hold_is_refused_before_the_training(
    change, named, monkeypatch, capsys, tmp_path, checkpoints
):
    monkeypatch.setattr(sweep, "sweep", lambda *_: pytest.fail("it was trained first"))
    words = ["run", "regularisers", "--size", "paper", "--cases", "plain", "--out", str(tmp_path)]
    assert main([*words, *change]) != 0
    assert named in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(demo, tmp_path, capsys, checkpoints):
    done, stop_at = demo
    command = ["run", "demo", "--out", str(tmp_path / "out")]
    stop_at.append(["b", 0])
    assert main(command) == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert "The same command goes on where this one was; --fresh starts anew" in said.err
    assert str(checkpoints) in said.err
    stop_at.clear()
    assert main(command) == 0
    assert done == [("a", 0), ("b", 0)]
    assert main([*command, "--fresh"]) == 0
    assert len(done) == 4


KILLED = """
import sys, time
from gsutils.__main__ import main
from gsutils.dual import NotConverged
from gsutils.experiments import ENTRIES
from test_sweeps import entry, outcome

def run(job):
    print(job.case, *job.seeds, flush=True)
    if job.case == "b":
        time.sleep(60)
    return outcome(job)

ENTRIES["demo"] = entry(run)
main(sys.argv[1:])
"""


def test_a_killed_run_goes_on_and_leaves_nothing_torn(demo, tmp_path, checkpoints):
    done, _ = demo
    command = ["run", "demo", "--seeds", "0,1", "--out", str(tmp_path / "out")]
    torch.set_num_threads(1)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *command],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__), "OMP_NUM_THREADS": "1"},
    ) as killed:
        assert [killed.stdout.readline() for _ in range(3)] == ["a 0\n", "a 1\n", "b 0\n"]
        killed.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    assert main(command) == 0
    assert done == [("b", 0), ("b", 1)]
    (path,) = (tmp_path / "out").iterdir()
    assert measured(records.read(path)) == measured(ENTRIES["demo"].record(seeds=[0, 1]))
    assert not list(checkpoints.iterdir())


def test_a_list_survives_any_encoding_and_no_docstrings():
    """Each once broke the list: a λ under cp1252, and python -OO."""
    surroundings = os.environ | {"PYTHONIOENCODING": "cp1252"}
    words = [sys.executable, "-OO", "-m", "gsutils", "list"]
    done = subprocess.run(words, capture_output=True, env=surroundings, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") >= len(ENTRIES)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotConverged("the residual is 0.1"), "the residual is 0.1"),
        (MemoryError(), "the memory did not suffice (MemoryError). Fewer --jobs"),
        (BrokenExecutor("a worker was killed"), "the memory did not suffice (a worker was killed)"),
    ],
)
def test_what_a_training_may_fail_by_is_said_in_a_line(monkeypatch, capsys, error, said):
    def save(*args, **arguments):
        raise error

    monkeypatch.setattr("gsutils.runs.entry.Entry.save", save)
    assert main(["run", "figure5"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gsutils: {said}")


def test_run_all_refuses_even_an_empty_choice_of_seeds(capsys):
    assert main(["run", "all", "--size", "paper", "--seeds", "3:3"]) == 1
    assert "takes --size, --budget" in capsys.readouterr().err
