"""Draw the card that a link to the book shows where it is shared: 1200 x 630 pixels.

Run ``python -m tools.social_card`` after a change of the title or the colours.
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from gsutils.data import moons
from tools.identity import CARD, CARD_SIZE

TARGET = Path(__file__).resolve().parents[1] / "book" / CARD
GROUND, INK, MUTED, STRONG, STARVED = "#17344d", "#f4f7f9", "#b9cbd8", "#74b6de", "#ff8f86"


def draw(target: Path = TARGET) -> Path:
    """Write the card: the title, the claim, and two moons with a boundary that hardly bends."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    X, y = moons.two_moons(seed=0, delta=0.1)
    settings: Any = {"font.family": "STIXGeneral", "text.color": INK}
    with plt.rc_context(settings):
        fig = plt.figure(figsize=(CARD_SIZE[0] / 100, CARD_SIZE[1] / 100), facecolor=GROUND)
        picture = fig.add_axes((0.56, 0.06, 0.42, 0.88))
        for label, colour, marker, strength in ((-1, STRONG, "o", 1.0), (1, STARVED, "^", 0.75)):
            x1, x2 = X[y == label].T
            picture.scatter(x1, x2, s=34, c=colour, marker=marker, alpha=strength, lw=0)
        height = np.linspace(-2, 2, 100)
        picture.plot(0.05 * np.sin(2 * height), height, color=INK, lw=2.5)
        picture.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
        picture.axis("off")
        fig.text(
            0.06, 0.66, "Gradient\nStarvation", size=72, weight="bold", va="center", linespacing=1
        )
        fig.text(0.06, 0.37, "An executable book", size=36, color=STRONG, va="center")
        claim = "A network that could learn two things\nlearns the easier one, and then stops."
        fig.text(0.06, 0.19, claim, size=25, color=MUTED, va="center", linespacing=1.4)
        fig.savefig(target, dpi=100, facecolor=GROUND, metadata={"Software": None})
        plt.close(fig)
    return target


if __name__ == "__main__":
    print(draw())
