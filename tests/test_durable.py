"""What is stored is what was written: digests, flushed files, and what a killed process leaves."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gsutils import files
from gsutils.runs import records, sweep
from gsutils.runs.jobs import Job, Outcome
from gsutils.train import checkpoints

CONTENT = {"step": 3, "w": torch.linspace(0, 1, 2000)}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    checkpoints.save(path, CONTENT)
    return path


def test_no_flipped_bit_of_a_checkpoint_goes_unnoticed(checkpoint):
    whole, draw = checkpoint.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        checkpoint.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"run\.pt is .*; delete it to start anew"):
            checkpoints.load(checkpoint)
    checkpoint.write_bytes(whole)
    assert torch.equal(checkpoints.load(checkpoint)["w"], CONTENT["w"])


@pytest.mark.parametrize("kept", [0, 1, 27, 90, 91, 92, 500, -1])
def test_a_truncated_checkpoint_is_named_with_the_remedy(checkpoint, kept):
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"run\.pt is .*; delete it to start anew"):
        checkpoints.load(checkpoint)


def test_what_torch_saved_elsewhere_is_no_checkpoint_of_ours(checkpoint):
    torch.save(CONTENT, checkpoint)
    with pytest.raises(ValueError, match="is no checkpoint of a training; delete it"):
        checkpoints.load(checkpoint)


def test_a_file_is_flushed_before_it_takes_its_name(tmp_path, monkeypatch):
    done, replace = [], os.replace

    def flush(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))

    def name(one, other):
        done.append("named")
        replace(one, other)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", name)
    with files.atomic(tmp_path / "a") as part:
        part.write_text("x")
    assert done == [str(part), "named", str(tmp_path)]


def job(folder):
    return Job({"steps": 3}, "plain", (0, 1), torch.device("cpu"), folder)


def outcome(job):
    return Outcome({"plain": {"x": [7.0, 8.0]}}, {"name": "none"})


def again(job):
    return Outcome({"plain": {"x": [1.0, 2.0]}}, {"name": "none"})


def test_a_finished_job_is_taken_over_and_a_damaged_one_is_done_again(tmp_path):
    (first,) = sweep.sweep(outcome, [job(tmp_path)], "x")
    (kept,) = sweep.sweep(again, [job(tmp_path)], "x")
    assert kept == first
    file = tmp_path / sweep.FINISHED
    whole, draw = file.read_bytes(), random.Random(0)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged)
        assert not sweep.is_finished(job(tmp_path))
    (done,) = sweep.sweep(again, [job(tmp_path)], "x")
    assert done.outcome == again(None)


NAN = '{"outcome": {"metrics": {"plain": {"x": [NaN, 1]}}, "data": {"name": "n"}}, "seconds": 1, '
ODD = ["", "[" * 100_000, "[]", "5", "null", NAN + '"device": "CPU"}', '{"outcome": 5}', "{}"]


@pytest.mark.parametrize("body", ODD, ids=[text[:9] for text in ODD])
@pytest.mark.parametrize("signed", [False, True])
def test_an_odd_finished_job_is_done_again(body, signed, tmp_path):
    text = f"{sweep._digest(body)}\n{body}" if signed else body
    (tmp_path / sweep.FINISHED).write_text(text)
    (done,) = sweep.sweep(outcome, [job(tmp_path)], "x")
    assert done.outcome == outcome(None)


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-5", "\0", "1e999"])
def test_an_odd_time_of_earlier_attempts_counts_as_none(text, tmp_path):
    (tmp_path / sweep.BEGUN).write_text(text)
    (done,) = sweep.sweep(outcome, [job(tmp_path)], "x")
    assert 0 <= done.seconds < 60


def record(tmp_path):
    run = records.Run(
        "demo", "quick", {"steps": 3}, [0, 1], {"erm": {"test accuracy": [0.25, 0.35]}}, "none",
        {"name": "none"}, "cpu", 0.1, "python -m gsutils run demo --size quick", commit="unknown",
    )  # fmt: skip
    return run, records.save(run, tmp_path)


def test_a_record_whose_number_was_changed_is_refused_with_what_makes_it_again(tmp_path):
    run, path = record(tmp_path)
    assert records.read(path) == run
    path.write_text(path.read_text().replace("0.35", "0.36"))
    with pytest.raises(ValueError, match=r"SHA-256 is another.*take it from git.*run demo"):
        records.read(path)
    assert "SHA-256" in records.survey(tmp_path)[1][path.name]


def test_a_record_without_a_digest_is_read_and_its_layout_does_not_matter(tmp_path):
    run, path = record(tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content))
    assert records.read(path) == run
    del content["sha256"]
    path.write_text(json.dumps(content))
    assert records.read(path) == run


def test_what_is_no_file_is_skipped_or_named_but_never_opened(tmp_path):
    run, _ = record(tmp_path)
    (tmp_path / ".#demo-quick-x.json").symlink_to("user@host.1234")  # what Emacs leaves
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "broken.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.json")
    runs, refused = records.survey(tmp_path)
    assert runs == [run]
    assert set(refused) == {"folder.json", "broken.json", "pipe.json"}
    assert all("no regular file" in reason for reason in refused.values())


KILLED = """
import os, sys
from pathlib import Path
from gsutils import files
held = files.{how}(Path(sys.argv[1], "kept"))
held.__enter__(){then}
Path(sys.argv[1], "own.tmp").touch()
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["apart", "atomic"])
def test_what_a_killed_process_left_is_swept_by_the_next_and_nothing_else(how, tmp_path):
    code = KILLED.format(how=how, then=".write_text('half')" if how == "atomic" else "")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".kept.")]
    ours = files._temporary(tmp_path / "mine")  # of a process that lives: this one
    ours.touch()
    (tmp_path / ".other.tmp").touch()
    files._swept.clear()
    files.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, ".other.tmp", "own.tmp"}


def test_a_write_that_fails_says_which_file_why_and_what_moves_it(tmp_path):
    (tmp_path / "file").touch()
    for kind, said in (
        (files.DataUnavailable, "set GSUTILS_DATA to a folder"),
        (files.CheckpointsUnavailable, "set GSUTILS_CHECKPOINTS to a folder"),
        (files.OutputUnavailable, "name with --out a folder"),
    ):
        refused = pytest.raises(kind, match=rf"file.x in place: Not a directory.*{said}")
        with refused, files.atomic(tmp_path / "file" / "x", kind) as part:
            part.write_text("x")


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path):
    path, seen = tmp_path / "data", []

    def examine(path: Path) -> str:
        seen.append(path.read_bytes())
        return path.read_text()

    path.write_text("one")
    assert files.remembered(path, examine) == files.remembered(path, examine) == "one"
    assert len(seen) == 1
    stat = path.stat()
    path.write_text("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert files.remembered(path, examine) == "two"
    files.forget(tmp_path)
    assert files.remembered(path, examine) == "two"
    assert len(seen) == 3
