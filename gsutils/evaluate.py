r"""What a trained classifier is worth: accuracy, entropy, worst group, distance to the boundary.

Functions of logits and labels take a leading run axis and return one value per run.

>>> import torch
>>> accuracy(torch.tensor([[2.0, -1.0], [2.0, 1.0]]), torch.tensor([1.0, -1.0])).tolist()
[1.0, 0.5]
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import contourpy
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gsutils import guards
from gsutils.losses import check_labels

GOALS = ("average", "worst-group")  # what a threshold or an epoch is chosen for
HIGHEST = 1e300  # of a logit on a grid: nothing can be interpolated between infinities


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of examples on their label's side, a fraction; a logit of 0 counts half.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).

    Returns:
        (...), nan where a logit is nan.

    Raises:
        ValueError: shapes that do not match, or labels other than -1/+1.
    """
    check_labels(logits, y)
    share = (torch.sign(y * logits).mean(-1) + 1) / 2
    return torch.where(logits.isnan().any(-1), torch.nan, share)


def entropy(logits: Tensor) -> Tensor:
    r"""Return the mean entropy of the predictions in nats, from 0 (certain) to log 2 = 0.693.

    For one logit :math:`z` it is :math:`\log(1 + e^{|z|}) - \sigma(|z|)\,|z|`.

    Args:
        logits: (..., n).
    """
    z = logits.abs().clamp(max=1e30)  # infinity times zero is not a number
    return (softplus(-z) + z * torch.sigmoid(-z)).mean(-1)


def group_accuracy(logits: Tensor, y: Tensor, group: Tensor) -> dict[int, Tensor]:
    """Return the accuracy within each group; the worst group is the smallest of them.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,).
        group: group numbers, (n,).
    """
    if group.shape != y.shape:
        raise ValueError(
            f"group must have the shape of y, {tuple(y.shape)}, got {tuple(group.shape)}"
        )
    if y.ndim != 1:
        raise ValueError(f"y must be (n,), got {tuple(y.shape)}")
    return {
        int(g): accuracy(logits[..., group == g], y[group == g]) for g in group.unique().tolist()
    }


@dataclass(frozen=True)
class Split:
    """The labels (n,), -1/+1, and the groups (n,) of a split."""

    y: np.ndarray
    group: np.ndarray


def group_accuracies(logits: np.ndarray, split: Split, threshold: float = 0.0) -> np.ndarray:
    """Return the accuracy within each of the four groups, (4,), fractions.

    Args:
        logits: (n,).
        split: with labels and groups, 0..3.
        threshold: logits above it are decided +1; one equal to it counts half.

    Raises:
        ValueError: a group that is none of the four, or one without examples: it has no accuracy,
            and so there is no worst group.
    """
    if (found := np.unique(split.group).tolist()) != [0, 1, 2, 3]:
        raise ValueError(f"split must have examples of each of the groups 0..3, got {found}")
    parts = [torch.from_numpy(part) for part in (logits - threshold, split.y, split.group)]
    return np.array([float(value) for value in group_accuracy(*parts).values()])


def best_threshold(logits: np.ndarray, split: Split, goal: str) -> float:
    """Return the threshold on logits that does best on a split, halfway between two logits.

    Args:
        logits: (n,).
        split: usually the validation split.
        goal: "average" for the accuracy, "worst-group" for the smallest of the groups'.

    Raises:
        ValueError: an unknown goal, or logits that are not (n,), not finite or all the same.
    """
    guards.chosen("goal", goal, GOALS)
    ordered = np.unique(logits)
    if not np.isfinite(ordered).all() or len(ordered) < 2 or logits.shape != split.y.shape:
        raise ValueError(
            f"logits must be {split.y.shape}, finite, and not all the same: a threshold lies "
            f"between two of them; got {logits.shape} with {len(ordered)} different values"
        )
    middle = (ordered[1:] + ordered[:-1]) / 2
    right = []  # for each group, how many are right at each threshold
    for g in np.unique(split.group):
        of_group = split.group == g
        minus, plus = (np.sort(logits[of_group & side]) for side in (split.y < 0, split.y >= 0))
        above = len(plus) - np.searchsorted(plus, middle)
        right.append(np.searchsorted(minus, middle) + above)
    sizes = np.unique(split.group, return_counts=True)[1]
    shares = np.array(right) / sizes[:, None]
    score = shares.min(0) if goal == "worst-group" else sizes @ shares
    best = middle[score == score.max()]
    return float(best[np.abs(best).argmin()])


def log_odds(p: float) -> float:
    """Return log(p / (1 - p)): the threshold on a calibrated logit that decides at p."""
    p = guards.number("p", p, above=0.0, below=1.0)
    return float(np.log(p / (1 - p)))


def predict(model: nn.Module, X: np.ndarray, chunk_size: int = 4096) -> np.ndarray:
    """Return the logits of a model in evaluation mode, chunk by chunk, float64.

    Args:
        model: maps (k, d) or (runs, k, d) to (runs, k), or with K classes to (runs, k, K).
        X: inputs, (n, d) or (runs, n, d).
        chunk_size: examples at a time.

    Returns:
        (runs, n) or (runs, n, K).
    """
    guards.count("chunk_size", chunk_size)
    parameter = next(model.parameters())
    chunks = torch.as_tensor(X, dtype=parameter.dtype).split(chunk_size, dim=-2)
    with evaluating(model), torch.no_grad():
        logits = [model(chunk.to(parameter.device)) for chunk in chunks]
    examples = -1 if logits[0].ndim < 3 else -2
    return torch.cat(logits, examples).double().cpu().numpy()


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back to what it was."""
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    were = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part, was in zip(parts, were):
            part.training = was


def mean_std(values: Iterable[float] | np.ndarray) -> tuple[float, float]:
    """Return mean and sample standard deviation (n - 1) over runs; nan for a single run's std."""
    values = np.asarray(list(values), float)
    if not values.size:
        raise ValueError("there must be at least one value, got none")
    return float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else float("nan")


def boundary_distance(
    logits: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
    pad: float = 1.0,
    resolution: int = 150,
) -> np.ndarray:
    r"""Return the signed Euclidean distance of each point to the decision boundary, in the plane.

    The boundary is traced as polylines (marching squares) on a grid around the points; its
    smallest value over the training points is the **input margin**.

    Args:
        logits: maps points (k, 2) to logits (k,). They may be infinite; the boundary beside such
            points is known to a grid step.
        X: points, (n, 2).
        y: labels -1/+1, (n,).
        pad: how far the grid reaches beyond the points, in units of X. A boundary outside the
            grid is not seen: distances above ``pad`` are upper bounds, ``inf`` if there is none.
        resolution: grid points a side; the error is about the squared grid step times the
            boundary's curvature.

    Returns:
        (n,), negative where the point is misclassified.

    Raises:
        ValueError: X is not planar, shapes do not match, or an argument out of range.
    """
    guards.number("pad", pad, least=0.0)
    guards.count("resolution", resolution, least=2)
    if X.ndim != 2 or X.shape[1] != 2 or y.shape != X.shape[:1]:
        raise ValueError(f"X must be (n, 2) and y (n,), got {X.shape} and {y.shape}")
    check_labels(torch.from_numpy(np.asarray(y)), torch.from_numpy(np.asarray(y)))
    if not np.isfinite(X).all():
        raise ValueError("X must be finite, it holds nan or inf")
    x1, x2 = grid_axes(X, pad, resolution)
    grid = np.stack(np.meshgrid(x1, x2), -1).reshape(-1, 2)
    height = np.asarray(logits(grid), float).reshape(resolution, resolution)
    if np.isnan(height).any():
        raise ValueError("the logits are nan on the grid around the points: there is no boundary")
    distance = np.full(len(X), np.inf)
    height = height.clip(-HIGHEST, HIGHEST)
    for line in contourpy.contour_generator(x1, x2, height).lines(0.0):
        distance = np.minimum(distance, _distance_to_polyline(X, np.asarray(line)))
    return np.where(y * np.asarray(logits(X)) > 0, distance, -distance)


def grid_axes(X: np.ndarray, pad: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the two axes of a grid around planar points X (..., 2)."""
    points = X.reshape(-1, 2)
    low, high = points.min(0) - pad, points.max(0) + pad
    return np.linspace(low[0], high[0], resolution), np.linspace(low[1], high[1], resolution)


def _distance_to_polyline(X: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return the distance of points (n, 2) to a polyline (k, 2)."""
    start, step = line[:-1], np.diff(line, axis=0)
    length2 = np.maximum((step**2).sum(-1), np.finfo(float).tiny)
    along = (((X[:, None] - start) * step).sum(-1) / length2).clip(0, 1)
    nearest = start + along[..., None] * step
    return np.linalg.norm(X[:, None] - nearest, axis=-1).min(1)
