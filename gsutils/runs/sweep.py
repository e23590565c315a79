r"""Sweeps: the jobs of a run, distributed by joblib and kept as they finish.

A job is one case with some of the seeds. Jobs go through :class:`joblib.Parallel`, so whoever
calls chooses where they run, one after another by default:

    with joblib.parallel_config(n_jobs=4):            # processes of this machine
    with joblib.parallel_config(backend="dask"):      # the workers of a Dask cluster
        ENTRIES["regularisers"].record()

Where a job has a folder, its outcome is written there as soon as it has finished, and an outcome
found there is taken as it is: a sweep that was killed goes on where it was. A job computes the same
numbers wherever it runs, on one kind of device with the same versions and number of threads. Two
programs may run at once, but not the same job: see :func:`held`.

>>> job = Job({"steps": 3}, "plain", (0, 1), torch.device("cpu"))
>>> done = sweep(lambda job: Outcome({job.case: {"x": [7.0, 8.0]}}, {"name": "none"}), [job], "x")
>>> done[0].outcome.metrics
{'plain': {'x': [7.0, 8.0]}}
"""

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, suppress
from dataclasses import asdict, dataclass, replace
from io import TextIOBase
from pathlib import Path
from time import perf_counter
from typing import Any

import pooch
import torch
from filelock import FileLock, Timeout
from joblib import Parallel, delayed

import gsutils
from gsutils.files import CheckpointsUnavailable, atomic, explained
from gsutils.runs import records
from gsutils.runs.jobs import Job, Outcome, merged
from gsutils.text import say, track
from gsutils.train import precision, resolve_device

FINISHED, BEGUN = "finished.json", "begun"


@dataclass(frozen=True)
class Finished:
    """A job's outcome, how many seconds it took, and the device it ran on, in words."""

    outcome: Outcome
    seconds: float
    device: str


class Busy(OSError):
    """Another program is running a job; the message says which."""


@dataclass(frozen=True)
class Place:
    """Where jobs run: the device and its name in words, the versions, and "auto" products there."""

    device: torch.device
    name: str
    versions: dict[str, str]
    precision: str


def checkpoints() -> Path:
    """Return where finished jobs are kept: ``GSUTILS_CHECKPOINTS``, else the user's cache folder.

    A cluster's machines must all see it, or a sweep that was killed there starts anew.
    """
    chosen = os.environ.get("GSUTILS_CHECKPOINTS")
    cache = Path(chosen).expanduser() if chosen else Path(pooch.os_cache("gsutils"), "checkpoints")
    return cache.absolute()


def device_name(device: torch.device) -> str:
    """Return a device in words, such as "CPU (x86_64), threads: 2" or "NVIDIA T4"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), threads: {torch.get_num_threads()}"


def device_kind(name: str) -> str:
    """Return "cpu" or "cuda" for the name of a device that :func:`device_name` gave.

    >>> device_kind(device_name(torch.device("cpu"))), device_kind("Tesla T4")
    ('cpu', 'cuda')
    """
    return "cpu" if name.startswith("CPU (") else "cuda"


def ask_worker(device: str) -> Place:
    """Return what a device is where joblib puts the jobs; all workers are taken to be alike.

    Raises:
        ValueError: there is no such device.
    """
    (place,) = Parallel()([delayed(_place)(device, torch.get_num_threads())])
    return place


def _place(device: str, threads: int) -> Place:
    torch.set_num_threads(threads)
    where = resolve_device(device)
    return Place(where, device_name(where), records.versions(), precision(where))


def key(*parts: Any) -> str:
    """Return a hash of JSON values, to tell one job from another."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code() -> str:
    """Return a hash of the package's sources: no commit of a page makes jobs start anew."""
    sources = sorted(Path(gsutils.__path__[0]).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def sweep(function: Callable[[Job], Outcome], jobs: Sequence[Job], title: str) -> list[Finished]:
    """Run jobs through joblib and return what they found, in the order of the jobs.

    Args:
        function: what a job does.
        jobs: what is to be done; those finished earlier are not done again.
        title: of the progress bar.
    """
    call, threads, home = delayed(_work), torch.get_num_threads(), os.getpid()
    tasks = [call(number, function, job, threads, home) for number, job in enumerate(jobs)]
    try:
        parallel = Parallel(batch_size=1, return_as="generator_unordered")
    except ValueError:  # a backend such as Ray's, which hands over everything at the end
        parallel = Parallel(batch_size=1)
    one = False if len(jobs) == 1 else None  # whose own progress says enough
    done = zip(track(range(len(jobs)), f"{title}, jobs", watched=one), parallel(tasks))
    return [finished for _, (_, finished) in sorted(done, key=lambda item: item[1][0])]


def _work(
    number: int, function: Callable[[Job], Outcome], job: Job, threads: int, home: int
) -> tuple[int, Finished]:
    """Do a job, or take over what it found earlier; ``home`` is the process that asked."""
    finished = _read(job)
    if finished is None:
        torch.set_num_threads(threads)  # sums depend on it
        start = perf_counter() - _spent_earlier(job.folder)
        with nullcontext() if os.getpid() == home else _unwatched():
            outcome = _fitting(function, job)
        records.check_metrics(outcome.metrics, job.seeds)
        finished = Finished(outcome, perf_counter() - start, device_name(job.device))
        if job.folder:
            body = json.dumps(asdict(finished), allow_nan=False)
            with atomic(job.folder / FINISHED, CheckpointsUnavailable) as part:
                part.write_text(f"{_digest(body)}\n{body}", "utf-8")
    return number, finished


def is_finished(job: Job) -> bool:
    """Return whether a job's outcome is kept, so that it would not be run again."""
    return _read(job) is not None


def _fitting(function: Callable[[Job], Outcome], job: Job) -> Outcome:
    """Do a job; where a GPU has too little memory for all its seeds at once, in two halves.

    A run's numbers are its own, so that halves give what the whole would have given.
    """
    try:
        return function(job)
    except torch.cuda.OutOfMemoryError:
        if len(job.seeds) == 1:
            raise
    half = len(job.seeds) // 2
    parts = job.seeds[:half], job.seeds[half:]
    say(
        f"{job.case}: {len(job.seeds)} seeds at once need more memory than {job.device} has; "
        f"going on with {len(parts[0])} and then {len(parts[1])}",
        error=True,
    )
    torch.cuda.empty_cache()
    return merged(
        [_fitting(function, replace(job, seeds=part, folder=_within(job, part))) for part in parts]
    )


def _within(job: Job, seeds: Sequence[int]) -> Path | None:
    """Return the folder of a part of a job."""
    folder = job.file("seeds-" + "-".join(map(str, seeds)))
    if folder:
        folder.mkdir(exist_ok=True)
    return folder


def _read(job: Job) -> Finished | None:
    """Return a finished job, or None where there is none or its file is not as it was written."""
    path = job.file(FINISHED)
    if path is None or not path.is_file():
        return None
    try:
        digest, _, body = path.read_text("utf-8").partition("\n")
        if digest != _digest(body):
            return None
        found = json.loads(body)
        finished = Finished(**found | {"outcome": Outcome(**found["outcome"])})
        records.check_metrics(finished.outcome.metrics, job.seeds)
        return finished
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
        return None


def _digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def _spent_earlier(folder: Path | None) -> float:
    """Return the seconds of earlier attempts up to their last checkpoint, and begin another."""
    if folder is None:
        return 0.0
    with explained(folder, CheckpointsUnavailable):
        folder.mkdir(parents=True, exist_ok=True)
        begun, spent = folder / BEGUN, 0.0
        if begun.is_file():
            last = max(path.stat().st_mtime for path in folder.iterdir())
            with suppress(ValueError):  # damaged: the time of earlier attempts is lost
                earlier = float(begun.read_text("ascii", errors="replace") or 0)
                if 0 <= earlier < float("inf"):
                    spent = earlier + last - begun.stat().st_mtime
        with atomic(begun, CheckpointsUnavailable) as part:
            part.write_text(str(spent))
    return spent


@contextmanager
def _unwatched() -> Iterator[None]:
    """Within a worker: nobody watches progress there; what it warns of still comes through."""
    stream = sys.stderr

    class Plain(TextIOBase):
        def write(self, text: str) -> int:
            return stream.write(text)

    with redirect_stderr(Plain()):
        yield


@contextmanager
def held(jobs: Iterable[Job]) -> Iterator[None]:
    """Keep other programs away from the folders of jobs, until the block or this process ends.

    Raises:
        Busy: another program holds one of them.
        CheckpointsUnavailable: a folder cannot be written.
    """
    with ExitStack() as stack:
        for job in jobs:
            if job.folder and not stack.enter_context(_locked(job.folder)):
                seeds = ", ".join(map(str, job.seeds))
                raise Busy(
                    f"another program is running {job.case}, seeds {seeds}: "
                    "wait until it has ended, or stop it"
                )
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder of checkpoints, and say whether it was free."""
    lock = FileLock(f"{folder}.lock")
    with explained(folder, CheckpointsUnavailable):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout):
            lock.acquire(timeout=0)
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with suppress(OSError):  # nobody ever waits for a lock, so that its file can go
                Path(lock.lock_file).unlink()
            lock.release()


def forget(jobs: Iterable[Job]) -> None:
    """Remove what was kept of jobs."""
    for job in jobs:
        if job.folder:
            shutil.rmtree(job.folder, ignore_errors=True)
