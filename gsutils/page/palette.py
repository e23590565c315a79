"""One palette, one meaning: which colour, line and marker stands for what in the whole book.

Figures and the playground take their colours from here. Orange is spectral decoupling and nothing
else, slate is plain training. What stands side by side in a figure differs in its colour for all
readers, the colour-blind among them, and in its line and marker besides; `tests/test_palette.py`
computes it. Train and test are no colours but lines: a method keeps its colour, dashed on what it
was trained on and solid on what is new.

>>> METHODS["sd"].colour == DECOUPLED
True
>>> shades(DECOUPLED, 3)[1] == DECOUPLED
True
"""

from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb


class Look(NamedTuple):
    """What stands for one thing: a colour (hex), a line and a marker of Matplotlib."""

    colour: str
    line: str
    marker: str


NEGATIVE, POSITIVE = "#2a6f97", "#d1495b"  # class -1, class +1; a function's sign
PLAIN, DECOUPLED = "#44546a", "#e08e0b"  # plain training; spectral decoupling
DECAY = "#2b8a5b"  # weight decay
INVARIANT = "#9b46ba"  # methods that are told the environments
GROUPED = "#3a9bd9"  # methods that are told the groups
GUESSED = "#822913"  # methods that guess them
INK, PALE = "#111111", "#b3bcc7"  # theory, guides, what could be had without the shortcut
GREY = "#949494"
TRAIN, TEST = "--", "-"  # lines
FEATURE_1, FEATURE_2, FEATURE_3 = "#b03090", "#17a398", "#0a3d38"  # the first is the easy one
DIGITS = ("#4cc9f0", "#f4e04d")  # the colours of coloured digits, on black

CLASSES = {-1: Look(NEGATIVE, "-", "o"), 1: Look(POSITIVE, "--", "^")}
FEATURES = (
    Look(FEATURE_1, "-", "o"),
    Look(FEATURE_2, "--", "s"),
    Look(FEATURE_3, ":", "^"),
)
METHODS = {
    "erm": Look(PLAIN, "--", "o"),
    "sd": Look(DECOUPLED, "-", "^"),
    "decay": Look(DECAY, "-.", "s"),
    "irm": Look(INVARIANT, ":", "<"),
    "vrex": Look(INVARIANT, "-.", ">"),
    "group_dro": Look(GROUPED, ":", "D"),
    "balanced": Look(GROUPED, "--", "P"),
    "lff": Look(GUESSED, ":", "v"),
    "augmented": Look(INK, "--", "X"),
    "oracle": Look(INK, "-", "*"),
}
# What has no colour of its own: two solvers, three starts, a formula and its limit.
CASES = (Look(INK, "-", "o"), Look(GREY, "--", "s"), Look("#7a5230", ":", "^"))

MAP = LinearSegmentedColormap.from_list("classes", ["#7fb2d3", "#ffffff", "#eda3ad"])
FEATURE_MAP = LinearSegmentedColormap.from_list("features", [FEATURE_1, "#ffffff", FEATURE_2])
CHANGE_MAP = "PiYG"  # of a change: pink, it falls (starves); green, it grows (feeds)


def shades(colour: str, count: int) -> list[str]:
    """Shades of a colour, from light to dark with the colour itself in the middle.

    For values of one setting of one thing: three λ of spectral decoupling are three oranges.
    """
    place = np.linspace(-0.55, 0.55, count) if count > 1 else np.zeros(1)
    rgb, white, black = (np.array(to_rgb(c)) for c in (colour, "white", "black"))
    return [to_hex(rgb + abs(p) * ((white if p < 0 else black) - rgb)) for p in place]
