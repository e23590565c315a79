"""The lengths of the shortest disturbances that PGD and bisection find."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsutils import guards
from gsutils.attack._geometry import (
    NORMS,
    Model,
    check,
    check_eps,
    column,
    lead,
    logit_margin,
    norm_of,
)
from gsutils.attack._pgd import pgd


def margins(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "l2",
    **options: Any,
) -> Tensor:
    """Return the length of the shortest disturbance found, (n,): see :func:`nearest`."""
    return nearest(model, X, y, eps, norm, **options)[1]


def nearest(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "l2",
    *,
    halvings: int = 14,
    chunk_size: int = 500,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    r"""Return where the shortest disturbance found crosses the boundary, and how long it is.

    Balls of growing radius are attacked in turn, until an example falls; then the segment from the
    example to what fell is bisected. The share of margins above ε is the accuracy under attack.

    Args:
        model: as in :func:`pgd`.
        X: (n, ...).
        y: labels, (n,).
        eps: radii to attack at, increasing.
        norm: "l2" or "linf".
        halvings: of the segment; the error is eps[-1] / 2^halvings.
        chunk_size: examples at a time.
        options: those of :func:`pgd`.

    Returns:
        The points (n, ...), and the margins (n,) in units of X. A margin is 0 where the model is
        wrong anyway, inf where no attack succeeded: there the point is X itself. Margins are upper
        bounds of the true ones, except for linear models of two classes.

    Raises:
        ValueError: an argument out of range.
    """
    box = check(X, y, options.get("box", (0.0, 1.0)))
    guards.chosen("norm", norm, NORMS)
    guards.count("halvings", halvings)
    guards.count("chunk_size", chunk_size)
    eps, X, options = check_eps(eps), X.detach(), options | {"box": box}
    found = [
        _nearest(model, *part, eps, norm, halvings, options)
        for part in zip(X.split(chunk_size), y.split(chunk_size))
    ]
    return torch.cat([points for points, _ in found]), torch.cat([margin for _, margin in found])


def crossing(model: Model, X: Tensor, moved: Tensor, y: Tensor, halvings: int = 14) -> Tensor:
    """Return where the way from X to ``moved`` crosses the boundary, by bisection.

    Args:
        model: as in :func:`pgd`.
        X: inputs that the model gets right, (n, ...).
        moved: inputs that it gets wrong, (n, ...).
        y: labels, (n,).
        halvings: how often the way is halved.

    Returns:
        (n,), shares of the way in (0, 1], a little beyond a crossing.

    Raises:
        ValueError: an argument out of range.
    """
    guards.count("halvings", halvings)
    if moved.shape != X.shape:
        raise ValueError(f"moved must be {tuple(X.shape)}, as X is, got {tuple(moved.shape)}")
    low, high = X.new_zeros(len(X)), X.new_ones(len(X))
    with torch.no_grad():
        for _ in range(halvings):
            middle = (low + high) / 2
            wrong = lead(model(X + column(middle, X) * (moved - X)), y) <= 0
            low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return high


def _nearest(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str,
    halvings: int,
    options: dict[str, Any],
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        right = logit_margin(model(X), y) > 0
    points, margin = X.clone(), torch.where(right, torch.inf, 0.0).to(X)
    for radius in eps:
        (standing,) = margin.isinf().nonzero(as_tuple=True)
        if not len(standing):
            break
        x, label = X[standing], y[standing]
        moved = pgd(model, x, label, radius, norm, **options)
        with torch.no_grad():
            fell = lead(model(moved), label) <= 0
        x, moved, label = x[fell], moved[fell], label[fell]
        delta = moved - x
        delta = delta * column(crossing(model, x, moved, label, halvings), x)
        points[standing[fell]], margin[standing[fell]] = x + delta, norm_of(delta, norm)
    return points, margin


def accuracy_under_attack(margin: Tensor, eps: Sequence[float]) -> np.ndarray:
    """Return the share of examples that no disturbance up to ε fells, for each ε.

    Args:
        margin: (..., n), from :func:`margins`.
        eps: (k,), the largest not above what the margins were sought up to.

    Returns:
        (..., k), fractions.
    """
    eps = check_eps(eps)
    if bool(margin.isnan().any()) or bool((margin < 0).any()):
        raise ValueError("margin must be >= 0, it holds nan or negative numbers")
    values = margin.cpu().numpy()
    return np.stack([(values > radius).mean(-1) for radius in eps], -1)
