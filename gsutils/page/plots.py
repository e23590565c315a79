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
from matplotlib.colors import LinearSegmentedColormap, to_rgb

NEGATIVE, POSITIVE = "#2a6f97", "#d1495b"  # class -1, class +1
PLAIN, DECOUPLED, THIRD = "#44546a", "#e08e0b", "#2b8a5b"  # cross-entropy, SD, a third case
MAP = LinearSegmentedColormap.from_list("classes", ["#7fb2d3", "#ffffff", "#eda3ad"])
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


@contextmanager
def style() -> Iterator[None]:
    """Use the book's figure style within a ``with`` block."""
    with plt.rc_context(STYLE):
        yield


def points(ax: Axes, X: np.ndarray, y: np.ndarray, size: float = 14) -> None:
    """Scatter planar points X (n, 2) with labels y: circles for -1, triangles for +1."""
    for label, colour, marker in ((-1, NEGATIVE, "o"), (1, POSITIVE, "^")):
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
    """Draw two-channel images X (n, 2, h, w) in [0, 1], one an axis, in the colours of the classes.

    Red and green, the colours of the paper, look alike to many readers.
    """
    palette = np.array([to_rgb(NEGATIVE), to_rgb(POSITIVE)])
    for ax, image in zip(axes, X):
        rgb = np.einsum("chw,cr->hwr", image, palette)
        ax.imshow(np.clip(rgb * 1.25, 0, 1), interpolation="nearest")
        ax.set(xticks=[], yticks=[])


def panel(ax: Axes, title: str, note: str = "") -> None:
    """Title a map without ticks, with a note below it."""
    ax.set(xticks=[], yticks=[], title=title, xlabel=note)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("#c8ced6")


def bars(
    ax: Axes,
    groups: Mapping[str, Mapping[str, tuple[float, float]]],
    colours: Mapping[str, str],
    form: str = "{:.0f}",
) -> None:
    """Draw grouped bars with error bars and their values written above.

    Args:
        ax: where to draw.
        groups: group -> series -> (mean, std); a std of nan draws no error bar.
        colours: series -> colour, in drawing order.
        form: how to write a value.
    """
    width = 0.8 / len(colours)
    for place, (series, colour) in enumerate(colours.items()):
        where = np.arange(len(groups)) + (place - (len(colours) - 1) / 2) * width
        mean, std = np.array([group[series] for group in groups.values()]).T
        container = ax.bar(
            where, mean, width * 0.92, color=colour, label=series, yerr=np.nan_to_num(std),
            error_kw={"ecolor": "#333333", "elinewidth": 1},
        )  # fmt: skip
        ax.bar_label(container, [form.format(value) for value in mean], padding=2, fontsize=8)
    ax.set_xticks(range(len(groups)), groups)
