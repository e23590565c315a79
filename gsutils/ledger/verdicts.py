"""The ledger's rows: every number of the paper beside what this book's stored runs measured.

Only runs of the published size, with unchanged settings that are the authors' or another
repository's, the published data and at least 3 seeds are judged, as :mod:`gsutils.ledger.judge`
says. The same measurement under two names counts once.

>>> from gsutils.experiments import ENTRIES
>>> counts([ENTRIES["table3"]], runs=[])[Status.NOT_RUN]
7
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gsutils.data.registry import is_published
from gsutils.ledger.judge import Difference, Status, Verdict, difference, judge
from gsutils.runs import pool
from gsutils.runs.entry import Entry
from gsutils.runs.jobs import SEPARATOR
from gsutils.runs.paper import Number, Origin, Source, Unit
from gsutils.runs.records import Run
from gsutils.text import minus, pm

NEXT = ",\N{NO-BREAK SPACE}"


def obstacles(entry: Entry, run: Run, case: str) -> list[str]:
    """Return what keeps a run from being the paper's experiment; an empty list if nothing does.

    Settings of other cases do not count, nor do those that say how to compute, not what.
    """
    found = []
    if run.size != "paper":
        found.append("quick size")
    elif why := pool.unlike(entry, run, case):
        found.append(why)
    if entry.source(case).origin is Origin.OURS:
        found.append("settings of our choice")
    if not is_published(run.data["name"].split(SEPARATOR)):
        found.append("other data")
    return found


def changed_settings(entry: Entry, run: Run) -> bool:
    """Whether some case of a run has other settings than the entry's for the published size."""
    own = pool.cases(run)
    return not own or any(pool.unlike(entry, run, case) for case in own)


def source(entry: Entry, run: Run, case: str) -> Source:
    """Return where a run's settings of a case come from: unless they are the entry's, from us."""
    if run.size == "paper" and not pool.unlike(entry, run, case):
        return entry.source(case)
    return Source(Origin.OURS, "not the entry's of the published size")


@dataclass(frozen=True)
class Row:
    """One number of the paper, and ours.

    Attributes:
        entry: the figure or table.
        case: of the entry.
        metric: what was measured.
        number: the paper's.
        run: the stored run that ours comes from; None if there is none.
        verdict: see :func:`gsutils.ledger.judge.judge`.
    """

    entry: Entry
    case: str
    metric: str
    number: Number
    run: Run | None
    verdict: Verdict

    @property
    def values(self) -> list[float]:
        """Ours, one per seed."""
        return self.run.metrics[self.case][self.metric] if self.run else []

    @property
    def difference(self) -> Difference | None:
        """Ours minus the paper's if it is judged, see :func:`gsutils.ledger.judge.difference`."""
        return difference(self.values, self.number) if self.verdict.status.judged else None

    @property
    def source(self) -> Source:
        """See :func:`source`; the entry's if there is no run."""
        return source(self.entry, self.run, self.case) if self.run else self.entry.source(self.case)

    @property
    def shown_seeds(self) -> str:
        """How many seeds, and how many of them in bfloat16: "10", "10 (b)" for all, "10 (5 b)"."""
        if not self.run:
            return "–"
        used = pool.precisions(self.run, self.case)
        reduced = used.count("bfloat16")
        share = f"{reduced} b" if reduced < len(used) else "b"
        return f"{len(used)} ({share})" if reduced else f"{len(used)}"

    @property
    def shown_ours(self) -> str:
        """Our number: accuracies in %, entropies with three decimals; "–" if there is none."""
        return shown(self.values, self.number.unit) if self.run else "–"

    @property
    def shown_difference(self) -> str:
        """Ours minus the paper's, accuracies in points, and the 90 % interval if it is judged."""
        if not self.values:
            return "–"
        unit, found = self.number.unit, self.difference
        ends = found.interval(0.90) if found else ()
        value = float(np.mean(self.values)) - self.number.mean
        form = "+.1f" if unit is Unit.ACCURACY else "+.2f"
        first, *rest = (minus(format(unit.scale * v, form)) for v in (value, *ends))
        return f"{first} [{NEXT.join(rest)}]" if rest else first


def shown(values: Sequence[float], unit: Unit) -> str:
    """Return "mean ± std" of values over seeds: accuracies in %, entropies in nats.

    >>> shown([0.68, 0.70], Unit.ACCURACY), shown([0.41], Unit.NATS)
    ('69.0 ± 1.4', '0.410')
    """
    return pm(values, ".1f" if unit is Unit.ACCURACY else ".3f", unit.scale)


def rows(entry: Entry, runs: Iterable[Run] | None = None) -> list[Row]:
    """Return a row for each number that the paper prints in an entry's figure or table.

    Runs that differ in their seeds count as one, see :func:`gsutils.runs.pool.pooled`. Where
    several have a number, one of the published size counts before a quick one, then the one with
    the fewest obstacles, then the one with most seeds.

    Args:
        entry: the figure or table.
        runs: to choose from; default: all that are stored, in both sizes.
    """
    if runs is None:
        runs = [run for size in entry.settings for run in pool.load(entry.name, size)]
    own = pool.pooled(run for run in runs if run.experiment == entry.name)
    return [
        _row(entry, case, metric, number, own)
        for case, numbers in entry.paper.items()
        for metric, number in numbers.items()
    ]


def _row(entry: Entry, case: str, metric: str, number: Number, runs: Sequence[Run]) -> Row:
    having = [run for run in runs if metric in run.metrics.get(case, {})]
    best = max(
        having,
        key=lambda run: (
            run.size == "paper",
            -len(obstacles(entry, run, case)),
            len(run.seeds),
        ),
        default=None,
    )
    values = best.metrics[case][metric] if best else []
    against = obstacles(entry, best, case) if best else []
    return Row(entry, case, metric, number, best, judge(values, number, against))


def counts(entries: Iterable[Entry], runs: Iterable[Run]) -> Counter[Status]:
    """Return how many of the paper's numbers have each status.

    Each number counts once: not again under the name of the metric that it repeats, nor in an entry
    that is a variant of another. What a variant has run is "not judged" instead of "not run".

    Args:
        entries: figures and tables.
        runs: the stored runs.
    """
    runs = list(runs)
    found: dict[tuple[str, str, str], Status] = {}
    for row in (row for entry in entries for row in rows(entry, runs) if not row.number.repeats):
        key = (row.entry.variant_of or row.entry.name, row.case, row.metric)
        status, order = row.verdict.status, list(Status)
        found[key] = min(status, found.get(key, status), key=order.index)
    return Counter(found.values())


def missing(entry: Entry, runs: Iterable[Run]) -> list[str]:
    """Return the cases of the size "paper" that no run has with the entry's settings."""
    own = [run for run in runs if (run.experiment, run.size) == (entry.name, "paper")]
    cases = entry.cases["paper"]
    return [case for case in cases if all(pool.unlike(entry, run, case) for run in own)]


def summary(entries: Iterable[Entry], runs: Iterable[Run]) -> str:
    """Return the counts as a sentence.

    >>> from gsutils.experiments import ENTRIES
    >>> summary([ENTRIES["table3"]], runs=[])
    'Of the 7 numbers that the paper prints, 0 have been run here, 0 of them as published.'
    """
    found = counts(entries, runs)
    judged = {status: found[status] for status in Status if status.judged}
    total, run = sum(found.values()), sum(found.values()) - found[Status.NOT_RUN]
    came = ", ".join(f"{count} {status.value}" for status, count in judged.items())
    return (
        f"Of the {total} numbers that the paper prints, {run} have been run here, "
        f"{sum(judged.values())} of them as published"
        + (f": {came}." if any(judged.values()) else ".")
    )


def comparison(entry: Entry, run: Run) -> list[str]:
    """Return the lines with which the command line ends: a run beside the paper's numbers."""
    known = {(row.case, row.metric): row for row in rows(entry, [run])}
    table = [["case", "metric", "ours", "paper", "difference", "verdict"]]
    for case, metrics in run.metrics.items():
        for metric, values in metrics.items():
            row, unit = known.get((case, metric)), entry.unit(metric)
            beside = [str(row.number), row.shown_difference, row.verdict.text] if row else [""] * 3
            ours = f"{shown(values, unit)} {unit.symbol}" if unit else _plain(values)
            table.append([case, metric, ours, *beside])
    widths = [max(map(len, column)) for column in zip(*table)]
    aligned = [
        "  ".join(
            text.rjust(width) if column in (2, 3, 4) else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in table
    ]
    count = len(run.seeds)
    return [
        *aligned,
        "the paper's numbers in the unit of ours, differences of accuracies in points",
        f"{run.data['name']}; {run.device}; {count} seed{'s' * (count > 1)}; "
        f"{duration(run.wall_time_s)}",
    ]


def _plain(values: Sequence[float]) -> str:
    """Return "mean ± std" of values whose unit is not declared, as the record has them."""
    mean = f"{np.mean(values):.3g}"
    return f"{mean} ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else mean


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(0.4), duration(75), duration(4000)
    ('0.4 s', '1 min 15 s', '1 h 6 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
