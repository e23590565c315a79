"""Draw the picture of the README and of the first page: Figure 1 (a-c), by chapter 1's code.

Run ``python -m tools.picture`` after a change that moves the figure.
"""

from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np

from gsutils import evaluate
from gsutils.experiments import two_moons
from gsutils.page import panels, plots
from gsutils.text import pm
from tools import slim

TARGET = Path(__file__).resolve().parents[1] / "book" / "_static" / "fig1.png"


def vertical(run: two_moons.Trained, step: float = 1e-3) -> np.ndarray:
    """Return the share of the slope along the vertical coordinate at the points, % (seeds)."""

    def slope(*direction: float) -> np.ndarray:
        shift = step * np.array(direction)
        ahead, behind = (evaluate.predict(run.model, run.X + s) for s in (shift, -shift))
        return np.abs(ahead - behind).mean(1)

    across, up = slope(1, 0), slope(0, 1)
    return 100 * up / (across + up)


def draw(target: Path = TARGET) -> Path:
    """Train the ten seeds of Figure 1 (about 20 s on two CPU cores) and write the picture."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    titles = ("classes overlap", "a small gap", "a small gap, spectral decoupling")
    with plots.style():
        fig, axes = plt.subplots(1, 3, figsize=(10, 3.8))
        trained = two_moons.ENTRIES["figure1"].train("quick").values()
        for ax, title, run in zip(axes, titles, trained):
            x1, x2, probability = run.grid()
            plots.decision(ax, x1, x2, probability)
            plots.points(ax, run.X[0], run.y[0])
            plots.panel(ax, title, f"vertical: {pm(vertical(run), '.0f')} % of the slope")
        fig.savefig(target, dpi=160)
        panels.stack(fig)
        fig.savefig(phone := BytesIO(), dpi=200)  # which tools.phone takes out again
        both = slim.packed(target.read_bytes()), slim.packed(phone.getvalue())
        target.write_bytes(panels.put(*both))
        plt.close(fig)
    return target


if __name__ == "__main__":
    print(draw())
