"""What every experiment has in common: two sizes, settings, the paper's numbers, a record.

>>> chosen_size("paper")
'paper'
"""

import json
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from gsutils import results
from gsutils.seeding import check_seeds
from gsutils.train import resolve_device

SIZES = ("quick", "paper")


def chosen_size(size: str | None = None) -> str:
    """Return the size asked for, else that of the environment's ``GSUTILS_SIZE``, else "quick".

    Raises:
        ValueError: an unknown size.
    """
    size = size or os.environ.get("GSUTILS_SIZE") or "quick"
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES}, got {size!r}; GSUTILS_SIZE sets the default")
    return size


def device_name(device: torch.device) -> str:
    """Return a device in words, such as "CPU (x86_64), threads: 2" or "NVIDIA T4"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), threads: {torch.get_num_threads()}"


def _setting(name: str, value: Any) -> str:
    """Return the words of the command line that set a value."""
    return "--set " + shlex.quote(f"{name}={json.dumps(value)}")


def _six_digits(value: Any) -> Any:
    """Round the numbers of nested dicts and lists: curves are drawn, and files stay small."""
    if isinstance(value, dict):
        return {key: _six_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_six_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


@dataclass(frozen=True)
class Outcome:
    """What a run function returns: see the attributes of :class:`gsutils.results.Run`."""

    metrics: dict[str, dict[str, list[float]]]
    data: dict[str, str]
    curves: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One figure or table.

    Attributes:
        name: what the command line calls it.
        title: what it is, in a line.
        chapter: the chapter's stem, such as "01-clever-hans".
        settings: size -> the settings, JSON values, "seeds" among them.
        run: maps (settings, seeds, device) to an :class:`Outcome`.
        paper: case -> metric -> (mean, std or None), accuracies as fractions.
        selection: how the hyper-parameters were chosen.
    """

    name: str
    title: str
    chapter: str
    settings: Mapping[str, Mapping[str, Any]]
    run: Callable[[Mapping[str, Any], tuple[int, ...], torch.device], Outcome]
    paper: Mapping[str, Mapping[str, tuple[float, float | None]]]
    selection: str

    def record(
        self,
        size: str | None = None,
        seeds: Iterable[int] | None = None,
        device: str = "auto",
        settings: Mapping[str, Any] | None = None,
    ) -> results.Run:
        """Run the entry and return its record, not yet saved.

        Args:
            size: "quick" or "paper"; default :func:`chosen_size`.
            seeds: default: the settings' own.
            device: "auto", "cpu" or "cuda".
            settings: what to change in the settings.

        Raises:
            ValueError: an unknown size, setting or device.
        """
        size = chosen_size(size)
        used = dict(self.settings[size])
        unknown = set(settings or {}) - set(used)
        if unknown:
            raise ValueError(
                f"{self.name} has no setting {sorted(unknown)}; it has {sorted(set(used))}"
            )
        used |= settings or {}
        chosen = check_seeds(seeds if seeds is not None else used["seeds"])
        used["seeds"] = list(chosen)
        where = resolve_device(device)
        start, commit = perf_counter(), results.commit()
        outcome = self.run(used, chosen, where)
        words = [f"--size {size}", *(_setting(key, used[key]) for key in settings or {})]
        if list(chosen) != list(self.settings[size]["seeds"]):
            words.append("--seeds " + ",".join(map(str, chosen)))
        return results.Run(
            experiment=self.name,
            size=size,
            settings=used,
            seeds=list(chosen),
            metrics=outcome.metrics,
            curves=_six_digits(outcome.curves),
            selection=self.selection,
            data=outcome.data,
            device=device_name(where),
            commit=commit,
            wall_time_s=round(perf_counter() - start, 1),
            command=f"python -m gsutils run {self.name} " + " ".join(words),
        )

    def save(self, out: Path | None = None, **arguments: Any) -> Path:
        """Run the entry with the arguments of :meth:`record`, save the record, return the file."""
        return results.save(self.record(**arguments), out)
