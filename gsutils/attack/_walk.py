"""A walk along the boundary that begins far from the image."""

import torch
from torch import Tensor

from gsutils import guards
from gsutils.attack._geometry import (
    Box,
    Model,
    check,
    check_answers,
    column,
    foot,
    lead,
    norm_of,
    unit,
)
from gsutils.attack._margins import crossing


@torch.inference_mode(False)
def from_afar(
    model: Model,
    X: Tensor,
    moved: Tensor,
    y: Tensor,
    rounds: int = 10,
    halvings: int = 14,
    box: Box = (0.0, 1.0),
) -> Tensor:
    r"""Return the shortest disturbance met on a walk along the boundary that begins far away, (n,).

    No slope near X is needed: the walk begins where the straight line from X to ``moved`` crosses
    the boundary. There it heads for the foot of the perpendicular from X on the tangent plane, a
    part of the way if that is not beyond the boundary, and returns to it on the line to X.

    Args:
        model: as in :func:`pgd`.
        X: inputs, (n, ...).
        moved: inputs that the model gets wrong by the labels of X, such as images of another
            class that it gets right, (n, ...).
        y: labels of X, (n,).
        rounds: steps of the walk, >= 1.
        halvings: of the line to X, at each step.
        box: the range of an input; None for no limit.

    Returns:
        L2 margins as :func:`margins` gives them, inf where the model gets ``moved`` right.

    Raises:
        ValueError: an argument out of range.

    Source: Brendel, Rauber, Kümmerer, Ustyuzhaninov and Bethge 2019, simplified.
    """
    box = check(X, y, box)
    guards.count("rounds", rounds)
    guards.count("halvings", halvings)
    X, moved, y = X.detach().clone(), moved.detach().clone(), y.clone()
    if moved.shape != X.shape:
        raise ValueError(f"moved must be {tuple(X.shape)}, as X is, got {tuple(moved.shape)}")

    def wrong(points: Tensor) -> Tensor:
        with torch.no_grad():
            return lead(model(points), y) <= 0

    with torch.no_grad():
        check_answers(model(X), y)
    astray, shortest = wrong(X), torch.full_like(X.flatten(1)[:, 0], torch.inf)
    reached, point = wrong(moved), moved
    for _ in range(rounds):
        point = start = X + column(crossing(model, X, point, y, halvings), X) * (point - X)
        shortest = torch.minimum(shortest, norm_of(start - X, "l2"))
        at = start.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(lead(model(at), y).sum(), at)
        target = foot(X, start, unit(gradient), box)
        for part in (0.125, 0.25, 0.5, 1.0):
            # A little beyond the tangent plane, since the boundary may bend away.
            tried = X + 1.05 * (start + part * (target - start) - X)
            tried = tried if box is None else tried.clamp(*box)
            point = torch.where(column(wrong(tried), X), tried, point)
    shortest = torch.where(reached, shortest, torch.inf)
    return torch.where(astray, 0.0, shortest)
