"""What the paper shows in figures without printing a number, and what our runs say about it.

A claim becomes a comparison that a seed either bears out or does not. The comparison is this book's
choice, the same for every run, and stands beside the claim.

>>> claim = CLAIMS[0]
>>> claim.figure, claim.entry
('Fig. 1 (b, c)', 'figure1')
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsutils import methods
from gsutils.experiments import ENTRIES
from gsutils.ledger.verdicts import changed_settings, obstacles
from gsutils.runs.pool import joined, pooled
from gsutils.runs.records import Run

Values = dict[str, np.ndarray]  # what was measured, by name: one value per seed
Evidence = tuple[Values, np.ndarray]  # and whether it bears out the claim, bool (seeds,)
# Figure 2's claim is about small disturbances, whatever radii a record has: up to twice the paper's
# 0.05 in L2, and one step of an 8-bit pixel in L∞. At some times these, every answer has changed.
RADII = {"L2": 0.1, "Linf": 0.004}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        figure: where the paper makes it.
        entry: the entry whose runs can bear it out.
        text: what is claimed, in our words.
        quantity: what is compared.
        evidence: takes the numbers from a run.
    """

    figure: str
    entry: str
    text: str
    quantity: str
    evidence: Callable[[Run], Evidence]

    def deciding(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs that decide together; an empty list if none can.

        They have the published size, equal data and seeds, if possible the entry's settings and
        published data, and the most seeds; those that differ in their seeds count as one. Each may
        have some of the cases, if those have the entry's settings; a run with others decides alone.
        """
        alike = defaultdict(list)
        for run in pooled(runs):
            if (run.experiment, run.size) == (self.entry, "paper"):
                published = not changed_settings(ENTRIES[self.entry], run)
                settings = {} if published else run.settings
                alike[json.dumps([settings, run.data, run.seeds], sort_keys=True)].append(run)
        able = []
        for parts in alike.values():
            with suppress(KeyError):  # a case is missing
                self.evidence(joined(parts))
                able.append(parts)
        return max(
            able,
            key=lambda parts: (-len(self.obstacles(parts)), len(parts[0].seeds)),
            default=[],
        )

    def obstacles(self, parts: Iterable[Run]) -> list[str]:
        """Return what keeps runs from being the paper's experiment, in any of their cases."""
        entry = ENTRIES[self.entry]
        found = (
            why
            for run in parts
            for case in run.metrics
            if case in entry.cases["paper"]
            for why in obstacles(entry, run, case)
        )
        return list(dict.fromkeys(found))


def _metric(run: Run, case: str, name: str) -> np.ndarray:
    return np.array(run.metrics[case][name])


def _larger(metric: str, case: str, than: str) -> Callable[[Run], Evidence]:
    """A metric is larger in one case than in another."""

    def evidence(run: Run) -> Evidence:
        one, other = _metric(run, case, metric), _metric(run, than, metric)
        return {case: one, than: other}, one > other

    return evidence


def _nearer_to_plain(case: str) -> Callable[[Run], Evidence]:
    """The input margin is nearer to plain training's than to spectral decoupling's."""

    def evidence(run: Run) -> Evidence:
        margin, plain, sd = (_metric(run, name, "input margin") for name in (case, "plain", "sd"))
        return {case: margin, "plain": plain, "sd": sd}, margin < (plain + sd) / 2

    return evidence


def _strengths(kind: str, compare: Callable[[np.ndarray], Any]) -> Callable[[Run], Evidence]:
    """Compare z2 at the optimum over the cases of one kind, (strengths s1 ascending, seeds)."""

    def evidence(run: Run) -> Evidence:
        published = ENTRIES["figure5"].cases["paper"].items()
        cases = sorted((case.s1, name) for name, case in published if case.kind == kind)
        z2 = {name: _metric(run, name, "z2") for _, name in cases}
        first, *_, last = z2
        return {first: z2[first], last: z2[last]}, compare(np.stack(list(z2.values())))

    return evidence


def _misclassified(entry: str, norm: str) -> Callable[[Run], Evidence]:
    """The curve of misclassified CIFAR-2 images lies lower with SD, in the mean over small radii.

    A radius of 0 counts: it is the share of images misclassified as they are.
    """
    names = {
        type(case.method): name
        for name, case in ENTRIES[entry].cases["paper"].items()
        if case.task == "cifar2"
    }
    sd, erm = names[methods.SD], names[methods.ERM]

    def evidence(run: Run) -> Evidence:
        share = {}
        for name in (sd, erm):
            curve = run.curves[name]
            small = np.array(curve[f"eps ({norm})"]) <= RADII[norm] * (1 + 1e-9)
            share[name] = 1 - np.array(curve[f"PGD accuracy ({norm})"])[small].mean(0)
        return share, share[sd] < share[erm]

    return evidence


_STRAIGHT, _CURVED = "|z1| (straight, curved)", "|z2| (straight, curved)"
CLAIMS = (
    Claim(
        "Fig. 1 (b, c)", "figure1",
        "With SD the boundary keeps a larger distance from the points.",
        "Input margin", _larger("input margin", "sd", "plain"),
    ),
    Claim(
        "Fig. 1 (a, b)", "figure1d",
        "Without a gap the boundary is curved; with one it is nearly straight.",
        "Share of curved features in the responses", _larger("curved share", "overlap", "plain"),
    ),
    Claim(
        "Fig. 1 (d)", "figure1d", "Separability increases the first response …",
        "Response to straight features", _larger(_STRAIGHT, "plain", "overlap"),
    ),
    Claim(
        "Fig. 1 (d)", "figure1d", "… and decreases the second: it starves.",
        "Response to curved features", _larger(_CURVED, "overlap", "plain"),
    ),
    Claim(
        "Fig. 1 (d)", "figure1d", "SD suppresses the first response …",
        "Response to straight features", _larger(_STRAIGHT, "plain", "sd"),
    ),
    Claim(
        "Fig. 1 (d)", "figure1d", "… and lets the second grow.",
        "Response to curved features", _larger(_CURVED, "sd", "plain"),
    ),
    *(
        Claim(
            "Fig. 2", entry,
            f"On CIFAR-2 fewer disturbed images are misclassified with SD{network}.",
            f"Misclassified share, mean over the radii up to {RADII[norm]} ({name})",
            _misclassified(entry, norm),
        )
        for entry, network in (("table1", ""), ("cifar2-cpu", ", also in a small network"))
        for norm, name in (("L2", "L2"), ("Linf", "L∞"))
    ),
    Claim(
        "Fig. 5", "figure5",
        "With weight decay a stronger first feature lowers the response to the second.",
        "Response z2 at the optimum, for every step of s1",
        _strengths("exact", lambda z2: (np.diff(z2, axis=0) < 0).all(0)),
    ),
    Claim(
        "Fig. 5", "figure5", "With SD it does not.",
        "Response z2 at the optimum, equal to 1e-6 for all s1",
        _strengths("sd", lambda z2: np.ptp(z2, axis=0) < 1e-6),
    ),
    *(
        Claim(
            "Appendix B", "regularisers",
            f"The boundary stays nearly straight: {case.title}.",
            "Input margin nearer to plain training's than to SD's", _nearer_to_plain(name),
        )
        for name, case in ENTRIES["regularisers"].cases["paper"].items()
        if name not in ("plain", "sd")
    ),
)  # fmt: skip
