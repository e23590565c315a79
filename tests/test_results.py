"""The ledger: whole files or none, and nothing in them that does not fit together."""

import dataclasses
import json
import os
import subprocess

import numpy as np
import pytest

from gsutils import results
from gsutils.results import Run


def run(**changes):
    values = {
        "experiment": "demo",
        "size": "quick",
        "settings": {"steps": 3, "hidden": [500]},
        "seeds": [0, 1],
        "metrics": {"erm": {"test accuracy": [0.25, 0.35]}},
        "selection": "oracle-test",
        "data": {"name": "MNIST"},
        "device": "cpu",
        "wall_time_s": 0.1,
        "command": "python -m gsutils run demo",
        "curves": {"erm": {"step": [0, 3], "train": [[0.5, 0.5], [0.6, 0.7]]}},
    }
    return Run(**values | changes)


def test_a_saved_run_is_read_back_as_it_was(tmp_path):
    path = results.save(run(), tmp_path / "new" / "folder")
    assert results.read(path) == run()
    assert [p.name for p in path.parent.iterdir()] == [f"{run().name}.json"]


def test_saving_again_replaces_the_file(tmp_path):
    results.save(run(), tmp_path)
    results.save(run(device="GPU"), tmp_path)
    assert [r.device for r in results.load("demo", "quick", tmp_path)] == ["GPU"]


@pytest.mark.parametrize("place", [(os, "fdopen"), (os, "replace"), (os, "chmod")])
def test_a_failed_save_leaves_no_file_and_keeps_the_old_one(place, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    old = results.save(run(), tmp_path)
    content = old.read_bytes()
    monkeypatch.setattr(*place, full)
    with pytest.raises(OSError, match="No space left"):
        results.save(run(device="GPU"), tmp_path)
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == content


def test_a_saved_file_is_readable_by_others(tmp_path):
    assert results.save(run(), tmp_path).stat().st_mode & 0o777 == 0o644


def test_the_name_tells_entry_size_and_a_hash_of_settings_and_seeds():
    name = run().name
    assert name == "demo-quick-" + name[-8:]
    assert run(device="GPU", wall_time_s=9.0, commit="x").name == name
    assert run(settings={"hidden": [500], "steps": 3}).name == name
    assert run(settings={"steps": 4, "hidden": [500]}).name != name
    other = run(seeds=[0, 2])
    assert other.name != name
    # Fixed for good: the book refers to the files by name.
    assert name == "demo-quick-4e6f0671"


def test_runs_are_loaded_by_name_and_only_those_of_the_entry_and_size(tmp_path):
    kept = [run(settings={"steps": steps}) for steps in range(5)]
    for one in [*kept[::-1], run(size="paper"), run(experiment="demo2")]:
        results.save(one, tmp_path)
    (tmp_path / ".demo-quick-half.json").write_text("{")
    names = [one.name for one in results.load("demo", "quick", tmp_path)]
    assert names == sorted(one.name for one in kept)
    assert results.load("demo", "huge", tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {"erm": {"loss": [1.0]}}}, "erm, loss: 1 values for 2 seeds"),
        ({"metrics": {"erm": {"loss": [1.0, float("nan")]}}}, "erm, loss: every value must be fin"),
        ({"metrics": {"erm": {"loss": [1.0, float("inf")]}}}, "must be finite"),
        ({"schema": 99}, "reads schema 1, the run has 99"),
        ({"selection": "best"}, "selection must be in .*got 'best'"),
    ],
)
def test_a_run_whose_parts_do_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        run(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"settings": {"lr": float("nan")}}, {"curves": {"erm": {"step": [0], "x": [[np.inf, 1]]}}}],
)
def test_what_json_cannot_hold_is_not_saved(changes, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.save(run(**changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


GOOD = dataclasses.asdict(run())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "must be a mapping"),
        ("null", "not iterable"),
        ("{}", "missing"),
        (json.dumps(GOOD | {"schema": 2}), "schema"),
        (json.dumps(GOOD | {"colour": "red"}), r"unknown fields \['colour'\]"),
        (json.dumps(GOOD | {"metrics": []}), "items"),
        (json.dumps(GOOD | {"seeds": [0]}), "2 values for 1 seeds"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "device"}), "device"),
    ],
)
def test_a_file_that_is_no_run_is_named(content, message, tmp_path):
    path = tmp_path / "demo-quick-00000000.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        results.load("demo", "quick", tmp_path)
    assert str(path) in str(error.value)


def test_every_shipped_result_can_be_read_and_lies_under_its_name():
    for path in results.folder().glob("*.json"):
        assert results.read(path).name == path.stem


def test_summary_is_mean_and_sample_standard_deviation():
    assert run().summary("erm", "test accuracy") == pytest.approx((0.3, 0.1 / np.sqrt(2)))
    alone = run(seeds=[0], metrics={"erm": {"loss": [2.0]}})
    mean, std = alone.summary("erm", "loss")
    assert mean == 2
    assert np.isnan(std)


def test_a_run_carries_versions_and_commit():
    made = run()
    assert {"python", "torch", "numpy", "gsutils"} <= set(made.versions)
    assert made.commit == results.commit()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Somebody's git repository with one commit, in which `results` looks for itself."""

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "results.py").write_text("")
    (tmp_path / "other.py").write_text("")
    git("init", "-q")
    git("add", "other.py")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(results, "_HERE", tmp_path)
    monkeypatch.setattr(results, "__file__", str(tmp_path / "results.py"))
    return git


def test_the_commit_is_marked_where_there_are_changes(repository, tmp_path):
    repository("add", "results.py")
    repository("commit", "-q", "-m", "two")
    assert len(results.commit()) == 12
    (tmp_path / "results.py").write_text("changed")
    assert results.commit().endswith("+changes")


def test_the_commit_of_a_repository_around_an_installed_package_is_not_taken(repository):
    assert results.commit() == "unknown"


def test_without_git_the_commit_is_unknown(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert results.commit() == "unknown"
