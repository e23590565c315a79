"""The ledger: whole files or none, and nothing in them that does not fit together."""

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gsutils.runs import pool, records
from gsutils.runs.entry import Entry
from gsutils.runs.records import Run


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
    path = records.save(run(), tmp_path / "new" / "folder")
    assert records.read(path) == run()
    assert [p.name for p in path.parent.iterdir()] == [f"{run().name}.json"]


def test_saving_again_replaces_the_file(tmp_path):
    records.save(run(), tmp_path)
    records.save(run(device="GPU"), tmp_path)
    assert [r.device for r in records.load("demo", "quick", tmp_path)] == ["GPU"]


@pytest.mark.parametrize("place", [(os, "fsync"), (os, "replace"), (Path, "write_text")])
def test_a_failed_save_leaves_no_file_and_keeps_the_old_one(place, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    old = records.save(run(), tmp_path)
    content = old.read_bytes()
    monkeypatch.setattr(*place, full)
    with pytest.raises(OSError, match="No space left"):
        records.save(run(device="GPU"), tmp_path)
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == content


def test_a_saved_file_is_readable_by_others(tmp_path):
    assert records.save(run(), tmp_path).stat().st_mode & 0o777 == 0o644


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
        records.save(one, tmp_path)
    (tmp_path / ".demo-quick-half.json").write_text("{")
    names = [one.name for one in records.load("demo", "quick", tmp_path)]
    assert names == sorted(one.name for one in kept)
    assert records.load("demo", "huge", tmp_path) == []


@dataclasses.dataclass(frozen=True)
class Case:
    steps: int = 3


def demo(*names):
    """An entry with cases of three steps."""
    return Entry(
        name="demo", title="", chapter="", cases={"quick": dict.fromkeys(names, Case())},
        seeds={"quick": range(3)}, run=lambda *_: None, paper={}, selection="none",
    )  # fmt: skip


def test_the_cases_of_an_entry_that_were_stored_apart_are_read_as_one_run(tmp_path):
    def part(case, seeds, seconds, **changes):
        settings = {"cases": {case: {"steps": 3}}, "seeds": seeds}
        return run(
            settings=settings, seeds=seeds, metrics={case: {"x": [1.0] * len(seeds)}},
            curves={case: {"step": [0], "x": [[1.0] * len(seeds)]}}, wall_time_s=seconds, **changes
        )  # fmt: skip

    entry = demo("a", "b", "c")
    assert pool.whole(entry, "quick", tmp_path) is None
    parts = [part("a", [0, 1], 2.0), part("b", [0, 1], 3.0, device="other")]
    for one in [*parts, part("a", [0], 9.0), part("c", [0, 1], 9.0, data={"name": "other"})]:
        records.save(one, tmp_path)
    found = pool.whole(entry, "quick", tmp_path)
    assert set(found.metrics) == set(found.curves) == set(found.settings["cases"]) == {"a", "b"}
    assert (found.seeds, found.wall_time_s) == ([0, 1], 5.0)
    assert set(found.device.split("; ")) == {one.device for one in parts}
    assert pool.joined(parts[:1]) == parts[0]


def test_neither_changed_settings_nor_other_data_stand_for_a_case_that_has_its_own(tmp_path):
    def part(case, seeds, value, steps=3, data="MNIST", **more):
        settings = {"cases": {case: {"steps": steps, **more}}, "seeds": seeds}
        metrics = {case: {"x": [value] * len(seeds)}}
        one = run(settings=settings, seeds=seeds, metrics=metrics, data={"name": data}, curves={})
        records.save(one, tmp_path)

    entry = demo("a", "b")
    part("a", [0, 1, 2], 9.0, steps=4)  # of a reader who tried something
    part("b", [0], 9.0, older=1)
    assert pool.whole(entry, "quick", tmp_path) is None
    assert pool.best(entry, "quick", tmp_path) == {}
    part("a", [0, 1, 2], 2.0, data="MNIST (excerpt)")
    part("b", [0, 1, 2], 2.0, data="MNIST (excerpt)")
    assert pool.whole(entry, "quick", tmp_path).metrics["a"]["x"] == [2.0] * 3
    part("a", [0, 1], 1.0)
    part("a", [5], 1.0)
    assert pool.whole(entry, "quick", tmp_path).metrics == {"a": {"x": [1.0] * 3}}
    found = pool.best(entry, "quick", tmp_path)
    assert [(case, one.seeds, *one.metrics[case]["x"]) for case, one in found.items()] == [
        ("a", [0, 1, 5], 1.0, 1.0, 1.0), ("b", [0, 1, 2], 2.0, 2.0, 2.0)
    ]  # fmt: skip


def test_a_record_with_a_changed_case_gives_its_others(tmp_path):
    tables = {"a": {"steps": 9}, "b": {"steps": 3}}
    metrics = {name: {"x": [1.0, 2.0]} for name in (*tables, "b, part")}
    settings = {"cases": tables, "seeds": [0, 1]}
    records.save(run(settings=settings, metrics=metrics, curves={}), tmp_path)
    found = pool.whole(demo("a", "b"), "quick", tmp_path)
    assert set(found.metrics) == {"b", "b, part"}


SEVERAL = [run for run in records.survey()[0] if len(run.seeds) > 1]


@pytest.mark.parametrize("stored", SEVERAL, ids=lambda run: run.name)
def test_a_stored_record_cut_into_seeds_is_read_as_the_whole(stored):
    cut = [pool.of_seeds(stored, [seed]) for seed in stored.seeds]
    cut.append(cut.pop(0))  # in any order
    (found,) = pool.pooled(cut)
    assert dataclasses.replace(found, wall_time_s=stored.wall_time_s) == stored
    assert found.wall_time_s == pytest.approx(len(cut) * stored.wall_time_s, abs=0.1)
    assert {part.name for part in pool.parts(found, cut)} == {part.name for part in cut}
    assert pool.parts(stored, [*cut, stored]) == [stored]


def test_seeds_of_one_case_join_those_of_a_record_of_several(tmp_path):
    def part(seeds, *names, value=1.0):
        metrics = {name: {"x": [value + seed for seed in seeds]} for name in names}
        metrics["a, part"] = {"y": [value + seed for seed in seeds]}
        tables = {name: {"steps": 3} for name in names if name != "a, part"}
        settings = {"cases": tables, "seeds": seeds}
        return run(settings=settings, seeds=seeds, metrics=metrics, curves={}, wall_time_s=4.0)

    several, more = part([0, 1, 2], "a", "b"), part([3, 4], "a")
    found = {(*pool.cases(one),): one for one in pool.pooled([several, more])}
    assert found["a",].metrics == {"a": {"x": [1, 2, 3, 4, 5]}, "a, part": {"y": [1, 2, 3, 4, 5]}}
    assert found["b",].metrics == {"b": {"x": [1, 2, 3]}}
    assert (found["a",].wall_time_s, found["b",].wall_time_s) == (6.0, 2.0)
    twice = part([0, 1, 2], "a", value=7.0)
    made = pool.pooled([several, more, twice])[0]
    assert made.seeds == [0, 1, 2, 3, 4]
    assert len(pool.parts(made, [several, more, twice])) == 2  # not both that have seeds 0 to 2
    for one in (several, more):
        records.save(one, tmp_path)
    whole = pool.whole(demo("a", "b"), "quick", tmp_path)  # all cases go before all seeds
    assert (whole.seeds, set(whole.metrics)) == ([0, 1, 2], {"a", "a, part", "b"})
    assert whole.metrics["a"] == several.metrics["a"]


def test_runs_are_read_as_one_only_if_nothing_but_their_seeds_differs(tmp_path):
    def part(seeds, **changes):
        return run(**{
            "settings": {"steps": 3, "seeds": seeds}, "seeds": seeds, "commit": 12 * str(seeds[0]),
            "metrics": {"a": {"x": [float(seed) for seed in seeds]}},
            "curves": {"a": {"step": [0], "x": [[float(seed) for seed in seeds]]}},
        } | changes)  # fmt: skip

    first, second = part([3, 1]), part([0, 2])
    for one in (first, second):
        records.save(one, tmp_path)
    (found,) = pool.load("demo", "quick", tmp_path)
    assert found.seeds == [0, 1, 2, 3]
    assert found.metrics["a"]["x"] == found.curves["a"]["x"][0] == [0.0, 1.0, 2.0, 3.0]
    assert set(found.commit.split("; ")) == {12 * "3", 12 * "0"}
    for other in (
        part([0, 2], settings={"steps": 4, "seeds": [0, 2]}),
        part([0, 2], data={"name": "other"}),
        part([0, 2], size="paper"),
        part([0, 2], selection="train-val"),
        part([0, 2], metrics={"a": {"y": [0.0, 2.0]}}),
        part([0, 2], curves={"a": {"step": [1], "x": [[0.0, 2.0]]}}),
        part([0, 1]),  # a seed of both
    ):
        assert len(pool.pooled([first, other])) == 2
    clashing = pool.pooled([part([3]), part([2, 3, 4]), part([0, 1, 2])])
    assert [run.seeds for run in clashing] == [[2, 3, 4], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {"erm": {"loss": [1.0]}}}, "erm, loss: 1 values for 2 seeds"),
        (
            {"curves": {"erm": {"step": [0, 1], "loss": [[1.0, 2.0], [1.0]]}}},
            "erm, loss: a step of",
        ),
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
    [
        {"settings": {"lr": float("nan")}},
        {"curves": {"erm": {"step": [0], "x": [[np.inf, 1]]}}},
        {"device": "<b>"},
        {"command": "rm -rf ."},
    ],
)
def test_what_does_not_fit_is_not_saved(changes, tmp_path):
    with pytest.raises(ValueError, match=r"JSON|must be|maximum"):
        records.save(run(**changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


GOOD = dataclasses.asdict(run())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("\x00", "Expecting value"),
        ("[]", r"\[\] is not of type 'object'"),
        ("null", "None is not of type 'object'"),
        ("{}", "'schema' is a required property"),
        (GOOD | {"schema": 2}, "it has schema 2, and this gsutils knows 1: update gsutils"),
        (GOOD | {"schema": 0}, "1 was expected"),
        (GOOD | {"schema": "1"}, "1 was expected"),
        (GOOD | {"colour": "red"}, "'colour' was unexpected"),
        (GOOD | {"metrics": []}, "metrics: must be case -> metric -> one number per seed, got"),
        (GOOD | {"metrics": {}}, "metrics: must be case"),
        (GOOD | {"seeds": [0]}, "erm, test accuracy: 2 values for 1 seeds"),
        (GOOD | {"seeds": [0, 0]}, "seeds: must be a list of different integers"),
        (GOOD | {"seeds": [0, True]}, "True is not of type 'integer'"),
        (GOOD | {"seeds": [0, -1]}, "-1 is less than the minimum"),
        (GOOD | {"seeds": [0, 2]}, "belong to a file called demo-quick-"),
        (GOOD | {"settings": {"steps": 4}}, "belong to a file called demo-quick-"),
        (GOOD | {"size": "huge"}, "size: 'huge' is not one of"),
        (GOOD | {"wall_time_s": -1}, "wall_time_s: must be seconds, got -1"),
        (GOOD | {"wall_time_s": "1"}, "wall_time_s: must be seconds, got '1'"),
        ({k: v for k, v in GOOD.items() if k != "device"}, "'device' is a required property"),
    ],
)
def test_a_file_that_is_no_run_is_named(content, message, tmp_path):
    path = tmp_path / "demo-quick-4e6f0671.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        records.load("demo", "quick", tmp_path)
    assert str(path) in str(error.value)
    runs, refused = records.survey(tmp_path)
    assert runs == []
    assert re.search(message, refused[path.name])


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("metrics", '{"erm": {"test accuracy": [NaN, 0]}}', "NaN is no number of JSON"),
        ("metrics", '{"erm": {"test accuracy": [-Infinity, 0]}}', "-Infinity is no number"),
        ("metrics", '{"erm": {"test accuracy": [1e400, 0]}}', "greater than the maximum"),
        ("metrics", '{"erm": {"test accuracy": [1e16, 0]}}', "greater than the maximum"),
        ("metrics", f'{{"erm": {{"test accuracy": [{"9" * 4000}, 0]}}}}', "greater than the"),
        ("metrics", f'{{"erm": {{"test accuracy": [{"9" * 9000}, 0]}}}}', "integer string conv"),
        ("metrics", '{"erm": {"test accuracy": ["0.1", 0]}}', "not of type 'number'"),
        ("settings", f'{{"a": {DEEP}}}', "nested too deeply"),
        ("settings", "[" * 100_000, "nested too deeply"),
        ("curves", f'{{"a": {{"b": {DEEP}}}}}', "not of type 'number'"),
        ("device", f'"{"a" * 201}"', "device: must be a short"),
        ("device", '"\xff"', "invalid start byte|must be a short text"),
    ],
)
def test_numbers_and_nesting_beyond_measure_are_refused(field, value, message, tmp_path):
    path = tmp_path / "demo-quick-4e6f0671.json"
    rest = json.dumps({k: v for k, v in GOOD.items() if k != field})
    path.write_text(f'{rest[:-1]}, "{field}": {value}}}', encoding="latin-1")
    with pytest.raises(ValueError, match=message) as error:
        records.read(path)
    assert len(str(error.value)) < 1000


def test_a_file_beyond_measure_is_not_even_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST_BYTES", 100)
    path = records.save(run(), tmp_path)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        records.read(path)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "[a](javascript:alert(1))",
    "![a](x)",
    "[a]: x",
    "**bold**",
    "`code`",
    "$x$",
    "{raw}",
    "a\\b",
    "# a",
    "a\n- b",
    "a\n",
    "a\r",
    "a\tb",
    "a\x1b[31mb",
    "a\x00",
    "a\u202eb",
    "a\u2028b",
    "a\ud800",
    "see https://example.org",
    "//example.org",
    "www.example.org",
    "me@example.org",
    "~~a~~",
    "it's",
    'say "a"',
    "a;b&c",
    "",
    "\N{GRINNING FACE}",
]
PLACES = {
    "case": lambda text: {"metrics": {text: {"test accuracy": [0.2, 0.3]}}},
    "metric": lambda text: {"metrics": {"erm": {text: [0.2, 0.3]}}},
    "curve": lambda text: {"curves": {"erm": {text: [0.2, 0.3]}}},
    "data": lambda text: {"data": {"name": text}},
    "hash": lambda text: {"data": {"name": "MNIST", "images": text}},
    "device": lambda text: {"device": text},
    "setting": lambda text: {"settings": {"a": [{"b": text}]}},
    "name of a setting": lambda text: {"settings": {text: 1}},
    "experiment": lambda text: {"experiment": text},
    "versions": lambda text: {"versions": {"torch": text}},
    "commit": lambda text: {"commit": text},
    "command": lambda text: {"command": text},
    "selection": lambda text: {"selection": text},
}


@pytest.mark.parametrize("place", PLACES)
def test_hostile_texts_are_refused_wherever_they_stand(place, tmp_path):
    path = tmp_path / "demo-quick-4e6f0671.json"
    for text in HOSTILE:
        path.write_text(json.dumps(GOOD | PLACES[place](text)))
        with pytest.raises(ValueError, match="is not a run of the ledger") as error:
            records.read(path)
        said = str(error.value)
        assert said.isprintable()  # a terminal shows it as it is
        assert said.isascii()


@pytest.mark.parametrize(
    "command",
    [
        "python -m gsutils run table2",
        "python -m gsutils run table2 --size paper --device cuda:0 --cases erm 'cifar 2, sd' "
        '--set precision=float32 --set \'lam={"weight decay": 0.01, "λ": [-2.5]}\' --seeds 0,1',
    ],
)
def test_commands_of_the_command_line_pass(command, tmp_path):
    assert records.read(records.save(run(command=command), tmp_path)).command == command


@pytest.mark.parametrize(
    "command",
    [
        "python -m gsutils run table2 --out /etc",
        "python -m gsutils run table2 --cases --out /etc",
        "python -m gsutils run table2; reboot",
        "python -m gsutils run table2 --set a=$(reboot)",
        "python -m gsutils run table2 --set 'a=`reboot`'",
        "python -m gsutils run table2 --set 'a=1' | sh",
        "python -m gsutils run table2 --set 'a=1'' ; reboot '",
        "python -m gsutils run table2\nreboot",
        "python -m gsutils list",
        "sudo python -m gsutils run table2",
        " python -m gsutils run table2",
    ],
)
def test_other_commands_do_not_pass(command, tmp_path):
    with pytest.raises(ValueError, match="command: "):
        records.save(run(command=command), tmp_path)


@hypothesis.given(text=st.text(max_size=50))
@hypothesis.settings(max_examples=100, deadline=None)
def test_a_text_that_passes_holds_nothing_that_html_markdown_or_a_shell_would_act_on(text):
    try:
        records._validate(GOOD | {"device": text})
    except ValueError:
        return
    assert not set(text) & set("<>&`*[]{}\\$#!~@^\"'?\n\r\t\0")
    assert text.isprintable()
    assert "//" not in text


def test_an_unreadable_file_does_not_hide_the_others(tmp_path):
    records.save(run(), tmp_path)
    (tmp_path / "a<b>.json").write_text("{")
    runs, refused = records.survey(tmp_path)
    assert runs == [run()]
    assert list(refused) == ["a<b>.json"]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(records._validator().schema)
    assert records._validator().schema["properties"]["schema"]["const"] == records.SCHEMA
    fields = {field.name for field in dataclasses.fields(Run)}
    assert set(records._validator().schema["properties"]) == fields | {"sha256"}
    assert set(records._validator().schema["required"]) == fields


def test_every_shipped_result_can_be_read_and_lies_under_its_name():
    for path in records.folder().glob("*.json"):
        assert records.read(path).name == path.stem


def test_summary_is_mean_and_sample_standard_deviation():
    assert run().summary("erm", "test accuracy") == pytest.approx((0.3, 0.1 / np.sqrt(2)))
    alone = run(seeds=[0], metrics={"erm": {"loss": [2.0]}}, curves={})
    mean, std = alone.summary("erm", "loss")
    assert mean == 2
    assert np.isnan(std)


def test_a_run_carries_versions_and_commit():
    made = run()
    assert {"python", "torch", "numpy", "gsutils"} <= set(made.versions)
    assert made.commit == records.commit()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Somebody's git repository with one commit, in which `results` looks for itself."""

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "records.py").write_text("")
    (tmp_path / "other.py").write_text("")
    git("init", "-q")
    git("add", "other.py")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(records, "_PACKAGE", tmp_path)
    monkeypatch.setattr(records, "__file__", str(tmp_path / "records.py"))
    return git


def test_the_commit_is_marked_where_there_are_changes(repository, tmp_path):
    repository("add", "records.py")
    repository("commit", "-q", "-m", "two")
    assert len(records.commit()) == 12
    (tmp_path / "records.py").write_text("changed")
    assert records.commit().endswith("+changes")


def test_the_commit_of_a_repository_around_an_installed_package_is_not_taken(repository):
    assert records.commit() == "unknown"


def test_without_git_the_commit_is_unknown(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert records.commit() == "unknown"
