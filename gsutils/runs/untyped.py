"""What every experiment has in common: two sizes, settings, the paper's numbers, a record.

>>> chosen_size("paper")
'paper'
"""

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsutils.runs import records, sweep
from gsutils.runs.jobs import SEPARATOR, Job, Outcome, merged
from gsutils.runs.settings import changed
from gsutils.seeding import check_seeds

SIZES = ("quick", "paper")

__all__ = ["SIZES", "Job", "Outcome", "UntypedEntry", "chosen_size"]


def chosen_size(size: str | None = None) -> str:
    """Return the size asked for, else that of the environment's ``GSUTILS_SIZE``, else "quick".

    Raises:
        ValueError: an unknown size.
    """
    size = size or os.environ.get("GSUTILS_SIZE") or "quick"
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES}, got {size!r}; GSUTILS_SIZE sets the default")
    return size


@dataclass(frozen=True)
class UntypedEntry:
    """One figure or table.

    Attributes:
        name: what the command line calls it.
        title: what it is, in a line.
        chapter: the chapter's stem, such as "01-clever-hans".
        settings: size -> the settings, JSON values, "seeds" among them.
        cases: maps the settings to the cases that are run one by one.
        run: does a :class:`Job`, one case with some seeds.
        paper: case -> metric -> (mean, std or None), accuracies as fractions.
        selection: how the hyper-parameters were chosen.
        together: types of device on which one job takes all seeds of a case, batched; elsewhere
            there is one job for each seed.
        as_published: whether the size "paper" is the paper's experiment; a scaled-down variant of
            one is never called reproduced.
    """

    name: str
    title: str
    chapter: str
    settings: Mapping[str, Mapping[str, Any]]
    cases: Callable[[Mapping[str, Any]], Sequence[str]]
    run: Callable[[Job], Outcome]
    paper: Mapping[str, Mapping[str, tuple[float, float | None]]]
    selection: str
    together: tuple[str, ...] = ("cpu", "cuda")
    as_published: bool = True

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
        side by side and whenever they ran. Where cases were left out, its settings name the
        others as "only".

        Args:
            size: "quick" or "paper"; default :func:`chosen_size`.
            seeds: default: the settings' own.
            device: "auto", "cpu" or "cuda".
            settings: what to change, see :func:`gsutils.runs.settings.changed`.
            cases: which of the entry's cases; default: all.
            keep: folder for what jobs have finished; what is there is not run again.

        Raises:
            ValueError: an unknown size, setting, case or device.
        """
        return self._plan(size, seeds, device, settings, cases, keep).run()

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
        """
        plan = self._plan(keep=keep or sweep.checkpoints(), **arguments)
        if fresh:
            sweep.forget(plan.jobs)
        path = records.save(plan.run(), out)
        sweep.forget(plan.jobs)
        return path

    def _plan(
        self,
        size: str | None = None,
        seeds: Iterable[int] | None = None,
        device: str = "auto",
        settings: Mapping[str, Any] | None = None,
        cases: Iterable[str] | None = None,
        keep: Path | None = None,
    ) -> "_Plan":
        size, settings = chosen_size(size), dict(settings or {})
        used = changed(self.settings, size, settings)
        usual = used.pop("seeds")
        chosen = check_seeds(usual if seeds is None else seeds)
        all_cases = list(self.cases(used))
        left = all_cases if cases is None else list(dict.fromkeys(cases))
        if not left or set(left) - set(all_cases):
            raise ValueError(f"cases must be some of {', '.join(all_cases)}, got {left}")
        place = sweep.ask_worker(device)
        words = [f"--size {size}"]
        words += [] if device == "auto" else [f"--device {device}"]
        words += ["--cases " + shlex.join(left)] if left != all_cases else []
        words += [
            "--set " + shlex.quote(f"{k}={json.dumps(v, ensure_ascii=False)}")
            for k, v in settings.items()
        ]
        if list(chosen) != usual:
            words.append("--seeds " + ",".join(map(str, chosen)))
        groups = [chosen] if place.device.type in self.together else [(seed,) for seed in chosen]
        same = [self.name, used, place.name, place.versions, sweep.code() if keep else None]
        jobs = []
        for case in left:
            for group in groups:
                folder = keep / f"{self.name}-{sweep.key(*same, case, group)}" if keep else None
                jobs.append(Job(used, case, group, place.device, folder))
        return _Plan(
            self,
            size,
            used | {"seeds": list(chosen)} | ({"only": left} if left != all_cases else {}),
            place,
            jobs,
            f"python -m gsutils run {self.name} " + " ".join(words),
        )


@dataclass(frozen=True)
class _Plan:
    """A run before it is run."""

    entry: UntypedEntry
    size: str
    settings: dict[str, Any]
    place: sweep.Place
    jobs: list[Job]
    command: str

    def run(self) -> records.Run:
        """Do what is not done yet, and return the record."""
        commit = records.commit()
        finished = sweep.sweep(self.entry.run, self.jobs, self.entry.name)
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
