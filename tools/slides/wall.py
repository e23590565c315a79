"""Figures for a wall: a figure's panels one by one, as large as a room's last row needs them.

A figure of the book is drawn for a page. On a slide that shows all of it, its letters would be too
small: so it is cut between its panels, where a white gap goes through all of it, until each piece
fits the stage with letters of `LETTERS` pixels. What heads or explains all panels comes with each,
a legend below them or a scale of colours at their right, and so does the vertical axis that the
panels of a row share.

>>> blank = Image.new("RGB", (300, 200), "white")
>>> [piece.size for piece in pieces(blank)]
[(300, 200)]
"""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
from PIL import Image

from gsutils.page.plots import STYLE

LETTERS = 24  # pixels of the stage that a label's letters need
DRAWN = STYLE["font.size"] * STYLE["savefig.dpi"] / 72  # pixels of a figure's file
SCALE = LETTERS / DRAWN  # the least that a figure may be shown at
# Pixels for a picture on the stage: below a title of one line, or beside the title and the text.
BELOW, BESIDE = (1232, 664), (896, 704)
MARGIN = 10  # pixels that stay white around a piece
GAP = 5  # pixels of white between two panels, at least
MOST = 4  # panels in a row or a column
LINES = 90  # pixels that a heading or a legend of all panels takes, at most
BAR = 260  # pixels that a scale of colours for all panels takes, with its numbers and its name
WORD, PANEL = 40, 90  # pixels that are more than a gap of words, and less than a panel's width
TICKS, STROKE = 30, 10  # pixels that an axis takes without numbers, and its line with its marks
VIVID = 60  # what the channels of a coloured pixel differ by, unlike those of grey letters
GROUND = 248  # a level from which on a pixel is white

Box = tuple[int, int, int, int]
Row = list[Box | None]


def fits(size: tuple[int, int], room: tuple[int, int]) -> bool:
    """Whether a picture of a size (pixels of its file) has legible letters in a room."""
    return all(SCALE * length <= most for length, most in zip(size, room, strict=True))


def pieces(picture: Image.Image) -> list[Image.Image]:
    """The parts of a figure that fit the stage, in reading order; all of it where none do."""
    ink = np.asarray(picture.convert("L")) < GROUND
    if not ink.any():
        return [picture]
    whole = _trim(ink, (0, 0, picture.width, picture.height))
    red, green, blue = map(np.asarray, picture.convert("RGB").split())
    most, least = (f(f(red, green), blue) for f in (np.maximum, np.minimum))
    vivid = most - least > VIVID
    for head, panels, bar, foot in _ways(ink, whole, vivid.any(axis=1)):
        parts = [_joined(picture, [head], [*panel, bar], [foot]) for panel in panels]
        if all(fits(part.size, BELOW) or fits(part.size, BESIDE) for part in parts):
            return parts
    return [picture.crop(whole)]


def _ways(
    ink: np.ndarray, whole: Box, vivid: np.ndarray
) -> Iterator[tuple[Box | None, list[Row], Box | None, Box | None]]:
    """Ways to cut, the fewest pieces first: above all panels, them, at their right, below."""
    left, top, right, bottom = whole
    bands = [(a, b) for a, b in _white(ink[top:bottom, left:right].any(axis=1)) if b - a >= GAP]
    start = top
    if bands and bands[0][0] <= LINES and _is_heading(ink[top : top + bands[0][0], left:right]):
        start = top + bands[0][0]
    feet: list[int] = [top + b for _, b in bands[-1:] if bottom - top - b <= LINES]
    grids = sorted(product(range(1, MOST + 1), repeat=2), key=lambda grid: grid[0] * grid[1])
    for rows, columns in grids:
        legend = columns == 1 < rows and feet and vivid[feet[0] : bottom].any()
        ends = [*feet, bottom] if legend else [bottom, *feet]
        for end, side in product(ends, [right, *_bars(ink, (left, start, right, bottom))]):
            if panels := _cut(ink, (left, start, side, end), rows, columns):
                head = _trim(ink, (left, top, right, start)) if start > top else None
                bar = _trim(ink, (side, start, right, end)) if side < right else None
                foot = _trim(ink, (left, end, right, bottom)) if end < bottom else None
                yield head, panels, bar, foot


def _bars(ink: np.ndarray, box: Box) -> list[int]:
    """Where a scale of colours at the right of all panels may begin; [] without a gap there."""
    left, top, right, bottom = box
    gaps = _white(ink[top:bottom, left:right].any(axis=0))
    return [left + b for _, b in gaps if right - left - b <= BAR][:1]


def _is_heading(ink: np.ndarray) -> bool:
    """Whether a strip holds one line of words, and not the titles of several panels."""
    return all(b - a < WORD for a, b in _white(ink.any(axis=0)))


def _joined(picture: Image.Image, *rows: Row) -> Image.Image:
    """Parts of a picture: in a row side by side, the rows below one another and centred."""
    parts = [[picture.crop(box) for box in row if box] for row in rows]
    parts = [row for row in parts if row]
    sizes = [(sum(one.width for one in row), max(one.height for one in row)) for row in parts]
    made = Image.new("RGB", (max(w for w, _ in sizes), sum(h for _, h in sizes)), "white")
    down = 0
    for row, (width, height) in zip(parts, sizes, strict=True):
        across = (made.width - width) // 2
        for one in row:
            made.paste(one, (across, down + (height - one.height) // 2))
            across += one.width
        down += height
    return made


def _cut(ink: np.ndarray, box: Box, rows: int, columns: int) -> list[Row]:
    """The panels in so many rows and columns, without their margins; [] without gaps."""
    left, top, right, bottom = box
    found: list[Row] = []
    across = _gaps(ink[top:bottom, left:right].any(axis=1), rows, widest=True)
    if len(across) < rows - 1:
        return []
    for first, last in pairwise([top, *(top + cut for cut in across), bottom]):
        down = _gaps(ink[first:last, left:right].any(axis=0), columns)
        if len(down) < columns - 1:
            return []
        edges = pairwise([left, *(left + cut for cut in down), right])
        boxes = [(start, first, end, last) for start, end in edges]
        inked = [one for one in boxes if ink[first:last, one[0] : one[2]].any()]
        found += _with_axis(ink, [_trim(ink, one) for one in inked])
    return found


def _with_axis(ink: np.ndarray, row: list[Box]) -> list[Row]:
    """The panels of a row; before those without ticks of their own, the axis of the first."""
    found: list[Row] = []
    axis = _axis(ink, row[0])
    for at, (left, top, right, bottom) in enumerate(row):
        own = _axis(ink, row[at])
        if at and axis > TICKS and 0 <= own <= TICKS:
            top, bottom = min(top, row[0][1]), max(bottom, row[0][3])
            strip = (row[0][0], top, row[0][0] + axis - STROKE, bottom)
            found.append([strip, (left, top, right, bottom)])
        else:
            found.append([(left, top, right, bottom)])
    return found


def _axis(ink: np.ndarray, box: Box) -> int:
    """Pixels from the left of a box to the line of its vertical axis; -1 where there is none."""
    left, top, right, bottom = box
    lines = np.flatnonzero(ink[top:bottom, left:right].mean(axis=0) > 0.5)
    return int(lines[0]) if len(lines) else -1


def _white(inked: Any) -> list[tuple[int, int]]:
    """Start and end of each white run of a line of pixels, without those at its ends."""
    edges = np.flatnonzero(np.diff(np.r_[1, inked.astype(int), 1]))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(a, b) for a, b in runs if a > 0 and b < len(inked)]


def _gaps(inked: Any, parts: int, widest: bool = False) -> list[int]:
    """Where to cut a line of pixels into parts of about one length.

    Panels side by side are parted in the first gap near there: behind it come the names and the
    numbers of the next one's axis, with gaps of their own. Those below one another in the `widest`,
    between what is written below the one and above the other.
    """
    length, cuts = len(inked), []
    white = [(a, b) for a, b in _white(inked) if b - a >= GAP]
    if not widest:  # behind a panel, and not behind what is written at an axis
        white = [(a, b) for a, b in white if inked[max(0, a - PANEL) : a].mean() > 0.85]
    for i in range(1, parts):
        target, reach = i * length / parts, 0.3 * length / parts
        near = [(a, b) for a, b in white if abs((a + b) / 2 - target) < reach]
        if not near:
            return []
        chosen = max(near, key=lambda gap: gap[1] - gap[0]) if widest else near[0]
        cuts.append(sum(chosen) // 2)
    return cuts


def _trim(ink: np.ndarray, box: Box) -> Box:
    """A box without its white margins but for a narrow one; something must be in it."""
    left, top, right, bottom = box
    part = ink[top:bottom, left:right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return (
        max(left, left + int(columns[0]) - MARGIN),
        max(top, top + int(rows[0]) - MARGIN),
        min(right, left + int(columns[-1]) + 1 + MARGIN),
        min(bottom, top + int(rows[-1]) + 1 + MARGIN),
    )
