"""Running all that the ledger lacks: what comes first, what fits, what is left when it ends."""

import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest
import torch
from test_sweeps import Case, entry, measured, outcome

from gsutils.__main__ import main
from gsutils.data import fetch, images, mnist, registry
from gsutils.dual import NotConverged
from gsutils.experiments import ENTRIES
from gsutils.files import CheckpointsUnavailable, DataUnavailable
from gsutils.ledger import lacking
from gsutils.runs import plan, pool, records, sweep
from gsutils.runs.case import to_json
from gsutils.runs.paper import Number, Origin, Source
from gsutils.train import TrainingDiverged, checkpoints

ALL = ["run", "all", "--size", "paper"]


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    """Stored records and checkpoints of this test's own."""
    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(records, "folder", lambda: tmp_path / "results")
    return tmp_path


class Clock:
    """Seconds that pass only when a job says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Shop:
    """Entries whose jobs take a known time, and a note of what ran when."""

    def __init__(self):
        self.clock, self.ran, self.said = Clock(), [], []

    def entry(self, name, seconds, **changes):
        """An entry each of whose seeds takes the seconds given: a number, or one for each case."""

        def run(job):
            each = seconds if isinstance(seconds, (int, float)) else seconds[job.case]
            self.ran.append((name, job.case, *job.seeds))
            self.clock.now += each * (len(job.seeds) if made.together else 1)
            return outcome(job)

        made = entry(run, name=name, **changes)
        return made

    def task(self, made, case="a", seconds=1.0, **changes):
        side_by_side = None if made.together else 1
        seeds = tuple(made.seeds["paper"])
        fields = {"record": seeds, "seeds": seeds, "side_by_side": side_by_side}
        return plan.Task(made, case, seconds=seconds, **fields | changes)

    def fill(self, tasks, **options):
        return [
            records.read(path)
            for path in plan.fill(tasks, clock=self.clock, tell=self.said.append, **options)
        ]


@pytest.fixture
def shop():
    return Shop()


# --- budgets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("8m", 480), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661), ("0h5s", 5)],
)
def test_a_budget_is_read(text, seconds):
    assert plan.parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "8", "8 m", "m", "-8m", "1.5h", "30m1h", "8min", "0m", "1d", "8M", "inf", "٣x"]
)
def test_what_is_no_budget_is_refused_with_examples(text, capsys):
    with pytest.raises(ValueError, match="a budget looks like 90s, 8m, 2h or 1h30m, got"):
        plan.parse_budget(text)
    with pytest.raises(SystemExit):
        main([*ALL, f"--budget={text}"])
    assert "looks like 90s, 8m, 2h or 1h30m" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [0.2, 1, 59.5, 90, 120, 121, 3599, 3600, 3601, 86_399.5])
def test_a_time_is_spelled_as_a_budget_that_suffices_and_wastes_less_than_a_minute(seconds):
    assert seconds <= plan.parse_budget(plan.spelled(seconds)) < seconds + 60


# --- order and budget ---------------------------------------------------------------------------


def test_groups_come_in_turn_and_within_one_the_cheapest_rows(shop):
    one, other = shop.entry("one", 0), shop.entry("other", 0)
    tasks = [
        shop.task(one, "a", 10.0, rows=1, group=1),
        shop.task(one, "b", 10.0, rows=5, group=1),  # 0.5 rows a second
        shop.task(other, "a", 30.0, rows=3, group=0),
        shop.task(other, "b", 8.0, rows=1, group=0),  # 0.125 against 0.1
    ]
    shop.fill(tasks)
    assert [ran[:2] for ran in shop.ran] == [
        ("other", "b"), ("other", "a"), ("one", "b"), ("one", "a"),
    ]  # fmt: skip


def test_each_case_gets_a_record_of_its_own_whose_command_repeats_it(shop):
    made = shop.entry("one", 1, seeds={"paper": (0, 1), "quick": (0,)})
    runs = shop.fill([shop.task(made, "a"), shop.task(made, "b")])
    assert [list(run.metrics) for run in runs] == [["a"], ["b"]]
    assert {tuple(run.seeds) for run in runs} == {(0, 1)}
    assert runs[0].command == "python -m gsutils run one --size paper --cases a"
    assert measured(runs[0]) == measured(made.record("paper", cases=["a"]))


def test_nothing_is_begun_that_does_not_fit_what_is_left(shop):
    large, small = shop.entry("large", 60), shop.entry("small", 10)
    tasks = [
        shop.task(large, "a", 60.0, rows=100),
        shop.task(large, "b", 60.0, rows=90),
        shop.task(small, "a", 10.0),
        shop.task(small, "b", 10.0),
    ]
    shop.fill(tasks, budget=75)
    assert shop.ran == [("large", "a", 0), ("small", "a", 0)]
    assert shop.clock.now <= 75
    assert shop.said[-2:] == [
        "not begun for want of time: large, 1 case, about 60s",
        "not begun for want of time: small, 1 case, about 10s",
    ]


def test_what_fits_exactly_is_begun_and_a_second_less_is_not(shop):
    made = shop.entry("one", 10, seeds={"paper": (0, 1, 2), "quick": (0,)})
    with pytest.raises(ValueError, match="nothing fits into 29s"):
        shop.fill([shop.task(made, seconds=10.0)], budget=29)
    with pytest.raises(ValueError, match="nothing fits into 40s"):
        shop.fill([shop.task(made, seconds=10.0)], budget=40, spent=11)
    assert not shop.ran
    assert len(shop.fill([shop.task(made, seconds=10.0)], budget=30)) == 1


def test_an_entry_that_took_longer_than_its_estimate_is_believed(shop):
    slow, other = shop.entry("slow", 100), shop.entry("other", 10)
    tasks = [
        shop.task(slow, "a", 10.0, rows=9),
        shop.task(slow, "b", 10.0, rows=8),  # will take 100, too
        shop.task(other, "a", 10.0),
    ]
    shop.fill(tasks, budget=150)
    assert shop.ran == [("slow", "a", 0), ("other", "a", 0)]


def test_an_entry_that_was_faster_lets_more_of_it_in(shop):
    fast = shop.entry("fast", {"a": 1, "b": 5})
    tasks = [shop.task(fast, "a", 20.0), shop.task(fast, "b", 100.0)]
    shop.fill(tasks, budget=30)
    assert [ran[1] for ran in shop.ran] == ["a", "b"]


def test_a_case_whose_first_seed_takes_too_long_is_left_and_its_seed_is_kept(shop):
    made = shop.entry("one", 50, seeds={"paper": range(4), "quick": (0,)})
    other = shop.entry("other", 5)
    tasks = [shop.task(made, seconds=10.0, rows=100), shop.task(other, seconds=5.0)]
    (run,) = shop.fill(tasks, budget=100)
    assert shop.ran == [("one", "a", 0), ("other", "a", 0)]
    assert run.experiment == "other"
    assert "one, a: no time for its other seeds; those that have finished are kept" in shop.said
    assert made.unfinished(sweep.checkpoints(), size="paper", cases=["a"]) == [1, 2, 3]


def test_a_short_run_says_little_about_the_costs_of_others(shop):
    costs, made = plan.Costs(), shop.entry("one", 0)
    task, other = shop.task(made, seconds=1.0), shop.task(shop.entry("other", 0), seconds=100.0)
    assert costs.of(other) == 100
    costs.learn(task, (0,), 5.0)
    assert costs.of(task) == 5
    assert costs.of(other) == pytest.approx(100 * 65 / 61)
    costs.learn(task, (0,) * 1, 5e6)
    assert costs.of(other) > 1e6


def test_seeds_in_one_batch_add_up_and_side_by_side_they_do_not(shop):
    together = shop.entry("one", 2, together=("cpu",), seeds={"paper": range(4), "quick": (0,)})
    costs, task = plan.Costs(), shop.task(together, seconds=2.0)
    assert task.batches == [(0, 1, 2, 3)]
    assert costs.of(task) == 8
    apart = dataclasses.replace(task, side_by_side=3)
    assert apart.batches == [(0, 1, 2), (3,)]
    assert costs.of(apart) == 4
    shop.fill([task])
    assert shop.ran == [("one", "a", 0, 1, 2, 3)]


def test_without_an_estimate_a_case_runs_last_and_only_without_a_budget(shop):
    made, known = shop.entry("unknown", 1), shop.entry("known", 1)
    tasks = [shop.task(made, seconds=math.inf), shop.task(known)]
    shop.fill(tasks, budget=1000)
    assert [name for name, *_ in shop.ran] == ["known"]
    assert "unknown, 1 case, for which no estimate exists" in shop.said[-1]
    with pytest.raises(ValueError, match="unknown, a for one: leave out --budget"):
        shop.fill(tasks[:1], budget=1000)
    shop.ran.clear()
    shop.fill(tasks)
    assert [name for name, *_ in shop.ran] == ["known", "unknown"]


def test_a_budget_too_small_for_anything_says_what_the_smallest_run_needs(shop):
    tasks = [
        shop.task(shop.entry("large", 1), seconds=7200.0),
        shop.task(shop.entry("small", 1), "b", seconds=299.0),
    ]
    with pytest.raises(ValueError, match=r"nothing fits into 60s: the smallest run, small, b, "):
        shop.fill(tasks, budget=60)
    with pytest.raises(ValueError, match="needs about 5m; give --budget 5m or more"):
        shop.fill(tasks, budget=60)
    assert not shop.ran


# --- stopped, and at once -----------------------------------------------------------------------


def test_a_stopped_run_keeps_its_records_and_its_seeds_and_ends_with_the_same_numbers(shop):
    stop_at = [("b", 1)]

    def run(job):
        if stop_at and (job.case, *job.seeds) == stop_at[0]:
            raise KeyboardInterrupt
        shop.ran.append((job.case, *job.seeds))
        return outcome(job)

    made = entry(run, seeds={"paper": (0, 1), "quick": (0,)})
    tasks = [shop.task(made, "a"), shop.task(made, "b", seconds=2.0)]
    with pytest.raises(KeyboardInterrupt):
        shop.fill(tasks)
    (kept,) = records.folder().iterdir()
    assert list(records.read(kept).metrics) == ["a"]
    stop_at.clear()
    before = lacking.lacking([made], records.survey()[0], device="cpu", keep=sweep.checkpoints())
    assert [(task.case, task.seeds) for task in before] == [("b", (1,))]
    (again,) = shop.fill(before)
    assert shop.ran == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert measured(again) == measured(made.record("paper", cases=["b"]))
    assert not list(sweep.checkpoints().iterdir())


def test_a_job_that_another_program_runs_is_left_to_it(shop):
    busy, free = shop.entry("busy", 1), shop.entry("free", 1)
    jobs = busy._plan(size="paper", cases=["a"], keep=sweep.checkpoints()).jobs
    with sweep.held(jobs):
        runs = shop.fill([shop.task(busy, rows=9), shop.task(free)])
        with pytest.raises(sweep.Busy, match="another program is running a, seeds 0: wait until"):
            busy.save(size="paper", cases=["a"])
    assert [run.experiment for run in runs] == ["free"]
    assert any("busy, a: another program is running a" in line for line in shop.said)
    busy.save(size="paper", cases=["a"])
    assert not list(sweep.checkpoints().iterdir())


def test_what_another_program_has_filled_meanwhile_is_not_run(shop):
    made = shop.entry("one", 1)
    tasks = [shop.task(made, "a"), shop.task(made, "b", seconds=2.0)]
    shop.fill(tasks, lacks=lambda task: task.case == "b")
    assert shop.ran == [("one", "b", 0)]


HELD = """
import sys, time
from gsutils.__main__ import main
from gsutils.experiments import ENTRIES
from gsutils.ledger import lacking
from test_sweeps import entry, outcome

def run(job):
    print(job.case, *job.seeds, flush=True)
    if job.case == "a":
        time.sleep(60)
    return outcome(job)

ENTRIES.clear()
ENTRIES["demo"] = entry(run)
main(sys.argv[1:])
"""


def test_two_programs_share_the_work_and_one_that_is_killed_leaves_it(monkeypatch, folders, capsys):
    done = []
    ENTRIES_ = {"demo": entry(lambda job: done.append(job.case) or outcome(job))}
    monkeypatch.setattr("gsutils.__main__.ENTRIES", ENTRIES_)
    torch.set_num_threads(1)
    command = [*ALL, "--device", "cpu", "--out", str(folders / "results")]
    with subprocess.Popen(
        [sys.executable, "-c", HELD, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__), "OMP_NUM_THREADS": "1"},
    ) as other:
        assert other.stdout.readline() == "a 0\n"
        assert main(command) == 0
        assert done == ["b"]
        assert "demo, a: another program is running a" in capsys.readouterr().err
        other.send_signal(signal.SIGKILL)
    assert main(command) == 0
    assert done == ["b", "a"]
    assert len(list(records.folder().iterdir())) == 2


# --- what may be missing ------------------------------------------------------------------------


def test_without_data_the_rest_goes_on_and_the_way_to_them_is_said_once(shop):
    asked = []

    def obtain(name):
        asked.append(name)
        if name == "mnist":
            raise DataUnavailable("MNIST is not at hand: run `python data_scripts/fetch_mnist.py`")

    made = shop.entry("digits", 1)
    tasks = [
        shop.task(made, "a", rows=9, data="mnist"),
        shop.task(made, "b", rows=8, data="mnist"),
        shop.task(shop.entry("images", 1), rows=7, data="cifar10"),
        shop.task(shop.entry("drawn", 1)),
    ]
    runs = shop.fill(tasks, obtain=obtain)
    assert [run.experiment for run in runs] == ["images", "drawn"]
    assert asked == ["mnist", "cifar10"]
    assert sum("fetch_mnist.py" in line for line in shop.said) == 1


def test_where_no_record_can_be_made_at_all_the_run_fails(shop):
    def obtain(name):
        raise DataUnavailable("not at hand")

    with pytest.raises(ValueError, match="no record could be made"):
        shop.fill([shop.task(shop.entry("one", 1), data="mnist")], obtain=obtain)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TrainingDiverged("the loss of run 0 is nan"), "the loss of run 0 is nan"),
        (NotConverged("the residual is 0.1"), "the residual is 0.1"),
        (MemoryError(), "MemoryError"),
        (BrokenExecutor("a worker was killed"), "a worker was killed"),
    ],
)
def test_a_training_that_fails_does_not_stop_the_others(shop, error, said):
    def run(job):
        raise error

    runs = shop.fill([shop.task(entry(run), rows=9), shop.task(shop.entry("one", 1))])
    assert [run.experiment for run in runs] == ["one"]
    assert f"demo, a: {said}" in shop.said


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_under_the_checkpoints_names_the_folder_and_the_variable(shop, monkeypatch):
    made = shop.entry("one", 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointsUnavailable, match="No space left on device") as caught:
        shop.fill([shop.task(made)])
    assert str(sweep.checkpoints()) in str(caught.value)
    assert "set GSUTILS_CHECKPOINTS to a folder on a disk with room" in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_under_a_trainings_state_names_the_same_variable(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda _, mode: os.fdopen(os.open("/dev/full", 1), mode))
    with pytest.raises(CheckpointsUnavailable, match=r"training.pt in place: No space left") as e:
        checkpoints.save(tmp_path / "kept" / "training.pt", {"weights": torch.zeros(100_000)})
    assert "set GSUTILS_CHECKPOINTS to a folder on a disk with room" in str(e.value)
    assert not list((tmp_path / "kept").iterdir())


def test_a_full_disk_under_the_records_names_the_folder_and_keeps_what_has_finished(
    shop, monkeypatch
):
    made, write = shop.entry("one", 1), records.write

    def full_for_records(path, text):
        full() if path.parent == records.folder() else write(path, text)

    monkeypatch.setattr(records, "write", full_for_records)
    with pytest.raises(OSError, match=r"Could not put .*results.*json in place: No space.* --out"):
        shop.fill([shop.task(made)])
    monkeypatch.setattr(records, "write", write)
    shop.fill([shop.task(made)])
    assert shop.ran == [("one", "a", 0)]


# --- what the ledger lacks ----------------------------------------------------------------------


DEMO = entry(outcome, seeds={"paper": (0, 1, 2), "quick": (0,)})


def stored(**changes):
    run = DEMO.record("paper", cases=["a"], device="cpu")
    return dataclasses.replace(run, **changes)


def lacks(*runs, made=DEMO):
    return [task.case for task in lacking.lacking([made], runs, device="cpu")]


def changed(field, value):
    return {"cases": {"a": to_json(Case()) | {field: value}}, "seeds": [0, 1, 2]}


@pytest.mark.parametrize(
    ("run", "fills"),
    [
        (stored(), True),
        (stored(settings=changed("precision", "bfloat16")), True),
        (stored(settings=changed("lr", 0.2)), False),
        (stored(settings=changed("older", 1)), False),
        (stored(settings={}), False),
        (stored(size="quick"), False),
        (stored(experiment="other"), False),
        (DEMO.record("paper", seeds=[0, 1], cases=["a"], device="cpu"), False),
        (DEMO.record("paper", seeds=[0, 1, 2, 3], cases=["a"], device="cpu"), True),
    ],
)
def test_a_case_is_lacking_until_a_record_counts(run, fills):
    assert lacks(run) == (["b"] if fills else ["a", "b"])


def test_only_the_seeds_that_no_record_has_are_run_and_records_of_both_count_together():
    def parts():
        return [
            dataclasses.replace(
                DEMO.record("paper", seeds=seeds, cases=["a"], device="cpu"),
                settings=changed("precision", "float32") | {"seeds": seeds},
            )
            for seeds in ([0], [1])
        ]

    a, b = lacking.lacking([DEMO], parts(), "cpu")
    assert (a.record, b.record) == ((2,), (0, 1, 2))
    last = DEMO.record("paper", seeds=[2], cases=["a"], device="cpu")
    last = dataclasses.replace(last, settings=changed("precision", "float32") | {"seeds": [2]})
    assert lacks(*parts(), last) == ["b"]
    other = dataclasses.replace(last, settings=changed("precision", "bfloat16") | {"seeds": [2]})
    assert lacks(*parts(), other) == ["b"]  # which precision a seed had is said beside the number


def test_a_case_with_some_of_its_seeds_stored_is_filled_up_and_then_judged_as_one(shop):
    made = shop.entry("one", 1, seeds={"paper": (0, 1, 2), "quick": (0,)})
    records.save(made.record("paper", seeds=[0, 2], cases=["a"], device="cpu"))
    shop.ran.clear()
    (task, *_) = lacking.lacking([made], records.survey()[0], "cpu")
    assert (task.case, task.record, task.seeds) == ("a", (1,), (1,))
    shop.fill([task])
    assert shop.ran == [("one", "a", 1)]
    assert [run.seeds for run in pool.load("one")] == [[0, 1, 2]]
    assert "a" not in [t.case for t in lacking.lacking([made], records.survey()[0], "cpu")]


def test_seeds_missing_of_a_record_of_several_cases_are_filled_case_by_case(shop):
    made = shop.entry("one", 1, seeds={"paper": (0, 1, 2), "quick": (0,)})
    records.save(made.record("paper", seeds=[0, 1], device="cpu"))  # of all cases
    assert all(t.record == (2,) for t in lacking.lacking([made], records.survey()[0], "cpu"))
    (task, *_) = lacking.lacking([made], records.survey()[0], "cpu")
    shop.fill([task])
    left = lacking.lacking([made], records.survey()[0], "cpu")
    assert task.case not in [one.case for one in left]
    assert all(one.record == (2,) for one in left)


@pytest.mark.parametrize(
    "name", ["MNIST, 3 against 8", "0 or 1 of MNIST above CIFAR-2 of CIFAR-10"]
)
def test_originals_count_in_whatever_is_made_of_them(name):
    assert registry.is_published([name])
    for of in ("MNIST", "CIFAR-10"):
        copy = name.replace(of, f"{of} (excerpt)")
        assert registry.is_published([copy]) == (copy == name)


def test_records_of_stand_ins_do_not_count_where_data_are_to_be_fetched(monkeypatch):
    effort = lacking.Effort((1, 1), (1, 1), "mnist")
    monkeypatch.setitem(lacking.EFFORTS, "demo", {"": effort})
    for name, fills in (
        ("MNIST", True),
        ("MNIST, 3 against 8, 7×7 pixels", True),
        ("CIFAR-2 of CIFAR-10", True),
        (mnist.embedded_digits().name, False),
        (images.digit_pair().name, False),
        ("CIFAR-10 (JPEG re-encoding)", False),
    ):
        assert lacks(stored(data={"name": name})) == (["b"] if fills else ["a", "b"])


def test_stored_times_on_the_same_kind_of_device_correct_the_estimates(monkeypatch):
    monkeypatch.setitem(lacking.EFFORTS, "demo", {"": lacking.Effort((1, 3), (0.5, 0.1))})

    def estimate(*runs):
        (b,) = [task for task in lacking.lacking([DEMO], runs, "cpu") if task.case == "b"]
        return b.seconds

    assert estimate() == 10  # 1 + 3 steps of 3
    assert estimate(stored(wall_time_s=60.0)) == pytest.approx(20)  # 60 s for 3 seeds of 10
    assert estimate(stored(wall_time_s=60.0, device="NVIDIA T4")) == 10
    assert estimate(stored(wall_time_s=60.0, settings=changed("steps", 9))) == 10
    fast, slow = (
        stored(wall_time_s=seconds, settings=changed("precision", name))
        for seconds, name in ((60.0, "bfloat16"), (120.0, "float32"))
    )
    own = lacking.sweep.ask_worker("cpu").precision
    expected = {"bfloat16": 20, "float32": 40}
    assert estimate(fast, slow) == pytest.approx(expected[own])  # those of the place's precision
    for one, other in ((fast, "bfloat16"), (slow, "float32")):
        assert estimate(one) == pytest.approx(expected[other])  # without any, what there is
    late = dataclasses.replace(stored(), seeds=[3, 4, 5], device="NVIDIA T4", wall_time_s=0.3)
    assert estimate(stored(wall_time_s=60.0), late) == pytest.approx(20)  # not as one with a GPU's
    gpu = lacking.EFFORTS["demo"][""].seconds(Case(), "cuda")
    assert gpu == pytest.approx(0.8)


def test_seeds_together_are_one_batch_and_rows_are_the_papers_numbers():
    numbers = {"x": Number(0.0), "y": Number(0.0), "z": Number(0.0, repeats="y")}
    authors = {"a": Source(Origin.AUTHORS)}
    made = dataclasses.replace(DEMO, paper={"a": numbers}, together=("cpu",), sources=authors)
    a, b = lacking.lacking([made], [], "cpu", jobs=4)
    assert (a.rows, b.rows, a.side_by_side) == (2, 1, None)
    (ours, _) = lacking.lacking([dataclasses.replace(made, sources={})], [], "cpu")
    assert ours.rows == 1  # no number is held against settings of our choice
    (apart, _) = lacking.lacking([DEMO], [], "cpu", jobs=4)
    assert apart.side_by_side == 4


def test_every_group_and_estimate_is_of_an_entry_and_each_data_set_can_be_asked_for():
    named = {name for group in lacking.GROUPS for name in group} | set(lacking.EFFORTS)
    assert named <= set(ENTRIES)
    tasks = lacking.lacking(ENTRIES.values(), [], "cpu")
    assert len(tasks) == sum(len(made.cases["paper"]) for made in ENTRIES.values())
    assert {task.data for task in tasks} <= {"", *fetch.DATA_SETS}
    groups = {task.entry.name: task.group for task in tasks}
    assert groups["table2"] < groups["table1"] < groups["table3"] < groups["dosage"]


def test_data_that_are_not_the_papers_are_refused_with_the_way_to_them(monkeypatch):
    monkeypatch.setattr(fetch, "cifar", lambda name: None)
    monkeypatch.setattr(fetch, "source_name", lambda name: "CIFAR-10 (JPEG re-encoding)")
    with pytest.raises(DataUnavailable, match=r"is CIFAR-10 \(JPEG.*data_scripts/fetch_cifar.py"):
        lacking.obtain("cifar10")
    monkeypatch.setattr(fetch, "source_name", lambda name: "CIFAR-10")
    lacking.obtain("cifar10")


# --- the command line ---------------------------------------------------------------------------


def test_run_all_ends_with_the_table_of_what_it_filled(monkeypatch, capsys, folders):
    quick = {"plain": dataclasses.replace(ENTRIES["figure1"].cases["paper"]["plain"], steps=5)}
    tiny = dataclasses.replace(
        ENTRIES["figure1"],
        cases={"paper": quick, "quick": quick},
        seeds={"paper": (0, 1), "quick": (0,)},
    )
    monkeypatch.setattr("gsutils.__main__.ENTRIES", {"figure1": tiny})
    assert main([*ALL, "--budget", "10m", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    (path,) = records.folder().iterdir()
    run = records.read(path)
    assert run.seeds == [0, 1]
    assert "input margin" in said.out
    assert said.out.endswith(f"{path}\n")
    assert said.err.startswith("figure1, plain: 2 seeds to run, about ")
    assert json.loads(path.read_text())["settings"]["cases"]["plain"]["steps"] == 5
    assert main([*ALL, "--device", "cpu"]) == 0
    again = capsys.readouterr()
    assert again.out == ""
    assert again.err == "every case of the published size has a record that counts\n"


def test_ctrl_c_still_prints_what_was_filled(monkeypatch, capsys):
    def run(job):
        if job.case == "b":
            raise KeyboardInterrupt
        return outcome(job)

    monkeypatch.setattr("gsutils.__main__.ENTRIES", {"demo": entry(run)})
    assert main([*ALL, "--device", "cpu"]) == 130
    said = capsys.readouterr()
    (path,) = records.folder().iterdir()
    assert said.out.endswith(f"{path}\n")
    assert "The same command goes on where this one was" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "all"], "fills the ledger, which has the published size: --size paper"),
        ([*ALL, "--seeds", "0"], "takes --size, --budget, --device, --jobs and --out alone"),
        ([*ALL, "--cases", "a"], "takes --size, --budget"),
        ([*ALL, "--set", "steps=3"], "takes --size, --budget"),
        ([*ALL, "--fresh"], "takes --size, --budget"),
        (["run", "figure1", "--budget", "8m"], "--budget is for `run all`"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(words, message, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ENTRIES)
def test_every_case_has_an_estimate_without_which_no_budget_would_reach_it(name):
    efforts = lacking.EFFORTS[name]
    for case, settings in ENTRIES[name].cases["paper"].items():
        for kind in ("cpu", "cuda"):
            assert efforts.get(case, efforts.get("")).seconds(settings, kind) > 0
