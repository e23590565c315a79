"""The ledger's picture: the paper's numbers and ours, with their verdicts.

>>> import matplotlib
>>> matplotlib.use("agg")
>>> draw([], {}) is None
True
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gsutils.ledger.judge import MARGIN, Status
from gsutils.ledger.verdicts import Row
from gsutils.runs.paper import Unit

MARKERS = {Status.EQUIVALENT: "o", Status.INCONCLUSIVE: "s", Status.DIFFERENT: "^"}
FEW = 3  # seeds that are drawn one by one
_AXES = {
    Unit.ACCURACY: ("accuracy (%)", "ours − paper (points)"),
    Unit.NATS: ("entropy (nats)", "ours − paper (nats)"),
}


def draw(
    rows: Iterable[Row],
    colours: Mapping[Status, str],
    name: Callable[[Row], str] = lambda row: f"{row.case}: {row.metric}",
) -> Figure | None:
    """Draw the numbers that are judged, a line each; None if there is none.

    Left, the paper's number and ours, with one standard deviation over seeds, or where there are
    at most three seeds a dot for each; right, the difference with its 90 % interval and the
    margin as a band. Each unit has axes of its own.

    Args:
        rows: of any entries; those that are not judged are left out.
        colours: of the three verdicts, which have shapes of their own besides.
        name: what a row is called.
    """
    judged = [row for row in rows if row.verdict.status.judged]
    parts = {u: [row for row in judged if row.number.unit is u] for u in Unit}
    parts = {unit: part for unit, part in parts.items() if part}
    if not parts:
        return None
    lines = [len(part) + 1 for part in parts.values()]
    fig, axes = plt.subplots(
        len(parts), 2, figsize=(9, 1.4 + 0.3 * sum(lines)), squeeze=False, sharey="row",
        height_ratios=lines, width_ratios=(3, 2),
    )  # fmt: skip
    for (left, right), (unit, part) in zip(axes, parts.items()):
        _values(left, part, unit, colours)
        _differences(right, part, unit, colours)
        left.set_yticks(range(len(part)), [name(row) for row in part])
        left.set_ylim(len(part) - 0.4, -0.6)
        for ax, label in zip((left, right), _AXES[unit]):
            ax.set_xlabel(label)
            ax.grid(axis="y", color="#e3e6ea", linewidth=0.8)
            ax.set_axisbelow(True)
            ax.tick_params(axis="y", length=0)
    printed = Line2D([], [], color="black", marker="D", markerfacecolor="white", linestyle="")
    shown = {"the paper": printed} | {
        f"ours: {status.value}": Line2D([], [], color=colours[status], marker=marker, linestyle="")
        for status, marker in MARKERS.items()
    }
    fig.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))
    return fig


def _values(ax: Axes, part: Sequence[Row], unit: Unit, colours: Mapping[Status, str]) -> None:
    """Draw the paper's numbers, and ours a little below them."""
    for place, row in enumerate(part):
        marker, colour = MARKERS[row.verdict.status], colours[row.verdict.status]
        printed, ours = row.number, np.array(row.values)
        ax.errorbar(
            unit.scale * printed.mean, place - 0.14, xerr=unit.scale * (printed.std or 0),
            fmt="D", color="black", markerfacecolor="white", markersize=5, linewidth=1,
        )  # fmt: skip
        few = len(ours) <= FEW
        if few:
            singles = [place + 0.14] * len(ours)
            ax.plot(unit.scale * ours, singles, ".", color=colour, markersize=4, zorder=3)
        ax.errorbar(
            unit.scale * ours.mean(), place + 0.14,
            xerr=None if few else unit.scale * ours.std(ddof=1),
            fmt=marker, color=colour, markersize=6, linewidth=1.4, alpha=0.5 if few else 1,
        )  # fmt: skip


def _differences(ax: Axes, part: Sequence[Row], unit: Unit, colours: Mapping[Status, str]) -> None:
    """Draw the differences; an interval that is much wider than all of them is cut off."""
    margin = unit.scale * MARGIN[unit]
    ax.axvspan(-margin, margin, color="#e2e8ee", zorder=0)
    ax.axvline(0, color="#8a94a0", linewidth=0.8, zorder=0)
    values = []
    for place, row in enumerate(part):
        found = row.difference
        if found is None:
            continue
        marker, colour = MARKERS[row.verdict.status], colours[row.verdict.status]
        low, high = (unit.scale * end for end in found.interval(0.90))
        value = unit.scale * found.value
        values.append(abs(value))
        ax.plot([low, high], [place, place], color=colour, linewidth=1.4)
        ax.plot(value, place, marker, color=colour, markersize=6)
    reach = max(2.5 * margin, 1.2 * max(values))
    ax.set_xlim(-reach, reach)
