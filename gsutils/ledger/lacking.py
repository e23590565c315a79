"""What the ledger lacks: cases of the published size without a record that counts.

Records count if their case has the entry's settings, if their data are the published ones where
data have to be fetched, and if together they have all of the entry's seeds. Where some are missing,
those alone are run: the ledger reads records that differ in their seeds as one, and says how many
of the seeds had products in bfloat16.

The paper's figures and tables come first, the costly CIFAR-10 and CelebA last among them, then the
experiments of this book. Within a group the order is by rows of the ledger per second.

>>> from gsutils.experiments import ENTRIES
>>> [task.case for task in lacking([ENTRIES["figure1"]], runs=[], device="cpu")]
['overlap', 'plain', 'sd']
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from gsutils.data import fetch
from gsutils.data.registry import is_published
from gsutils.ledger.verdicts import changed_settings
from gsutils.runs import plan, pool, records, sweep
from gsutils.runs.entry import Entry
from gsutils.runs.jobs import SEPARATOR
from gsutils.runs.paper import Origin
from gsutils.runs.plan import SIZE, Task
from gsutils.text import say

GROUPS = (
    ("table2", "sd-path", "figure1", "figure1d", "figure5", "regularisers"),
    ("table1", "cifar2-cpu"),
    ("table3",),
)  # of entries; those of this book come last


@dataclass(frozen=True)
class Effort:
    """What one seed of a case takes, in seconds.

    Attributes:
        cpu: by itself, and for each step (or epoch, where a case counts those), on one thread of a
            server's CPU with AVX-512. Measured, but for `table1` and `table3`.
        gpu: the same on one GPU for data centres, all seeds in one batch where the entry has them
            so. Estimated from the number of operations, not measured.
        data: the data set to be fetched, "" for none.
    """

    cpu: tuple[float, float]
    gpu: tuple[float, float]
    data: str = ""

    def seconds(self, case: Any, kind: str) -> float:
        """Return the seconds for one seed on a "cpu" or "cuda"."""
        fixed, each = self.gpu if kind == "cuda" else self.cpu
        return fixed + each * (case.steps if hasattr(case, "steps") else case.epochs)


# Entry -> case -> effort; "" stands for the cases that are not named.
_DIGITS = Effort((8, 0.6), (2, 0.001), "mnist")
_CIFAR10 = Effort((20_000, 1400), (300, 8), "cifar10")
EFFORTS: dict[str, dict[str, Effort]] = {
    "table2": {
        "": _DIGITS,
        "vrex": Effort((8, 0.4), (2, 0.001), "mnist"),
        "irm": Effort((8, 0.85), (2, 0.0015), "mnist"),
        "oracle": Effort((8, 0.1), (2, 0.0005), "mnist"),
    },
    "sd-path": {"": _DIGITS},
    "figure1": {"": Effort((0.1, 0.0012), (0.1, 2e-4))},
    "figure1d": {"": Effort((0.2, 0.0006), (0.2, 2e-4))},
    "figure5": {"": Effort((0.01, 2e-5), (0.1, 4e-4))},
    "regularisers": {
        "": Effort((0.1, 0.0013), (0.1, 2e-4)),
        "deeper": Effort((1, 0.038), (1, 4e-4)),
    },
    "table1": {
        "cifar2-erm": Effort((8000, 290), (150, 1.6), "cifar10"),
        "cifar2-sd": Effort((8000, 290), (150, 1.6), "cifar10"),
        "cifar10-erm": _CIFAR10,
        "cifar10-sd": _CIFAR10,
        "": Effort((20_000, 1400), (300, 8), "cifar100"),
    },
    "cifar2-cpu": {"": Effort((300, 50), (30, 1), "cifar10")},
    "table3": {"": Effort((10_000, 60_000), (60, 150), "celeba")},
    "dosage": {"": Effort((0.1, 0.0011), (0.1, 2e-4))},
    "dosage-noise": {"": Effort((0.1, 0.0037), (0.1, 2e-4))},
    "label-noise": {"": Effort((1, 0.026), (1, 5e-4), "mnist")},
    "label-noise-width": {"": Effort((1, 0.0025), (1, 5e-4), "mnist")},
    "transient-map": {"": Effort((0.1, 0.001), (0.1, 2e-4))},
    "dominoes": {
        "": Effort((8, 12), (10, 1), "cifar10"),
        "jtt": Effort((8, 17), (10, 1.2), "cifar10"),
    },
    "ten-colours": {"": Effort((2, 1.9), (2, 0.2), "mnist")},
    "red-arrows": {"": Effort((0.1, 0.0025), (0.1, 3e-4))},
    "red-arrows-methods": {"": Effort((0.1, 0.004), (0.1, 4e-4))},
}


def fill(
    entries: Iterable[Entry],
    *,
    budget: float | None = None,
    device: str = "auto",
    jobs: int | None = None,
    out: Path | None = None,
) -> Iterator[Path]:
    """Run what the ledger lacks, and yield the file of each record as soon as it is written.

    What is begun and what is left out is said on the standard error, see
    :func:`gsutils.runs.plan.fill`.

    Args:
        entries: the figures and tables.
        budget: seconds; None: all the time it takes.
        device: "auto", "cpu" or "cuda".
        jobs: processes side by side.
        out: folder of the records, which are stored ones too; default
            :func:`gsutils.runs.records.folder`.

    Raises:
        ValueError: there is no such device, or nothing could be run.
        OSError: a folder cannot be written.
    """

    def tell(line: str) -> None:
        say(line, error=True)

    seen: dict[Path, records.Run | None] = {}

    def stored() -> list[records.Run]:
        for folder in (records.folder(), out or records.folder()):
            for path in folder.glob(f"*-{SIZE}-*.json"):
                if path not in seen:  # checking a record against the schema takes its time
                    seen[path] = None
                    try:
                        seen[path] = records.read(path)
                    except ValueError as error:
                        tell(f"{path.name} does not count, because it cannot be read: {error}")
        return [run for run in seen.values() if run]

    def lacks(task: Task) -> bool:  # another program may have filled it meanwhile
        return not any(counts(task.entry, task.case, run) for run in pool.pooled(stored()))

    begun, keep = perf_counter(), sweep.checkpoints()
    tasks = lacking(entries, stored(), device, jobs or 1, keep)
    if not tasks:
        tell("every case of the published size has a record that counts")
    yield from plan.fill(
        tasks, budget=budget, spent=perf_counter() - begun, device=device, out=out, keep=keep,
        obtain=obtain, lacks=lacks, tell=tell,
    )  # fmt: skip


def lacking(
    entries: Iterable[Entry],
    runs: Iterable[records.Run],
    device: str = "auto",
    jobs: int = 1,
    keep: Path | None = None,
) -> list[Task]:
    """Return a task for each case that no stored run counts for.

    Estimates are :data:`EFFORTS`, corrected by the times of stored runs on the same kind of device.

    Args:
        entries: the figures and tables.
        runs: all stored runs.
        device: "auto", "cpu" or "cuda".
        jobs: processes side by side.
        keep: folder of what has finished; default: nothing has.

    Raises:
        ValueError: there is no such device.
    """
    runs, place = list(runs), sweep.ask_worker(device)
    kind = place.device.type
    tasks = []
    for entry in entries:
        stored = [run for run in runs if run.experiment == entry.name]
        own, ratio = pool.pooled(stored), _ratio(entry, stored, place)
        begun = keep is not None and any(keep.glob(f"{entry.name}-*"))
        for name, case in entry.cases[SIZE].items():
            if any(counts(entry, name, run) for run in own):
                continue
            effort, record = _effort(entry, name), _missing(entry, name, own)
            seeds, chosen = record, {"size": SIZE, "device": device, "cases": [name]}
            if begun and keep:
                seeds = tuple(entry.unfinished(keep, seeds=record, **chosen))
            tasks.append(
                Task(
                    entry,
                    name,
                    record,
                    seeds,
                    ratio * effort.seconds(case, kind) if effort else math.inf,
                    side_by_side=None if kind in entry.together else jobs,
                    rows=_rows(entry, name),
                    group=_group(entry),
                    data=effort.data if effort else "",
                )
            )
    return tasks


def counts(entry: Entry, case: str, run: records.Run) -> bool:
    """Whether a stored run fills the ledger's rows of a case, see the top of this module."""
    return _fit(entry, case, run) and set(run.seeds) >= set(entry.seeds[SIZE])


def _fit(entry: Entry, case: str, run: records.Run) -> bool:
    effort = _effort(entry, case)
    return (
        run.experiment == entry.name
        and run.size == SIZE
        and not pool.unlike(entry, run, case)
        and (effort is None or not effort.data or is_published(run.data["name"].split(SEPARATOR)))
    )


def _missing(entry: Entry, name: str, runs: Iterable[records.Run]) -> tuple[int, ...]:
    """Return the seeds that no run which fits has."""
    fitting = (run for run in runs if _fit(entry, name, run))
    most = max(fitting, key=lambda run: len(run.seeds), default=None)
    return tuple(seed for seed in entry.seeds[SIZE] if most is None or seed not in most.seeds)


def obtain(name: str) -> None:
    """Fetch a data set that the paper used, where it is not at hand.

    Raises:
        fetch.DataUnavailable: it cannot be had, or what is at hand is not the original.
        fetch.CorruptData: a file is there but is not what it should be.
    """
    script = "prepare_celeba.py" if name == "celeba" else f"fetch_{name.rstrip('0123456789')}.py"
    if name == "mnist":
        fetch.mnist()
    elif name == "celeba":
        fetch.celeba()
    else:
        fetch.cifar(name)
    if not is_published([title := fetch.source_name(name)]):
        raise fetch.DataUnavailable(
            f"the paper's data are needed, and what is in {fetch.data_dir()} is {title}: set "
            f"GSUTILS_DATA to another folder, and run data_scripts/{script}"
        )


def _effort(entry: Entry, case: str) -> Effort | None:
    of = EFFORTS.get(entry.name, {})
    return of.get(case) or of.get("")


def _group(entry: Entry) -> int:
    return next((i for i, names in enumerate(GROUPS) if entry.name in names), len(GROUPS))


def _rows(entry: Entry, case: str) -> int:
    """Return how many numbers of the paper a run of a case would be held against, at least 1."""
    judged = entry.source(case).origin is not Origin.OURS
    numbers = entry.paper.get(case, {}).values() if judged else ()
    return max(1, sum(not number.repeats for number in numbers))


def _ratio(entry: Entry, runs: Iterable[records.Run], place: sweep.Place) -> float:
    """Return what stored runs on such a device took, over their estimates; 1 without any.

    Where some had the precision of the place, those alone count.
    """
    taken: dict[str, float] = {}
    declared: dict[str, float] = {}
    for run in runs:
        cases, kind = pool.cases(run), place.device.type
        alike = run.size == SIZE and sweep.device_kind(run.device) == kind
        if not alike or changed_settings(entry, run):
            continue
        used = SEPARATOR.join({name for case in cases for name in pool.precisions(run, case)})
        for case in cases:
            effort = _effort(entry, case)
            seconds = effort.seconds(entry.cases[SIZE][case], kind) if effort else 0.0
            declared[used] = declared.get(used, 0.0) + seconds * len(run.seeds)
        taken[used] = taken.get(used, 0.0) + run.wall_time_s
    chosen = [place.precision] if place.precision in taken else list(taken)
    estimated = sum(declared[used] for used in chosen)
    return sum(taken[used] for used in chosen) / estimated if estimated else 1.0
