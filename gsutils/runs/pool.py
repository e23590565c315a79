"""Stored runs as one: seeds that were run in several goes, and cases that were run one by one.

A run of hours can be stored in parts, each with some of its seeds, by machines that are lent for
less time than the whole takes. What belongs together is read as one; the files stay as they are.

>>> parts = [
...     records.Run(experiment="demo", size="quick", settings={"steps": 3, "seeds": seeds},
...                 seeds=seeds, metrics={"erm": {"x": [0.5] * len(seeds)}}, selection="none",
...                 data={"name": "none"}, device="cpu", wall_time_s=0.1, command="-")
...     for seeds in ([0, 1], [2])
... ]
>>> [run.seeds for run in pooled(parts)]
[[0, 1, 2]]
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gsutils.data import registry
from gsutils.runs import records
from gsutils.runs.case import to_json
from gsutils.runs.entry import Entry
from gsutils.runs.jobs import SEPARATOR, Outcome, merged
from gsutils.runs.records import Run

Tables = dict[str, dict[str, list[Any]]]
HOW = ("precision", "processes", "workers")  # settings that change no experiment


def pooled(runs: Iterable[Run]) -> list[Run]:
    """Return runs, those as one that differ in their seeds alone: the most seeds first.

    Settings but :data:`HOW`, data, metrics and the steps of curves have to be equal. Where parts
    had another precision, the one run has a list of them, see :func:`precisions`. A seed counts
    once: where two runs share one, they stay two, and what fits goes with the one that has more
    seeds. Runs of an entry that share some of their cases, but not all, are read case by case.
    """
    groups: dict[str, list[Run]] = {}
    for run in _comparable(runs):
        groups.setdefault(_alike(run), []).append(run)
    found = []
    for rest in groups.values():
        rest.sort(key=lambda run: -len(run.seeds))
        while rest:
            whole, *others = rest
            rest = []
            for run in others:
                more = _more_seeds(whole, run)
                whole = more or whole
                rest += [] if more else [run]
            found.append(whole)
    return found


def parts(run: Run, runs: Iterable[Run]) -> list[Run]:
    """Return the runs out of which :func:`pooled` made one: itself where it is a stored one."""
    own_entry = (other for other in runs if other.experiment == run.experiment)
    runs = sorted(own_entry, key=lambda other: -len(other.seeds))
    if own := [other for other in runs if other.name == run.name]:
        return own
    found: list[Run] = []
    left, wanted = set(run.seeds), _alike(run)
    for other in runs:
        alike = wanted in map(_alike, (other, *by_case(other)))
        if alike and left.issuperset(other.seeds):
            found.append(other)
            left -= set(other.seeds)
    return found


def load(experiment: str, size: str = "paper", source: Path | None = None) -> list[Run]:
    """Return the stored runs of an entry in one size, see :func:`pooled`; none is an empty list.

    Raises:
        ValueError: one of them cannot be read, see :func:`gsutils.runs.records.read`.
    """
    return pooled(records.load(experiment, size, source))


def whole(entry: Entry, size: str = "paper", source: Path | None = None) -> Run | None:
    """Return the stored runs of an entry as one, of as many cases as there are, then seeds.

    Each may hold some of the cases, as those of ``run all`` do, and more seeds than the others,
    which are then left out. Cases whose settings were changed do not count, and other data only
    where there are no published ones. None if there is no run.

    Raises:
        ValueError: one of them cannot be read, see :func:`gsutils.runs.records.read`.
    """
    runs = _as_declared(entry, size, source)
    found = []
    for least in runs:
        fit = [run for run in runs if run.data == least.data and set(run.seeds) >= set(least.seeds)]
        found.append(joined([of_seeds(run, least.seeds) for run in fit]))
    return max(
        found, key=lambda run: (_original(run), len(run.metrics), len(run.seeds)), default=None
    )


def best(entry: Entry, size: str = "paper", source: Path | None = None) -> dict[str, Run]:
    """Return the stored run that stands for each case of an entry that has one.

    It has the entry's settings, published data if possible, and of such runs the most seeds.

    Raises:
        ValueError: a stored run cannot be read, see :func:`gsutils.runs.records.read`.
    """
    runs = _as_declared(entry, size, source)
    found = {case: run for run in runs for case in cases(run)}
    return {case: found[case] for case in entry.cases[size] if case in found}


def unlike(entry: Entry, run: Run, case: str) -> str:
    """Return in what a case of a run is not the entry's of its size, "" in nothing.

    Settings of how it was computed may differ, see :data:`HOW`.
    """
    ours, declared = (
        what(table) if isinstance(table, Mapping) else {}
        for table in (cases(run).get(case), to_json(entry.cases[run.size].get(case)))
    )
    if set(ours) != set(declared):
        return "settings of an older layout, to be run again"
    return "" if ours == declared else "changed settings"


def _as_declared(entry: Entry, size: str, source: Path | None) -> list[Run]:
    """Return the stored runs without cases of other settings than the entry's, best last."""
    found = []
    for run in load(entry.name, size, source):
        good = [case for case in cases(run) if not unlike(entry, run, case)]
        if len(good) == len(cases(run)):
            found.append(run)
        else:
            found += [one for one in by_case(run) if set(cases(one)) & set(good)]
    return sorted(found, key=lambda run: (_original(run), len(run.seeds)))


def _original(run: Run) -> bool:
    return registry.is_published(run.data["name"].split(SEPARATOR))


def joined(runs: Sequence[Run]) -> Run:
    """Return runs of the same seeds, each of some cases, as one; times add up."""

    def every(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        return {case: values for table in tables for case, values in table.items()}

    return _described(
        runs,
        settings=runs[0].settings | {"cases": every(map(cases, runs))},
        metrics=every(run.metrics for run in runs),
        curves=every(run.curves for run in runs),
    )


def of_seeds(run: Run, seeds: Sequence[int]) -> Run:
    """Return a run with some of its seeds."""
    at = [run.seeds.index(seed) for seed in seeds]

    def chosen(values: list[Any]) -> list[Any]:
        return [values[i] for i in at]

    if list(seeds) == run.seeds:
        return run
    return replace(run, **_content(run, chosen, [run]), seeds=list(seeds))


def by_case(run: Run) -> list[Run]:
    """Return a run as one for each case, with equal parts of its time; itself if it has but one."""
    tables = cases(run)
    if len(tables) < 2:
        return [run]

    def own(case: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: of for name, of in values.items() if _case_of(name, tables) == case}

    return [
        replace(
            run,
            settings=run.settings | {"cases": {case: table}},
            metrics=own(case, run.metrics),
            curves=own(case, run.curves),
            wall_time_s=round(run.wall_time_s / len(tables), 1),
        )
        for case, table in tables.items()
    ]


def _case_of(name: str, names: Iterable[str]) -> str:
    """Return the case that a part belongs to: "sd" for "sd, feature 2", see `Trained.metrics`."""
    fit = (case for case in names if name == case or name.startswith(f"{case}, "))
    return max(fit, key=len, default="")


def _comparable(runs: Iterable[Run]) -> list[Run]:
    """Return runs, those of an entry case by case where two have some of their cases in common."""
    runs, found = list(runs), []
    for entry in dict.fromkeys(run.experiment for run in runs):
        own = [run for run in runs if run.experiment == entry]
        several = {frozenset(cases(run)) for run in own}
        apart = sum(map(len, several)) == len(frozenset().union(*several))
        found += own if apart else [one for run in own for one in by_case(run)]
    return found


def cases(run: Run) -> Mapping[str, Any]:
    """Return the tables of the cases that a run's settings hold."""
    found = run.settings.get("cases")
    return found if isinstance(found, Mapping) else {}


def what(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a case, without :data:`HOW` it was computed."""
    return {name: value for name, value in table.items() if name not in HOW}


def precisions(run: Run, case: str) -> list[str]:
    """Return the precision of a case's matrix products in training, one per seed.

    It is "float32" or "bfloat16"; a run that does not say what "auto" came to was in float32.
    """
    table = cases(run).get(case)
    chosen = table.get("precision") if isinstance(table, Mapping) else None
    if isinstance(chosen, list) and len(chosen) == len(run.seeds):  # of several parts
        return chosen
    return [chosen if chosen and chosen != "auto" else "float32"] * len(run.seeds)


def _alike(run: Run) -> str:
    """Return all in which runs have to be equal to be pooled, as text."""
    settings = {name: value for name, value in run.settings.items() if name != "seeds"}
    if tables := cases(run):
        settings["cases"] = {
            case: what(table) if isinstance(table, Mapping) else table
            for case, table in tables.items()
        }
    metrics = {case: sorted(values) for case, values in run.metrics.items()}
    chosen = [run.experiment, run.size, run.selection, run.schema, run.data, settings, metrics]
    return json.dumps(chosen, sort_keys=True)


def _more_seeds(one: Run, other: Run) -> Run | None:
    """Return two runs that are alike as one of all their seeds, ascending; None if they clash."""
    if set(one.seeds) & set(other.seeds):
        return None
    with suppress(ValueError):  # the steps of a curve differ
        both = merged(Outcome(run.metrics, run.data, run.curves) for run in (one, other))
        seeds = one.seeds + other.seeds
        order = sorted(range(len(seeds)), key=lambda at: seeds[at])

        def sort(values: list[Any]) -> list[Any]:
            return [values[at] for at in order]

        pooled = replace(one, seeds=seeds, metrics=both.metrics, curves=both.curves)
        return _described([one, other], **_content(pooled, sort, [one, other]), seeds=sort(seeds))
    return None


def _content(run: Run, order: Callable[[list[Any]], list[Any]], made_of: list[Run]) -> dict:
    """Return what a run holds for each seed, chosen or sorted by a function of lists."""

    def rows(values: list[Any]) -> list[Any]:
        return [order(row) if isinstance(row, list) else row for row in values]

    settings = run.settings | {"seeds": order(run.seeds)}
    if tables := dict(cases(run)):
        for case in tables:
            used = order([name for one in made_of for name in precisions(one, case)])
            if len(set(used)) > 1:
                tables[case] = tables[case] | {"precision": used}
            elif isinstance(tables[case].get("precision"), list):
                tables[case] = tables[case] | {"precision": used[0]}
        settings["cases"] = tables
    return {
        "settings": settings,
        "metrics": _mapped(order, run.metrics),
        "curves": _mapped(rows, run.curves),
    }


def _mapped(function: Callable[[list[Any]], list[Any]], tables: Tables) -> Tables:
    return {
        case: {name: function(values) for name, values in table.items()}
        for case, table in tables.items()
    }


def _described(runs: Sequence[Run], **content: Any) -> Run:
    """Return a run with the content given, made in the ways of all of the runs."""

    def texts(name: str) -> str:
        every = (text for run in runs for text in getattr(run, name).split(SEPARATOR))
        return SEPARATOR.join(dict.fromkeys(every))

    return replace(
        runs[0],
        wall_time_s=round(sum(run.wall_time_s for run in runs), 1),
        device=texts("device"),
        command=texts("command"),
        commit=texts("commit"),
        **content,
    )
