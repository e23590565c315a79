"""Figures in one style: white ground, colour-blind safe, readable in light and dark pages.

>>> import matplotlib
>>> matplotlib.use("agg")
>>> with style():
...     figure, axis = matplotlib.pyplot.subplots()
>>> figure.get_facecolor()
(1.0, 1.0, 1.0, 1.0)
>>> matplotlib.pyplot.close(figure)
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from gsutils.page import panels
from gsutils.page.palette import (
    CASES,
    CHANGE_MAP,
    CLASSES,
    DECAY,
    DECOUPLED,
    DIGITS,
    FEATURE_MAP,
    FEATURES,
    GREY,
    INK,
    MAP,
    METHODS,
    NEGATIVE,
    PALE,
    PLAIN,
    POSITIVE,
    TEST,
    TRAIN,
    Look,
    shades,
)

__all__ = [
    "CASES",
    "CHANGE_MAP",
    "CLASSES",
    "DECAY",
    "DECOUPLED",
    "DIGITS",
    "FEATURES",
    "FEATURE_MAP",
    "GREY",
    "INK",
    "MAP",
    "METHODS",
    "NEGATIVE",
    "PALE",
    "PLAIN",
    "POSITIVE",
    "STYLE",
    "TEST",
    "TRAIN",
    "Look",
    "cards",
    "decision",
    "dots",
    "groups",
    "panel",
    "points",
    "shades",
    "style",
    "use_style",
]

STYLE: Any = {
    "axes.grid": False,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
}


def use_style() -> None:
    """Set the book's figure style for this session; chapters call it once."""
    plt.rcParams.update(STYLE)
    panels.show_finished()


@contextmanager
def style() -> Iterator[None]:
    """Use the book's figure style within a ``with`` block."""
    with plt.rc_context(STYLE):
        yield


def points(ax: Axes, X: np.ndarray, y: np.ndarray, size: float = 14) -> None:
    """Scatter planar points X (n, 2) with labels y: circles for -1, triangles for +1."""
    for label, (colour, _, marker) in CLASSES.items():
        x1, x2 = X[y == label].T
        ax.scatter(x1, x2, s=size, c=colour, marker=marker, linewidths=0.2, edgecolors="white")


def decision(
    ax: Axes, x1: np.ndarray, x2: np.ndarray, probability: np.ndarray, each: bool = True
) -> None:
    """Draw a decision map averaged over runs.

    Args:
        ax: where to draw.
        x1: grid axis, (k1,).
        x2: grid axis, (k2,).
        probability: of class +1 on the grid, (runs, k2, k1). Their mean is shown as colour, the
            boundary of the mean as a black line.
        each: draw the boundary of each run as a thin line too.
    """
    if probability.ndim != 3 or probability.shape[1:] != (len(x2), len(x1)):
        raise ValueError(
            f"probability must be (runs, {len(x2)}, {len(x1)}), got {probability.shape}"
        )
    mean = probability.mean(0)
    extent = (x1[0], x1[-1], x2[0], x2[-1])
    ax.imshow(mean, extent=extent, origin="lower", cmap=MAP, vmin=0, vmax=1, aspect="equal")
    thin = [(one, 0.4, 0.35) for one in probability] if each else []
    for values, width, alpha in [*thin, (mean, 1.8, 1.0)]:
        if values.min() < 0.5 < values.max():
            ax.contour(x1, x2, values, [0.5], colors="black", linewidths=width, alpha=alpha)


def cards(axes: Iterable[Axes], X: np.ndarray) -> None:
    """Draw two-channel images X (n, 2, h, w) in [0, 1], one an axis, in cyan and yellow.

    Red and green, the colours of the paper, look alike to many readers.
    """
    palette = np.array([to_rgb(colour) for colour in DIGITS])
    for ax, image in zip(axes, X):
        rgb = np.einsum("chw,cr->hwr", image, palette)
        ax.imshow(np.clip(rgb, 0, 1), interpolation="nearest")
        ax.set(xticks=[], yticks=[])


def panel(ax: Axes, title: str, note: str = "") -> None:
    """Title a map without ticks, with a note below it."""
    ax.set(xticks=[], yticks=[], title=title, xlabel=note)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("#c8ced6")


def dots(
    ax: Axes,
    where: Iterable[float],
    values: Iterable[np.ndarray],
    look: Look,
    label: str = "",
    joined: bool = True,
) -> None:
    """Draw what single seeds gave: a dot each, and their mean as a short line.

    Two or three values have no spread worth a whisker: the reader sees them all.

    Args:
        ax: where to draw.
        where: horizontal places, (k,).
        values: at each place one value a seed, k arrays of any length.
        look: colour and marker of the dots, and the line that joins the means.
        label: for the legend.
        joined: draw a line from mean to mean.
    """
    where, values = list(where), [np.ravel(each) for each in values]
    if len(where) != len(values):
        raise ValueError(f"values must be given for {len(where)} places, got {len(values)}")
    x = np.repeat(where, [len(each) for each in values])
    kind: Any = {"color": look.colour, "linewidth": 1.4}
    single: Any = {"markersize": 4, "alpha": 0.6, "markeredgewidth": 0}
    short: Any = {"marker": "_", "markersize": 11, "markeredgewidth": 2}
    line = look.line if joined else ""
    ax.plot(x, np.concatenate(values), look.marker, **single, **kind)
    ax.plot(where, [each.mean() for each in values], linestyle=line, **short, **kind)
    if label:
        ax.plot([], [], look.marker, linestyle=line, label=label, **kind)


def groups(
    ax: Axes,
    values: Mapping[str, Mapping[str, np.ndarray]],
    looks: Mapping[str, Look],
    form: str = "{:.0f}",
) -> None:
    """Draw the seeds of some series in each of some groups, their mean written above.

    Args:
        ax: where to draw.
        values: group -> series -> a value for each seed.
        looks: series -> how it looks, in drawing order.
        form: how to write a mean.
    """
    width = 0.8 / len(looks)
    for place, (series, look) in enumerate(looks.items()):
        where = np.arange(len(values)) + (place - (len(looks) - 1) / 2) * width
        seeds = [np.asarray(group[series]) for group in values.values()]
        dots(ax, where, seeds, look, series, joined=False)
        for x, each in zip(where, seeds):
            ax.annotate(form.format(each.mean()), (x, each.max()), (0, 5), ha="center",
                        textcoords="offset points", fontsize=9)  # fmt: skip
    for border in range(1, len(values)):
        ax.axvline(border - 0.5, color=PALE, linewidth=0.6)
    ax.set_xticks(range(len(values)), values)
    ax.set_xlim(-0.5, len(values) - 0.5)
