"""Sweeps: the same record wherever the jobs run, and nothing finished is run again."""

import dataclasses
import json
import os
import sys
import time

import joblib
import pytest
import torch

from gsutils import losses
from gsutils.experiments import ENTRIES
from gsutils.runs import records, sweep
from gsutils.runs.entry import Entry
from gsutils.runs.jobs import Job, Outcome
from gsutils.train import checkpoints

torch.set_num_threads(1)

SMALL = {"steps": 20, "records": 5}
SEEDS = [3, 1]
CPU = torch.device("cpu")


@dataclasses.dataclass(frozen=True)
class Case:
    steps: int = 3
    lr: float = 0.1
    precision: str = "auto"


class Demo(Entry):
    """An entry whose ``run`` does a whole job."""

    def measure(self, job):
        return self.run(job)


def entry(run, **changes):
    sizes, cases = ("quick", "paper"), {"a": Case(), "b": Case()}
    fields = {
        "name": "demo", "title": "A demonstration", "chapter": "01-clever-hans",
        "cases": dict.fromkeys(sizes, cases), "seeds": dict.fromkeys(sizes, (0,)),
        "run": run, "paper": {}, "selection": "none", "together": (),
    }  # fmt: skip
    return Demo(**fields | changes)


def outcome(job, **changes):
    """What a job of the demonstration finds: numbers that tell case and seed."""
    values = [100 * "ab".index(job.case) + seed / 7 for seed in job.seeds]
    found = {
        "metrics": {job.case: {"x": values}},
        "data": {"name": "none"},
        "curves": {job.case: {"step": [0, 1], "x": [values, values]}},
    }
    return Outcome(**found | changes)


@pytest.fixture
def counted(tmp_path):
    """A demonstration that notes each job it does."""
    done = []

    def run(job):
        done.append((job.case, *job.seeds))
        return outcome(job)

    return entry(run), done


# --- one record, however it was made ------------------------------------------------------------


def measured(run):
    """All of a record but its wall time."""
    return dataclasses.replace(run, wall_time_s=0.0)


def small_figure5():
    one_by_one = dataclasses.replace(ENTRIES["figure5"], together=())
    return one_by_one.record("quick", SEEDS, "cpu", SMALL, ["weight decay, s1 = 2", "SD, s1 = 2"])


@pytest.fixture(scope="module")
def serial():
    return small_figure5()


def test_two_processes_give_the_record_of_one(serial):
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert measured(small_figure5()) == measured(serial)


def test_threads_give_the_record_of_one(serial):
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert measured(small_figure5()) == measured(serial)


def test_a_dask_cluster_gives_the_record_of_one_process(serial):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert measured(small_figure5()) == measured(serial)


def test_a_backend_that_hands_over_everything_at_the_end_serves_too(serial):
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        assert measured(small_figure5()) == measured(serial)


def test_seeds_together_are_one_job_and_apart_one_each(counted):
    demo, done = counted
    demo.record(seeds=[4, 2])
    assert done == [("a", 4), ("a", 2), ("b", 4), ("b", 2)]
    done.clear()
    run = dataclasses.replace(demo, together=("cpu",)).record(seeds=[4, 2])
    assert done == [("a", 4, 2), ("b", 4, 2)]
    assert measured(run) == measured(demo.record(seeds=[4, 2]))
    assert run.metrics["b"]["x"] == [100 + 4 / 7, 100 + 2 / 7]
    assert run.curves["b"]["step"] == [0, 1]
    assert run.curves["a"]["x"] == [[0.571429, 0.285714]] * 2  # six digits


def test_each_size_has_seeds_of_its_own(counted):
    demo, _ = counted
    sizes = dataclasses.replace(demo, seeds={"quick": [3], "paper": [1, 2]})
    assert sizes.record("paper", cases=["a"]).seeds == [1, 2]
    assert sizes.record("quick", cases=["a"]).seeds == [3]
    assert sizes.record("paper", seeds=[5], cases=["a"]).seeds == [5]


def threads_of_a_job(job):
    return outcome(job, metrics={job.case: {"x": [float(torch.get_num_threads())]}})


def test_a_worker_uses_as_many_threads_as_the_process_that_asks():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with joblib.parallel_config(backend="loky", n_jobs=2):
            run = entry(threads_of_a_job).record(seeds=[0])
    finally:
        torch.set_num_threads(before)
    assert [values["x"] for values in run.metrics.values()] == [[3.0], [3.0]]


@pytest.mark.parametrize("native", [True, False])
def test_a_record_names_the_products_that_were_used(native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    run, used = entry(outcome).record(device="cpu"), "bfloat16" if native else "float32"
    assert {case["precision"] for case in run.settings["cases"].values()} == {used}
    asked = entry(outcome).record(device="cpu", settings={"a.precision": "float32"})
    assert asked.settings["cases"]["a"]["precision"] == "float32"
    assert asked.settings["cases"]["b"]["precision"] == used


def test_a_job_does_not_see_the_seeds_of_others():
    seen = []
    entry(lambda job: seen.append(job) or outcome(job)).record(seeds=[4, 2])
    assert {(job.settings.steps, job.settings.lr) for job in seen} == {(3, 0.1)}
    assert [job.file("a.pt") for job in seen] == [None] * 4


def test_some_cases_can_be_run_and_the_record_names_them(counted):
    demo, done = counted
    run = demo.record(cases=["b"])
    assert done == [("b", 0)]
    assert list(run.settings["cases"]) == ["b"]
    assert run.command == "python -m gsutils run demo --size quick --cases b"
    assert run.name != demo.record().name
    assert "--cases" not in demo.record(cases=["a", "b"]).command


def test_hashes_of_several_data_sets_say_whose_they_are():
    def data(job):
        return {"name": f"set {job.case}", "images": job.case * 3}

    run = entry(lambda job: outcome(job, data=data(job))).record(seeds=[0, 1])
    assert run.data == {
        "name": "set a; set b",
        "set a: images": "aaa",
        "set b: images": "bbb",
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda seed: {"name": "set", "images": str(seed)}, "set changed between jobs, .*'0'.*'1'"),
        (lambda seed: {"name": f"set {seed}"}, "the data of a changed between jobs, set 0, set 1"),
    ],
)
def test_data_that_change_between_jobs_are_refused(data, message):
    def run(job):
        return outcome(job, data=data(job.seeds[0]))

    with pytest.raises(ValueError, match=message):
        entry(run).record(seeds=[0, 1])


def test_names_of_data_and_devices_become_what_a_record_may_hold(monkeypatch, tmp_path):
    monkeypatch.setattr(sweep, "device_name", lambda device: "GPU™ //1")
    demo = entry(lambda job: outcome(job, data={"name": "<b>CIFAR-10</b>", "a|b": "1\n2"}))
    run = records.read(demo.save(tmp_path, tmp_path / "keep"))
    assert run.device == "GPU_ /_1"
    assert run.data == {"name": "_b_CIFAR-10_/b_", "a_b": "1_2"}


def test_a_checkpoint_folder_that_cannot_be_written_is_named_with_the_way_out(counted, tmp_path):
    demo, done = counted
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/demo-.*: File exists .* or set GSUTILS_CHECKPOINTS"):
        demo.save(tmp_path, tmp_path / "file")
    assert not done


def test_curves_recorded_at_different_steps_are_refused():
    def run(job):
        return outcome(job, curves={job.case: {"step": list(range(2 + job.seeds[0]))}})

    with pytest.raises(ValueError, match="step differs between seeds: 2 and 3 values"):
        entry(run).record(seeds=[0, 1])


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, 2.0], "a, x: 2 values for 1 seeds"), ([float("nan")], "a, x: every value must be")],
)
def test_a_job_whose_numbers_do_not_fit_is_refused_and_not_kept(values, message, tmp_path):
    broken = entry(lambda job: outcome(job, metrics={job.case: {"x": values}}))
    with pytest.raises(ValueError, match=message):
        broken.record(keep=tmp_path)
    assert not list(tmp_path.rglob(sweep.FINISHED))


# --- stopped and started again ------------------------------------------------------------------


def test_what_has_finished_is_not_run_again_and_is_forgotten_once_saved(tmp_path):
    done, broken = [], [True]

    def run(job):
        if job.case == "b" and broken[0]:
            raise KeyboardInterrupt
        done.append(job.case)
        return outcome(job)

    demo, keep = entry(run), tmp_path / "keep"
    with pytest.raises(KeyboardInterrupt):
        demo.save(tmp_path, keep)
    assert done == ["a"]
    broken.clear()
    broken.append(False)
    path = demo.save(tmp_path, keep)
    assert done == ["a", "b"]
    assert measured(records.read(path)) == measured(demo.record())
    assert not list(keep.iterdir())


def test_a_training_that_was_stopped_in_its_middle_ends_bit_for_bit_the_same(tmp_path, monkeypatch):
    demo = ENTRIES["regularisers"]
    arguments = {"cases": ["dropout"], "seeds": [0, 1], "settings": {"steps": 12}}
    whole = demo.record("quick", **arguments)
    monkeypatch.setattr(checkpoints, "INTERVAL", -1.0)
    example_losses, calls = losses.example_losses, []

    def stopping(logits, y, check):
        calls.append(None)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return example_losses(logits, y, check)

    monkeypatch.setattr(losses, "example_losses", stopping)
    with pytest.raises(KeyboardInterrupt):
        demo.record("quick", keep=tmp_path, **arguments)
    again = demo.record("quick", keep=tmp_path, **arguments)
    assert len(calls) < 8 + 12
    assert measured(again) == measured(whole)


def test_a_fresh_start_runs_everything_again(counted, tmp_path):
    demo, done = counted
    demo.record(keep=tmp_path)
    demo.record(keep=tmp_path)
    assert len(done) == 2
    demo.save(tmp_path / "out", tmp_path, fresh=True)
    assert len(done) == 4


def test_another_setting_seed_or_version_is_another_job(counted, tmp_path, monkeypatch):
    demo, done = counted
    demo.record(keep=tmp_path)
    for changes in ({"settings": {"steps": 4}}, {"seeds": [1]}):
        demo.record(keep=tmp_path, **changes)
    monkeypatch.setattr(sweep, "code", lambda: "other")
    demo.record(keep=tmp_path)
    monkeypatch.setattr(records, "versions", lambda: {"torch": "9"})
    demo.record(keep=tmp_path)
    assert len(done) == 10


def test_more_seeds_later_run_only_the_new_ones(counted, tmp_path):
    demo, done = counted
    demo.record(keep=tmp_path, cases=["a"])
    demo.record(keep=tmp_path, seeds=[0, 1])
    assert done == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


@pytest.mark.parametrize("content", ["", "{", '{"outcome": {"metr', "\x00\xff", "[]", "{}", "3"])
def test_a_damaged_checkpoint_counts_as_none(content, counted, tmp_path):
    demo, done = counted
    before = demo.record(keep=tmp_path)
    for path in tmp_path.rglob(sweep.FINISHED):
        path.write_text(content)
    assert measured(demo.record(keep=tmp_path)) == measured(before)
    assert len(done) == 4


def test_the_seconds_of_earlier_attempts_count(tmp_path):
    job = Job({}, "a", (0,), CPU, tmp_path / "job")

    def stopped(job):
        job.file("part.pt").touch()
        os.utime(job.file("part.pt"), (time.time() + 100, time.time() + 100))
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            sweep.sweep(stopped, [job], "demo")
    (finished,) = sweep.sweep(outcome, [job], "demo")
    assert finished.seconds == pytest.approx(200, abs=2)


def test_the_wall_time_is_the_sum_of_the_jobs(counted, tmp_path):
    demo, _ = counted
    demo.record(keep=tmp_path)
    for path in tmp_path.rglob(sweep.FINISHED):
        body = json.dumps(json.loads(path.read_text().split("\n")[1]) | {"seconds": 2.25})
        path.write_text(f"{sweep._digest(body)}\n{body}")
    assert demo.record(keep=tmp_path).wall_time_s == 4.5


def test_checkpoints_lie_where_the_environment_says_or_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", str(tmp_path))
    assert sweep.checkpoints() == tmp_path
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", "here")
    assert sweep.checkpoints().is_absolute()
    monkeypatch.delenv("GSUTILS_CHECKPOINTS")
    assert sweep.checkpoints().parts[-2:] == ("gsutils", "checkpoints")


def test_jobs_go_on_after_a_commit_that_leaves_the_sources_alone(monkeypatch, tmp_path):
    module = tmp_path / "part" / "module.py"
    module.parent.mkdir()
    module.write_text("one = 1\n")
    monkeypatch.setattr(sweep.gsutils, "__path__", [str(tmp_path)])
    known = sweep.code()
    monkeypatch.setattr(records, "commit", lambda: "0123456789ab")
    (tmp_path / "page.md").write_text("a page\n")
    assert sweep.code() == known
    module.write_text("one = 2\n")
    assert sweep.code() != known


def test_progress_counts_jobs_unless_there_is_one(counted, monkeypatch):
    demo, _ = counted
    seen = []

    def track(items, title, watched):
        seen.append((len(items), title, watched))
        return items

    monkeypatch.setattr(sweep, "track", track)
    demo.record(seeds=[0, 1])
    demo.record(cases=["a"])
    assert seen == [(4, "demo, jobs", None), (1, "demo, jobs", False)]


def test_a_worker_shows_no_progress_and_lets_warnings_through(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with sweep._unwatched():
        assert not sys.stderr.isatty()
        print("look", file=sys.stderr)
    assert sys.stderr.isatty()
    assert capsys.readouterr().err == "look\n"


def test_a_job_that_the_gpu_has_no_memory_for_is_halved_until_it_fits(tmp_path, capsys):
    tried = []

    def needs_room(job):
        tried.append((job.seeds, job.folder))
        if len(job.seeds) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        x = [float(seed) for seed in job.seeds]
        return Outcome({job.case: {"x": x}}, {"name": "none"}, {job.case: {"step": [0], "x": [x]}})

    job = Job({}, "plain", (0, 1, 2, 3, 4), torch.device("cpu"), tmp_path / "job")
    (finished,) = sweep.sweep(needs_room, [job], "x")
    assert finished.outcome.metrics == {"plain": {"x": [0.0, 1.0, 2.0, 3.0, 4.0]}}
    assert finished.outcome.curves["plain"]["x"] == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert [seeds for seeds, _ in tried] == [job.seeds, (0, 1), (2, 3, 4), (2,), (3, 4)]
    assert len({folder for _, folder in tried}) == 5
    assert "plain: 5 seeds at once need more memory than cpu has" in capsys.readouterr().err


def test_a_single_run_that_does_not_fit_is_an_error():
    def too_large(job):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        sweep.sweep(too_large, [Job({}, "plain", (0,), torch.device("cpu"))], "x")
