"""Train the two-moons network of Figure 1 and look at its input margin.

>>> two_moons_trainer(steps=0)
Traceback (most recent call last):
ValueError: steps must lie in 1..10000, got 0
"""

from collections.abc import Sequence
from math import inf

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from gsutils.experiments import two_moons
from gsutils.page import plots
from gsutils.page.widgets import live

LAMS = (0.0, 0.001, 0.002, 0.006, 0.02, 0.06, 0.2)
WEIGHT_DECAYS = (0.0, 2e-4, 1e-3, 1e-2, 3e-2)
STEPS = (100, 300, 1000, 3000)
_INK = "#1f2933"


def two_moons_trainer(
    delta: float = 0.1, lam: float = 0.0, weight_decay: float = 0.0, steps: int = 1000
) -> None:
    """Train the network of Figure 1 on seed 0 and show its decision map and input margin.

    With sliders where a person watches: a change trains anew, some two seconds for 1,000 steps on
    a CPU.

    Args:
        delta: half the width of the gap between the moons, the paper's Δ, in [-1, 1].
        lam: coefficient of spectral decoupling, the λ >= 0 of Eq. 17.
        weight_decay: PyTorch's, >= 0; the λ of Eq. 5 is 300 times as large (300 points).
        steps: updates, 1 to 10,000.

    Raises:
        ValueError: an argument out of range. Moving a slider raises nothing: it shows a message.
    """
    settings = {"delta": delta, "lam": lam, "weight_decay": weight_decay, "steps": steps}
    if not -1 <= delta <= 1:
        raise ValueError(f"delta must lie in [-1, 1], got {delta}")
    for name in ("lam", "weight_decay"):
        if not 0 <= settings[name] < inf:
            raise ValueError(f"{name} must be >= 0 and finite, got {settings[name]}")
    if not 1 <= steps <= 10_000:
        raise ValueError(f"steps must lie in 1..10000, got {steps}")

    live.present(
        _train_and_draw,
        settings,
        lambda: {
            "delta": live.slider(delta, "gap Δ", -0.3, 0.5, 0.05),
            "lam": live.choice(lam, "SD, λ", LAMS),
            "weight_decay": live.choice(weight_decay, "weight decay", WEIGHT_DECAYS),
            "steps": live.choice(steps, "steps", STEPS),
        },
    )


def draw_two_moons(axes: Sequence[Axes], trained: two_moons.Trained) -> None:
    """Draw the decision map of the first run, and how many of its points a shift turns over.

    The circle around the point nearest to the boundary has the input margin for its radius.

    Args:
        axes: two axes.
        trained: from :func:`gsutils.experiments.two_moons.train`.
    """
    plane, shares = axes
    X, y, distances = trained.X[0], trained.y[0], trained.distances[0]
    x1, x2, probability = trained.grid(resolution=120)
    plots.decision(plane, x1, x2, probability[:1], each=False)
    plots.points(plane, X, y)
    margin = distances.min()
    case = trained.case
    settings = f"Δ = {live.minus(case.delta)}, λ = {case.lam:g}, weight decay {case.weight_decay:g}"
    plots.panel(plane, settings, f"{trained.history.steps[-1]:,} steps")
    if 0 < margin < inf:
        nearest = X[distances.argmin()]
        plane.add_patch(Circle(nearest, margin, fill=False, color=_INK, linewidth=1.6, zorder=3))
    shift = np.linspace(0, 1, 201)
    shares.plot(shift, 100 * (distances[:, None] < shift).mean(0), color=_INK)
    shares.axvline(max(margin, 0), color=plots.GREY, linestyle="--")
    shares.set(xlim=(0, 1), ylim=(0, 100), xlabel="length of a shift ε")
    shares.set(ylabel="points that some shift turns over (%)")
    wrong = int((distances <= 0).sum())
    shares.set_title(
        f"{wrong} of {len(y)} points misclassified" if wrong else f"input margin {margin:.3f}"
    )


def _train_and_draw(
    axes: Sequence[Axes], delta: float, lam: float, weight_decay: float, steps: int
) -> None:
    case = two_moons.Case("two moons", steps, delta, lam, weight_decay)
    draw_two_moons(axes, two_moons.train(case, seeds=[0]))
