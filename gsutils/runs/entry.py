"""What every experiment has in common: cases in two sizes, the paper's numbers, a record.

>>> chosen_size("paper")
'paper'
"""

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from gsutils.runs import records, sweep
from gsutils.runs.case import changed, to_json
from gsutils.runs.jobs import SEPARATOR, Job, Outcome, merged
from gsutils.runs.paper import OURS, Number, Source, Unit
from gsutils.seeding import check_seeds

SIZES = ("quick", "paper")
Rows = Mapping[str, Mapping[str, list[Any]]]

__all__ = ["SIZES", "Entry", "Rows", "Trained", "chosen_size"]


def chosen_size(size: str | None = None) -> str:
    """Return the size asked for, else that of the environment's ``GSUTILS_SIZE``, else "quick".

    Raises:
        ValueError: an unknown size.
    """
    size = size or os.environ.get("GSUTILS_SIZE") or "quick"
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES}, got {size!r}; GSUTILS_SIZE sets the default")
    return size


class Trained(Protocol):
    """What the training of a case returns; experiments add what their chapters look at."""

    @property
    def data(self) -> Mapping[str, str]:
        """The "name" of the data, and hashes of what they hold."""

    def metrics(self) -> Rows:
        """Return what a record holds: part of the case -> metric -> one value per seed.

        The part "" is the case itself; another is recorded as "case, part".
        """

    def curves(self) -> Rows:
        """Return the curves likewise, see :class:`gsutils.runs.jobs.Outcome`."""


@dataclass(frozen=True)
class Entry:
    """One figure or table.

    Attributes:
        name: what the command line calls it.
        title: what it is, in a line.
        chapter: the chapter's stem, such as "01-clever-hans".
        cases: size -> name -> case, a frozen dataclass that holds every number of one training.
        seeds: size -> seeds.
        run: trains a case: ``run(case, seeds, device, checkpoint)``.
        paper: case -> metric -> the number that the paper prints.
        selection: how the hyper-parameters were chosen.
        sources: case -> where its settings of the size "paper" come from; those that are not named
            are our choice. Only what the authors or another repository chose is held against the
            paper's numbers.
        variant_of: the entry whose numbers of the paper these are, which this one runs otherwise.
        together: types of device on which one job takes all seeds of a case, batched; elsewhere
            there is one job for each seed.
    """

    name: str
    title: str
    chapter: str
    cases: Mapping[str, Mapping[str, Any]]
    seeds: Mapping[str, Sequence[int]]
    run: Callable[..., Any]
    paper: Mapping[str, Mapping[str, Number]]
    selection: str
    together: tuple[str, ...] = ("cpu", "cuda")
    sources: Mapping[str, Source] = field(default_factory=dict)
    variant_of: str = ""

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Size -> the settings as a record holds them: "seeds", and the "cases" as tables."""
        return {size: _table(self.cases[size], self.seeds[size]) for size in self.cases}

    def source(self, case: str) -> Source:
        """Return where the settings of a case of the size "paper" come from."""
        return self.sources.get(case, OURS)

    def by_source(self) -> dict[Source, list[str]]:
        """Return the cases of the size "paper" by where their settings come from."""
        found: dict[Source, list[str]] = {}
        for case in self.cases["paper"]:
            found.setdefault(self.source(case), []).append(case)
        return found

    def unit(self, metric: str) -> Unit | None:
        """Return the unit of a metric that the paper prints for some case, None for another."""
        found = (numbers[metric].unit for numbers in self.paper.values() if metric in numbers)
        return next(found, None)

    def train(
        self,
        size: str | None = None,
        seeds: Iterable[int] | None = None,
        cases: Iterable[str] | None = None,
        device: str | torch.device = "auto",
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Train cases in this process, one after the other, and return what came of each.

        Args:
            size: "quick" or "paper"; default :func:`chosen_size`.
            seeds: default: the entry's.
            cases: default: all.
            device: "auto", "cpu" or "cuda".
            settings: what to change, see :func:`gsutils.runs.case.changed`.
            options: more arguments of the experiment's ``train``, such as the digits.

        Raises:
            ValueError: an unknown size, case, setting or device.
        """
        chosen, seeds = self._chosen(size, seeds, cases, settings or {})
        return {
            name: self.run(case, seeds, device, None, **options) for name, case in chosen.items()
        }

    def record(
        self,
        size: str | None = None,
        seeds: Iterable[int] | None = None,
        device: str = "auto",
        settings: Mapping[str, Any] | None = None,
        cases: Iterable[str] | None = None,
        keep: Path | None = None,
    ) -> records.Run:
        """Run the entry and return its record, not yet saved.

        The record's wall time is the sum of the seconds of its jobs, however many of them ran
        side by side and whenever they ran. Its settings hold the cases that ran.

        Args:
            size: "quick" or "paper"; default :func:`chosen_size`.
            seeds: default: the entry's.
            device: "auto", "cpu" or "cuda".
            settings: what to change, see :func:`gsutils.runs.case.changed`.
            cases: which of the entry's cases; default: all.
            keep: folder for what jobs have finished; what is there is not run again.

        Raises:
            ValueError: an unknown size, setting, case or device.
            sweep.Busy: another program is running one of the jobs kept in the same folder.
        """
        plan = self._plan(size, seeds, device, settings, cases, keep)
        with sweep.held(plan.jobs):
            return plan.run()

    def unfinished(self, keep: Path, **arguments: Any) -> list[int]:
        """Return the seeds of which some job has not finished, in the order of the seeds.

        Args:
            keep: folder of finished jobs.
            arguments: see :meth:`record`.
        """
        jobs = self._plan(keep=keep, **arguments).jobs
        return list(
            dict.fromkeys(seed for job in jobs if not sweep.is_finished(job) for seed in job.seeds)
        )

    def save(
        self,
        out: Path | None = None,
        keep: Path | None = None,
        fresh: bool = False,
        **arguments: Any,
    ) -> Path:
        """Run the entry with the arguments of :meth:`record`, save the record, return the file.

        Args:
            out: folder of the record; default :func:`gsutils.runs.records.folder`.
            keep: folder of finished jobs; they are removed once the record is saved. Default
                :func:`gsutils.runs.sweep.checkpoints`.
            fresh: run again what has finished earlier.
            arguments: see :meth:`record`.

        Raises:
            ValueError, sweep.Busy: see :meth:`record`.
            OSError: a folder cannot be written.
        """
        plan = self._plan(keep=keep or sweep.checkpoints(), **arguments)
        plan.check()
        with sweep.held(plan.jobs):
            if fresh:
                sweep.forget(plan.jobs)
            path = records.save(plan.run(), out)
            sweep.forget(plan.jobs)
        return path

    def _chosen(
        self,
        size: str | None,
        seeds: Iterable[int] | None,
        cases: Iterable[str] | None,
        settings: Mapping[str, Any],
    ) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Return the cases to train, by name, and the seeds."""
        size = chosen_size(size)
        every = self.cases[size]
        names = list(every) if cases is None else list(dict.fromkeys(cases))
        if not names or set(names) - set(every):
            raise ValueError(f"cases must be some of {', '.join(every)}, got {names}")
        chosen = changed({name: every[name] for name in names}, settings)
        return chosen, check_seeds(self.seeds[size] if seeds is None else seeds)

    def _plan(
        self,
        size: str | None = None,
        seeds: Iterable[int] | None = None,
        device: str = "auto",
        settings: Mapping[str, Any] | None = None,
        cases: Iterable[str] | None = None,
        keep: Path | None = None,
    ) -> "_Plan":
        size, settings = chosen_size(size), settings or {}
        chosen, seeds = self._chosen(size, seeds, cases, settings)
        place = sweep.ask_worker(device)
        chosen = {name: _settled(case, place) for name, case in chosen.items()}
        words = [f"--size {size}"]
        words += [] if device == "auto" else [f"--device {device}"]
        words += ["--cases " + shlex.join(chosen)] if len(chosen) < len(self.cases[size]) else []
        words += [
            "--set " + shlex.quote(f"{k}={json.dumps(v, ensure_ascii=False)}")
            for k, v in settings.items()
        ]
        if list(seeds) != list(self.seeds[size]):
            words.append("--seeds " + ",".join(map(str, seeds)))
        groups = [seeds] if place.device.type in self.together else [(seed,) for seed in seeds]
        same = [self.name, place.name, place.versions, sweep.code() if keep else None]
        jobs = []
        for name, case in chosen.items():
            for group in groups:
                key = sweep.key(*same, name, to_json(case), group)
                folder = keep / f"{self.name}-{key}" if keep else None
                jobs.append(Job(case, name, group, place.device, folder))
        command = f"python -m gsutils run {self.name} " + " ".join(words)
        return _Plan(self, size, _table(chosen, seeds), place, jobs, command)

    def measure(self, job: Job) -> Outcome:
        """Do a job: train its case and return what a record holds of it."""
        trained = self.run(job.settings, job.seeds, job.device, job.file("training.pt"))

        def named(rows: Rows) -> dict[str, dict[str, list[Any]]]:
            return {
                f"{job.case}, {part}" if part else job.case: dict(values)
                for part, values in rows.items()
            }

        return Outcome(named(trained.metrics()), dict(trained.data), named(trained.curves()))


def _settled(case: Any, place: sweep.Place) -> Any:
    """Return a case with the products that "auto" stands for where it runs, for its record."""
    undecided = getattr(case, "precision", None) == "auto"
    return replace(case, precision=place.precision) if undecided else case


def _table(cases: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, Any]:
    return {"cases": {name: to_json(case) for name, case in cases.items()}, "seeds": list(seeds)}


@dataclass(frozen=True)
class _Plan:
    """A run before it is run."""

    entry: Entry
    size: str
    settings: dict[str, Any]
    place: sweep.Place
    jobs: list[Job]
    command: str

    def run(self) -> records.Run:
        """Do what is not done yet, and return the record."""
        commit = records.commit()
        return self._record(sweep.sweep(self.entry.measure, self.jobs, self.entry.name), commit)

    def check(self) -> None:
        """Raise a ValueError for what a record cannot hold: it would be lost after the training."""
        blanks = {job.case: {"x": [0.0] * len(self.settings["seeds"])} for job in self.jobs}
        blank = sweep.Finished(Outcome(blanks, {"name": "none"}), 0.0, self.place.name)
        records.check(self._record([blank], "unknown"))

    def _record(self, finished: Sequence[sweep.Finished], commit: str) -> records.Run:
        outcome = merged(one.outcome for one in finished)
        devices = dict.fromkeys(one.device for one in finished)
        return records.Run(
            experiment=self.entry.name,
            size=self.size,
            settings=self.settings,
            seeds=self.settings["seeds"],
            metrics=outcome.metrics,
            curves=_six_digits(outcome.curves),
            selection=self.entry.selection,
            data={records.label(name): records.label(v) for name, v in outcome.data.items()},
            device=records.label(SEPARATOR.join(devices)),
            versions=self.place.versions,
            commit=commit,
            wall_time_s=round(sum(one.seconds for one in finished), 1),
            command=self.command,
        )


def _six_digits(value: Any) -> Any:
    """Round the numbers of nested dicts and lists: curves are drawn, and files stay small."""
    if isinstance(value, dict):
        return {key: _six_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_six_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
