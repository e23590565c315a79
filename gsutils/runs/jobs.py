"""What a job of a run is, what it measures, and how the outcomes of several become one.

>>> one, other = (
...     Outcome({"sd": {"x": [value]}}, {"name": "none"}, {"sd": {"step": [0], "x": [[value]]}})
...     for value in (7.0, 8.0)
... )
>>> both = merged([one, other])
>>> both.metrics, both.curves
({'sd': {'x': [7.0, 8.0]}}, {'sd': {'step': [0], 'x': [[7.0, 8.0]]}})
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

SEPARATOR = "; "  # between the names of several data sets, or devices


@dataclass(frozen=True)
class Job:
    """What one call of an entry's run function does.

    Attributes:
        settings: the case, as a record's settings hold it.
        case: its name.
        seeds: one run each.
        device: where.
        folder: for files that let the job go on after it was killed; None: nothing is kept.
    """

    settings: Any
    case: str
    seeds: tuple[int, ...]
    device: torch.device
    folder: Path | None = None

    def file(self, name: str) -> Path | None:
        """Return the place of a checkpoint in the job's folder, None where nothing is kept."""
        return self.folder / name if self.folder else None


@dataclass(frozen=True)
class Outcome:
    """What a job measured: see the attributes of :class:`gsutils.runs.records.Run`.

    In the curves a list of numbers is an axis, the same for every seed ("step"); a list of lists
    holds one value per seed in each of its rows.
    """

    metrics: dict[str, dict[str, list[float]]]
    data: dict[str, str]
    curves: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


def merged(outcomes: Iterable[Outcome]) -> Outcome:
    """Put the outcomes of jobs together: the seeds of a case in the order of the jobs.

    Cases may use different data; the name then lists them all, and hashes say whose they are.

    Raises:
        ValueError: the data changed between jobs, or a case was recorded at different steps.
    """
    owners: dict[str, str] = {}  # case -> name of its data
    metrics: dict[str, dict[str, list[float]]] = {}
    curves: dict[str, dict[str, list[Any]]] = {}
    data: dict[str, dict[str, str]] = {}  # name of the data -> all that is known of them
    for outcome in outcomes:
        name = outcome.data["name"]
        if data.setdefault(name, outcome.data) != outcome.data:
            raise ValueError(f"{name} changed between jobs, {data[name]}, then {outcome.data}")
        for case, found in outcome.metrics.items():
            if owners.setdefault(case, name) != name:
                raise ValueError(f"the data of {case} changed between jobs, {owners[case]}, {name}")
            known = metrics.setdefault(case, {})
            for metric, values in found.items():
                known[metric] = known.get(metric, []) + values
        for case, rows in outcome.curves.items():
            drawn = curves.setdefault(case, {})
            for metric, values in rows.items():
                new = metric not in drawn
                drawn[metric] = values if new else _joined(drawn[metric], values, metric)
    return Outcome(metrics, _data(list(data.values())), curves)


def _data(found: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return one description of several data sets."""
    if len(found) == 1:
        return found[0]
    hashes = {
        f"{one['name']}: {key}": value
        for one in found
        for key, value in one.items()
        if key != "name"
    }
    return {"name": SEPARATOR.join(one["name"] for one in found)} | hashes


def _joined(one: list[Any], other: list[Any], name: str) -> list[Any]:
    """Join the rows of two curves; axes must be equal."""
    if len(one) == len(other) and all(isinstance(row, list) for row in [*one, *other]):
        return [left + right for left, right in zip(one, other)]
    if one != other:
        raise ValueError(f"{name} differs between seeds: {len(one)} and {len(other)} values")
    return one
