"""Figures for a wall: a figure's panels one by one, as large as a room's last row needs them.

A figure of the book is drawn for a page. On a slide that shows all of it, its letters would be too
small: so it is cut between its panels, where a white gap goes through all of it, until each piece
fits the stage with letters of `LETTERS` pixels. What heads or explains all panels comes with each.

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
BELOW, BESIDE = (1244, 664), (896, 704)
MARGIN = 10  # pixels that stay white around a piece
GAP = 5  # pixels of white between two panels, at least
MOST = 4  # panels in a row or a column
LINES = 90  # pixels that a heading or a legend of all panels takes, at most
GROUND = 248  # a level from which on a pixel is white

Box = tuple[int, int, int, int]


def fits(size: tuple[int, int], room: tuple[int, int]) -> bool:
    """Whether a picture of a size (pixels of its file) has legible letters in a room."""
    return all(SCALE * length <= most for length, most in zip(size, room, strict=True))


def pieces(picture: Image.Image) -> list[Image.Image]:
    """The parts of a figure that fit the stage, in reading order; all of it where none do."""
    ink = np.asarray(picture.convert("L")) < GROUND
    if not ink.any():
        return [picture]
    whole = _trim(ink, (0, 0, picture.width, picture.height))
    for head, boxes, foot in _ways(ink, whole):
        parts = [_joined(picture, [head, box, foot]) for box in boxes]
        if all(fits(part.size, BELOW) or fits(part.size, BESIDE) for part in parts):
            return parts
    return [picture.crop(whole)]


def _ways(ink: np.ndarray, whole: Box) -> Iterator[tuple[Box | None, list[Box], Box | None]]:
    """Ways to cut, the fewest pieces first: what is above all panels, them, what is below."""
    left, top, right, bottom = whole
    bands = [(a, b) for a, b in _white(ink[top:bottom, left:right].any(axis=1)) if b - a >= GAP]
    heads: list[int] = [top + a for a, _ in bands[:1] if a <= LINES]
    feet: list[int] = [top + b for _, b in bands[-1:] if bottom - top - b <= LINES]
    grids = sorted(product(range(1, MOST + 1), repeat=2), key=lambda grid: grid[0] * grid[1])
    for (rows, columns), end, start in product(grids, [bottom, *feet], [top, *heads]):
        if boxes := _cut(ink, (left, start, right, end), rows, columns):
            head = _trim(ink, (left, top, right, start)) if start > top else None
            foot = _trim(ink, (left, end, right, bottom)) if end < bottom else None
            yield head, boxes, foot


def _joined(picture: Image.Image, boxes: list[Box | None]) -> Image.Image:
    """Parts of a picture below one another, centred."""
    parts = [picture.crop(box) for box in boxes if box]
    size = max(part.width for part in parts), sum(part.height for part in parts)
    made, at = Image.new("RGB", size, "white"), 0
    for part in parts:
        made.paste(part, ((made.width - part.width) // 2, at))
        at += part.height
    return made


def _cut(ink: np.ndarray, box: Box, rows: int, columns: int) -> list[Box]:
    """Boxes of the panels in so many rows and columns, without their margins; [] without gaps."""
    left, top, right, bottom = box
    found: list[Box] = []
    across = _gaps(ink[top:bottom, left:right].any(axis=1), rows)
    if len(across) < rows - 1:
        return []
    for first, last in pairwise([top, *(top + cut for cut in across), bottom]):
        down = _gaps(ink[first:last, left:right].any(axis=0), columns)
        if len(down) < columns - 1:
            return []
        for start, end in pairwise([left, *(left + cut for cut in down), right]):
            if ink[first:last, start:end].any():
                found.append(_trim(ink, (start, first, end, last)))
    return found


def _white(inked: Any) -> list[tuple[int, int]]:
    """Start and end of each white run of a line of pixels, without those at its ends."""
    edges = np.flatnonzero(np.diff(np.r_[1, inked.astype(int), 1]))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(a, b) for a, b in runs if a > 0 and b < len(inked)]


def _gaps(inked: Any, parts: int) -> list[int]:
    """Where to cut a line of pixels into parts of about one length: in its widest white gaps."""
    length, cuts = len(inked), []
    white = [(a, b) for a, b in _white(inked) if b - a >= GAP]
    for i in range(1, parts):
        target, reach = i * length / parts, 0.3 * length / parts
        near = [(a, b) for a, b in white if abs((a + b) / 2 - target) < reach]
        if not near:
            return []
        a, b = max(near, key=lambda gap: gap[1] - gap[0])
        cuts.append((a + b) // 2)
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
