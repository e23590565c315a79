"""What a figure gets as it is shown: true minus signs, legible letters, a version for phones.

A figure of several panels in a row is too wide for a phone. :func:`stack` arranges the same panels
below one another. Where the book is built, the stacked version travels inside the PNG of the figure
(:func:`put`), for all that a notebook keeps of a figure is one picture; the page takes it out
again (:func:`take`) and lets the reader's screen choose.

>>> minus("Δ = -0.1, 1e-06, three-cases")
'Δ = −0.1, 1e−06, three-cases'
"""

import base64
import os
import re
import struct
import textwrap
import zlib
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

COLUMN = 7.58  # inches: the text's width on a desktop, 100 pixels to the inch as in figures
PHONE = 3.6  # inches
SMALLEST = 7.0  # points, as displayed on a desktop
FEW, MOST = 6, 9  # pictures, and panels, below one another
STACK = "GSUTILS_STACK"  # set where stacked versions are wanted
_CHUNK = b"phOn"  # ancillary, private, safe to copy
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HYPHEN = re.compile(r"(?<![\w$])-(?=[\d.∞])|(?<=\de)-(?=\d)")


def minus(text: str) -> str:
    """Write minus signs where hyphens stand before numbers; formulas are left to Matplotlib."""
    return text if "$" in text else _HYPHEN.sub("−", text)


def smallest(width: float) -> float:
    """Font size (points) that is displayed in 7 points if the figure is `width` inches wide."""
    return SMALLEST * 72 / 100 * max(1.0, width / COLUMN) * 4 / 3


def finish(figure: Figure, width: float | None = None) -> Figure:
    """Give a figure true minus signs and letters that can be read.

    Args:
        figure: changed in place, and returned.
        width: of the column that it will fill, inches; without it, that of a desktop.
    """
    floor = smallest(figure.get_figwidth()) if width is None else SMALLEST
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            labels: Any = axis.get_ticklabels()
            if labels and labels[0].get_fontsize() < floor:
                axis.set_tick_params(labelsize=floor)
            written: Any = axis.get_major_formatter()
            if isinstance(written, FixedFormatter):
                written.seq = [minus(str(label)) for label in written.seq]
            elif isinstance(written, FuncFormatter):  # labels that were given with their ticks
                written.func = _with_minus(written.func)
    texts: Any = figure.findobj(Text)
    for text in texts:
        if text.get_text():
            text.set_text(minus(text.get_text()))
            text.set_fontsize(max(text.get_fontsize(), floor))
    return figure


def columns(figure: Figure) -> int:
    """How many panels of a figure fit side by side on a phone; 0 if it is not to be rearranged."""
    places = _places(figure)
    if not places or figure.get_figwidth() <= 1.4 * PHONE:
        return 0
    first: Any = next(iter(places.values()))[0]
    grid = first.get_subplotspec().get_gridspec()
    if grid.ncols == 1 or any(len(rows) > 1 or len(cols) > 1 for rows, cols in places):
        return 0
    pictures = all(_is_picture(ax) for group in places.values() for ax in group)
    if not pictures:
        fitting = 1
    else:
        fitting = int(PHONE / (0.7 * figure.get_figwidth() / grid.ncols))
        fitting = max((c for c in range(1, fitting + 1) if grid.ncols % c == 0), default=1)
    heads = [group[0] for group in places.values() if any(ax.get_visible() for ax in group)]
    shown = len(heads)
    if pictures and shown > FEW and all(ax.get_title() for ax in heads):
        fitting = max(fitting, 2)  # each says what it is, wherever it stands
    return 0 if fitting == grid.ncols or shown > MOST * fitting else fitting


def stack(figure: Figure) -> bool:
    """Rearrange a figure's panels for a phone, in reading order; False if it stays as it is.

    What panels share in a row or a column, an axis' name or a title, is written at each of them.
    """
    across = columns(figure)
    if not across:
        return False
    figure.draw_without_rendering()
    places = {
        place: group
        for place, group in _places(figure).items()
        if any(ax.get_visible() and ax.axison for ax in group)
        or any(ax.get_visible() and ax.has_data() for ax in group)
    }
    bars: Any = [ax for ax in figure.axes if hasattr(ax, "_colorbar_info")]
    room = (PHONE - 0.75 * bool(bars)) / across
    _share(places, room)
    heights = [_height(group[0], room) for group in places.values()]
    rows = [heights[i : i + across] for i in range(0, len(heights), across)]
    ratios = [max(row) for row in rows]
    for ax in figure.axes:
        if ax.get_subplotspec() is not None and not any(ax in g for g in places.values()):
            ax.remove()
    for legend in figure.legends:
        legend.set_loc("outside lower center")
    extra = 0.3 * (figure.get_suptitle() != "") + 0.25 * sum(
        len(legend.get_texts()) for legend in figure.legends
    )
    figure.set_size_inches(PHONE, sum(ratios) + extra)
    for bar in bars:
        info = bar._colorbar_info
        info["aspect"] = max(info["aspect"], info["shrink"] * sum(ratios) / 0.13)
    grid = figure.add_gridspec(len(rows), across, height_ratios=ratios)
    for i, group in enumerate(places.values()):
        for ax in group:
            ax.set_subplotspec(grid[divmod(i, across)])
    if figure.get_suptitle():
        figure.suptitle(textwrap.fill(figure.get_suptitle(), 42), fontsize=10)
    finish(figure, PHONE)
    for ax in figure.axes:
        _narrow_legend(ax, room)
    for legend in list(figure.legends):
        _fit_legend(figure, legend)
    return True


def put(png: bytes, other: bytes) -> bytes:
    """Put one PNG into another, as a chunk of its own before the end."""
    end = png.rindex(b"IEND") - 4
    body = _CHUNK + other
    chunk = struct.pack(">I", len(other)) + body + struct.pack(">I", zlib.crc32(body))
    return png[:end] + chunk + png[end:]


def take(png: bytes) -> tuple[bytes, bytes | None]:
    """Take the PNG out that :func:`put` has put into `png`; None if there is none.

    Raises:
        ValueError: not a PNG.
    """
    if not png.startswith(_SIGNATURE):
        raise ValueError(f"a PNG is wanted, got {png[:8]!r}...")
    place = len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        following = place + 12 + length
        if png[place + 4 : place + 8] == _CHUNK:
            return png[:place] + png[following:], png[place + 8 : place + 8 + length]
        place = following
    return png, None


def show_finished() -> None:
    """Let notebooks show every figure finished, and with its stacked version where it is wanted."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    if shell is None:
        return
    plt.close(plt.figure())  # loads the backend, which chooses how figures are drawn
    formatter = shell.display_formatter.formatters["image/png"]
    draw = formatter.type_printers.get(Figure)
    if draw is None or hasattr(draw, "plain"):
        return

    def drawn(figure: Figure) -> Any:
        result = draw(finish(figure))
        return _with_stacked(result, figure, draw) if os.environ.get(STACK) else result

    drawn.plain = draw  # type: ignore[attr-defined]
    formatter.for_type(Figure, drawn)


def _with_stacked(result: Any, figure: Figure, draw: Callable[[Figure], Any]) -> Any:
    """Add the stacked version to a drawn figure: PNG in base64, and its size."""
    if not isinstance(result, tuple) or not stack(figure):
        return result
    both = put(*(base64.b64decode(picture) for picture in (result[0], draw(figure)[0])))
    return base64.b64encode(both).decode(), result[1]


def _with_minus(form: Callable[..., Any]) -> Callable[..., str]:
    return lambda *value: minus(str(form(*value)))


def _places(figure: Figure) -> dict[tuple[range, range], list[Axes]]:
    """The axes of each place of the figure's grid; a twin shares the place of its original."""
    places: dict[tuple[range, range], list[Axes]] = {}
    for ax in figure.axes:
        if spec := ax.get_subplotspec():
            places.setdefault((spec.rowspan, spec.colspan), []).append(ax)
    return dict(sorted(places.items(), key=lambda item: (item[0][0].start, item[0][1].start)))


def _is_picture(ax: Axes) -> bool:
    return not ax.axison or (len(ax.get_xticks()) == 0 and len(ax.get_yticks()) == 0)


def _height(ax: Axes, room: float) -> float:
    """Height (inches) of a panel that is `room` inches wide, from its present shape."""
    figure: Any = ax.figure
    box = ax.get_window_extent()
    words = filter(None, (ax.get_title(), ax.get_xlabel()))
    names = 0.22 * sum(1 + text.count("\n") for text in words)
    if _is_picture(ax):
        return room * 0.94 * box.height / box.width + names + 0.06
    drawn = box.height / figure.dpi
    tall = 0.82 * room * box.height / box.width if ax.get_aspect() != "auto" else 0
    return max(min(drawn, 2.2), min(tall, 3.2), 1.45) + 0.3 + names


def _share(places: dict[tuple[range, range], list[Axes]], room: float) -> None:
    """Write at each panel what it shares with others: names of axes, a title above a column.

    Panels are `room` inches wide; long names are broken.
    """
    signs, fewer = max(20, int(11 * room)), max(20, int(15 * room) - 15)
    for (rows, cols), (ax, *_) in places.items():
        row = [group[0] for (r, _), group in places.items() if r == rows]
        column = [group[0] for (_, c), group in places.items() if c == cols]
        abreast = [other for other in row if ax.get_shared_y_axes().joined(ax, other)] or [ax]
        below = [other for other in column if ax.get_shared_x_axes().joined(ax, other)] or [ax]
        if not _is_picture(ax):
            ax.set_ylabel(ax.get_ylabel() or abreast[0].get_ylabel())
            ax.set_xlabel(textwrap.fill(ax.get_xlabel() or below[-1].get_xlabel(), fewer))
            ax.tick_params(labelleft=True, labelbottom=True)
        else:
            ax.set_xlabel(textwrap.fill(ax.get_xlabel(), signs))
        ax.set_title(textwrap.fill(ax.get_title() or below[0].get_title(), signs))


def _fit_legend(figure: Figure, legend: Any) -> None:
    """Give a figure's own legend as many columns as fit: a wider one would shrink all panels."""
    while legend._ncols > 1 and legend.get_window_extent().width > figure.bbox.width:
        legend.remove()
        legend = figure.legend(
            legend.legend_handles,
            [text.get_text() for text in legend.get_texts()],
            loc="outside lower center",
            ncols=legend._ncols - 1,
            fontsize=legend.get_texts()[0].get_fontsize(),
        )


def _narrow_legend(ax: Axes, room: float) -> None:
    """Let a legend of several columns that is too wide have half of them, and stand out."""
    legend: Any = ax.get_legend()
    if legend is None:
        return
    figure: Any = ax.figure
    if legend._ncols > 1 and legend.get_window_extent().width / figure.dpi > room - 0.7:
        anchor = legend._bbox_to_anchor
        legend = ax.legend(
            legend.legend_handles,
            [text.get_text() for text in legend.get_texts()],
            loc=legend._loc,
            ncols=(legend._ncols + 1) // 2,
            bbox_to_anchor=anchor and anchor._bbox.bounds,
            fontsize=legend.get_texts()[0].get_fontsize(),
        )
    legend.set_frame_on(True)
    legend.get_frame().set(facecolor="white", edgecolor="none", alpha=0.7)
