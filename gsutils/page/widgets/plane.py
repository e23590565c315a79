r"""The dual phase plane of two examples and two features, coupled as in Eq. 15.

>>> phase_plane(delta=2)
Traceback (most recent call last):
ValueError: delta must lie in (-1, 1), got 2
"""

from collections.abc import Sequence
from math import inf

import numpy as np
from matplotlib.axes import Axes
from scipy.special import expit

from gsutils import dual, perturbation
from gsutils.page import plots
from gsutils.page.widgets import live

FLOWS = {
    "exact": "exact flow (Eq. 9)",
    "taylor": "Taylor flow (Eq. 10)",
    "sd": "spectral decoupling (Eq. 18)",
}
LAMS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ALPHA0 = 1e-4  # start of the followed trajectory, as a share of the plane's side: z near zero
_ARROW, _PATH, _INK = "#c3cad3", "#8793a3", "#1f2933"
_STARTS = [(a, b) for a in (0.03, 0.5, 0.97) for b in (0.03, 0.5, 0.97) if (a, b) != (0.5, 0.5)]


def phase_plane(
    s1: float = 3.0, s2: float = 2.0, delta: float = 0.5, lam: float = 1.0, kind: str = "exact"
) -> None:
    r"""Show the dual flow of two examples and two features, with sliders where a person watches.

    Args:
        s1: strength of feature 1, > 0.
        s2: strength of feature 2, > 0.
        delta: coupling δ of Eq. 15, in (-1, 1).
        lam: the λ > 0 of Eq. 5, or of Eq. 17 for "sd".
        kind: "exact" (Eq. 9), "taylor" (Eq. 10) or "sd" (Eq. 18).

    Raises:
        ValueError: an argument out of range. Moving a slider raises nothing: it shows a message.
    """
    settings = {"s1": s1, "s2": s2, "delta": delta, "lam": lam, "kind": kind}
    _check(s1, s2, delta, lam, kind)
    live.present(
        draw_phase_plane,
        settings,
        lambda: {
            "s1": live.slider(s1, "strength s₁", 0.1, 8.0, 0.1),
            "s2": live.slider(s2, "strength s₂", 0.1, 8.0, 0.1),
            "delta": live.slider(delta, "coupling δ", -0.99, 0.99, 0.01),
            "lam": live.choice(lam, "λ", LAMS),
            "kind": live.menu(kind, "flow", FLOWS),
        },
    )


def draw_phase_plane(
    axes: Sequence[Axes], s1: float, s2: float, delta: float, lam: float, kind: str
) -> None:
    r"""Draw the phase plane into the first axis, the responses over time into the second.

    Left, in (0, 1)² or, where the fixed point is close to 0, in its corner: the direction of
    :math:`\dot\alpha`, the two lines on which one example's :math:`\dot\alpha_i` is zero,
    trajectories, and the fixed point. Right: :math:`|z_1|, |z_2|` (Eq. 11) along the trajectory
    that starts next to 0; dotted: at the fixed point. Time is that of
    :func:`gsutils.dual.flow` with η = 1.

    Args:
        axes: two axes.
        s1: strength of feature 1, > 0.
        s2: strength of feature 2, > 0.
        delta: coupling δ of Eq. 15, in (-1, 1).
        lam: λ > 0.
        kind: "exact", "taylor" or "sd".

    Raises:
        ValueError: an argument out of range.
    """
    _check(s1, s2, delta, lam, kind)
    problem = (perturbation.coupling(delta), np.square([s1, s2], dtype=float), float(lam), kind)
    alpha = dual.fixed_point(*problem)
    side = 1.0 if alpha.max() > 0.1 else 3 * alpha.max()
    times = _times(*problem)
    followed, *others = _paths(side * np.array([(ALPHA0, ALPHA0), *_STARTS]), times, *problem)
    plane, responses = axes
    settings = f"s₁ = {s1:g}, s₂ = {s2:g}, δ = {live.minus(delta)}, λ = {lam:g}"
    _draw_field(plane, side, *problem)
    for path in others:
        plane.plot(*path.T, color=_PATH, linewidth=1, zorder=2)
    method = plots.METHODS["sd" if kind == "sd" else "erm"].colour
    plane.plot(*followed.T, color=method, linewidth=2.4, zorder=3, label="followed on the right")
    plane.plot(*alpha, "o", color=_INK, markersize=8, markeredgecolor="white", zorder=4,
               clip_on=False, label=f"fixed point ({alpha[0]:.3g}, {alpha[1]:.3g})")  # fmt: skip
    plane.set(xlim=(0, side), ylim=(0, side), aspect="equal", title=FLOWS[kind])
    plane.set(xlabel="α₁ (example 1)", ylabel="α₂ (example 2)")
    plane.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9)

    end = np.abs(dual.response_at(alpha, *problem))
    z = np.abs(dual.response_at(followed, *problem))
    for j, (colour, dashes, _) in enumerate(plots.FEATURES[:2]):
        responses.axhline(end[j], color=colour, linewidth=0.8, linestyle=":")
        responses.plot(times[1:], z[1:, j], dashes, color=colour, linewidth=2.2,
                       label=f"|z{'₁₂'[j]}|, at the fixed point {end[j]:.3g}")  # fmt: skip
    responses.set(xscale="log", xlim=times[[1, -1]], ylim=(0, 1.3 * max(end.max(), z.max())))
    responses.set(xlabel="time t", ylabel="response", title=settings)
    responses.legend(loc="upper left", fontsize=9)


def _draw_field(
    ax: Axes, side: float, U: np.ndarray, s2: np.ndarray, lam: float, kind: str
) -> None:
    """Draw directions of the flow and its two nullclines."""
    coarse = side * np.linspace(0.03, 0.97, 18)
    where = np.stack(np.meshgrid(coarse, coarse), -1)
    direction = dual.velocity(where, U, s2, lam, kind)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    ax.quiver(where[..., 0], where[..., 1], direction[..., 0], direction[..., 1], color=_ARROW,
              pivot="mid", angles="xy", scale=27, width=0.0042, zorder=1)  # fmt: skip
    fine = side * expit(np.linspace(-9, 9, 241))  # dense at both ends, where the fixed point may be
    field = dual.velocity(np.stack(np.meshgrid(fine, fine), -1), U, s2, lam, kind)
    lines = ((plots.GREY, "--", "α₁ at rest"), (plots.CASES[2].colour, "-.", "α₂ at rest"))
    for i, (colour, dashes, label) in enumerate(lines):
        ax.contour(fine, fine, field[..., i], [0], colors=colour, linestyles=dashes, linewidths=1.6,
                   zorder=3)  # fmt: skip
        ax.plot([], [], dashes, color=colour, linewidth=1.6, label=label)


def _paths(
    starts: np.ndarray,
    times: np.ndarray,
    U: np.ndarray,
    s2: np.ndarray,
    lam: float,
    kind: str,
) -> np.ndarray:
    """Return the trajectories (k, times, 2) from starts (k, 2), by one flow of k blocks."""
    many = len(starts)
    blocks = np.kron(np.eye(many), U), np.tile(s2, many), lam
    paths = dual.flow(starts.ravel(), *blocks, times, kind)
    return paths.reshape(len(times), many, 2).swapaxes(0, 1)


def _times(U: np.ndarray, s2: np.ndarray, lam: float, kind: str) -> np.ndarray:
    """Return 0 and times up to twelve times the slowest one at the fixed point."""
    strengths = np.ones(2) if kind == "sd" else s2
    v = dual.curvature(dual.margins(U, s2, lam, kind), kind)
    rates = np.diag(1 / v) + (U * strengths) @ U.T / lam
    end = 12 / np.linalg.eigvalsh(rates)[0]
    return np.concatenate([[0], np.geomspace(1e-5 * end, end, 70)])


def _check(s1: float, s2: float, delta: float, lam: float, kind: str) -> None:
    for name, value in (("s1", s1), ("s2", s2), ("lam", lam)):
        if not 0 < value < inf:
            raise ValueError(f"{name} must be > 0 and finite, got {value}")
    if not -1 < delta < 1:
        raise ValueError(f"delta must lie in (-1, 1), got {delta}")
    if kind not in FLOWS:
        raise ValueError(f"kind must be in {tuple(FLOWS)}, got {kind!r}")
