"""Projected gradient descent."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from gsutils.attack._geometry import Box, Model, check, inside, logit_margin, random_within, unit
from gsutils.seeding import stream

OBJECTIVES = ("margin", "loss")


def pgd(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: float,
    norm: str = "l2",
    *,
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    seed: int = 0,
    objective: str = "margin",
    box: Box = (0.0, 1.0),
) -> Tensor:
    r"""Return inputs within ``eps`` of X that the model should get wrong.

    The steepest step of the norm, projected back to the ball and the box:
    :math:`x \leftarrow \Pi(x - \eta\, g / \|g\|_2)` or :math:`\Pi(x - \eta \operatorname{sign} g)`.
    Of all points passed, that with the smallest logit margin is returned.

    Args:
        model: maps inputs (n, ...) to logits (n,) or (n, classes); in evaluation mode.
        X: (n, ...).
        y: labels -1/+1, or class numbers, (n,).
        eps: radius of the ball, in units of X, >= 0.
        norm: "l2" or "linf".
        steps: gradient steps of each start.
        step_size: default 2.5 * ``eps`` / ``steps``, so that the far side can be reached.
        restarts: the first starts at X, each further one at a random point of the ball.
        seed: of the random starts, ``stream(seed, "attack")``.
        objective: what goes downhill: "margin", the logit margin; or "loss", minus the logistic
            loss or cross-entropy, as in most of the literature: its gradient vanishes in floating
            point where the model is very sure of the right answer.
        box: the range of an input; None for no limit.

    Returns:
        Like X, without gradient.

    Raises:
        ValueError: an argument out of range.

    Source: Madry, Makelov, Schmidt, Tsipras and Vladu 2018; section 4.2.
    """
    check(X, y, [eps], norm, steps)
    if restarts < 1 or objective not in OBJECTIVES:
        raise ValueError(
            f"restarts must be >= 1 and objective in {OBJECTIVES}, got {restarts}, {objective!r}"
        )
    size = 2.5 * eps / steps if step_size is None else step_size
    rng = stream(seed, "attack")
    with torch.no_grad():
        lowest = logit_margin(model(X), y)
    best = X.clone()

    def keep(point: Tensor, margin: Tensor) -> None:
        better = margin < lowest
        best[better] = point[better]
        lowest[better] = margin[better]

    for start in range(restarts):
        point = X if not start else inside(X + random_within(X, eps, norm, rng), X, eps, norm, box)
        for _ in range(steps):
            point = point.detach().requires_grad_()
            logits = model(point)
            margin = logit_margin(logits, y)
            uphill = margin if objective == "margin" else -_loss(logits, y)
            (gradient,) = torch.autograd.grad(uphill.sum(), point)
            keep(point.detach(), margin.detach())
            step = gradient.sign() if norm == "linf" else unit(gradient)
            point = inside(point.detach() - size * step, X, eps, norm, box)
        with torch.no_grad():
            keep(point, logit_margin(model(point), y))
    return best


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    if logits.ndim == 1:
        return softplus(-y * logits)
    return cross_entropy(logits, y, reduction="none")
