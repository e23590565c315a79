r"""The ledger's rows: every number of the paper beside what this book's stored runs measured.

A mean of n seeds is called **reproduced** when it differs from the paper's by at most

.. math:: t_{0.975}(\nu) \sqrt{s^2 / n + s_p^2 / 10},

where s and s_p are the two standard deviations over seeds (the paper's is of 10; 0 where it prints
none) and ν is Welch and Satterthwaite's number of degrees of freedom, or, for accuracies, by at
most one point. Numbers in other units may differ by half a unit of the second decimal on top,
which is what their printing leaves open. Where chance alone explains more than five points, or
0.05 in another unit, a difference within it is **undecided**. Only runs of the published size, with
unchanged settings, the published data and at least 3 seeds are judged.

>>> verdict([0.70, 0.71, 0.72], (0.72, 0.01))
'reproduced'
>>> verdict([0.600, 0.601, 0.602], (0.72, 0.01))
'not reproduced'
>>> verdict([0.72, 0.72, 0.72], (0.72, 0.01), obstacles=["other data"])
'not re-run as published: other data'
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from gsutils.runs import records
from gsutils.runs.entry import Entry
from gsutils.runs.jobs import SEPARATOR
from gsutils.runs.records import Run
from gsutils.text import minus, pm

POINT = 0.01
WIDE = 0.05  # a tolerance beyond which agreement says little
ROUNDING = 0.005  # of numbers that are not accuracies, printed with two decimals
PAPER_SEEDS = 10
FEWEST_SEEDS = 3
HOW = ("precision", "processes", "workers")  # settings that change no experiment
# What the paper used, as the records call it: no re-encodings, no stand-ins, nothing unverified.
PUBLISHED_DATA = frozenset(
    {
        "MNIST",
        "CIFAR-2 of CIFAR-10",
        "CIFAR-10",
        "CIFAR-100",
        "CelebA",
        "two moons (generated)",
        "two examples (given)",
    }
)


def tolerance(values: Sequence[float], std: float | None) -> float:
    """Return the largest difference of the means that chance explains, at the level of 5 %.

    Args:
        values: ours, one per seed, at least two.
        std: the paper's, over 10 seeds; None where it prints none.
    """
    ours, theirs = np.var(values, ddof=1) / len(values), (std or 0.0) ** 2 / PAPER_SEEDS
    if ours + theirs == 0:
        return 0.0
    inverse = ours**2 / (len(values) - 1) + theirs**2 / (PAPER_SEEDS - 1)
    freedom = (ours + theirs) ** 2 / inverse
    return float(stdtrit(freedom, 0.975) * math.sqrt(ours + theirs))


def verdict(
    values: Sequence[float],
    paper: tuple[float, float | None],
    accuracy: bool = True,
    obstacles: Sequence[str] = (),
) -> str:
    """Return "reproduced", "not reproduced", "undecided: …" or "not re-run …".

    Args:
        values: ours, one per seed; none if there is no run.
        paper: mean and standard deviation, or None in its place.
        accuracy: whether the number is an accuracy, a fraction, or in another unit.
        obstacles: what is not as in the paper, see :func:`obstacles`.
    """
    if not len(values):
        return "not re-run"
    if len(values) < FEWEST_SEEDS:
        seeds = "one seed" if len(values) == 1 else f"{len(values)} seeds"
        obstacles = [*obstacles, f"only {seeds}"]
    if obstacles:
        return f"not re-run as published: {', '.join(obstacles)}"
    mean, std = paper
    difference, chance = abs(float(np.mean(values)) - mean), tolerance(values, std)
    close = max(chance, POINT) if accuracy else chance + ROUNDING
    # A difference of exactly one point must not fail by a rounding error of floating point.
    if difference > close + 1e-12:
        return "not reproduced"
    return "reproduced" if chance <= WIDE else "undecided: the seeds spread too widely"


def obstacles(entry: Entry, run: Run, case: str) -> list[str]:
    """Return what keeps a run from being the paper's experiment; an empty list if nothing does.

    Settings of other cases do not count, nor do those that say how to compute, not what.
    """
    found = []
    if run.size != "paper":
        found.append("quick size")
    elif why := _unlike(entry, run, case):
        found.append(why)
    if not entry.as_published:
        found.append("scaled down")
    if not set(run.data["name"].split(SEPARATOR)) <= PUBLISHED_DATA:
        found.append("other data")
    return found


def changed_settings(entry: Entry, run: Run) -> bool:
    """Whether some case of a run has other settings than the entry's for the published size."""
    return not _cases(run) or any(_unlike(entry, run, case) for case in _cases(run))


def _cases(run: Run) -> Mapping[str, Any]:
    """Return the tables of the cases that a run's settings hold."""
    cases = run.settings.get("cases")
    return cases if isinstance(cases, Mapping) else {}


def _unlike(entry: Entry, run: Run, case: str) -> str:
    """Return in what a case of a run is not the entry's of the published size, "" in nothing."""
    ours, published = (
        {key: value for key, value in table.items() if key not in HOW} if table else {}
        for table in (_cases(run).get(case), entry.settings["paper"]["cases"].get(case))
    )
    if set(ours) != set(published):
        return "settings of an older layout, to be run again"
    return "" if ours == published else "changed settings"


@dataclass(frozen=True)
class Row:
    """One number of the paper, and ours.

    Attributes:
        entry: the figure or table.
        case: of the entry.
        metric: what was measured.
        paper: mean, and standard deviation or None.
        run: the stored run that ours comes from; None if there is none.
        verdict: see :func:`verdict`.
    """

    entry: Entry
    case: str
    metric: str
    paper: tuple[float, float | None]
    run: Run | None
    verdict: str

    @property
    def values(self) -> list[float]:
        """Ours, one per seed."""
        return self.run.metrics[self.case][self.metric] if self.run else []

    @property
    def shown_paper(self) -> str:
        """The paper's number as it prints it: accuracies in %."""
        mean, std = (_printed(self.metric, value) for value in self.paper)
        return f"{mean} ± {std}" if std else mean

    @property
    def shown_ours(self) -> str:
        """Our number: accuracies in %, others with three decimals; "–" if there is none."""
        if not self.run:
            return "–"
        accuracy = "accuracy" in self.metric
        return pm(self.values, ".1f" if accuracy else ".3f", 100 if accuracy else 1)

    @property
    def difference(self) -> str:
        """Ours minus the paper's: accuracies in points."""
        if not self.values:
            return "–"
        value = float(np.mean(self.values)) - self.paper[0]
        return minus(f"{100 * value:+.1f}" if "accuracy" in self.metric else f"{value:+.2f}")


def shown(metric: str, mean: float, std: float | None = None) -> str:
    """Return "mean ± std" of a metric, the mean alone without a std; accuracies in %.

    >>> shown("test accuracy", 0.684, 0.012), shown("entropy", 0.41234, 0.00123)
    ('68.4 ± 1.2', '0.412 ± 0.0012')
    """
    if "accuracy" in metric:
        texts = [f"{100 * mean:.1f}", "" if std is None else f"{100 * std:.1f}"]
    else:
        texts = [f"{mean:.3g}", "" if std is None else f"{std:.2g}"]
    return texts[0] if std is None or math.isnan(std) else " ± ".join(texts)


def _printed(metric: str, value: float | None) -> str:
    """Return a number of the paper with the decimals that it has: 40.35, 95.2, 100.0; 0.41."""
    if value is None:
        return ""
    if "accuracy" not in metric:
        return f"{value:.2f}"
    text = f"{100 * value:.2f}"
    return text[:-1] if text.endswith("0") else text


def rows(entry: Entry, runs: Iterable[Run] | None = None) -> list[Row]:
    """Return a row for each number that the paper prints in an entry's figure or table.

    Where several runs have a number, one of the published size counts before a quick one, then
    the one with the fewest obstacles, then the one with most seeds.

    Args:
        entry: the figure or table.
        runs: to choose from; default: all that are stored, in both sizes.
    """
    if runs is None:
        runs = [run for size in entry.settings for run in records.load(entry.name, size)]
    own = [run for run in runs if run.experiment == entry.name]
    return [
        _row(entry, case, metric, paper, own)
        for case, numbers in entry.paper.items()
        for metric, paper in numbers.items()
    ]


def _row(
    entry: Entry, case: str, metric: str, paper: tuple[float, float | None], runs: Sequence[Run]
) -> Row:
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
    return Row(
        entry, case, metric, paper, best, verdict(values, paper, "accuracy" in metric, against)
    )


def comparison(entry: Entry, run: Run) -> list[str]:
    """Return the lines with which the command line ends: a run beside the paper's numbers."""
    known = {(row.case, row.metric): row for row in rows(entry, [run])}
    table = [["case", "metric", "ours", "paper", "difference", "verdict"]]
    for case, metrics in run.metrics.items():
        for metric in metrics:
            row = known.get((case, metric))
            beside = [row.shown_paper, row.difference, row.verdict] if row else [""] * 3
            table.append([case, metric, shown(metric, *run.summary(case, metric)), *beside])
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
        "accuracies in %, their differences in points",
        f"{run.data['name']}; {run.device}; {count} seed{'s' * (count > 1)}; "
        f"{duration(run.wall_time_s)}",
    ]


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(0.4), duration(75), duration(4000)
    ('0.4 s', '1 min 15 s', '1 h 6 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
